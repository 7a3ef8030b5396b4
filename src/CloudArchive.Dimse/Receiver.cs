using FellowOakDicom.Network;

namespace CloudArchive.Dimse;

/// <summary>How to receive.</summary>
/// <param name="Address">The address to listen on. DICOM knows no passwords: an address that only the clinic's devices reach.</param>
/// <param name="Port">The port; 11112 by custom.</param>
/// <param name="AeTitle">What senders must call.</param>
/// <param name="Senders">The AE titles that may send; any, where there is none.</param>
/// <param name="Spool">The folder in which <c>received</c> is the one to watch.</param>
public sealed record ReceiverOptions(string Address, int Port, string AeTitle, IReadOnlyList<string> Senders, string Spool);

/// <summary>Receives instances (C-STORE) and says that it is there (C-ECHO), until it is disposed.</summary>
public sealed class Receiver : IDisposable
{
    /// <summary>More than the devices of a large practice; each costs a thread's worth of buffers.</summary>
    private const int MaxAssociations = 32;

    private readonly IDicomServer _server;

    private Receiver(IDicomServer server) => _server = server;

    /// <summary>Listens when it returns. Throws <see cref="IOException"/> where it cannot.</summary>
    /// <param name="options">How to receive.</param>
    /// <param name="received">Told of each instance before its sender is; called from many threads.</param>
    /// <param name="cancellationToken">Ends the wait for the port.</param>
    public static async Task<Receiver> StartAsync(ReceiverOptions options, Action<ReceivedInstance> received, CancellationToken cancellationToken)
    {
        ReceiverSession session = new(options, new Spool(options.Spool), received);
        IDicomServer server;
        try
        {
            server = DicomServerFactory.Create<StoreScp>(options.Address, options.Port, userState: session, configure: o => o.MaxClientsAllowed = MaxAssociations);
        }
        catch (DicomNetworkException taken)
        {
            throw CannotListen(options, taken);
        }

        while (!server.IsListening && server.Exception is null)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, cancellationToken);
        }

        if (server.Exception is { } error)
        {
            server.Dispose();
            throw CannotListen(options, error);
        }

        return new(server);
    }

    /// <summary>Ends all associations; what arrived in part is dropped.</summary>
    public void Dispose() => _server.Dispose();

    private static IOException CannotListen(ReceiverOptions options, Exception error) => new($"Cannot listen on {options.Address}:{options.Port}: {error.Message}", error);
}

/// <summary>What associations share.</summary>
internal sealed record ReceiverSession(ReceiverOptions Options, Spool Spool, Action<ReceivedInstance> Received);
