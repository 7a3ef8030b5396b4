using System.Text.Json;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Format.Packs;

/// <summary>Writes and reads sidecars: canonical JSON, checked for what it says of itself.</summary>
public static class Sidecars
{
    /// <summary>The sidecar of a pack that was just sealed; of version 1 where the agent knows no policy.</summary>
    public static Sidecar For(PackHeader header, PackSummary summary, WrappedContentKey wrapped, WrappedContentKey escrow, SidecarRetention? retention = null) => new(
        header.Set is not null ? Sidecar.FormatOfSets : retention is null ? Sidecar.FormatWithoutRetention : Sidecar.CurrentFormat,
        header.Clinic,
        header.Pack,
        header.Study,
        header.CreatedAt.ToUniversalTime(),
        summary.Length,
        summary.Sha256,
        summary.PlaintextLength,
        BlobEncryption.For(wrapped),
        escrow,
        summary.InstancesRoot,
        summary.Instances,
        Retention: retention,
        Set: header.Set);

    /// <summary>The bytes that lie at rest.</summary>
    public static byte[] Serialize(Sidecar sidecar) => CanonicalJson.Serialize(sidecar);

    /// <summary>Reads and checks a sidecar.</summary>
    /// <exception cref="PackException"><see cref="PackFault.SidecarInvalid"/> or <see cref="PackFault.EncryptionDataInvalid"/>.</exception>
    public static Sidecar Parse(ReadOnlySpan<byte> json)
    {
        Sidecar? sidecar;
        try
        {
            sidecar = JsonSerializer.Deserialize<Sidecar>(json, FormatJson.Options);
        }
        catch (JsonException e)
        {
            throw new PackException(PackFault.SidecarInvalid, "The sidecar is not JSON of a sidecar.", e);
        }

        Check(sidecar);
        return sidecar!;
    }

    /// <summary>Whether a sidecar, however it came, is of the known version and contradicts itself nowhere.</summary>
    /// <exception cref="PackException"><see cref="PackFault.SidecarInvalid"/> or <see cref="PackFault.EncryptionDataInvalid"/>.</exception>
    public static void Check(Sidecar? sidecar)
    {
        if (sidecar?.Format is not (Sidecar.CurrentFormat or Sidecar.FormatWithoutRetention or Sidecar.FormatOfSets))
        {
            throw Invalid($"is not of the format {Sidecar.CurrentFormat}, {Sidecar.FormatOfSets} or {Sidecar.FormatWithoutRetention}");
        }

        BlobEncryption.Check(sidecar.Encryption);
        string? problem =
            sidecar.Escrow.Algorithm != KeyWrapping.Algorithm ? "wraps to the escrow key with another algorithm than RSA-OAEP-256"
            : sidecar.Length <= 0 || Regions.PlaintextLength(sidecar.Length) != sidecar.PlaintextLength ? "has a length that its plaintext cannot have"
            : sidecar.Instances.Count is 0 or > PackLimits.Instances ? $"lists no instance or more than {PackLimits.Instances}"
            : sidecar.Instances.Any(i => i is null || i.Length < 0) ? "lists an instance without a valid length"
            : sidecar.StudyDate is { } date && DicomValues.ParseDate(date) is null ? "has a study date that is no yyyyMMdd"
            : (sidecar.Retention is null) != (sidecar.Format == Sidecar.FormatWithoutRetention) && sidecar.Format != Sidecar.FormatOfSets ? "says until when the study is kept where its version does not, or does not where it does"
            : sidecar.Retention is { Policy: < 1 } || (sidecar.Retention is { BornIn: { } born } && !DicomValues.IsYear(born)) ? "names no policy's version, or no year of birth"
            : SetProblem(sidecar) is { } set ? set
            : InstancesRoot.Of(sidecar.Instances) != sidecar.InstancesRoot ? "has another root than its instances"
            : null;
        if (problem is not null)
        {
            throw Invalid(problem);
        }
    }

    /// <summary>A study holds instances; a folder's set plain files, of which nothing is known but what their kind is; a snapshot its own parts.</summary>
    private static string? SetProblem(Sidecar sidecar) =>
        (sidecar.Set is null) != (sidecar.Format != Sidecar.FormatOfSets) || sidecar.Set == SetKind.Study ? "says what kind of set it is where its version does not, or does not where it does"
        : sidecar.Set is null ? sidecar.Instances.Any(i => i is not { Kind: null, SopClass: not null, TransferSyntax: not null }) ? "lists a plain file in a study" : null
        : sidecar.Set == SetKind.Snapshot != (sidecar.Snapshot is not null) ? "is of a snapshot and does not say which packs it needs, or is of none and does"
        : !Sets.IsMadeUp(sidecar.Study) ? "has a study's id for another set"
        : sidecar.StudyDate is not null || sidecar.PatientHmac is not null || sidecar.AccessionHmac is not null || (sidecar.PatientForms ?? sidecar.AccessionForms) is not null || sidecar.Retention is { BornIn: not null }
            ? "says of plain files what is a study's alone"
        : sidecar.Instances.Any(i => i.Kind is null || i.Kind == FileKind.Snapshot != (sidecar.Set == SetKind.Snapshot) || i != SidecarInstance.Plain(i.Kind.Value, i.Length, i.Sha256))
            ? "lists an instance among plain files, or says more of a plain file than its kind"
        : sidecar.Snapshot is { } snapshot && (snapshot.Chain.Count > Snapshots.LongestChain || snapshot.Needs.Count > Snapshots.NeedsPerPack || snapshot.Files < 0 || snapshot.Bytes < 0 || snapshot.Roots < 0)
            ? "names more packs than a snapshot may"
        : null;

    private static PackException Invalid(string problem) => new(PackFault.SidecarInvalid, $"The sidecar {problem}.");
}
