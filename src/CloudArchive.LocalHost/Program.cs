using System.CommandLine;
using System.Net;
using System.Runtime.InteropServices;
using CloudArchive.LocalHost;
using CloudArchive.LocalHost.Keys;

Option<string> data = new("--data") { Description = "The folder with everything that the archive keeps.", Required = true };
Option<int?> port = new("--port") { Description = "The API's port; 0 for any. Default: the one used before, 5280, or the next free one." };
Option<string> address = new("--address") { Description = "The loopback address to listen on.", DefaultValueFactory = _ => "127.0.0.1" };
Option<string?> readyFile = new("--ready-file") { Description = "A file to write, with addresses and tokens, when everything is up." };
Option<string?> logFile = new("--log-file") { Description = "A file for log lines, instead of the console." };
Option<string?> azurite = new("--azurite") { Description = "The folder of the npm package azurite. Default: the nearest node_modules." };
Option<bool> stopWithStdin = new("--stop-with-stdin") { Description = "Stop when standard input is closed." };
RootCommand command = new("Runs CloudArchive on this machine: API, timers, storage with immutability. Ctrl+C stops it.") { data, port, address, readyFile, logFile, azurite, stopWithStdin, RotateKeyCommand.Create() };
command.SetAction(async (arguments, cancellationToken) =>
{
    try
    {
        LocalHostOptions options = new(arguments.GetValue(data)!)
        {
            Address = IPAddress.TryParse(arguments.GetValue(address), out IPAddress? parsed) ? parsed : throw new LocalHostException($"'{arguments.GetValue(address)}' is not an IP address."),
            Port = arguments.GetValue(port),
            Azurite = arguments.GetValue(azurite),
            LogFile = arguments.GetValue(logFile),
        };
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => Stop(signal, stop));
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => Stop(signal, stop));
        await using LocalArchive archive = await LocalArchive.StartAsync(options, stop.Token);
        if (arguments.GetValue(readyFile) is { } file)
        {
            ReadyFile.Of(archive).Write(file);
        }

        Console.WriteLine($"CloudArchive is at {archive.Url} and keeps everything in {Path.GetFullPath(options.Data)}.");
        Task stdin = arguments.GetValue(stopWithStdin) ? Console.OpenStandardInput().CopyToAsync(Stream.Null, stop.Token) : Task.Delay(Timeout.Infinite, stop.Token);
        Task first = await Task.WhenAny(stdin, archive.Storage.Failed);
        return first == stdin ? 0 : throw new LocalHostException($"Start LocalHost again. {await archive.Storage.Failed}");
    }
    catch (OperationCanceledException)
    {
        return 0;
    }
    catch (LocalHostException e)
    {
        await Console.Error.WriteLineAsync(e.Message);
        return 1;
    }
});
return await command.Parse(args).InvokeAsync();

static void Stop(PosixSignalContext signal, CancellationTokenSource stop)
{
    signal.Cancel = true;
    stop.Cancel();
}
