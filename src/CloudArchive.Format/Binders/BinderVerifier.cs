using System.IO.Compression;
using System.Text;
using System.Text.Json;
using CloudArchive.Format.Access;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Binders;

/// <summary>What verification says of a part of a binder.</summary>
public enum BinderState
{
    /// <summary>It holds.</summary>
    Verified,

    /// <summary>It does not.</summary>
    Failed,

    /// <summary>Nobody can say.</summary>
    NotChecked,
}

/// <summary>A part of a binder: a file, or what is said to be missing.</summary>
/// <param name="Path">The file's name, or what is missing.</param>
/// <param name="State">What verification says of it.</param>
/// <param name="Why">Why, unless it holds.</param>
public sealed record BinderItem(string Path, BinderState State, string? Why = null);

/// <summary>What verification found.</summary>
/// <param name="Index">The index, where it can be read at all.</param>
/// <param name="SignedBy">The key that signed it; null where no known key did.</param>
/// <param name="Items">Part by part, by path.</param>
public sealed record BinderVerification(BinderIndex? Index, string? SignedBy, IReadOnlyList<BinderItem> Items)
{
    /// <summary>The worst of its parts.</summary>
    public BinderState State =>
        Items.Any(item => item.State == BinderState.Failed) ? BinderState.Failed
        : Items.Any(item => item.State == BinderState.NotChecked) ? BinderState.NotChecked
        : BinderState.Verified;
}

/// <summary>
/// Verifies a binder offline, from the ZIP and the archive's public keys alone: the index's signature, every file's SHA-256, that no file is missing and none was added,
/// and the signatures and numbers of all that has its own. One bad part keeps no other from being checked.
/// </summary>
public sealed class BinderVerifier
{
    /// <summary>The largest file that is read: as large as a record of the archive can be, twice over.</summary>
    public const int MostBytes = 128 * 1024 * 1024;

    /// <summary>Far beyond any binder.</summary>
    private const int MostFiles = 100_000;

    private static readonly HashSet<string> s_ownFiles = [BinderFiles.Index, BinderFiles.IndexSignature];

    private readonly Dictionary<string, ZipArchiveEntry> _entries = new(StringComparer.Ordinal);
    private readonly List<BinderItem> _items = [];
    private readonly JwkSet _keys;
    private bool _isSigned;

    private BinderVerifier(JwkSet keys) => _keys = keys;

    /// <summary>Verifies; whatever the ZIP holds, the answer is a verification, not an exception.</summary>
    /// <param name="zip">The binder; must seek.</param>
    /// <param name="keys">The archive's public keys; null: those of the binder itself, which show no more than that its parts are of one hand.</param>
    public static BinderVerification Verify(Stream zip, JwkSet? keys)
    {
        try
        {
            using ZipArchive archive = new(zip, ZipArchiveMode.Read, leaveOpen: true);
            return Verify(archive, keys);
        }
        catch (Exception e) when (IsBroken(e))
        {
            return new BinderVerification(null, null, [new BinderItem("the ZIP", BinderState.Failed, $"It is none, or was cut off: {e.Message}")]);
        }
    }

    private static BinderVerification Verify(ZipArchive archive, JwkSet? keys)
    {
        JwkSet? own = keys ?? OwnKeys(archive);
        BinderVerifier verifier = new(own ?? new JwkSet([]));
        if (keys is null)
        {
            verifier.Add(
                BinderFiles.Keys,
                BinderState.NotChecked,
                own is null ? "There are no keys to check signatures with." : "Nobody but the binder vouches for its keys. Give those that you saved from GET /v1/keys when you trusted the service.");
        }

        (BinderIndex? index, string? signedBy) = verifier.Check(archive);
        return new BinderVerification(index, signedBy, [.. verifier._items.OrderBy(item => item.Path, StringComparer.Ordinal)]);
    }

    private static JwkSet? OwnKeys(ZipArchive archive)
    {
        try
        {
            return archive.GetEntry(BinderFiles.Keys) is { } entry && Read(entry, MostBytes) is { } bytes ? JsonSerializer.Deserialize<JwkSet>(bytes, FormatJson.Options) : null;
        }
        catch (Exception e) when (e is JsonException || IsBroken(e))
        {
            return null;
        }
    }

    private (BinderIndex? Index, string? SignedBy) Check(ZipArchive archive)
    {
        if (archive.Entries.Count > MostFiles)
        {
            Add("the ZIP", BinderState.Failed, $"It has more than {MostFiles:N0} files: no binder has.");
            return (null, null);
        }

        foreach (ZipArchiveEntry entry in archive.Entries)
        {
            if (!_entries.TryAdd(entry.FullName, entry))
            {
                Add(entry.FullName, BinderState.Failed, "It is in the ZIP twice.");
            }
        }

        byte[]? json = ReadOwn(BinderFiles.Index), signature = ReadOwn(BinderFiles.IndexSignature);
        BinderIndex? index = json is null ? null : ReadIndex(json);
        if (json is null || index is null)
        {
            return (null, null);
        }

        string? signedBy = signature is null ? null : CheckSignature(json, Encoding.UTF8.GetString(signature));
        _isSigned = signedBy is not null;
        Dictionary<string, BinderFile> listed = [];
        foreach (BinderFile file in index.Files)
        {
            if (!listed.TryAdd(file.Path, file))
            {
                Add(file.Path, BinderState.Failed, "The index names it twice.");
            }
        }

        // A folder is one statement with its signatures: they are checked together.
        foreach (IGrouping<string, BinderFile> folder in listed.Values.GroupBy(file => Folder(file.Path)))
        {
            CheckFolder(index, folder.Key, [.. folder]);
        }

        foreach (string added in _entries.Keys.Where(path => !listed.ContainsKey(path) && !s_ownFiles.Contains(path)))
        {
            Add(added, BinderState.Failed, "The index does not name it: it was added.");
        }

        foreach (BinderGap gap in index.NotIncluded)
        {
            Add(gap.What, BinderState.NotChecked, $"Not included: {gap.Why}");
        }

        return (index, signedBy);
    }

    private BinderIndex? ReadIndex(byte[] json)
    {
        try
        {
            BinderIndex index = JsonSerializer.Deserialize<BinderIndex>(json, FormatJson.Options) ?? throw new JsonException("It is null.");
            if (index.Format != BinderIndex.CurrentFormat)
            {
                throw new JsonException($"This is {index.Format}; this program reads {BinderIndex.CurrentFormat}.");
            }

            if (index.Files.Any(file => file is null) || index.NotIncluded.Any(gap => gap is null))
            {
                throw new JsonException("It names a file that is null.");
            }

            if (!CanonicalJson.Canonicalize(json).AsSpan().SequenceEqual(json))
            {
                Add(BinderFiles.Index, BinderState.Failed, "It is not in canonical form (RFC 8785).");
            }

            return index;
        }
        catch (JsonException e)
        {
            Add(BinderFiles.Index, BinderState.Failed, $"It is no index of a binder: {e.Message}");
            return null;
        }
    }

    private string? CheckSignature(byte[] json, string signature)
    {
        try
        {
            string kid = Jws.VerifyDetached(signature.Trim(), json, BinderIndex.JwsType, _keys);
            Add(BinderFiles.Index, BinderState.Verified);
            return kid;
        }
        catch (Exception e) when (e is JwsException or FormatException)
        {
            Add(BinderFiles.IndexSignature, BinderState.Failed, e.Message);
            return null;
        }
    }

    private void CheckFolder(BinderIndex index, string folder, BinderFile[] files)
    {
        string[] needed = Needed(folder);
        bool isStatement = needed.Length > 0;
        Dictionary<string, byte[]> contents = [];
        foreach (BinderFile file in files)
        {
            if (ReadListed(file) is not { } content)
            {
                continue;
            }

            if (isStatement)
            {
                contents[file.Path[folder.Length..]] = content; // judged below, by its own signature too
            }
            else if (file.Path == BinderFiles.Checkpoint)
            {
                Judge(file.Path, CheckpointFindings(index, content), hasOwnSignature: true);
            }
            else
            {
                Judge(file.Path, [], hasOwnSignature: false);
            }
        }

        if (!isStatement)
        {
            return;
        }

        if (!needed.All(contents.ContainsKey))
        {
            // What is gone has failed, or is said to be missing: the rest stands by the index alone.
            foreach (string name in contents.Keys)
            {
                Judge(folder + name, [], hasOwnSignature: false);
            }

            return;
        }

        List<string> findings = [];
        try
        {
            findings.AddRange(Findings(index, folder, contents));
        }
        catch (Exception e) when (e is JsonException or FormatException)
        {
            findings.Add(e.Message);
        }

        // All files of a statement have its fate.
        foreach (string name in contents.Keys)
        {
            Judge(folder + name, findings, hasOwnSignature: true);
        }
    }

    private IEnumerable<string> Findings(BinderIndex index, string folder, Dictionary<string, byte[]> files)
    {
        string id = folder.Split('/')[1];
        if (folder.StartsWith(BinderFiles.Runs, StringComparison.Ordinal))
        {
            // A report whose signature is gone, which is said of that, stands by the index.
            EvidenceBundle bundle = new(files[EvidenceFiles.Document], Text(files[EvidenceFiles.Signature]));
            if (files.TryGetValue(EvidenceFiles.Report, out byte[]? report) && files.TryGetValue(EvidenceFiles.ReportSignature, out byte[]? signature))
            {
                bundle = bundle with { Report = report, ReportSignature = Text(signature) };
            }

            EvidenceVerification evidence = EvidenceVerifier.Verify(bundle, _keys);
            return
            [
                .. evidence.Findings.Select(finding => $"{finding.Where}: {finding.What}"),
                .. evidence.Document is { } document ? Of(document.Run == id && document.Clinic == index.Clinic, "It is the evidence of another run.") : [],
            ];
        }

        if (folder.StartsWith(BinderFiles.Reviews, StringComparison.Ordinal))
        {
            (AccessReviewDocument? review, IReadOnlyList<string> found) = AccessReviewDocument.Verify(files[AccessReviewDocument.File], Text(files[AccessReviewDocument.SignatureFile]), _keys);
            return [.. found, .. review is not null ? Of(review.Review == id && review.Scope == index.Clinic.Value, "It is another review.") : []];
        }

        CertificateVerification certificate = DestructionCertificates.Verify(files[DestructionCertificate.File], Text(files[DestructionCertificate.SignatureFile]), _keys);
        return
        [
            .. certificate.Findings,
            .. certificate.Certificate is { } read ? Of(read.Id == id && read.Clinic == index.Clinic, "It is the certificate of another destruction.") : [],
        ];
    }

    private IReadOnlyList<string> CheckpointFindings(BinderIndex index, byte[] content)
    {
        try
        {
            return [.. Of(SignedCheckpoint.Verify(Text(content).Trim(), _keys).Statement.Log == index.Clinic.Value, "It is of another log.")];
        }
        catch (Exception e) when (e is JwsException or FormatException)
        {
            return [e.Message];
        }
    }

    /// <summary>A file's bytes, where they are those that the index names; else it has failed.</summary>
    private byte[]? ReadListed(BinderFile file)
    {
        if (!_entries.TryGetValue(file.Path, out ZipArchiveEntry? entry))
        {
            Add(file.Path, BinderState.Failed, "It is missing.");
            return null;
        }

        if (file.Length > MostBytes)
        {
            Add(file.Path, BinderState.NotChecked, $"It is larger than {MostBytes:N0} bytes, which this program does not read.");
            return null;
        }

        try
        {
            if (Read(entry, (int)file.Length) is { } content && content.Length == file.Length && Sha256Digest.Of(content) == file.Sha256)
            {
                return content;
            }

            Add(file.Path, BinderState.Failed, "Its bytes are not those that the index names: it was changed.");
        }
        catch (Exception e) when (IsBroken(e))
        {
            Add(file.Path, BinderState.Failed, "Its bytes cannot be unpacked: it was changed.");
        }

        return null;
    }

    private byte[]? ReadOwn(string path)
    {
        try
        {
            if (_entries.TryGetValue(path, out ZipArchiveEntry? entry) && Read(entry, MostBytes) is { } content)
            {
                return content;
            }

            Add(path, BinderState.Failed, _entries.ContainsKey(path) ? "It is too large to be what its name says." : "It is missing.");
        }
        catch (Exception e) when (IsBroken(e))
        {
            Add(path, BinderState.Failed, "Its bytes cannot be unpacked: it was changed.");
        }

        return null;
    }

    /// <summary>An entry's bytes; null where there are more: what a ZIP says of its sizes is not believed.</summary>
    private static byte[]? Read(ZipArchiveEntry entry, int most)
    {
        using Stream stream = entry.Open();
        using MemoryStream content = new();
        byte[] buffer = new byte[81920];
        int read;
        while ((read = stream.Read(buffer)) > 0)
        {
            content.Write(buffer, 0, read);
            if (content.Length > most)
            {
                return null;
            }
        }

        return content.ToArray();
    }

    private void Judge(string path, IReadOnlyList<string> findings, bool hasOwnSignature)
    {
        if (findings.Count > 0)
        {
            Add(path, BinderState.Failed, string.Join(" ", findings));
        }
        else if (_isSigned || hasOwnSignature)
        {
            Add(path, BinderState.Verified);
        }
        else
        {
            Add(path, BinderState.NotChecked, "The index that names it is not signed, and it has no signature of its own.");
        }
    }

    private void Add(string path, BinderState state, string? why = null) => _items.Add(new BinderItem(path, state, why));

    private static string Folder(string path) => path[..(path.LastIndexOf('/') + 1)];

    /// <summary>The files without which a folder's statement cannot be verified; none of a folder that is no statement.</summary>
    private static string[] Needed(string folder) =>
        folder.StartsWith(BinderFiles.Runs, StringComparison.Ordinal) ? [EvidenceFiles.Document, EvidenceFiles.Signature]
        : folder.StartsWith(BinderFiles.Reviews, StringComparison.Ordinal) ? [AccessReviewDocument.File, AccessReviewDocument.SignatureFile]
        : folder.StartsWith(BinderFiles.Destructions, StringComparison.Ordinal) ? [DestructionCertificate.File, DestructionCertificate.SignatureFile]
        : [];

    private static string Text(byte[] content) => Encoding.UTF8.GetString(content);

    /// <summary>What reading a ZIP throws that somebody changed.</summary>
    private static bool IsBroken(Exception error) => error is InvalidDataException or NotSupportedException or EndOfStreamException or ArgumentException or OverflowException;

    private static IEnumerable<string> Of(bool holds, string what) => holds ? [] : [what];
}
