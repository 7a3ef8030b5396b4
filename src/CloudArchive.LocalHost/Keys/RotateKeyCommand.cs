using System.CommandLine;
using CloudArchive.Format;

namespace CloudArchive.LocalHost.Keys;

/// <summary><c>rotate-key</c>: what Key Vault's rotation policy does on Azure. Works while the archive runs, which takes the new version at its next use.</summary>
internal static class RotateKeyCommand
{
    public static Command Create()
    {
        Option<string> data = new("--data") { Description = "The folder with everything that the archive keeps.", Required = true };
        Argument<string> which = new("clinic") { Description = "The clinic whose key to rotate, or 'signing' or 'tokens' for the archive's own." };
        Command command = new("rotate-key", "Makes a new version of a key, which is used from now on. Earlier versions stay, and still open what they sealed.") { data, which };
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments.GetValue(data)!, arguments.GetValue(which)!, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(string data, string which, CancellationToken cancellationToken)
    {
        string folder = Path.Combine(Path.GetFullPath(data), "secrets", "keys");
        bool signing = which is "signing" or "tokens";
        if (!Directory.Exists(folder) || (!signing && !(ClinicId.TryParse(which, null, out _) && Directory.Exists(Path.Combine(folder, $"kek-{which}")))))
        {
            await Console.Error.WriteLineAsync($"There is no key of '{which}' in {folder}. Name a clinic that was created there, or 'signing' or 'tokens'.");
            return 1;
        }

        using LocalKeys keys = await LocalKeys.OpenAsync(folder, cancellationToken);
        if (which == "tokens")
        {
            await keys.RotateTokenKeyAsync(cancellationToken);
            Console.WriteLine(await keys.Tokens.GetCurrentKeyIdAsync(cancellationToken));
        }
        else if (signing)
        {
            await keys.RotateSigningKeyAsync(cancellationToken);
            Console.WriteLine(await keys.GetCurrentKeyIdAsync(cancellationToken));
        }
        else
        {
            Console.WriteLine((await keys.RotateAsync(ClinicId.Parse(which), cancellationToken)).Kid);
        }

        return 0;
    }
}
