using System.CommandLine;

namespace CloudArchive.Dimse;

/// <summary><c>receive</c>: runs until it is stopped.</summary>
internal static class ReceiveCommand
{
    public static Command Create()
    {
        Argument<string> spool = new("spool") { Description = "A folder; its subfolder 'received' is the one for 'cloudarchive watch'." };
        Option<string> address = new("--address") { Description = "The address to listen on. DICOM has no passwords: open it to the clinic's devices only.", DefaultValueFactory = _ => "127.0.0.1" };
        Option<int> port = new("--port") { Description = "The port to listen on.", DefaultValueFactory = _ => 11112 };
        Option<string> title = new("--ae-title") { Description = "The AE title that senders call.", DefaultValueFactory = _ => "CLOUDARCHIVE" };
        Option<string[]> senders = new("--from") { Description = "An AE title that may send; can be given more than once. Without it, any may." };
        Command command = new("receive", "Receive instances (C-STORE) into a folder.") { spool, address, port, title, senders };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            TextWriter output = parsed.InvocationConfiguration.Output;
            ReceiverOptions options = new(parsed.GetValue(address)!, parsed.GetValue(port), parsed.GetValue(title)!, parsed.GetValue(senders) ?? [], parsed.GetValue(spool)!);
            try
            {
                using Receiver receiver = await Receiver.StartAsync(options, instance => output.WriteLine($"received {instance.SopInstanceUid} {instance.Length} bytes"), cancellationToken);
                await output.WriteLineAsync($"{options.AeTitle} listens on {options.Address}:{options.Port}");
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                return 0;
            }
            catch (IOException error)
            {
                await parsed.InvocationConfiguration.Error.WriteLineAsync(error.Message);
                return 1;
            }

            return 0;
        });
        return command;
    }
}
