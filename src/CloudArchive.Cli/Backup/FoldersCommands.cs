using System.CommandLine;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Status;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Cli.Backup;

/// <summary><c>folders</c>: what is remembered, what is left out of it on purpose, and a way to forget.</summary>
internal static class FoldersCommands
{
    public static Command Create(CliEnvironment environment) => new("folders", "The folders that this computer backs up, and what is left out of them on purpose.")
    {
        List(environment),
        Add(environment),
        Remove(environment),
        Exclude(environment),
        Label(environment),
        Show(environment),
    };

    private static Command List(CliEnvironment environment)
    {
        Option<bool> json = CommonOptions.Json();
        Command command = new("list", "List the folders that are remembered.") { json };
        command.SetAction(parsed =>
        {
            using OpenState open = OpenState.ToRead(environment);
            IReadOnlyList<FolderLook> folders = open.Look().Folders;
            if (parsed.GetValue(json))
            {
                environment.WriteJson(folders.Select(folder => Describe(folder)));
                return (int)ExitCode.Ok;
            }

            environment.WriteTable(
                ["Folder", "Label", "Id", "Files", "Size", "Archived", "Excluded", "Complete"],
                folders.Select(folder => (IReadOnlyList<string>)[
                    Texts.Printable(folder.Folder.Path), Texts.Printable(folder.Folder.Label), folder.Facts.Folder, $"{folder.Facts.Found.Files:N0}", Texts.Size(folder.Facts.Found.Bytes), $"{folder.Facts.Archived.Files:N0}",
                    $"{folder.Facts.Excluded.Files:N0}", folder.Folder.CompleteAt is { } at ? Texts.Ago(at, environment.Clock.GetUtcNow()) : "never"]),
                "No folder is remembered yet: cloudarchive backup <folder>");
            return (int)ExitCode.Ok;
        });
        return command;
    }

    private static Command Add(CliEnvironment environment)
    {
        Argument<string> folder = new("folder") { Description = "A folder to back up, with everything below it" };
        Option<string[]> exclude = new("--exclude") { Description = "What to leave out of it, as .gitignore has it: *.jpg, cache/, /old/**; may be repeated", HelpName = "pattern" };
        Command command = new("add", "Remember a folder, and what is left out of it.") { folder, exclude };
        command.SetAction(parsed =>
        {
            using OpenState open = OpenState.ToWrite(environment);
            string path = FolderList.Resolve(open.State, [parsed.GetValue(folder)!], keep: true)[0];
            string[] patterns = Checked(parsed.GetValue(exclude) ?? []);
            bool isNew = open.State.FindFolder(path) is null;
            long id = open.State.Folder(path);
            foreach (string pattern in patterns)
            {
                open.State.Exclude(id, pattern);
            }

            environment.Out.WriteLine($"{Texts.Printable(path)} is {(isNew ? "remembered" : "remembered already")}{(patterns.Length > 0 ? $", without {string.Join(", ", patterns)}" : "")}. Back it up: cloudarchive backup");
            return (int)ExitCode.Ok;
        });
        return command;
    }

    private static Command Remove(CliEnvironment environment)
    {
        Argument<string> folder = new("folder") { Description = "A remembered folder" };
        Command command = new("remove", "Forget a folder: it is backed up no more, and the verdict says nothing of it. What is archived stays archived.") { folder };
        command.SetAction(parsed =>
        {
            using OpenState open = OpenState.ToWrite(environment);
            FolderRecord known = Known(open.State, parsed.GetValue(folder)!);
            open.State.Forget(known.Path);
            environment.Out.WriteLine($"{Texts.Printable(known.Path)} is forgotten. What is archived of it stays archived.");
            return (int)ExitCode.Ok;
        });
        return command;
    }

    private static Command Exclude(CliEnvironment environment)
    {
        Argument<string> folder = new("folder") { Description = "A remembered folder" };
        Argument<string[]> patterns = new("pattern") { Description = "What to leave out, as .gitignore has it: *.jpg, cache/, /old/**", Arity = ArgumentArity.OneOrMore };
        Option<bool> undo = new("--undo") { Description = "Back up again what these patterns left out" };
        Command command = new("exclude", "Leave files out of a folder on purpose, from the next backup on. What is archived stays archived.") { folder, patterns, undo };
        command.SetAction(parsed =>
        {
            using OpenState open = OpenState.ToWrite(environment);
            FolderRecord known = Known(open.State, parsed.GetValue(folder)!);
            foreach (string pattern in parsed.GetValue(undo) ? parsed.GetValue(patterns)! : Checked(parsed.GetValue(patterns)!))
            {
                bool changed = open.State.Exclude(known.Id, pattern, parsed.GetValue(undo));
                if (!changed && parsed.GetValue(undo))
                {
                    throw new UsageException($"{pattern} is none of the exclusions of {known.Path}: {string.Join(", ", known.Exclusions.DefaultIfEmpty("there are none"))}");
                }
            }

            environment.Out.WriteLine($"Left out of {Texts.Printable(known.Path)}: {string.Join(", ", open.State.FindFolder(known.Path)!.Exclusions.DefaultIfEmpty("nothing"))}. The next backup counts.");
            return (int)ExitCode.Ok;
        });
        return command;
    }

    private static Command Label(CliEnvironment environment)
    {
        Argument<string> folder = new("folder") { Description = "A remembered folder" };
        Argument<string> label = new("label") { Description = "What restores call it: X-rays, scanner" };
        Command command = new("label", "Give a folder another label: restores of more than one folder put it below <computer>/<label>.") { folder, label };
        command.SetAction(parsed =>
        {
            using OpenState open = OpenState.ToWrite(environment);
            FolderRecord known = Known(open.State, parsed.GetValue(folder)!);
            string to = parsed.GetValue(label)!.Trim();
            if (to.Length is 0 or > AgentState.LongestLabel || to.Contains('/', StringComparison.Ordinal) || new EntryNames().Add(to) != to)
            {
                throw new UsageException($"A label has 1 to {AgentState.LongestLabel} characters, none of / \\ : * ? \" < > | and no dot at its end: restores make a folder of it, on whatever system.");
            }

            if (!open.State.Relabel(known.Path, to))
            {
                string owner = open.State.OwnerOfLabel(to, known.Path)!;
                throw new UsageException(
                    $"{Texts.Printable(owner)} {(open.State.FindFolder(owner)?.Label is { } has && AgentState.KeyOfLabel(has) == AgentState.KeyOfLabel(to) ? "has" : "was archived under")} the label {to}: "
                    + "a restore of both would put their files into one folder. Choose another label.");
            }

            environment.Out.WriteLine($"{Texts.Printable(known.Path)} is called {Texts.Printable(to)} from the next backup on.");
            return (int)ExitCode.Ok;
        });
        return command;
    }

    private static Command Show(CliEnvironment environment)
    {
        Argument<string> folder = new("folder") { Description = "A remembered folder" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("show", "Show how a folder stands, its rules, and how much each leaves out.") { folder, json };
        command.SetAction(parsed =>
        {
            using OpenState open = OpenState.ToRead(environment);
            FolderRecord known = Known(open.State, parsed.GetValue(folder)!);
            FolderLook look = open.Look().Folders.Single(f => f.Folder.Id == known.Id);
            IReadOnlyList<LeftOut> leftOut = open.State.LeftOut(known.Id);
            string[] idle = [.. known.Exclusions.Where(pattern => leftOut.All(rule => rule.Rule != pattern))];
            if (parsed.GetValue(json))
            {
                environment.WriteJson(Describe(look, leftOut));
                return (int)ExitCode.Ok;
            }

            TextWriter output = environment.Out;
            output.WriteLine($"{Texts.Printable(known.Path)}  (id {look.Facts.Folder}, volume {known.Volume ?? "not known"})");
            output.WriteLine($"  {Texts.Count(look.Facts.Found.Files, "file")}, {Texts.Size(look.Facts.Found.Bytes)}: {look.Facts.Archived.Files:N0} archived, {look.Facts.Excluded.Files:N0} excluded on purpose");
            foreach (VerdictFinding finding in VerdictRule.For(look.Facts, environment.Clock.GetUtcNow(), VerdictRule.DefaultMaxAge).Findings)
            {
                output.WriteLine($"  {(finding.NotSafe ? "!" : "-")} {VerdictTexts.Describe(finding, environment.Clock.GetUtcNow())}");
            }

            output.WriteLine("Left out on purpose, as of the last backup:");
            foreach (LeftOut rule in leftOut)
            {
                output.WriteLine($"  {rule.Files.Files,10:N0}  {Texts.Size(rule.Files.Bytes),8}  {Texts.Printable(rule.Rule)}");
            }

            foreach (string pattern in idle)
            {
                output.WriteLine($"  {0,10:N0}  {"",8}  {Texts.Printable(pattern)}");
            }

            return (int)ExitCode.Ok;
        });
        return command;
    }

    private static object Describe(FolderLook folder, IReadOnlyList<LeftOut>? leftOut = null) => new
    {
        folder.Folder.Path,
        folder.Folder.Label,
        id = folder.Facts.Folder,
        folder.Folder.Volume,
        files = folder.Facts.Found.Files,
        bytes = folder.Facts.Found.Bytes,
        archived = folder.Facts.Archived.Files,
        excluded = folder.Facts.Excluded.Files,
        folder.Folder.Exclusions,
        leftOut = leftOut?.Select(rule => new { rule.Rule, files = rule.Files.Files, bytes = rule.Files.Bytes }),
        lastScan = folder.Folder.ScannedAt,
        lastComplete = folder.Folder.CompleteAt,
    };

    private static FolderRecord Known(AgentState state, string folder) =>
        state.FindFolder(FolderScan.Resolve(folder)) ?? state.FindFolder(folder)
        ?? throw new UsageException($"{folder} is not remembered. These are: {string.Join(", ", state.Folders().DefaultIfEmpty("none"))}");

    private static string[] Checked(string[] patterns) => patterns.FirstOrDefault(pattern => !Exclusions.IsPattern(pattern) || pattern.TrimStart().StartsWith('#')) is { } bad
        ? throw new UsageException($"\"{bad}\" is no pattern. Examples: *.jpg (by name, anywhere), cache/ (a folder, anywhere), /old/** (below the folder itself).")
        : [.. patterns.Select(pattern => pattern.Trim())];

    /// <summary>The agent's state with who it belongs to.</summary>
    private sealed record OpenState(AgentState State, AgentIdentity Identity, AgentHome Home, CliEnvironment Environment) : IDisposable
    {
        public static OpenState ToWrite(CliEnvironment environment)
        {
            AgentHome home = AgentHome.Of(environment);
            AgentIdentity identity = AgentIdentity.Load(home);
            return new OpenState(AgentState.Open(home.State(identity.Clinic)), identity, home, environment);
        }

        public static OpenState ToRead(CliEnvironment environment)
        {
            AgentHome home = AgentHome.Of(environment);
            AgentIdentity identity = AgentIdentity.Load(home);
            return AgentState.OpenToRead(home.State(identity.Clinic)) is { } state ? new OpenState(state, identity, home, environment) : ToWrite(environment);
        }

        public AgentLook Look()
        {
            using IdentifierSecret? secret = Home.TryReadSecret();
            return AgentLook.Of(State, Identity, secret, Environment.Clock.GetUtcNow());
        }

        public void Dispose() => State.Dispose();
    }
}
