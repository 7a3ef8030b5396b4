using System.CommandLine;

namespace CloudArchive.Dimse;

/// <summary><c>send</c>: 0 when the PACS took every file, 4 when it did not take some, 5 when it cannot be reached: as the agent has them.</summary>
internal static class SendCommand
{
    public static Command Create()
    {
        Argument<DirectoryInfo> folder = new Argument<DirectoryInfo>("folder") { Description = "The folder with the restored files; its subfolders too." }.AcceptExistingOnly();
        Option<string> host = new("--host") { Description = "The PACS.", Required = true };
        Option<int> port = new("--port") { Description = "Its port.", DefaultValueFactory = _ => 104 };
        Option<string> title = new("--ae-title") { Description = "Its AE title.", Required = true };
        Option<string> calling = new("--calling-ae-title") { Description = "Ours, as the PACS knows it.", DefaultValueFactory = _ => "CLOUDARCHIVE" };
        Command command = new("send", "Send restored files to a PACS (C-STORE).") { folder, host, port, title, calling };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            TextWriter error = parsed.InvocationConfiguration.Error;
            string[] files = [.. Directory.EnumerateFiles(parsed.GetValue(folder)!.FullName, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
            Pacs pacs = new(parsed.GetValue(host)!, parsed.GetValue(port), parsed.GetValue(title)!, parsed.GetValue(calling)!);
            try
            {
                IReadOnlyList<SentFile> sent = await Sender.SendAsync(pacs, files, cancellationToken);
                foreach (SentFile file in sent.Where(file => file.Problem is not null))
                {
                    await error.WriteLineAsync($"{Path.GetRelativePath(parsed.GetValue(folder)!.FullName, file.Path)}: {file.Problem}");
                }

                await parsed.InvocationConfiguration.Output.WriteLineAsync($"{sent.Count(file => file.Problem is null)} of {sent.Count} files sent.");
                return sent.All(file => file.Problem is null) ? 0 : 4;
            }
            catch (IOException e)
            {
                await error.WriteLineAsync(e.Message);
                return 5;
            }
        });
        return command;
    }
}
