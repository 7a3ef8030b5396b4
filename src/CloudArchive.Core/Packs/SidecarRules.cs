using System.Text.Json;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Retention;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Core.Packs;

/// <summary>
/// What a sidecar must be before it is believed: of this clinic, pack and set, sealed with the keys that the agent was given, and
/// without room for anything that the catalogue must not know (docs/design.md, invariant 6).
/// </summary>
public static class SidecarRules
{
    /// <summary>The largest pack. One instance larger than 64 MiB is a pack of its own; volumes reach some hundred MB.</summary>
    public const long MostPackBytes = PackLimits.Bytes;

    /// <summary>What breaks a rule, for the agent's log; null where nothing does.</summary>
    public static string? Violation(Sidecar sidecar, InFlightPack pack, Clinic clinic, DateTimeOffset now)
    {
        try
        {
            Sidecars.Check(sidecar);
        }
        catch (PackException e)
        {
            return e.Message;
        }
        catch (JsonException)
        {
            return "The sidecar has a value that canonical JSON (RFC 8785) cannot write.";
        }

        return sidecar.Clinic != pack.Clinic ? "The sidecar is of another clinic."
            : sidecar.Pack != pack.Pack ? "The sidecar is of another pack."
            : sidecar.Study != pack.Study ? "The sidecar is of another study or folder than the pack was opened for."
            : sidecar.Length > MostPackBytes ? $"A pack has at most {MostPackBytes} bytes."
            : sidecar.Encryption.WrappedContentKey.KeyId != pack.KeyId ? "The content key is not wrapped with the key that opening the pack named."
            : sidecar.Escrow.KeyId != clinic.EscrowKey?.Kid ? "The content key is not wrapped with the clinic's escrow key."
            : !IsWrapped(sidecar.Encryption.WrappedContentKey) || !IsWrapped(sidecar.Escrow) ? "A wrapped content key is not as long as an RSA key of 2048 to 8192 bits makes it."
            : !IsPlain(sidecar.Encryption) ? "The encryption data names its library and nothing else."
            : sidecar.Instances.Select(Violation).FirstOrDefault(violation => violation is not null) is { } violation ? violation
            : sidecar.Set is null && sidecar.Instances.DistinctBy(i => (i.SopInstance, i.Sha256)).Count() != sidecar.Instances.Count ? "An instance is in the pack twice."
            : PackRetention.Violation(sidecar, clinic.Retention, now);
    }

    // A plain file may be empty, and two of a folder may be the same: it is all the folder's files that come back, whatever they are.
    private static string? Violation(SidecarInstance instance) =>
        instance.Length is < 0 or > MostPackBytes || (instance.Length == 0 && instance.Kind is null) ? $"Instance {instance.SopInstance} has no valid length."
        : instance.Modality is { } modality && !DicomValues.IsCodeString(modality) ? $"Instance {instance.SopInstance} has a modality that is no code string of DICOM."
        : null;

    private static bool IsWrapped(WrappedContentKey wrapped) => wrapped.EncryptedKey.Length is >= 256 and <= 1024;

    private static bool IsPlain(EncryptionData encryption) =>
        encryption.KeyWrappingMetadata is { Count: 1 } metadata && metadata.TryGetValue("EncryptionLibrary", out string? library) && IsName(library);

    private static bool IsName(string? text) => text is { Length: >= 1 and <= 64 } && text.All(c => char.IsAsciiLetterOrDigit(c) || c is ' ' or '.' or '_' or '-');
}
