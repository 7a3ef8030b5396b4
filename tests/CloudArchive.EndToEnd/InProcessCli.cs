using CloudArchive.Cli;
using CloudArchive.Cli.Transport;

namespace CloudArchive.EndToEnd;

/// <summary>The command line in this process, with whatever a test wants between it and the service.</summary>
internal static class InProcessCli
{
    /// <summary>Whoever sits at that data folder.</summary>
    public static CliEnvironment Environment(string home, TextWriter? output = null, TextWriter? error = null, Func<HttpRequestMessage, HttpResponseMessage, HttpResponseMessage>? between = null, TimeProvider? clock = null, NetworkOptions? network = null, Func<HttpRequestMessage, HttpResponseMessage?>? instead = null) => new()
    {
        Out = output ?? TextWriter.Null,
        Error = error ?? TextWriter.Null,
        In = TextReader.Null,
        Clock = clock ?? TimeProvider.System,
        Variable = name => name == "CLOUDARCHIVE_HOME" ? home : null,
        HttpHandler = () => new Between(instead ?? (_ => null), between ?? ((_, answer) => answer)),
        Network = network ?? Transport.BadlyConnectedPractice.Hurried,
    };

    /// <summary>Runs a command of which some requests reach nobody: <paramref name="instead"/> answers them.</summary>
    public static Task<(ExitCode Code, string Output, string Error)> RunInsteadAsync(string home, Func<HttpRequestMessage, HttpResponseMessage?> instead, params string[] arguments) =>
        RunAsync((output, error) => Environment(home, output, error, instead: instead), arguments);

    /// <summary>Runs a command.</summary>
    public static Task<(ExitCode Code, string Output, string Error)> RunAsync(
        string home, Func<HttpRequestMessage, HttpResponseMessage, HttpResponseMessage>? between, params string[] arguments) =>
        RunAsync((output, error) => Environment(home, output, error, between), arguments);

    private static async Task<(ExitCode Code, string Output, string Error)> RunAsync(Func<TextWriter, TextWriter, CliEnvironment> environment, string[] arguments)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = await CloudArchiveCli.RunAsync(arguments, environment(output, error), TestContext.Current.CancellationToken);
        return ((ExitCode)code, output.ToString(), error.ToString());
    }

    private sealed class Between(Func<HttpRequestMessage, HttpResponseMessage?> instead, Func<HttpRequestMessage, HttpResponseMessage, HttpResponseMessage> between) : DelegatingHandler(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false })
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (instead(request) is { } other)
            {
                return other;
            }

            HttpResponseMessage answer = await base.SendAsync(request, cancellationToken);
            await answer.Content.LoadIntoBufferAsync(cancellationToken);
            return between(request, answer);
        }
    }
}
