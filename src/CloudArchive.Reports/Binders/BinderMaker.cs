using System.Text;
using System.Text.Json;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Keys;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Binders;
using CloudArchive.Format.Signing;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Reports.Binders;

/// <summary>
/// Makes an auditor's binder: a ZIP of all that a clinic's period left behind, with a signed index. It is written to where it is asked for while it is made, one thing in
/// memory at a time; what cannot be read is a line of the index and the cover, and keeps nothing else out.
/// </summary>
public sealed partial class BinderMaker(BinderRecords records, BinderLists lists, IAuditLog log, ISigner signer, EvidenceIssuer issuer, TimeProvider clock, ILogger<BinderMaker> logger)
{
    /// <summary>Far more than a year has: a run a day, and what people do.</summary>
    private const int MaxThings = 10_000;

    /// <summary>Records that somebody takes a binder, before anything of it goes out.</summary>
    /// <exception cref="RefusedException"><see cref="Refusal.ReportUnknown"/>: the period has not begun, or was over before the clinic was there.</exception>
    public async Task BeginAsync(Clinic clinic, BinderPeriod period, Requester by, CancellationToken cancellationToken)
    {
        if (period.From >= clock.GetUtcNow() || period.To <= clinic.CreatedAt)
        {
            throw new RefusedException(
                Refusal.ReportUnknown,
                period.To <= clinic.CreatedAt ? $"The archive has nothing of clinic {clinic.Id} from before {clinic.CreatedAt.UtcDateTime:yyyy-MM-dd}." : "The period has not begun.");
        }

        Dictionary<string, string> details = new() { ["from"] = $"{period.From.UtcDateTime:yyyy-MM-dd}", ["to"] = $"{period.To.UtcDateTime:yyyy-MM-dd}" };
        await log.AppendAsync(new AuditEvent(clinic.Id.Value, AuditActions.BinderRead, AuditOutcome.Success, by.Actor, new AuditSubject(clinic.Id.Value), by.Origin, Details: details), cancellationToken);
    }

    /// <summary>Writes a binder. It is whole only where this returns: what throws leaves a ZIP without its end, which no reader takes.</summary>
    public async Task WriteAsync(Clinic clinic, BinderPeriod period, Requester by, Stream output, CancellationToken cancellationToken)
    {
        BinderWriter writer = new(output, clock.GetUtcNow());
        DateTimeOffset madeAt = AuditLog.ToMilliseconds(clock.GetUtcNow());
        foreach (BinderPart part in (BinderPart[])[.. records.Parts, .. lists.Parts])
        {
            await AddAsync(writer, part, clinic, period, cancellationToken);
        }

        await AddAsync(writer, new BinderThing(BinderFiles.Keys, async cancellation =>
            [new(BinderFiles.Keys, JsonSerializer.SerializeToUtf8Bytes(await signer.GetPublicKeysAsync(cancellation), FormatJson.Options))]), clinic, cancellationToken);
        await writer.AddAsync(BinderFiles.Guide, Resource(BinderFiles.Guide), cancellationToken);
        await writer.AddAsync(BinderFiles.Script, Resource(BinderFiles.Script), cancellationToken);

        BinderFigures? figures = null;
        try
        {
            figures = await lists.FiguresAsync(clinic, period, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            writer.Gaps.Add(new BinderGap("the cover's figures", Why(e, clinic.Id)));
        }

        BinderIndex index = new(
            BinderIndex.CurrentFormat, issuer.Product, clinic.Id, clinic.Name, period.From, period.To, madeAt, by.Actor.Id,
            writer.Files, [.. writer.Gaps]);
        await writer.AddAsync(BinderFiles.Cover, BinderCover.Render(index, clinic, figures), cancellationToken);

        index = index with { Files = writer.Files };
        byte[] json = CanonicalJson.Serialize(index);
        string keyId = await signer.GetCurrentKeyIdAsync(cancellationToken);
        string signature = await Jws.SignDetachedAsync(BinderIndex.JwsType, json, keyId, (data, cancellation) => signer.SignAsync(keyId, data, cancellation), cancellationToken);
        await writer.AddAsync(BinderFiles.Index, json, cancellationToken);
        await writer.AddAsync(BinderFiles.IndexSignature, Encoding.ASCII.GetBytes(signature), cancellationToken);
        await writer.CompleteAsync(cancellationToken);
    }

    private async Task AddAsync(BinderWriter writer, BinderPart part, Clinic clinic, BinderPeriod period, CancellationToken cancellationToken)
    {
        List<BinderThing> things = [];
        try
        {
            await foreach (BinderThing thing in part.ListAsync(clinic, period, cancellationToken).Take(MaxThings + 1).WithCancellation(cancellationToken))
            {
                things.Add(thing);
            }
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            writer.Gaps.Add(new BinderGap(part.Kind, $"They could not all be listed. {Why(e, clinic.Id)}"));
        }

        foreach (BinderThing thing in things.Take(MaxThings))
        {
            await AddAsync(writer, thing, clinic, cancellationToken);
        }

        if (things.Count > MaxThings)
        {
            writer.Gaps.Add(new BinderGap($"more {part.Kind}", $"There are more than {MaxThings:N0}. Make binders of shorter periods."));
        }
    }

    private async Task AddAsync(BinderWriter writer, BinderThing thing, Clinic clinic, CancellationToken cancellationToken)
    {
        IReadOnlyList<BinderContent> files;
        try
        {
            files = await thing.ReadAsync(cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            writer.Gaps.Add(new BinderGap(thing.What, Why(e, clinic.Id)));
            return;
        }

        foreach (BinderContent file in files)
        {
            if (file.Content is { } content)
            {
                await writer.AddAsync(file.Path, content, cancellationToken);
            }
            else
            {
                writer.Gaps.Add(new BinderGap(file.Path, "It is not in storage."));
            }
        }
    }

    /// <summary>For people: what the archive says of itself is told; of what storage or keys say, the service's log has it.</summary>
    private string Why(Exception error, ClinicId clinic)
    {
        LogNotIncluded(logger, error, clinic);
        return error is IntegrityException or RefusedException or AuditLogDamagedException ? error.Message : "It could not be read. The service's log says why; make the binder again later.";
    }

    private static byte[] Resource(string name)
    {
        using Stream stream = typeof(BinderMaker).Assembly.GetManifestResourceStream(name) ?? throw new System.Diagnostics.UnreachableException(name);
        using MemoryStream content = new();
        stream.CopyTo(content);
        return content.ToArray();
    }

    [LoggerMessage(330, LogLevel.Warning, "Something is not in a binder of {Clinic}.")]
    private static partial void LogNotIncluded(ILogger logger, Exception exception, ClinicId clinic);
}
