using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace CloudArchive.LocalHost.Hosting;

/// <summary>
/// A loopback port that is ours from the start, so that its URL is known before the host on it is made; and a builder for that host,
/// with nothing else that web hosts bring: no configuration from the environment, no reaction to signals.
/// </summary>
internal sealed class LoopbackPort : IDisposable
{
    private const int Tries = 100;

    private readonly Socket _socket;

    private LoopbackPort(Socket socket) => _socket = socket;

    /// <summary>Where a host on this port answers.</summary>
    public Uri Url => new($"http://{_socket.LocalEndPoint}/");

    /// <summary>Takes a port.</summary>
    /// <param name="address">The address; <see cref="LocalHostException"/> where it is not loopback.</param>
    /// <param name="port">The port; 0 for any.</param>
    /// <param name="orNext">Whether the next free port will do where this one is taken.</param>
    public static LoopbackPort Take(IPAddress address, int port, bool orNext)
    {
        if (!IPAddress.IsLoopback(address))
        {
            throw new LocalHostException($"{address} is not a loopback address. LocalHost signs its own staff in without a password, so nobody else may reach it.");
        }

        for (int tried = port; ; tried++)
        {
            Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Bind(new IPEndPoint(address, tried));

                // Binding alone is no claim where addresses are reused (Unix): two processes can, and the second to listen fails. The host's own
                // call changes only the backlog.
                socket.Listen();
                return new LoopbackPort(socket);
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.AddressAlreadyInUse or SocketError.AccessDenied)
            {
                socket.Dispose();
                if (!orNext || tried == port + Tries || tried == IPEndPoint.MaxPort)
                {
                    throw new LocalHostException($"Port {port} is taken. Name another with --port, or none to have one chosen.", e);
                }
            }
        }
    }

    /// <summary>Takes a port of 127.0.0.1: the one that is named, else the one that the file remembers if it is free, else any.</summary>
    public static LoopbackPort TakeAsBefore(int? port, string file)
    {
        if (port is null && File.Exists(file) && int.TryParse(File.ReadAllText(file), NumberStyles.None, CultureInfo.InvariantCulture, out int before) && before is > 0 and <= IPEndPoint.MaxPort)
        {
            try
            {
                return Take(IPAddress.Loopback, before, orNext: false);
            }
            catch (LocalHostException)
            {
                // Somebody else has it now.
            }
        }

        return Take(IPAddress.Loopback, port ?? 0, orNext: false);
    }

    /// <summary>A builder for the host on this port; the host owns the port from its start on.</summary>
    public WebApplicationBuilder CreateBuilder()
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.Replace(ServiceDescriptor.Singleton<IHostLifetime, NoSignals>());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Listen((IPEndPoint)_socket.LocalEndPoint!);
        });
        builder.WebHost.UseSockets(sockets => sockets.CreateBoundListenSocket = _ => _socket);
        return builder;
    }

    /// <summary>Gives the port back.</summary>
    public void Dispose() => _socket.Dispose();

    private sealed class NoSignals : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
