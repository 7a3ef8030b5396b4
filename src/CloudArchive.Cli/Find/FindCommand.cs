using System.CommandLine;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Cli.Find;

/// <summary><c>find</c>: looks at this computer, and asks nobody, which studies and folders fit what a person remembers of them.</summary>
internal static class FindCommand
{
    private const int DefaultLimit = 50;

    public static Command Create(CliEnvironment environment)
    {
        Argument<string[]> words = new("words")
        {
            Description = "Parts of names, birth dates, Patient IDs, accession numbers, study dates, descriptions or paths: all must fit, in any order", Arity = ArgumentArity.ZeroOrMore,
        };
        Option<int> limit = new("--limit") { Description = "Show so many, the latest studies first", DefaultValueFactory = _ => DefaultLimit, HelpName = "number" };
        Option<bool> rebuild = new("--rebuild") { Description = "First make the index anew from the images that are here: reads their headers, uploads nothing" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("find", "Find studies and folders by name, date, ID or path, at this computer: the archive is not asked and learns nothing.") { words, limit, rebuild, json };
        command.Validators.Add(result =>
        {
            if (result.GetValue(words) is not { Length: > 0 } && !result.GetValue(rebuild))
            {
                result.AddError("Find what? Name a part of a name, date, ID or path.");
            }
        });
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string[] typed = parsed.GetValue(words)!;
            if (parsed.GetValue(limit) is < 1 or > CommonOptions.MostListed)
            {
                throw new UsageException($"--limit: 1 to {CommonOptions.MostListed:N0}.");
            }

            FindQuery? query = typed.Length > 0 ? FindQuery.Parse(typed) : null;
            AgentHome home = AgentHome.Of(environment);
            AgentIdentity identity = AgentIdentity.Load(home);
            if (parsed.GetValue(rebuild))
            {
                await RebuildAsync(environment, home, identity, parsed.GetValue(json), cancellationToken);
            }

            return query is null ? (int)ExitCode.Ok : (int)Find(environment, home, identity, query, parsed.GetValue(limit), parsed.GetValue(json));
        });
        return command;
    }

    private static async Task RebuildAsync(CliEnvironment environment, AgentHome home, AgentIdentity identity, bool json, CancellationToken cancellationToken)
    {
        using RunLock held = RunLock.Take(home.BackupLock, "backup");
        using AgentState state = AgentState.Open(home.State(identity.Clinic));
        RebuiltIndex rebuilt = await ProgressViews.RunAsync(environment, json, view => FindRebuild.RunAsync(home, identity.Clinic, state, view, cancellationToken));
        await (json ? environment.Error : environment.Out).WriteLineAsync(
            $"The index was made anew from {Texts.Count(rebuilt.Files, "file")}."
            + (rebuilt.NotRead > 0 ? $" {Texts.Count(rebuilt.NotRead, "file")} could not be read or changed since: the next backup that reads {(rebuilt.NotRead == 1 ? "it adds it" : "them adds them")}." : ""));
    }

    private static ExitCode Find(CliEnvironment environment, AgentHome home, AgentIdentity identity, FindQuery query, int limit, bool json)
    {
        using FindIndex? index = FindIndex.OpenToRead(home, identity.Clinic);
        using AgentState? state = AgentState.OpenToRead(home.State(identity.Clinic));
        Dictionary<string, SetCounts> counts = state?.CountSets() ?? [];
        SearchResult searched = index?.Search(query) ?? new SearchResult([], new HashSet<string>(), 0);
        FoundSet[] found = [.. searched.Found.OrderByDescending(set => set.Content.StudyDates.Max, StringComparer.Ordinal).ThenBy(set => set.Set.Value, StringComparer.Ordinal)];
        Gaps gaps = Gaps.Of(state, counts, searched);
        if (json)
        {
            environment.WriteJson(new
            {
                found = found.Take(limit).Select(set => Describe(set, counts)),
                notListed = Math.Max(0, found.Length - limit),
                sets = gaps.Sets,
                notIndexed = gaps.NotYet,
                notIndexable = gaps.Gone,
                searched.Damaged,
            });
        }
        else
        {
            environment.WriteTable(
                ["Set", "Patient", "Born", "Date", "Modality", "Files", "Archived", "Where"],
                found.Take(limit).Select(set => Line(set, counts)),
                "Nothing that this computer has read fits.");
            if (found.Length > limit)
            {
                environment.Error.WriteLine($"{found.Length - limit:N0} more fit: name more words, or --limit {Math.Min(found.Length, CommonOptions.MostListed)}");
            }
        }

        gaps.Tell(environment.Error);
        return found.Length > 0 ? ExitCode.Ok : ExitCode.NothingFound;
    }

    private static object Describe(FoundSet set, Dictionary<string, SetCounts> counts)
    {
        SetCounts? count = counts.TryGetValue(set.Set.Value, out SetCounts known) ? known : null;
        return new
        {
            set = set.Set,
            kind = set.Content.Kind ?? SetKind.Study,
            set.Content.PatientNames,
            set.Content.BirthDates,
            set.Content.PatientIds,
            set.Content.Accessions,
            set.Content.StudyDates,
            set.Content.Modalities,
            set.Content.Descriptions,
            set.Content.Folders,
            files = count?.Files,
            archived = count?.Archived,
        };
    }

    private static string[] Line(FoundSet set, Dictionary<string, SetCounts> counts)
    {
        IndexedSet content = set.Content;
        (string files, string archived) = !counts.TryGetValue(set.Set.Value, out SetCounts count) ? ("not known", "not known")
            : ($"{count.Files:N0}", count.Archived == count.Files ? "yes" : count.Archived == 0 ? "no" : $"{count.Archived:N0} of {count.Files:N0}");
        return
        [
            set.Set.Value, Some(content.PatientNames.Select(Name)), Some(content.BirthDates.Select(Date)), content.Kind is null ? Some(content.StudyDates.Select(Date)) : "plain files",
            Some(content.Modalities), files, archived, Some(content.Folders),
        ];
    }

    /// <summary>The first, and how many more there are.</summary>
    private static string Some(IEnumerable<string> texts)
    {
        string[] all = [.. texts];
        return all.Length == 0 ? "" : Texts.Printable(all[0]) + (all.Length > 1 ? $" (+{all.Length - 1})" : "");
    }

    /// <summary>A person name (PS3.5 §6.2) with spaces between its parts.</summary>
    private static string Name(string name) => string.Join(' ', name.Split(['^', '='], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));

    private static string Date(string date) => DicomValues.ParseDate(date) is { } day ? day.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture) : date;

    /// <summary>What the index does not have.</summary>
    /// <param name="Sets">Sets that this computer read files of.</param>
    /// <param name="NotYet">Those of them that are not in the index and of which files are here.</param>
    /// <param name="Gone">Those of which none is here any more.</param>
    /// <param name="Damaged">Rows of the index that cannot be read.</param>
    private sealed record Gaps(int Sets, int NotYet, int Gone, int Damaged)
    {
        public static Gaps Of(AgentState? state, Dictionary<string, SetCounts> counts, SearchResult searched)
        {
            string[] mine = [.. counts.Where(set => set.Value.IsMine).Select(set => set.Key)];
            string[] missing = [.. mine.Where(set => !searched.All.Contains(set))];
            HashSet<string> here = missing.Length > 0 ? state!.SetsHere() : [];
            int notYet = missing.Count(here.Contains);
            return new Gaps(mine.Length, notYet, missing.Length - notYet, searched.Damaged);
        }

        public void Tell(TextWriter error)
        {
            if (NotYet > 0)
            {
                error.WriteLine($"{NotYet:N0} of {Texts.Count(Sets, "set")} {(NotYet == 1 ? "is" : "are")} not in the index yet: backups read every file again within 90 days and add them. For now: cloudarchive find --rebuild");
            }

            if (Gone > 0)
            {
                error.WriteLine($"{Texts.Count(Gone, "set")} cannot be found here: {(Gone == 1 ? "its files are" : "their files are")} gone, and nobody noted whose they were. An admin finds studies by Patient ID or accession number.");
            }

            if (Damaged > 0)
            {
                error.WriteLine($"{Texts.Count(Damaged, "entry", "entries")} of the index cannot be read. Make it anew: cloudarchive find --rebuild");
            }

            if (Sets == 0)
            {
                error.WriteLine("This computer has read nothing yet: cloudarchive backup");
            }
        }
    }
}
