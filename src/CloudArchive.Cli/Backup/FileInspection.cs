using System.Buffers;
using System.Security.Cryptography;
using CloudArchive.Cli.State;
using CloudArchive.Dicom;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Retention;

namespace CloudArchive.Cli.Backup;

/// <summary>What reading a file told.</summary>
public abstract record Inspection
{
    /// <summary>An instance or a plain file, whole and unchanged while it was read; of an instance its header, for the search at the clinic alone.</summary>
    public sealed record Known(long Length, long ModifiedTicks, FileContent Content, DicomHeader? Header = null) : Inspection;

    /// <summary>Nothing that could be archived.</summary>
    public sealed record Skip(SkipReason Reason, string? Detail) : Inspection;

    /// <summary>It changed while it was read; read it again later.</summary>
    public sealed record Changed(long Length, long ModifiedTicks) : Inspection;

    /// <summary>It is gone.</summary>
    public sealed record Gone : Inspection;
}

/// <summary>Reads a file once: its header, then every byte for its SHA-256.</summary>
public static class FileInspection
{
    private const int BufferLength = 1024 * 1024;

    private const string DicomdirClass = "1.2.840.10008.1.3.10";

    /// <summary>Opens a file so that nobody else is kept from it: the clinic's software may write, rename or delete it meanwhile.</summary>
    public static FileStream Open(string path) => new(path, new FileStreamOptions
    {
        Mode = FileMode.Open,
        Access = FileAccess.Read,
        Share = FileShare.ReadWrite | FileShare.Delete,
        Options = FileOptions.SequentialScan | FileOptions.Asynchronous,
        BufferSize = 0,
    });

    /// <summary>Reads a file.</summary>
    /// <param name="file">As the scan saw it.</param>
    /// <param name="secret">For the HMACs of identifiers; the identifiers themselves go no further than the search index of this computer.</param>
    /// <param name="computer">This computer, for the id of a plain file's set.</param>
    /// <param name="read">Told of bytes as they are read.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    public static async Task<Inspection> ReadAsync(FileToRead file, IdentifierSecret secret, string computer, Action<long> read, CancellationToken cancellationToken)
    {
        try
        {
            await using FileStream stream = Open(file.Path);
            (long length, long modified) = Stat(file.Path);
            if (length > PackLimits.InstanceBytes) return new Inspection.Skip(SkipReason.TooLarge, null);
            (Instance? instance, string? remark) = await ReadInstanceAsync(stream, secret, modified, cancellationToken);
            if (instance is null && file.WasDicom) return new Inspection.Skip(SkipReason.NoLongerDicom, remark);
            stream.Position = 0;
            (long hashed, Sha256Digest sha256) = await HashAsync(stream, read, cancellationToken);
            (long lengthAfter, long modifiedAfter) = Stat(file.Path);
            if (hashed != length || length != lengthAfter || modified != modifiedAfter) return new Inspection.Changed(lengthAfter, modifiedAfter);
            FileContent content = instance is { } known
                ? new FileContent(known.Found with { Length = length, Sha256 = sha256 }, known.Study)
                : new FileContent(SidecarInstance.Plain(FileKinds.Of(file.Path, isDicom: remark is not null), length, sha256), SetOf(file, secret, computer), remark);
            return new Inspection.Known(length, modified, content, instance?.Header);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException && !IsListed(file.Path))
        {
            return new Inspection.Gone();
        }
        catch (Exception error) when (!(error is OperationCanceledException && cancellationToken.IsCancellationRequested))
        {
            // Whatever it is, it is this file's: the others go on.
            return new Inspection.Skip(SkipReason.Unreadable, FolderScan.WithoutPath(error.Message));
        }
    }

    /// <summary>What a plain file is grouped by: the folder that it lies in.</summary>
    private static StudyKey SetOf(FileToRead file, IdentifierSecret secret, string computer)
    {
        string folder = AgentState.Below(file.Folder, Path.GetDirectoryName(file.Path)!).Replace(Path.DirectorySeparatorChar, '/');
        return new StudyKey(Sets.FolderOf(secret, computer, file.Folder, folder), null, null, null, Set: SetKind.Folder);
    }

    /// <summary>The instance that a file holds, without its length and hash; or why it holds none though it looks like DICOM. Neither: it is something else.</summary>
    private static async Task<(Instance? Found, string? Remark)> ReadInstanceAsync(FileStream stream, IdentifierSecret secret, long modified, CancellationToken cancellationToken)
    {
        try
        {
            DicomHeader header = await DicomReader.ReadHeaderAsync(stream, cancellationToken);
            if (header.SopClassUid == DicomdirClass) return (null, "a DICOMDIR");
            if (!Uid.TryParse(header.StudyInstanceUid, null, out Uid study) || !Uid.TryParse(header.SopInstanceUid, null, out Uid instance) || !Uid.TryParse(header.SopClassUid, null, out Uid sopClass)
                || !Uid.TryParse(header.TransferSyntaxUid, null, out Uid transferSyntax))
            {
                return (null, header.Damage is { } damage ? $"DICOM that cannot be filed: {damage}" : "DICOM without study or instance UID");
            }

            string? date = DicomValues.StudyDate(header.StudyDate);
            SidecarInstance found = new(
                instance, sopClass, Uid.TryParse(header.SeriesInstanceUid, null, out Uid series) ? series : null, DicomValues.IsCodeString(header.Modality) ? header.Modality : null, transferSyntax, 0, default);
            int? bornIn = RetentionPolicy.BornIn(header.PatientBirthDate?.Decode(), date, new DateTimeOffset(modified, TimeSpan.Zero));
            StudyKey key = new(study, Hmac(secret, header.PatientId), Hmac(secret, header.AccessionNumber), date, bornIn)
            {
                PatientForms = Forms(secret, header.PatientId),
                AccessionForms = Forms(secret, header.AccessionNumber),
            };
            return (new Instance(found, key, header), null);
        }
        catch (DicomException error)
        {
            return (null, error.Fault == DicomFault.NotDicom ? null : $"DICOM that cannot be read: {error.Message}");
        }
    }

    /// <summary>Length and last write time, as they are now; throws where there is no such file.</summary>
    public static (long Length, long ModifiedTicks) Stat(string path)
    {
        FileInfo info = new(path);
        return (info.Length, FileTimes.ModifiedTicks(info));
    }

    /// <summary>Of the text; of the bytes as they stand where nobody knows the text, so that two identifiers never become one.</summary>
    private static Sha256Digest? Hmac(IdentifierSecret secret, DicomText? identifier) =>
        identifier is not { } value ? null : value.TryDecode(out string text) ? secret.Hmac(text) : secret.Hmac(value.Bytes.Span);

    /// <summary>Of the text alone: what bytes that nobody can read have in common with others is not known.</summary>
    private static IdentifierForms? Forms(IdentifierSecret secret, DicomText? identifier) => identifier is { } value && value.TryDecode(out string text) ? secret.Forms(text) : null;

    private static async Task<(long Length, Sha256Digest Sha256)> HashAsync(FileStream stream, Action<long> read, CancellationToken cancellationToken)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferLength);
        try
        {
            long total = 0;
            int count;
            while ((count = await stream.ReadAsync(buffer, cancellationToken)) > 0)
            {
                hash.AppendData(buffer, 0, count);
                total += count;
                read(count);
            }

            return (total, Sha256Digest.FromBytes(hash.GetCurrentHash()));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }

    private sealed record Instance(SidecarInstance Found, StudyKey Study, DicomHeader Header);

    /// <summary>A name that the system lists and cannot open (bytes that are no UTF-8) is there, and unreadable.</summary>
    private static bool IsListed(string path)
    {
        try
        {
            return Path.GetDirectoryName(path) is { } folder && Directory.EnumerateFileSystemEntries(folder).Contains(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
