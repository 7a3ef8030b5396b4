using System.IO.Compression;
using System.Text;
using System.Text.Json;
using CloudArchive.Format;
using CloudArchive.Format.Binders;
using CloudArchive.Format.Evidence;
using CloudArchive.Testing.Evidence;

namespace CloudArchive.Testing.Binders;

/// <summary>A binder with one run, made by hand, and what somebody may do to one.</summary>
public sealed class BinderSample : IDisposable
{
    private readonly EvidenceSample _evidence = new();

    public EvidenceSample Evidence => _evidence;

    /// <summary>The run's folder.</summary>
    public string Run { get; private set; } = "";

    /// <summary>What the index says is missing.</summary>
    public IReadOnlyList<BinderGap> Gaps { get; init; } = [];

    /// <summary>A binder's files, by name, the index and its signature among them.</summary>
    public async Task<Dictionary<string, byte[]>> MakeAsync(Func<BinderIndex, BinderIndex>? change = null)
    {
        EvidenceDocument document = await _evidence.DocumentAsync();
        EvidenceBundle signed = await _evidence.SignAsync(document);
        byte[] pdf = "%PDF-1.7, or so"u8.ToArray();
        Run = $"{BinderFiles.Runs}{document.Run}/";
        Dictionary<string, byte[]> files = new(StringComparer.Ordinal)
        {
            [Run + EvidenceFiles.Document] = signed.Document.ToArray(),
            [Run + EvidenceFiles.Signature] = Encoding.ASCII.GetBytes(signed.Signature),
            [Run + EvidenceFiles.Report] = pdf,
            [Run + EvidenceFiles.ReportSignature] = Encoding.ASCII.GetBytes(await _evidence.SignDetachedAsync(EvidenceDocument.ReportJwsType, pdf)),
            [BinderFiles.Alerts] = "{\"alerts\":[]}"u8.ToArray(),
            [BinderFiles.Checkpoint] = Encoding.ASCII.GetBytes(document.Checkpoint),
            [BinderFiles.Keys] = JsonSerializer.SerializeToUtf8Bytes(_evidence.Keys, FormatJson.Options),
        };
        DateTimeOffset from = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);
        BinderIndex index = new(
            BinderIndex.CurrentFormat, "CloudArchive/0.1.0", EvidenceSample.Clinic, "Riverside Dental", from, from.AddMonths(1), from.AddMonths(1), "carol",
            [.. files.OrderBy(file => file.Key, StringComparer.Ordinal).Select(file => new BinderFile(file.Key, file.Value.Length, Sha256Digest.Of(file.Value)))], Gaps);
        byte[] json = CanonicalJson.Serialize(change is null ? index : change(index));
        files[BinderFiles.Index] = json;
        files[BinderFiles.IndexSignature] = Encoding.ASCII.GetBytes(await _evidence.SignDetachedAsync(BinderIndex.JwsType, json));
        return files;
    }

    public static MemoryStream Zip(IEnumerable<KeyValuePair<string, byte[]>> files)
    {
        MemoryStream zip = new();
        using (ZipArchive archive = new(zip, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach ((string name, byte[] content) in files)
            {
                using Stream entry = archive.CreateEntry(name).Open();
                entry.Write(content);
            }
        }

        zip.Position = 0;
        return zip;
    }

    public void Dispose() => _evidence.Dispose();
}
