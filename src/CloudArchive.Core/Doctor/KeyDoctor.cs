using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Doctor;

/// <summary>Keys: what signs, signs and is believed, and which versions are out of use; every clinic has a key, and only who must can unwrap with it.</summary>
public sealed class KeyDoctor(ISigner signer, ITokenSigner tokens, IWrappingKeys wrapping, IKeyRights rights, ClinicDirectory clinics) : IDoctor
{
    private const string See = "See docs/operations.md, Keys.";

    /// <inheritdoc/>
    public async IAsyncEnumerable<DoctorCheck> ExamineAsync(HostDuties duties, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return await SigningAsync("signing-key", "what is signed verifies against the published keys", "No receipt, checkpoint or evidence can be issued.",
            signer.GetCurrentKeyIdAsync, signer.SignAsync, signer.GetPublicKeysAsync, signer.GetDisabledAsync, cancellationToken);
        yield return await SigningAsync("token-key", "a token that is signed now is believed", "No agent gets a token, and nobody enters the portal.",
            tokens.GetCurrentKeyIdAsync, tokens.SignAsync, tokens.GetAcceptedKeysAsync, tokens.GetDisabledAsync, cancellationToken);
        IReadOnlyList<ClinicId> some = await clinics.ListAsync(null, DoctorLimits.MostClinics, cancellationToken);
        List<string> without = [], notLooked = [];
        foreach (ClinicId clinic in some)
        {
            try
            {
                await wrapping.GetCurrentAsync(clinic, cancellationToken);
            }
            catch (KeyUnavailableException)
            {
                without.Add(clinic.Value);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // What was not looked at is not well, and keeps no other from being looked at.
                notLooked.Add($"{clinic} ({e.GetType().Name})");
                without.Add(clinic.Value);
            }
        }

        yield return new DoctorCheck(
            "clinic-keys",
            without.Count == 0 ? DoctorVerdict.Ok : DoctorVerdict.Failed,
            without.Count == 0 ? $"{DoctorLimits.Of(some.Count)}, each with a key"
                : $"no usable key: {string.Join(", ", without.Take(10))}{(without.Count > 10 ? ", ..." : "")}{(notLooked.Count > 0 ? $"; of these not looked at: {string.Join(", ", notLooked.Take(10))}" : "")}",
            "every clinic has a key that can be used",
            without.Count == 0 ? null : $"Nothing of these clinics can be backed up. {See}");
        yield return await UnwrapAsync(some.FirstOrDefault(clinic => !without.Contains(clinic.Value)), some.Count > without.Count, duties, cancellationToken);
    }

    private static async Task<DoctorCheck> SigningAsync(
        string check,
        string expected,
        string consequence,
        Func<CancellationToken, Task<string>> current,
        Func<string, ReadOnlyMemory<byte>, CancellationToken, Task<byte[]>> sign,
        Func<CancellationToken, Task<JwkSet>> believed,
        Func<CancellationToken, Task<IReadOnlyList<string>>> disabled,
        CancellationToken cancellationToken)
    {
        string outOfUse = "";
        try
        {
            IReadOnlyList<string> ids = await disabled(cancellationToken);
            outOfUse = ids.Count == 0 ? "" : $"; disabled: {string.Join(", ", ids)}";
            string keyId = await current(cancellationToken);
            byte[] probe = RandomNumberGenerator.GetBytes(32);
            string jws = await Jws.SignAsync("cloudarchive-probe+jws", probe, keyId, (data, ct) => sign(keyId, data, ct), cancellationToken);
            Jws.Verify(jws, "cloudarchive-probe+jws", await believed(cancellationToken));
            return new DoctorCheck(check, DoctorVerdict.Ok, $"{keyId} signs and verifies{outOfUse}", expected);
        }
        catch (Exception e) when (e is KeyUnavailableException or JwsException)
        {
            return new DoctorCheck(check, DoctorVerdict.Failed, e.Message + outOfUse, expected, $"{consequence} {See}");
        }
    }

    private async Task<DoctorCheck> UnwrapAsync(ClinicId clinic, bool any, HostDuties duties, CancellationToken cancellationToken)
    {
        string check = duties.Recovery ? "allowed-unwrap" : "refused-unwrap";
        string expected = duties.Recovery ? "the key store lets this host unwrap" : "the key store refuses to unwrap";
        if (!any)
        {
            return new DoctorCheck(check, DoctorVerdict.NotApplicable, "no clinic has a key", expected);
        }

        bool may = await rights.MayUnwrapAsync((await wrapping.GetCurrentAsync(clinic, cancellationToken)).Kid!, cancellationToken);
        return new DoctorCheck(
            check,
            may == duties.Recovery ? DoctorVerdict.Ok : DoctorVerdict.Failed,
            may ? "it unwraps" : "it refuses",
            expected,
            may == duties.Recovery ? null
            : may ? "Who takes packs could open them: remove the role that lets it unwrap (docs/operations.md, Identities), then azd provision."
            : $"Nothing can be restored. {See}");
    }
}
