using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Retention;

/// <summary><c>retention set</c>.</summary>
internal static class RetentionSetCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Option<int> years = new("--years") { Description = "Years after the study's date (1 to 100)", Required = true };
        Option<int?> minimum = new("--minimum-years") { Description = "Years after archiving, whatever the study's date is [as --years]" };
        Option<bool> last = new("--from-last-treatment") { Description = "Count --years from the date of the patient's latest study" };
        Option<int?> age = new("--minors-until-age") { Description = "Keep studies of who was younger until that age ..." };
        Option<int> more = new("--minor-years") { Description = "... and so many years more" };
        Option<int?> archive = new("--archive-after-years") { Description = $"Move packs to the archive tier so many years after archiving ({string.Join(", ", RetentionPolicy.ArchiveAges)}) [they stay online]" };
        return StaffCommand.Act(
            environment,
            "set",
            "Set the retention policy: a new version (admin). What is archived is only ever kept longer by it, never shorter.",
            [years, minimum, last, age, more, archive],
            call => call.PutAsync<RetentionPolicy>($"{call.Clinic}/retention", new RetentionPolicyRequest(
                call.Value(years),
                call.Value(minimum) ?? call.Value(years),
                call.Value(last) ? RetentionBasis.LastTreatment : RetentionBasis.StudyDate,
                call.Value(age),
                call.Value(more),
                call.Value(archive))),
            (output, policy) => output.WriteLine($"Studies are kept by {RetentionTexts.Describe(policy)}. Where that is longer than before, what is archived is locked longer within the hour."));
    }
}
