using System.CommandLine;
using System.CommandLine.Help;
using CloudArchive.Cli.Access;
using CloudArchive.Cli.Alerts;
using CloudArchive.Cli.Audit;
using CloudArchive.Cli.Background;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.Binders;
using CloudArchive.Cli.Catalog;
using CloudArchive.Cli.Clinics;
using CloudArchive.Cli.Disclosures;
using CloudArchive.Cli.Doctor;
using CloudArchive.Cli.Enrollment;
using CloudArchive.Cli.Evidence;
using CloudArchive.Cli.Find;
using CloudArchive.Cli.Holds;
using CloudArchive.Cli.Keys;
using CloudArchive.Cli.Receipts;
using CloudArchive.Cli.Recovery;
using CloudArchive.Cli.Reports;
using CloudArchive.Cli.Restores;
using CloudArchive.Cli.RestoreTests;
using CloudArchive.Cli.Retention;
using CloudArchive.Cli.Setup;
using CloudArchive.Cli.SignIn;
using CloudArchive.Cli.Status;
using CloudArchive.Cli.Terminal;
using CloudArchive.Cli.Watch;

namespace CloudArchive.Cli;

/// <summary>The <c>cloudarchive</c> command.</summary>
public static class CloudArchiveCli
{
    /// <summary>Runs one command line and returns its exit code. Every error ends here.</summary>
    public static async Task<int> RunAsync(string[] args, CliEnvironment environment, CancellationToken cancellationToken)
    {
        InvocationConfiguration configuration = new() { Output = environment.Out, Error = environment.Error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = TimeSpan.FromSeconds(20) };
        try
        {
            return await CommandLine.Parse(CreateRoot(environment), args).InvokeAsync(configuration, cancellationToken);
        }
        catch (Exception error)
        {
            (ExitCode code, string message) = Failures.Describe(error);
            await environment.Error.WriteLineAsync(message);
            if (environment.Variable("CLOUDARCHIVE_DEBUG") == "1") await environment.Error.WriteLineAsync(error.ToString());
            return (int)code;
        }
    }

    /// <summary>The command tree. Each command has a file of its own, in its feature's folder.</summary>
    public static RootCommand CreateRoot(CliEnvironment environment)
    {
        RootCommand root = new("CloudArchive: the off-site copy of a clinic's images that proves, every day, that it can be brought back.")
        {
            SetupCommand.Create(environment),
            EnrollCommand.Create(environment),
            BackupCommand.Create(environment),
            WatchCommand.Create(environment),
            StatusCommand.Create(environment),
            ServiceCommands.Create(environment),
            FoldersCommands.Create(environment),
            FindCommand.Create(environment),
            new Command("receipts", "The archive's receipts, which prove that files are backed up.")
            {
                ReceiptsListCommand.Create(environment),
                ReceiptsVerifyCommand.Create(environment),
                ReceiptsExportCommand.Create(environment),
            },
            LoginCommand.Create(environment),
            LogoutCommand.Create(environment),
            RestoreCommand.Create(environment),
            SnapshotsCommand.Create(environment),
            DisclosuresCommand.Create(environment),
            new Command("restores", "Restores that were asked for (admin).") { RestoresListCommand.Create(environment), RestoresApproveCommand.Create(environment), RestoresFetchCommand.Create(environment) },
            RecoverCommand.Create(environment),
            DiffCommand.Create(environment),
            new Command("access", "Who can act: people and agents (admin, compliance).")
            {
                AccessReviewCommand.Create(environment),
                AccessVerifyCommand.Create(environment),
                AccessBlockCommand.Create(environment),
                AccessUnblockCommand.Create(environment),
            },
            new Command("clinic", "Clinics: is one safe, its contact, its quota, its identifiers, its objectives, a new one.") { ClinicShowCommand.Create(environment), ClinicCreateCommand.Create(environment), ClinicContactCommand.Create(environment), ClinicQuotaCommand.Create(environment), ClinicIdentifiersCommand.Create(environment), ClinicObjectivesCommand.Create(environment) },
            new Command("hold", "Legal holds: what they name is kept, whatever its date is (admin).")
            {
                HoldSetCommand.Create(environment),
                HoldListCommand.Create(environment),
                HoldClearCommand.Create(environment),
                HoldApproveCommand.Create(environment),
            },
            new Command("retention", "How long studies are kept, and their destruction after that.")
            {
                RetentionShowCommand.Create(environment),
                RetentionSetCommand.Create(environment),
                RetentionPlanCommand.Create(environment),
                RetentionDestructionsCommand.Create(environment),
                RetentionApproveCommand.Create(environment),
                RetentionRejectCommand.Create(environment),
                RetentionCertificateCommand.Create(environment),
                RetentionVerifyCommand.Create(environment),
            },
            new Command("enrollment", "Enrollment codes (admin).") { EnrollmentCreateCommand.Create(environment) },
            new Command("catalog", "The catalogue (admin).") { CatalogRebuildCommand.Create(environment) },
            DoctorCommand.Create(environment),
            new Command("keys", "The clinics' keys (admin).") { KeysRewrapCommand.Create(environment) },
            new Command("restore-test", "Restore tests.") { RestoreTestRunCommand.Create(environment), RestoreTestListCommand.Create(environment), RestoreTestShowCommand.Create(environment) },
            new Command("evidence", "Evidence of restore tests.") { EvidenceListCommand.Create(environment), EvidenceGetCommand.Create(environment), EvidenceVerifyCommand.Create(environment) },
            ReportCommand.Create(environment),
            new Command("binder", "An auditor's binder: all that a period left behind, in one ZIP.") { BinderGetCommand.Create(environment), BinderVerifyCommand.Create(environment) },
            new Command("alerts", "Alerts: what is open, who has it in hand, and what could not be delivered.") { AlertsListCommand.Create(environment), AlertsAcknowledgeCommand.Create(environment), AlertsRetryCommand.Create(environment) },
            new Command("audit", "Audit logs: a clinic's, and the system's.") { AuditExportCommand.Create(environment), AuditVerifyCommand.Create(environment) },
        };
        root.Directives.Clear(); // [diagram] and the like: a folder's name may begin with a bracket
        foreach (HelpOption help in root.Options.OfType<HelpOption>())
        {
            help.Action = new HelpWithExamples((HelpAction)help.Action!);
        }

        root.SetAction((_, cancellationToken) => Task.FromResult((int)WhereThingsStand.Tell(environment, cancellationToken)));
        return root;
    }
}
