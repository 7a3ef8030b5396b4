using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Retention;

/// <summary>Policies and destructions in words.</summary>
internal static class RetentionTexts
{
    public static string Describe(RetentionPolicy policy)
    {
        string from = policy.From == RetentionBasis.LastTreatment ? "the patient's last study" : "the study's date";
        string minors = policy.MinorsUntilAge is { } age ? $"; studies of who was younger than {age} until that age and {Texts.Count(policy.MinorYears, "year")} more" : "";
        string archive = policy.ArchiveAfterYears is { } tier ? $"; in the archive tier {Texts.Count(tier, "year")} after archiving" : "";
        return $"version {policy.Version}: {Texts.Count(policy.Years, "year")} after {from}, at least {Texts.Count(policy.MinimumYears, "year")} after archiving{minors}{archive}";
    }

    public static string Describe(DestructionResponse destruction) => destruction.Status switch
    {
        DestructionStatus.PendingApproval => "waits for approval",
        DestructionStatus.Approved => "approved",
        DestructionStatus.Destroying => "under way",
        DestructionStatus.Destroyed => $"destroyed {destruction.DestroyedAt?.ToLocalTime():yyyy-MM-dd}",
        _ => $"rejected ({destruction.Why})",
    };
}
