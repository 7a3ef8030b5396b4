using System.Buffers;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace CloudArchive.Testing;

/// <summary>What a network does to those who use it. What is not set, it does not do.</summary>
public sealed record NetworkFaults
{
    /// <summary>Bytes a second that go out, all connections together.</summary>
    public int? UpBytesPerSecond { get; init; }

    /// <summary>Bytes a second that come in, all connections together.</summary>
    public int? DownBytesPerSecond { get; init; }

    /// <summary>A connection is reset (RST) after about so many bytes out.</summary>
    public int? ResetAfterBytesUp { get; init; }

    /// <summary>A connection is reset (RST) after about so many bytes in.</summary>
    public int? ResetAfterBytesDown { get; init; }

    /// <summary>The share of pieces that come in of which only half arrives, and then the end.</summary>
    public double TruncatedAnswers { get; init; }

    /// <summary>The share of connections that stand still, open, after a few bytes.</summary>
    public double Stalls { get; init; }

    /// <summary>Nobody answers a connection's first packet.</summary>
    public bool BlackHole { get; init; }

    /// <summary>Connections are refused.</summary>
    public bool Refuses { get; init; }

    /// <summary>An answer that everybody gets in place of the real one: a whole HTTP response without its framing headers.</summary>
    public string? Answer { get; init; }

    /// <summary>The share of connections that get <see cref="Answer"/>.</summary>
    public double AnswerShare { get; init; } = 1;
}

/// <summary>
/// A TCP proxy on the loopback between a program and what it talks to, which slows down, resets, cuts off, stalls, swallows and counts. Real
/// sockets: the program under test sees what it would see at a clinic.
/// </summary>
public sealed class BadNetwork : IAsyncDisposable
{
    // Small, so that what the proxy did not read yet waits at the sender, as it would before a slow line.
    private const int BufferLength = 32 * 1024;
    private const int PieceLength = 4 * 1024;

    // Timers wake up late, and what that loses is made good: without it a line of one connection were slower than one of eight.
    private const double LateSeconds = 0.02;
    private readonly IPEndPoint _target;
    private readonly Random _random;
    private readonly Lock _gate = new();
    private readonly List<Socket> _open = [];
    private readonly List<Socket> _fillers = [];
    private readonly List<Task> _running = [];
    private readonly CancellationTokenSource _stop = new();
    private NetworkFaults _faults = new();
    private Socket? _listener;
    private long _up;
    private long _down;
    private long _requests;
    private int _connections;
    private double _upBudgetAt;
    private double _downBudgetAt;

    /// <param name="targetPort">The port on the loopback that is talked to.</param>
    /// <param name="seed">The same faults at the same bytes, as far as the scheduler lets them be.</param>
    public BadNetwork(int targetPort, int seed = 1)
    {
        _target = new IPEndPoint(IPAddress.Loopback, targetPort);
        _random = new Random(seed);
        Listen(backlog: 100);
        Port = ((IPEndPoint)_listener!.LocalEndPoint!).Port;
        Run(AcceptAsync(_listener));
    }

    /// <summary>Where to connect in place of the target.</summary>
    public int Port { get; private set; }

    /// <summary>Bytes that went out, whatever became of them.</summary>
    public long BytesUp => Interlocked.Read(ref _up);

    /// <summary>Bytes that came in.</summary>
    public long BytesDown => Interlocked.Read(ref _down);

    /// <summary>HTTP/1.1 requests that went out: what ends like a request's first line is one.</summary>
    public long Requests => Interlocked.Read(ref _requests);

    /// <summary>Connections that were made.</summary>
    public int Connections => Volatile.Read(ref _connections);

    /// <summary>What the network does from now on. Connections that are open are reset, but where only the speed changes.</summary>
    public void Set(NetworkFaults faults)
    {
        bool onlySpeed = _faults with { UpBytesPerSecond = faults.UpBytesPerSecond, DownBytesPerSecond = faults.DownBytesPerSecond } == faults;
        bool listenerChanges = _faults.BlackHole != faults.BlackHole || _faults.Refuses != faults.Refuses;
        _faults = faults;
        if (listenerChanges)
        {
            CloseListener();
            if (!faults.Refuses)
            {
                Listen(backlog: faults.BlackHole ? 0 : 100);
                if (faults.BlackHole)
                {
                    FillBacklog();
                }
                else
                {
                    Run(AcceptAsync(_listener!));
                }
            }
        }

        if (!onlySpeed)
        {
            ResetAll();
        }
    }

    /// <summary>Resets every connection.</summary>
    public void ResetAll()
    {
        lock (_gate)
        {
            foreach (Socket socket in _open)
            {
                Reset(socket);
            }

            _open.Clear();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        CloseListener();
        ResetAll();
        Task[] running;
        lock (_gate)
        {
            running = [.. _running];
        }

        await Task.WhenAll(running).ContinueWith(static _ => { }, TaskScheduler.Default);
        _stop.Dispose();
    }

    private static void Reset(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(enable: true, seconds: 0);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // It is gone already.
        }

        socket.Dispose();
    }

    private void Run(Task task)
    {
        lock (_gate)
        {
            _running.Add(task);
        }
    }

    private void Listen(int backlog)
    {
        Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = BufferLength };
        listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, Port));
        listener.Listen(backlog);
        _listener = listener;
    }

    private void CloseListener()
    {
        _listener?.Dispose();
        _listener = null;
        _fillers.ForEach(f => f.Dispose());
        _fillers.Clear();
    }

    /// <summary>A full queue of connections that nobody accepts: the system drops the first packet of every other.</summary>
    private void FillBacklog()
    {
        for (int i = 0; i < 4; i++)
        {
            Socket filler = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
            try
            {
                filler.Connect(new IPEndPoint(IPAddress.Loopback, Port));
            }
            catch (SocketException)
            {
                // Under way, which is all that is wanted.
            }

            _fillers.Add(filler);
        }
    }

    private async Task AcceptAsync(Socket listener)
    {
        try
        {
            while (true)
            {
                Socket client = await listener.AcceptAsync(_stop.Token);
                Interlocked.Increment(ref _connections);
                lock (_gate)
                {
                    _open.Add(client);
                }

                Run(ServeAsync(client, _faults));
            }
        }
        catch (Exception error) when (error is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Closed.
        }
    }

    private async Task ServeAsync(Socket client, NetworkFaults faults)
    {
        Socket server = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            client.NoDelay = true;
            if (faults.Answer is { } answer && Draw() < faults.AnswerShare)
            {
                await AnswerAsync(client, answer);
                return;
            }

            await server.ConnectAsync(_target, _stop.Token);
            lock (_gate)
            {
                _open.Add(server);
            }

            long stallAfter = Draw() < faults.Stalls ? (long)(Draw() * 20_000) : long.MaxValue;
            await Task.WhenAny(UpAsync(client, server, faults, stallAfter), DownAsync(server, client, faults, stallAfter));
        }
        catch (Exception error) when (error is OperationCanceledException or SocketException or ObjectDisposedException or IOException)
        {
            // The other side went, which is its right.
        }
        finally
        {
            lock (_gate)
            {
                _open.Remove(client);
                _open.Remove(server);
            }

            client.Dispose();
            server.Dispose();
        }
    }

    private Task UpAsync(Socket client, Socket server, NetworkFaults faults, long stallAfter)
    {
        long resetAfter = About(faults.ResetAfterBytesUp);
        int matched = 0;
        return CopyAsync(client, server, async (piece, total) =>
        {
            int count = piece.Length;
            Interlocked.Add(ref _up, count);
            Interlocked.Add(ref _requests, CountRequests(piece.Span, ref matched));
            await ThrottleAsync(count, _faults.UpBytesPerSecond, up: true);
            return total > resetAfter ? Fate.Reset : total > stallAfter ? Fate.Stall : Fate.Pass;
        });
    }

    private Task DownAsync(Socket server, Socket client, NetworkFaults faults, long stallAfter)
    {
        long resetAfter = About(faults.ResetAfterBytesDown);
        return CopyAsync(server, client, async (piece, total) =>
        {
            int count = piece.Length;
            Interlocked.Add(ref _down, count);
            await ThrottleAsync(count, _faults.DownBytesPerSecond, up: false);
            return total > resetAfter ? Fate.Reset : total > stallAfter ? Fate.Stall : Draw() < faults.TruncatedAnswers ? Fate.Truncate : Fate.Pass;
        });
    }

    /// <summary>Ends of request lines in a piece, of which the one before may have had the beginning.</summary>
    private static int CountRequests(ReadOnlySpan<byte> piece, ref int matched)
    {
        ReadOnlySpan<byte> end = " HTTP/1.1\r\n"u8;
        int requests = 0;
        foreach (byte b in piece)
        {
            matched = b == end[matched] ? matched + 1 : b == end[0] ? 1 : 0;
            if (matched == end.Length)
            {
                requests++;
                matched = 0;
            }
        }

        return requests;
    }

    private async Task CopyAsync(Socket from, Socket to, Func<ReadOnlyMemory<byte>, long, Task<Fate>> judge)
    {
        byte[] piece = ArrayPool<byte>.Shared.Rent(PieceLength);
        try
        {
            long total = 0;
            int count;
            while ((count = await from.ReceiveAsync(piece.AsMemory(0, PieceLength), SocketFlags.None, _stop.Token)) > 0)
            {
                total += count;
                switch (await judge(piece.AsMemory(0, count), total))
                {
                    case Fate.Reset:
                        Reset(from);
                        Reset(to);
                        return;
                    case Fate.Stall:
                        await Task.Delay(Timeout.Infinite, _stop.Token);
                        return;
                    case Fate.Truncate:
                        await SendAsync(to, piece.AsMemory(0, count / 2));
                        to.Shutdown(SocketShutdown.Send);
                        return;
                    default:
                        await SendAsync(to, piece.AsMemory(0, count));
                        break;
                }
            }

            to.Shutdown(SocketShutdown.Send);
            await Task.Delay(TimeSpan.FromSeconds(5), _stop.Token); // half-closed: the other way may still have something
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(piece);
        }
    }

    private async Task SendAsync(Socket to, ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await to.SendAsync(bytes, SocketFlags.None, _stop.Token)..];
        }
    }

    /// <summary>All connections share one line: each piece takes its time on it, one after the other.</summary>
    private async Task ThrottleAsync(int count, int? rate, bool up)
    {
        if (rate is not { } bytesPerSecond)
        {
            return;
        }

        double now = Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;
        double done;
        lock (_gate)
        {
            double free = Math.Max(now - LateSeconds, up ? _upBudgetAt : _downBudgetAt);
            done = free + ((double)count / bytesPerSecond);
            if (up)
            {
                _upBudgetAt = done;
            }
            else
            {
                _downBudgetAt = done;
            }
        }

        if (done > now)
        {
            await Task.Delay(TimeSpan.FromSeconds(done - now), _stop.Token);
        }
    }

    private async Task AnswerAsync(Socket client, string answer)
    {
        byte[] buffer = new byte[PieceLength];
        StringBuilder head = new();
        int end;
        while ((end = head.ToString().IndexOf("\r\n\r\n", StringComparison.Ordinal)) < 0)
        {
            int count = await client.ReceiveAsync(buffer, SocketFlags.None, _stop.Token);
            if (count == 0)
            {
                return;
            }

            Interlocked.Add(ref _up, count);
            head.Append(Encoding.Latin1.GetString(buffer, 0, count));
        }

        long left = 0;
        foreach (string line in head.ToString(0, end).Split("\r\n"))
        {
            if (line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase))
            {
                left = long.Parse(line["Content-Length:".Length..]) - (head.Length - end - 4);
            }
        }

        // What a busy server or a portal reads before it answers: all of it, else the client sees a reset. Who asks first is answered first.
        bool isAsked = head.ToString(0, end).Contains("\r\nExpect: 100-continue", StringComparison.OrdinalIgnoreCase);
        while (left > 0 && !isAsked)
        {
            int count = await client.ReceiveAsync(buffer, SocketFlags.None, _stop.Token);
            if (count == 0)
            {
                return;
            }

            Interlocked.Add(ref _up, count);
            left -= count;
        }

        string[] parts = answer.Replace("\r\n", "\n", StringComparison.Ordinal).Split("\n\n", 2);
        string body = parts.Length > 1 ? parts[1] : "";
        string whole = $"{parts[0].Replace("\n", "\r\n", StringComparison.Ordinal)}\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\nConnection: close\r\n\r\n{body}";
        await SendAsync(client, Encoding.UTF8.GetBytes(whole));
        client.Shutdown(SocketShutdown.Send);
    }

    private double Draw()
    {
        lock (_gate)
        {
            return _random.NextDouble();
        }
    }

    private long About(int? bytes) => bytes is { } count ? (long)(count * (0.5 + Draw())) : long.MaxValue;

    private enum Fate
    {
        Pass,
        Reset,
        Stall,
        Truncate,
    }
}
