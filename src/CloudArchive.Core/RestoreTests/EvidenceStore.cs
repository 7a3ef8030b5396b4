using System.Text;
using CloudArchive.Core.Records;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;

namespace CloudArchive.Core.RestoreTests;

/// <summary>Draws a run's evidence as a PDF for people. The same evidence must make the same bytes: they are signed.</summary>
public delegate byte[] DrawEvidence(EvidenceDocument evidence);

/// <summary>Evidence of restore tests in immutable storage: records of the kind <c>evidence</c>, one a run, with the files of <see cref="EvidenceFiles"/>.</summary>
public sealed class EvidenceStore(RecordStore records, DrawEvidence draw)
{
    private const string Kind = "evidence";
    private const int PageSize = 1000;

    /// <summary>The files of a run's evidence, in the order in which they are written: where the last is, all are.</summary>
    public static IReadOnlyList<string> Files { get; } = [EvidenceFiles.Document, EvidenceFiles.Signature, EvidenceFiles.Report, EvidenceFiles.ReportSignature];

    /// <summary>Writes, signs and locks a run's evidence, or what is missing of it; what was written first stands. Returns that.</summary>
    public async Task<(EvidenceDocument Document, Sha256Digest Sha256)> WriteAsync(EvidenceDocument evidence, CancellationToken cancellationToken)
    {
        byte[] json = await records.WriteAsync(Name(evidence.Clinic, evidence.Run, EvidenceFiles.Document), EvidenceWriter.Serialize(evidence), "application/json", cancellationToken);
        EvidenceDocument document = EvidenceWriter.Parse(json);
        await SignAsync(document, EvidenceFiles.Signature, EvidenceDocument.JwsType, json, cancellationToken);
        byte[] pdf = await records.WriteAsync(Name(document.Clinic, document.Run, EvidenceFiles.Report), draw(document), "application/pdf", cancellationToken);
        await SignAsync(document, EvidenceFiles.ReportSignature, EvidenceDocument.ReportJwsType, pdf, cancellationToken);
        return (document, Sha256Digest.Of(json));
    }

    /// <summary>A file of a run's evidence, or null.</summary>
    public Task<byte[]?> ReadAsync(ClinicId clinic, WorkId run, string file, CancellationToken cancellationToken) => records.ReadAsync(Name(clinic, run.ToString(), file), cancellationToken);

    /// <summary>Runs of a clinic that have evidence, the oldest first: by what lies locked in storage, whatever rows say.</summary>
    public Task<IReadOnlyList<string>> ListAsync(ClinicId clinic, WorkId? after, int take, CancellationToken cancellationToken) =>
        records.ListAsync(clinic.Value, Kind, after?.ToString(), take, cancellationToken);

    /// <summary>The last run of a clinic that has evidence, or null.</summary>
    public async Task<WorkId?> FindLatestAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        string? last = null;
        IReadOnlyList<string> page;
        do
        {
            page = await records.ListAsync(clinic.Value, Kind, last, PageSize, cancellationToken);
            last = page.Count > 0 ? page[^1] : last;
        }
        while (page.Count == PageSize);
        return WorkId.TryParse(last, null, out WorkId run) ? run : null;
    }

    private static BlobName Name(ClinicId clinic, string run, string file) => RecordStore.Name(clinic.Value, Kind, run, file);

    private async Task SignAsync(EvidenceDocument document, string file, string type, byte[] content, CancellationToken cancellationToken)
    {
        string jws = await records.SignAsync(type, content, cancellationToken);
        await records.WriteAsync(Name(document.Clinic, document.Run, file), Encoding.ASCII.GetBytes(jws), "application/jose", cancellationToken);
    }
}
