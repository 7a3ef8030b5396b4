using CloudArchive.Cli.Backup;
using CloudArchive.Format.Packs;

namespace CloudArchive.Cli.Setup;

/// <summary>A folder that looks as if it held images.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="HasDicom">Whether DICOM was found in it at a first look.</param>
internal sealed record ImagingFolder(string Path, bool HasDicom);

/// <summary>Looks where imaging software keeps its images. A first look at each: it proposes, a person decides.</summary>
internal static class ImagingFolders
{
    private const int FilesLookedAt = 300;
    private const int Proposals = 9;

    // At the root of a drive, of /srv, /data, /mnt/*: the names that vendors and people give.
    private static readonly string[] s_names =
    [
        "DICOM", "Images", "Imaging", "X-Ray", "XRay", "Radiology", "PACS", "PDATA", "romexis_images", "Romexis", "Sidexis", "DEXIS", "EasyDent", "EzDent-i", "Carestream", "CSImaging", "Dolphin",
        "CliniView", "OnDemand3D", "NewTom", "i-Dixel", "dicomserver/data", "Orthanc/OrthancStorage",
    ];

    private static readonly string[] s_elsewhere = ["/var/lib/orthanc/db", "/var/local/dcm4chee-arc", "/storage/fs1"];

    // Below the person's own folder.
    private static readonly string[] s_ofPerson = ["DICOM", "Images", "Documents/DICOM", "Documents/Horos Data", "Documents/OsiriX Data"];

    /// <summary>The folders that there are, those with DICOM first.</summary>
    /// <param name="roots">Where to look for the usual names: the drives of this computer.</param>
    /// <param name="profile">The person's own folder.</param>
    public static IReadOnlyList<ImagingFolder> Find(IEnumerable<string> roots, string profile)
    {
        IEnumerable<string> places = roots.SelectMany(root => s_names.Select(name => Path.Combine(root, name))).Concat(s_elsewhere).Concat(s_ofPerson.Select(name => Path.Combine(profile, name)));
        string[] there = [.. places.Select(Spelled).OfType<string>().Distinct(StringComparer.Ordinal)];

        // One in another is that one's business.
        return [.. there.Where(folder => !there.Any(other => FolderScan.IsBelow(folder, other)))
            .Select(folder => new ImagingFolder(folder, HasDicom(folder)))
            .OrderByDescending(folder => folder.HasDicom).ThenBy(folder => folder.Path, StringComparer.Ordinal).Take(Proposals)];
    }

    /// <summary>The roots of this computer's drives, and the folders that stand in for them on Linux and macOS.</summary>
    public static IEnumerable<string> Roots()
    {
        if (OperatingSystem.IsWindows())
        {
            return DriveInfo.GetDrives().Where(drive => drive.DriveType == DriveType.Fixed && drive.IsReady).Select(drive => drive.Name);
        }

        string[] above = ["/mnt", "/media", "/Volumes"];
        return ((string[])["/srv", "/data", "/home", "/opt"]).Concat(above).Concat(above.SelectMany(FoldersOf));
    }

    private static IEnumerable<string> FoldersOf(string folder)
    {
        try
        {
            return Directory.Exists(folder) ? Directory.GetDirectories(folder) : [];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>The folder as the disk spells it, whatever its case; null where there is none.</summary>
    private static string? Spelled(string path)
    {
        try
        {
            string? above = Path.GetDirectoryName(path);
            return Directory.Exists(above)
                ? Directory.EnumerateDirectories(above, Path.GetFileName(path), new EnumerationOptions { MatchCasing = MatchCasing.CaseInsensitive, IgnoreInaccessible = true }).FirstOrDefault()
                : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    private static bool HasDicom(string folder)
    {
        EnumerationOptions every = new() { RecurseSubdirectories = true, IgnoreInaccessible = true, MaxRecursionDepth = 8 };
        Span<byte> start = stackalloc byte[FileKinds.SignatureLength];
        try
        {
            foreach (string file in Directory.EnumerateFiles(folder, "*", every).Take(FilesLookedAt))
            {
                try
                {
                    using FileStream stream = FileInspection.Open(file);
                    int read = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
                    if (FileKinds.SignatureOf(start[..read], stream.Length) == FileSignature.Dicom)
                    {
                        return true;
                    }
                }
                catch (Exception error) when (error is IOException or UnauthorizedAccessException)
                {
                    // The next may tell.
                }
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // As far as it could be looked through.
        }

        return false;
    }
}
