using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;

namespace CloudArchive.Cli;

/// <summary>
/// Reads a command line strictly. The library takes a word that it does not know for an argument: <c>backup D:\Images --dryrun</c> would back up two
/// folders, for real. Here a word with a dash is an option that the command has, or a mistake; an empty word is a mistake; and a word with an @ is
/// that word, and no file to read more words from.
/// </summary>
public static class CommandLine
{
    private static readonly ParserConfiguration s_strict = new() { ResponseFileTokenReplacer = null };

    /// <summary>What the words ask for.</summary>
    /// <exception cref="UsageException">They ask for nothing that there is; the message says what was probably meant.</exception>
    public static ParseResult Parse(RootCommand root, IReadOnlyList<string> args)
    {
        if (FindEmpty(args) is { } empty)
        {
            throw new UsageException(empty); // before anything tries to read a number from it
        }

        ParseResult parsed = root.Parse(args, s_strict);
        string[] words = [.. args.TakeWhile(word => word != "--")];
        string? fault = FindUnknownOption(parsed.CommandResult, words) ?? FindUnknownCommand(root, parsed);
        if (fault is not null || parsed.Action is ParseErrorAction)
        {
            IEnumerable<string> lines = fault is not null ? [fault] : parsed.Errors.Select(error => error.Message).Distinct(StringComparer.Ordinal);
            throw new UsageException(string.Join(Environment.NewLine, lines.Append($"See: {PathOf(parsed.CommandResult)} --help")));
        }

        return parsed;
    }

    private static string? FindEmpty(IReadOnlyList<string> args)
    {
        foreach ((int place, string word) in args.Index())
        {
            if (string.IsNullOrWhiteSpace(word))
            {
                return place == 0 ? "The first word of the command line is empty." : $"There is an empty word after '{args[place - 1]}'. A variable that a script has not set?";
            }

            if (word.StartsWith("--", StringComparison.Ordinal) && word.EndsWith('='))
            {
                return $"{word} has no value. A variable that a script has not set?";
            }
        }

        return null;
    }

    private static string? FindUnknownOption(CommandResult at, string[] words)
    {
        string[] known = [.. OptionsOf(at).SelectMany(option => option.Aliases.Prepend(option.Name))];
        foreach (string word in words.Where(word => word.Length > 1 && word[0] == '-'))
        {
            string name = word.Split('=', ':')[0];
            if (!known.Contains(name, StringComparer.Ordinal))
            {
                return $"{PathOf(at)} has no option {name}.{Suggest(name, known)} Is it a value, or a folder's name? Write --option={name}, or ./{name}.";
            }
        }

        return null;
    }

    private static string? FindUnknownCommand(RootCommand root, ParseResult parsed)
    {
        Command command = parsed.CommandResult.Command;
        if (command.Subcommands.Count == 0 || parsed.UnmatchedTokens is not [{ } word, ..])
        {
            return null;
        }

        string suggestion = Suggest(word, [.. command.Subcommands.Select(child => child.Name)]);
        if (suggestion.Length == 0)
        {
            string[] elsewhere = [.. PathsOf(root, "").Where(path => path.Split(' ')[^1] == word)];
            suggestion = elsewhere.Length == 0 ? "" : $" Did you mean {string.Join(", ", elsewhere.Select(path => "cloudarchive " + path))}?";
        }

        return $"{PathOf(parsed.CommandResult)} has no command '{word}'.{suggestion}";
    }

    private static IEnumerable<Option> OptionsOf(CommandResult at)
    {
        for (CommandResult? result = at; result is not null; result = result.Parent as CommandResult)
        {
            foreach (Option option in result.Command.Options.Where(option => result == at || option.Recursive))
            {
                yield return option;
            }
        }
    }

    private static string PathOf(CommandResult at)
    {
        string name = at.Command is RootCommand ? "cloudarchive" : at.Command.Name;
        return at.Parent is CommandResult parent ? $"{PathOf(parent)} {name}" : name;
    }

    private static IEnumerable<string> PathsOf(Command command, string prefix) =>
        command.Subcommands.SelectMany(child => PathsOf(child, $"{prefix}{child.Name} ").Prepend(prefix + child.Name));

    /// <summary>What is spelled almost the same, as a sentence with a space before it; nothing where nothing is.</summary>
    private static string Suggest(string word, IReadOnlyList<string> known)
    {
        string[] near = [.. known
            .Select(name => (Name: name, Distance: Distance(Bare(word), Bare(name))))
            .Where(one => one.Distance <= Math.Max(1, Math.Min(Bare(word).Length, Bare(one.Name).Length) / 3))
            .OrderBy(one => one.Distance)
            .Select(one => one.Name)
            .Take(3)];
        return near.Length == 0 ? "" : $" Did you mean {string.Join(" or ", near)}?";
    }

    private static string Bare(string name) => name.Replace("-", "", StringComparison.Ordinal).ToLowerInvariant();

    /// <summary>How many letters have to be put in, left out, changed or swapped with their neighbour (optimal string alignment).</summary>
    private static int Distance(string a, string b)
    {
        int[,] steps = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
        {
            for (int j = 0; j <= b.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    steps[i, j] = i + j;
                    continue;
                }

                int changed = steps[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                steps[i, j] = Math.Min(changed, Math.Min(steps[i - 1, j], steps[i, j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    steps[i, j] = Math.Min(steps[i, j], steps[i - 2, j - 2] + 1);
                }
            }
        }

        return steps[a.Length, b.Length];
    }
}
