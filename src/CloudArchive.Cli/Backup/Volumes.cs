using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace CloudArchive.Cli.Backup;

/// <summary>
/// Which volume a folder lies on: something that stays the same when the computer starts again, and differs when another disk or share stands
/// under the same path. Null where the system does not say; then nothing is compared.
/// </summary>
public static class Volumes
{
    /// <summary>The volume of a folder.</summary>
    public static string? IdOf(string folder)
    {
        try
        {
            return OperatingSystem.IsWindows() ? OnWindows(folder)
                : OperatingSystem.IsLinux() ? OnLinux(folder, File.ReadLines("/proc/self/mountinfo"), UuidOf)
                : OfDrive(folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return null;
        }
    }

    /// <summary>The mount that a folder lies in (proc_pid_mountinfo(5)): a device by its UUID, a share by its server and name.</summary>
    public static string? OnLinux(string folder, IEnumerable<string> mountInfo, Func<string, string?> uuidOf)
    {
        (string Point, string Type, string Source, string Root)? best = null;
        foreach (string line in mountInfo)
        {
            string[] halves = line.Split(" - ", 2);
            string[] left = halves[0].Split(' ');
            string[] right = halves.Length == 2 ? halves[1].Split(' ') : [];
            if (left.Length < 5 || right.Length < 2)
            {
                continue;
            }

            // The last mount on a point hides the earlier ones.
            string point = Unescape(left[4]);
            if ((folder == point || FolderScan.IsBelow(folder, point)) && (best is null || point.Length >= best.Value.Point.Length))
            {
                best = (point, right[0], Unescape(right[1]), Unescape(left[3]));
            }
        }

        return best is not { } mount || mount.Type == "autofs" ? null
            : uuidOf(mount.Source) is { } uuid ? $"{mount.Type}:{uuid}:{mount.Root}"
            : $"{mount.Type}:{mount.Source}:{mount.Root}";
    }

    private static string? UuidOf(string device)
    {
        if (!device.StartsWith("/dev/", StringComparison.Ordinal) || !Directory.Exists("/dev/disk/by-uuid"))
        {
            return null;
        }

        string real = new FileInfo(device).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? device;
        return Directory.EnumerateFileSystemEntries("/dev/disk/by-uuid")
            .FirstOrDefault(link => new FileInfo(link).ResolveLinkTarget(returnFinalTarget: true)?.FullName == real) is { } found ? Path.GetFileName(found) : null;
    }

    /// <summary>Octal escapes of space, tab, newline and backslash.</summary>
    private static string Unescape(string text) => text.Contains('\\', StringComparison.Ordinal)
        ? text.Replace("\\040", " ", StringComparison.Ordinal).Replace("\\011", "\t", StringComparison.Ordinal)
            .Replace("\\012", "\n", StringComparison.Ordinal).Replace("\\134", "\\", StringComparison.Ordinal)
        : text;

    private static string OfDrive(string folder)
    {
        DriveInfo drive = DriveInfo.GetDrives().Where(d => folder == d.Name || FolderScan.IsBelow(folder, d.Name)).MaxBy(d => d.Name.Length) ?? new DriveInfo(folder);
        return $"{drive.DriveFormat}:{drive.VolumeLabel}:{drive.TotalSize}";
    }

    [SupportedOSPlatform("windows")]
    private static string? OnWindows(string folder)
    {
        char[] point = new char[1024];
        if (!GetVolumePathName(folder, point, point.Length))
        {
            return null;
        }

        string root = new(point, 0, Array.IndexOf(point, '\0'));
        return GetVolumeInformation(root, IntPtr.Zero, 0, out uint serial, IntPtr.Zero, IntPtr.Zero, IntPtr.Zero, 0) ? $"{serial:x8}" : null;
    }

    [DllImport("kernel32.dll", EntryPoint = "GetVolumePathNameW", CharSet = CharSet.Unicode, SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static extern bool GetVolumePathName(string path, [Out] char[] volumePath, int length);

    [DllImport("kernel32.dll", EntryPoint = "GetVolumeInformationW", CharSet = CharSet.Unicode, SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static extern bool GetVolumeInformation(
        string rootPath, IntPtr name, int nameLength, out uint serial, IntPtr longestComponent, IntPtr flags, IntPtr fileSystem, int fileSystemLength);
}
