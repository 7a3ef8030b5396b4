using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Clinics;

/// <summary><c>clinic show</c>: the clinic's settings, and the verdict on it as portal, alerts and mails have it.</summary>
internal static class ClinicShowCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Option<bool> json = CommonOptions.Json();
        Command command = new("show", "Say whether a clinic is safe, computer by computer, and show its settings (admin, compliance). The exit code says it too.") { json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            ClinicId id = connection.Clinic(parsed);
            ClinicResponse clinic = await client.GetAsync<ClinicResponse>($"v1/clinics/{id}", cancellationToken);
            ClinicVerdictResponse verdict = await client.GetAsync<ClinicVerdictResponse>($"v1/clinics/{id}/verdict", cancellationToken);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(new { clinic, verdict });
            }
            else
            {
                Write(environment.Out, clinic, verdict);
            }

            return (int)(verdict.State == VerdictState.NotSafe ? ExitCode.NotSafe : ExitCode.Ok);
        });
        return command;
    }

    private static void Write(TextWriter output, ClinicResponse clinic, ClinicVerdictResponse verdict)
    {
        output.WriteLine($"{Word(verdict.State)}  {Texts.Printable(clinic.Name)} ({clinic.Clinic})");
        foreach (VerdictFinding finding in verdict.Findings)
        {
            output.WriteLine($"  {Line(finding, verdict.At)}");
        }

        foreach (ComputerVerdictResponse computer in verdict.Computers)
        {
            output.WriteLine();
            output.WriteLine($"{Word(computer.State)}  {Texts.Printable(computer.Name)} ({computer.AgentId}), {(computer.ReceivedAt is { } at ? $"reported {Texts.Ago(at, verdict.At)}" : "no report yet")}");
            if (computer.ClockOffSeconds is { } off)
            {
                output.WriteLine($"  - Its clock is {Math.Abs(off):N0} seconds {(off > 0 ? "ahead" : "behind")}; times here are the service's.");
            }

            foreach (VerdictFinding finding in computer.Findings)
            {
                output.WriteLine($"  {Line(finding, verdict.At)}");
            }

            for (int number = 0; number < computer.Folders.Count; number++)
            {
                FolderVerdict folder = computer.Folders[number];
                output.WriteLine($"  Folder {number + 1} ({folder.Folder}): {folder.Files:N0} files, {folder.Archived:N0} archived, {folder.Excluded:N0} excluded, {Texts.Size(folder.Bytes)}");
                foreach (VerdictFinding finding in folder.Findings)
                {
                    output.WriteLine($"    {Line(finding, verdict.At)}");
                }
            }
        }

        output.WriteLine();
        if (verdict.Objectives is { } objectives)
        {
            output.WriteLine($"  RTO          {Line(objectives.RecoveryTime)}");
            output.WriteLine($"  RPO          {Line(objectives.RecoveryPoint)}");
        }

        output.WriteLine($"  Kept for     {clinic.RetentionYears} years");
        output.WriteLine($"  Second admin {(clinic.RequireApproval ? "approves restores of more than one study" : "not asked for")}");
        output.WriteLine($"  Last commit  {(clinic.LastCommitAt is { } last ? Texts.Ago(last, verdict.At) : "never")}");
        output.WriteLine($"  May archive  {ClinicQuotaCommand.Describe(clinic)}");
        output.WriteLine($"  Patient IDs  {IdentifierForms.Describe(clinic.IdentifierMatch)}");
        output.WriteLine($"  Contact      {clinic.Contact ?? "nobody gets mail"}");
    }

    private static string Line(MeasuredObjective objective) => objective.State switch
    {
        ObjectiveState.Met => $"met. {objective.Why}",
        ObjectiveState.NotMet => $"NOT MET. {Texts.Printable(objective.Why)}",
        _ => Texts.Printable(objective.Why), // it says that it was not checked
    };

    private static string Word(VerdictState state) => state switch { VerdictState.Safe => "SAFE", VerdictState.Attention => "NEEDS ATTENTION", _ => "NOT SAFE" };

    private static string Line(VerdictFinding finding, DateTimeOffset now) => $"{(finding.NotSafe ? "!" : "-")} {VerdictTexts.Describe(finding, now)}";
}
