using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CloudArchive.Cli;
using CloudArchive.Format;
using CloudArchive.Format.Wire;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>What an admin does about retention and holds at a terminal.</summary>
public sealed class RetentionCommandTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_policy_a_hold_and_a_plan_by_the_commands_of_the_manual()
    {
        await using Practice practice = await Practice.OpenAsync(approval: true);
        SampleStudies.WriteOne(Path.Combine(practice["clinic"], "a.dcm"), "one");
        await practice.BackUpAsync(practice["clinic"]);
        Cli second = new(practice["second"], practice.Archive.Url, practice.Archive.SecondAdminToken);

        CliRun set = (await practice.Admin.RunAsync("retention", "set", "--clinic", practice.Clinic, "--years", "12", "--minors-until-age", "18", "--minor-years", "7", "--archive-after-years", "2")).Expect(0);
        Assert.Contains("version 2: 12 years after the study's date, at least 12 years after archiving; studies of who was younger than 18 until that age and 7 years more; in the archive tier 2 years after archiving", set.Output);
        Assert.Contains("version 1: 10 years", (await practice.Admin.RunAsync("retention", "show", "--clinic", practice.Clinic)).Expect(0).Output);
        CliRun bad = await practice.Admin.RunAsync("retention", "set", "--clinic", practice.Clinic, "--years", "12", "--archive-after-years", "4");
        Assert.Equal((int)ExitCode.Refused, bad.ExitCode);
        Assert.Contains("archiveAfterYears: one of 1, 2, 3, 5", bad.Error);
        Assert.Equal(2, JsonNode.Parse((await practice.Admin.RunAsync("retention", "plan", "--clinic", practice.Clinic, "--json")).Expect(0).Output)!.AsArray().Count); // the study, and the computer's snapshots
        Assert.Empty(JsonNode.Parse((await practice.Admin.RunAsync("retention", "destructions", "--clinic", practice.Clinic, "--json")).Expect(0).Output)!.AsArray());

        string hold = (string)(await practice.Admin.RunAsync("hold", "set", "--clinic", practice.Clinic, "--patient", "PID-7", "--reason", "case", "--json")).Expect((int)ExitCode.NothingFound).Json["hold"]!; // it stands, and nothing is there yet that it keeps
        Assert.Contains(hold, (await practice.Admin.RunAsync("hold", "list", "--clinic", practice.Clinic)).Expect(0).Output);
        Assert.Contains("clearing waits for approval", (await practice.Admin.RunAsync("hold", "clear", hold, "--clinic", practice.Clinic)).Expect(0).Output);
        Assert.Contains("Another admin", (await practice.Admin.RunAsync("hold", "approve", hold, "--clinic", practice.Clinic)).Error);
        Assert.Contains("a patient's studies: cleared", (await second.RunAsync("hold", "approve", hold, "--clinic", practice.Clinic)).Expect(0).Output);
        Assert.DoesNotContain(hold, (await practice.Admin.RunAsync("hold", "list", "--clinic", practice.Clinic)).Expect(0).Output);
    }

    [Theory]
    [InlineData("approve", "is destroyed by the next run")]
    [InlineData("reject", "stays")]
    public async Task A_decision_goes_to_each_destruction_that_was_named(string verb, string told)
    {
        // Nothing is due in an archive of today: the service's answers are the test's.
        await using Practice practice = await Practice.OpenAsync();
        List<string> asked = [];
        (ExitCode code, string output, string error) = await InProcessCli.RunAsync(
            practice["admin"],
            (request, answer) =>
            {
                if (request.Method != HttpMethod.Post)
                {
                    return answer;
                }

                asked.Add(request.RequestUri!.AbsolutePath);
                DestructionResponse decided = new(
                    "d", ClinicId.Parse(practice.Clinic), Uid.Parse("1.2.3"), DestructionStatus.Approved, DateTimeOffset.UnixEpoch, 1, 2, 3, 4000, "retention", DateTimeOffset.UnixEpoch, "ada", DateTimeOffset.UnixEpoch, null, null);
                return new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent(JsonSerializer.Serialize(decided, FormatJson.Options), Encoding.UTF8, "application/json") };
            },
            "retention", verb, "one", "two", "--url", practice.Archive.Url, "--token", practice.Archive.AdminToken, "--clinic", practice.Clinic);
        Assert.True(code == ExitCode.Ok, error);
        Assert.Equal([$"/v1/clinics/{practice.Clinic}/destructions/one/{verb}", $"/v1/clinics/{practice.Clinic}/destructions/two/{verb}"], asked);
        Assert.Equal(2, output.Split('\n').Count(line => line.Contains("study 1.2.3", StringComparison.Ordinal) && line.Contains(told, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_certificate_of_destruction_is_verified_without_the_service()
    {
        using TemporaryFolder folder = new();
        string vectors = Path.Combine(Repository.Root, "tests", "vectors", "statements-1");
        foreach (string file in (string[])["certificate.json", "certificate.jws", "jwks.json"])
        {
            File.Copy(Path.Combine(vectors, file), folder[file]);
        }

        Cli nobody = new(folder["home"]);
        Assert.Contains("The certificate holds", (await nobody.RunAsync("retention", "verify", folder.Path, "--key", folder["jwks.json"])).Expect(0).Output);
        string json = await File.ReadAllTextAsync(folder["certificate.json"], Cancel);
        await File.WriteAllTextAsync(folder["certificate.json"], json.Replace("\"approvedBy\":\"ada\"", "\"approvedBy\":\"bob\"", StringComparison.Ordinal), Cancel);
        CliRun forged = await nobody.RunAsync("retention", "verify", folder.Path, "--key", folder["jwks.json"]);
        Assert.Equal((int)ExitCode.Integrity, forged.ExitCode);
        Assert.Contains("DOES NOT HOLD", forged.Output);
    }
}
