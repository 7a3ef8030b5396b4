using System.Runtime.CompilerServices;
using CloudArchive.Core.Storage;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Doctor;

/// <summary>Storage: immutability, its clock, and that who opens packs can neither change nor remove one.</summary>
public sealed class StorageDoctor(IBlobVault vault, IStorageRights rights, TimeProvider clock) : IDoctor
{
    private static readonly TimeSpan s_skew = TimeSpan.FromMinutes(2);

    /// <inheritdoc/>
    public async IAsyncEnumerable<DoctorCheck> ExamineAsync(HostDuties duties, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return await ImmutabilityAsync(cancellationToken);
        TimeSpan off = (await rights.GetTimeAsync(cancellationToken) - clock.GetUtcNow()).Duration();
        yield return new DoctorCheck(
            "storage-clock",
            off <= s_skew ? DoctorVerdict.Ok : DoctorVerdict.Failed,
            $"{off.TotalSeconds:0} s apart",
            $"service and storage within {s_skew.TotalMinutes:0} minutes",
            off <= s_skew ? null : "Set the service's clock: locks, tokens and checkpoints go by it.");
        foreach ((string what, Func<VaultArea, CancellationToken, Task<bool>> may, VaultArea area) in ((string, Func<VaultArea, CancellationToken, Task<bool>>, VaultArea)[])
            [("delete-packs", rights.MayDeleteAsync, VaultArea.Packs), ("overwrite-packs", rights.MayOverwriteAsync, VaultArea.Packs), ("delete-records", rights.MayDeleteAsync, VaultArea.Records)])
        {
            // Ingest removes packs that do not match; nobody removes a record.
            bool must = duties.Both || (duties.Ingest && area == VaultArea.Packs);
            if (must)
            {
                yield return new DoctorCheck("refused-" + what, DoctorVerdict.NotApplicable, duties.Both ? "one machine has both roles" : "ingest needs it for packs that do not match", "refused where packs are opened");
                continue;
            }

            bool allowed = await may(area, cancellationToken);
            yield return new DoctorCheck(
                "refused-" + what,
                allowed ? DoctorVerdict.Failed : DoctorVerdict.Ok,
                allowed ? "storage allows it" : "storage refuses it",
                "storage refuses it",
                allowed ? "This identity has a role that it must not have: az role assignment list --assignee <its object id> --all, compare with docs/operations.md, Identities, remove it, and azd provision." : null);
        }
    }

    private async Task<DoctorCheck> ImmutabilityAsync(CancellationToken cancellationToken)
    {
        try
        {
            await vault.EnsureReadyAsync(cancellationToken);
            return new DoctorCheck("immutability", DoctorVerdict.Ok, "both containers lock versions", "both containers lock versions");
        }
        catch (ImmutabilityUnavailableException e)
        {
            return new DoctorCheck("immutability", DoctorVerdict.Failed, e.Message, "both containers lock versions", "Nothing new is safe. infra/modules/archive.bicep has the settings; an account that was made without them cannot get them: deploy a new one.");
        }
    }
}
