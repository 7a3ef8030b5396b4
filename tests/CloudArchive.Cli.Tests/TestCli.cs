using System.Text.Json.Nodes;
using CloudArchive.Cli.Transport;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests;

/// <summary>The command line in this process, with a data folder of its own.</summary>
public sealed class TestCli : IDisposable
{
    private readonly TemporaryFolder _home = new();

    public string Home => Path.Combine(_home.Path, "agent");

    /// <summary>Patience in milliseconds where the product has minutes.</summary>
    public static NetworkOptions Impatient { get; } = new()
    {
        FirstDelay = TimeSpan.FromMilliseconds(1),
        LongestDelay = TimeSpan.FromMilliseconds(20),
        GiveUpAfter = TimeSpan.FromMilliseconds(300),
        RunPatience = TimeSpan.FromMilliseconds(300),
    };

    public string Input { get; set; } = "";

    public TimeProvider Clock { get; init; } = TimeProvider.System;

    public bool Interactive { get; init; }

    public Func<Uri, bool> OpenBrowser { get; set; } = _ => false;

    public Dictionary<string, string> Variables { get; } = [];

    public Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> Answer { get; set; } = (_, _) => throw new HttpRequestException("nobody listens");

    public CliEnvironment Environment(TextWriter output, TextWriter error) => new()
    {
        Out = output,
        Error = error,
        In = new StringReader(Input),
        Clock = Clock,
        Variable = name => name == "CLOUDARCHIVE_HOME" ? Home : Variables.GetValueOrDefault(name),
        HttpHandler = () => new StubHandler(this),
        Network = Impatient,
        Interactive = Interactive,
        OpenBrowser = url => OpenBrowser(url),
    };

    public CliEnvironment Environment() => Environment(TextWriter.Null, TextWriter.Null);

    public async Task<(ExitCode Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = await CloudArchiveCli.RunAsync(arguments, Environment(output, error), TestContext.Current.CancellationToken);
        return ((ExitCode)code, output.ToString(), error.ToString());
    }

    public async Task<JsonNode> JsonAsync(params string[] arguments) => JsonNode.Parse((await RunAsync([.. arguments, "--json"])).Output)!;

    public void Dispose() => _home.Dispose();

    private sealed class StubHandler(TestCli cli) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => cli.Answer(request, cancellationToken);
    }
}
