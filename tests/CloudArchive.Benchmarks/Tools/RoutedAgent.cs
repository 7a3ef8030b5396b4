using System.Net;
using CloudArchive.Cli;

namespace CloudArchive.Benchmarks.Tools;

/// <summary>The program with its connections led through proxies: what it is told to talk to is an address of this machine, and the archive signs the addresses that it gives out.</summary>
internal static class RoutedAgent
{
    /// <param name="routes">Each <c>port=port</c>, separated by commas.</param>
    public static Task<int> RunAsync(string routes, string[] arguments)
    {
        Dictionary<int, int> ports = routes.Split(',').Select(route => route.Split('=')).ToDictionary(route => int.Parse(route[0]), route => int.Parse(route[1]));
        return CloudArchiveCli.RunAsync(
            arguments,
            new CliEnvironment
            {
                Out = Console.Out,
                Error = Console.Error,
                In = TextReader.Null,
                Variable = Environment.GetEnvironmentVariable,
                Route = to => new DnsEndPoint(to.Host, ports.GetValueOrDefault(to.Port, to.Port)),
            },
            CancellationToken.None);
    }
}
