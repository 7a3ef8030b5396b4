using System.CommandLine;
using CloudArchive.Core.Keys;

namespace CloudArchive.LocalHost.Keys;

/// <summary><c>disable-key</c>: what <c>az keyvault key set-attributes --enabled false</c> does on Azure. Works while the archive runs.</summary>
internal static class DisableKeyCommand
{
    public static Command Create()
    {
        Option<string> data = new("--data") { Description = "The folder with everything that the archive keeps.", Required = true };
        Argument<string> key = new("key") { Description = "The version's id, as rotate-key printed it or 'cloudarchive doctor' shows it." };
        Command command = new("disable-key", "Takes a version of a key out of use, as after it leaked. Rotate the key first. A clinic's packs that were wrapped with it no longer open.") { data, key };
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments.GetValue(data)!, arguments.GetValue(key)!, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(string data, string key, CancellationToken cancellationToken)
    {
        string folder = Path.Combine(Path.GetFullPath(data), "secrets", "keys");
        if (!Directory.Exists(folder))
        {
            await Console.Error.WriteLineAsync($"There are no keys in {folder}. Name the folder that the archive was started with.");
            return 1;
        }

        try
        {
            using LocalKeys keys = await LocalKeys.OpenAsync(folder, cancellationToken);
            await keys.DisableAsync(key, cancellationToken);
            return 0;
        }
        catch (KeyUnavailableException e)
        {
            await Console.Error.WriteLineAsync($"{e.Message} 'cloudarchive doctor' shows the ids of the versions that sign.");
            return 1;
        }
    }
}
