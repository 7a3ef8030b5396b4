using Spectre.Console;

namespace CloudArchive.Cli.Enrollment;

/// <summary>Where the escrow key's passphrase comes from: a file, or a person.</summary>
internal static class Passphrase
{
    /// <summary>The first line of the file; without one, what is typed at the prompt.</summary>
    /// <param name="environment">Where to ask.</param>
    /// <param name="file">The file, or null.</param>
    /// <param name="isNew">Whether it is being chosen, and asked for twice.</param>
    public static string Read(CliEnvironment environment, string? file, bool isNew)
    {
        if (file is not null)
        {
            return File.ReadLines(file).FirstOrDefault() is { Length: > 0 } line ? line : throw new UsageException($"{file} has no passphrase in its first line.");
        }

        if (!environment.Interactive) throw new UsageException("There is no terminal to ask for the escrow key's passphrase: give --escrow-passphrase-file.");
        string passphrase = Ask(environment, isNew ? $"A passphrase for the escrow key ({EscrowKeyFile.LeastPassphrase} characters at least):" : "The escrow key's passphrase:");
        if (isNew && Ask(environment, "The passphrase again:") != passphrase) throw new UsageException("The two are not the same. Nothing was done.");
        return passphrase;
    }

    private static string Ask(CliEnvironment environment, string question) => environment.Console.Prompt(new TextPrompt<string>(question).Secret(null));
}
