using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using CloudArchive.Functions.Tests.Worker.Protocol;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Functions.Tests.Worker;

/// <summary>
/// The Functions host as a worker sees it: it starts the published app as worker.config.json says, asks it over gRPC which functions it has, loads and
/// runs them, and forwards HTTP requests to the port that the worker names.
/// </summary>
public sealed class HostStandIn : IAsyncDisposable
{
    // What a worker answers takes seconds; an overloaded machine is waited for, a worker that hangs is not.
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    private readonly ConcurrentDictionary<string, TaskCompletionSource<StreamingMessage>> _asked = new(StringComparer.Ordinal);
    private readonly Channel<StreamingMessage> _toWorker = Channel.CreateUnbounded<StreamingMessage>();
    private readonly TaskCompletionSource<StartStream> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentQueue<string> _said = new();
    private readonly Dictionary<string, RpcFunctionMetadata> _functions = new(StringComparer.Ordinal);
    // A body that is announced waits for the answer, however long a machine that is busy takes for it: sent into a refusal, it breaks the connection.
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, Expect100ContinueTimeout = TimeSpan.FromMinutes(1) });
    private WebApplication _app = null!;
    private Process _worker = null!;

    private HostStandIn()
    {
    }

    /// <summary>Names of the functions that were loaded.</summary>
    public IEnumerable<string> Functions => _functions.Keys;

    /// <summary>Where the worker takes HTTP requests.</summary>
    public Uri Http { get; private set; } = null!;

    /// <summary>All that the worker said, on its streams and over gRPC.</summary>
    public string Said => string.Join('\n', _said);

    /// <summary>Starts an app and loads all of its functions.</summary>
    public static async Task<HostStandIn> StartAsync(string app, IReadOnlyDictionary<string, string> environment, CancellationToken cancellationToken)
    {
        HostStandIn host = new();
        try
        {
            await host.ListenAsync(cancellationToken);
            await host.StartWorkerAsync(app, environment);
            await host.LoadAsync(app);
            await host.WaitForHttpAsync(cancellationToken);
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    /// <summary>The kind of a function's trigger, e.g. <c>timerTrigger</c>.</summary>
    public string TriggerOf(string function) => Trigger(function).Value.Type;

    /// <summary>Runs a function that is no HTTP function.</summary>
    /// <param name="function">Which.</param>
    /// <param name="input">What its trigger hands it, as JSON.</param>
    public async Task<StatusResult> RunAsync(string function, string input)
    {
        InvocationRequest request = Invocation(function, new TypedData { Json = input });
        return (await AskAsync(new StreamingMessage { InvocationRequest = request })).InvocationResponse.Result;
    }

    /// <summary>Forwards an HTTP request.</summary>
    public async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        InvocationRequest invocation = Invocation("Api", new TypedData { Http = new RpcHttp() });
        request.RequestUri = new Uri(Http, request.RequestUri!);
        request.Headers.Add("x-ms-invocation-id", invocation.InvocationId);
        request.Headers.Add("X-Forwarded-For", "203.0.113.9");
        Task<StreamingMessage> ran = AskAsync(new StreamingMessage { InvocationRequest = invocation });
        HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        await ran;
        return response;
    }

    /// <summary>Says that a request is coming whose bytes the caller sends itself.</summary>
    public string Announce()
    {
        InvocationRequest invocation = Invocation("Api", new TypedData { Http = new RpcHttp() });
        _toWorker.Writer.TryWrite(new StreamingMessage { RequestId = invocation.InvocationId, InvocationRequest = invocation });
        return invocation.InvocationId;
    }

    /// <summary>Tells the worker to end; its exit code, or null where it lives on after that time.</summary>
    public async Task<int?> TerminateAsync(TimeSpan grace)
    {
        _toWorker.Writer.TryWrite(new StreamingMessage { WorkerTerminate = new WorkerTerminate() });
        using CancellationTokenSource patience = new(grace);
        try
        {
            await _worker.WaitForExitAsync(patience.Token);
            return _worker.ExitCode;
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_worker is { HasExited: false })
        {
            _worker.Kill(entireProcessTree: true);
            await _worker.WaitForExitAsync();
        }

        _worker?.Dispose();
        _toWorker.Writer.TryComplete();
        await _app.DisposeAsync();
        _http.Dispose();
    }

    private async Task ListenAsync(CancellationToken cancellationToken)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        builder.Services.AddLogging();
        builder.Services.AddRouting();
        builder.Services.AddGrpc(grpc => grpc.MaxReceiveMessageSize = null);
        builder.Services.AddSingleton(this);
        _app = builder.Build();
        _app.MapGrpcService<Stream>();
        await _app.StartAsync(cancellationToken);
    }

    private async Task StartWorkerAsync(string app, IReadOnlyDictionary<string, string> environment)
    {
        JsonNode config = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(app, "worker.config.json")))!["description"]!;
        string url = _app.Urls.Single(), port = new Uri(url).Port.ToString(CultureInfo.InvariantCulture), worker = Guid.NewGuid().ToString(), request = Guid.NewGuid().ToString();
        ProcessStartInfo start = new(
            (string)config["defaultExecutablePath"]!,
            [
                Path.Combine(app, (string)config["defaultWorkerPath"]!),
                "--host", "127.0.0.1", "--port", port, "--workerId", worker, "--requestId", request, "--grpcMaxMessageLength", "2147483647",
                "--functions-uri", url, "--functions-worker-id", worker, "--functions-request-id", request, "--functions-grpc-max-message-length", "2147483647",
            ])
        {
            UseShellExecute = false,
            WorkingDirectory = app,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string proxy in new[] { "http_proxy", "https_proxy", "all_proxy", "no_proxy" })
        {
            start.Environment.Remove(proxy);
            start.Environment.Remove(proxy.ToUpperInvariant());
        }

        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        // The worker's MVC keeps keys at home.
        start.Environment["HOME"] = Path.GetDirectoryName(app);
        start.Environment["FUNCTIONS_WORKER_RUNTIME"] = (string)config["language"]!;
        start.Environment["FUNCTIONS_APPLICATION_DIRECTORY"] = app;
        _worker = new Process { StartInfo = start, EnableRaisingEvents = true };
        _worker.OutputDataReceived += (_, line) => Hear(line.Data);
        _worker.ErrorDataReceived += (_, line) => Hear(line.Data);
        _worker.Exited += (_, _) => GiveUp();
        _worker.Start();
        _worker.BeginOutputReadLine();
        _worker.BeginErrorReadLine();
        StartStream stream = await _started.Task.WaitAsync(s_patience);
        Assert.Equal(worker, stream.WorkerId);
    }

    private async Task LoadAsync(string app)
    {
        WorkerInitRequest init = new() { HostVersion = "4.1037.0", WorkerDirectory = app, FunctionAppDirectory = app };
        WorkerInitResponse ready = (await AskAsync(new StreamingMessage { WorkerInitRequest = init })).WorkerInitResponse;
        Assert.Equal(StatusResult.Types.Status.Success, ready.Result.Status);

        // The worker's ASP.NET Core takes requests itself, and says where.
        Http = new Uri(ready.Capabilities["HttpUri"]);
        FunctionMetadataResponse metadata = (await AskAsync(new StreamingMessage { FunctionsMetadataRequest = new FunctionsMetadataRequest { FunctionAppDirectory = app } })).FunctionMetadataResponse;
        Assert.Equal(StatusResult.Types.Status.Success, metadata.Result.Status);
        foreach (RpcFunctionMetadata function in metadata.FunctionMetadataResults)
        {
            FunctionLoadRequest load = new() { FunctionId = function.FunctionId, Metadata = function };
            StatusResult loaded = (await AskAsync(new StreamingMessage { FunctionLoadRequest = load })).FunctionLoadResponse.Result;
            Assert.True(loaded.Status == StatusResult.Types.Status.Success, $"{function.Name}: {loaded.Exception?.Message}");
            _functions.Add(function.Name, function);
        }
    }

    // The worker is there before its ASP.NET Core is, and its first request is slow. The host waits as well.
    private async Task WaitForHttpAsync(CancellationToken cancellationToken)
    {
        for (Stopwatch waited = Stopwatch.StartNew(); ; await Task.Delay(100, cancellationToken))
        {
            try
            {
                using HttpRequestMessage request = new(HttpMethod.Get, new Uri("/v1/health", UriKind.Relative));
                using HttpResponseMessage response = await SendAsync(request, cancellationToken);
                if (response.IsSuccessStatusCode)
                {
                    return;
                }
            }
            catch (HttpRequestException) when (!_worker.HasExited && waited.Elapsed < s_patience)
            {
                continue;
            }

            if (_worker.HasExited || waited.Elapsed > s_patience)
            {
                throw new InvalidOperationException($"The worker does not answer. It said:\n{Said}");
            }
        }
    }

    private KeyValuePair<string, BindingInfo> Trigger(string function) =>
        _functions[function].Bindings.Single(binding => binding.Value.Type.EndsWith("Trigger", StringComparison.OrdinalIgnoreCase));

    private InvocationRequest Invocation(string function, TypedData input) => new()
    {
        InvocationId = Guid.NewGuid().ToString(),
        FunctionId = _functions[function].FunctionId,
        TraceContext = new RpcTraceContext { TraceParent = $"00-{ActivityTraceId.CreateRandom()}-{ActivitySpanId.CreateRandom()}-01" },
        InputData = { new ParameterBinding { Name = Trigger(function).Key, Data = input } },
    };

    private async Task<StreamingMessage> AskAsync(StreamingMessage message)
    {
        message.RequestId = Guid.NewGuid().ToString();
        TaskCompletionSource<StreamingMessage> answer = _asked[message.RequestId] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        if (_worker.HasExited || !_toWorker.Writer.TryWrite(message))
        {
            GiveUp();
        }

        try
        {
            return await answer.Task.WaitAsync(s_patience);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"The worker did not answer a {message.ContentCase}. It said:\n{Said}", e);
        }
    }

    private void Receive(StreamingMessage message)
    {
        if (message.StartStream is { } start)
        {
            _started.TrySetResult(start);
        }
        else if (message.RpcLog is { } log)
        {
            Hear($"{log.Category}: {log.Message} {log.Exception?.Message}");
        }
        else if (message.InvocationResponse is { Result: { Status: not StatusResult.Types.Status.Success } failed })
        {
            Hear($"{message.InvocationResponse.InvocationId} {failed.Status}: {failed.Exception?.Message} {failed.Exception?.StackTrace}");
        }

        if (message.RequestId.Length > 0 && _asked.TryRemove(message.RequestId, out TaskCompletionSource<StreamingMessage>? asked))
        {
            asked.TrySetResult(message);
        }
    }

    private void Hear(string? line)
    {
        if (!string.IsNullOrWhiteSpace(line))
        {
            _said.Enqueue(line);
        }
    }

    private void GiveUp()
    {
        InvalidOperationException gone = new($"The worker ended. It said:\n{Said}");
        _started.TrySetException(gone);
        foreach (TaskCompletionSource<StreamingMessage> asked in _asked.Values)
        {
            asked.TrySetException(gone);
        }
    }

    /// <summary>The server's end of the protocol.</summary>
    private sealed class Stream(HostStandIn host) : FunctionRpc.FunctionRpcBase
    {
        public override async Task EventStream(IAsyncStreamReader<StreamingMessage> requestStream, IServerStreamWriter<StreamingMessage> responseStream, ServerCallContext context)
        {
            Task send = SendAsync(responseStream, context.CancellationToken);
            try
            {
                await foreach (StreamingMessage message in requestStream.ReadAllAsync(context.CancellationToken))
                {
                    host.Receive(message);
                }
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or InvalidOperationException)
            {
                // The worker closed its end without a word, as workers do.
            }

            await send;
        }

        private async Task SendAsync(IServerStreamWriter<StreamingMessage> responseStream, CancellationToken cancellationToken)
        {
            try
            {
                await foreach (StreamingMessage message in host._toWorker.Reader.ReadAllAsync(cancellationToken))
                {
                    await responseStream.WriteAsync(message, cancellationToken);
                }
            }
            catch (Exception e) when (e is OperationCanceledException or InvalidOperationException)
            {
                // So does its reader.
            }
        }
    }
}
