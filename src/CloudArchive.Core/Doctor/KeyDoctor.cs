using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Doctor;

/// <summary>Keys: the signing key signs and is published, every clinic has a key, and only who must can unwrap with it.</summary>
public sealed class KeyDoctor(ISigner signer, IWrappingKeys wrapping, IKeyRights rights, ClinicDirectory clinics) : IDoctor
{
    private const string See = "See docs/operations.md, Keys.";

    /// <inheritdoc/>
    public async IAsyncEnumerable<DoctorCheck> ExamineAsync(HostDuties duties, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return await SigningAsync(cancellationToken);
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

    private async Task<DoctorCheck> SigningAsync(CancellationToken cancellationToken)
    {
        const string expected = "what is signed verifies against the published keys";
        try
        {
            string keyId = await signer.GetCurrentKeyIdAsync(cancellationToken);
            byte[] probe = RandomNumberGenerator.GetBytes(32);
            string jws = await Jws.SignAsync("cloudarchive-probe+jws", probe, keyId, (data, ct) => signer.SignAsync(keyId, data, ct), cancellationToken);
            Jws.Verify(jws, "cloudarchive-probe+jws", await signer.GetPublicKeysAsync(cancellationToken));
            return new DoctorCheck("signing-key", DoctorVerdict.Ok, $"{keyId} signs and verifies", expected);
        }
        catch (Exception e) when (e is KeyUnavailableException or JwsException)
        {
            return new DoctorCheck("signing-key", DoctorVerdict.Failed, e.Message, expected, $"No receipt, checkpoint or token can be issued. {See}");
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
