using System.Net;
using System.Text.Json.Nodes;
using CloudArchive.Cli;
using CloudArchive.Cli.Transport;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd.Transport;

/// <summary>The classes that share one of them, one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class BadlyConnected : ICollectionFixture<BadlyConnectedPractice>
{
    public const string Name = "badly connected";
}

/// <summary>A real archive and an enrolled computer, with a bad network between: one to the service, one to storage.</summary>
public sealed class BadlyConnectedPractice : IAsyncLifetime
{
    public Practice Practice { get; private set; } = null!;

    public BadNetwork Service { get; private set; } = null!;

    public BadNetwork Storage { get; private set; } = null!;

    /// <summary>The product's patience, with a tenth to a hundredth of its times.</summary>
    public static NetworkOptions Hurried { get; } = new()
    {
        ConnectTimeout = TimeSpan.FromSeconds(1),
        IdleTimeout = TimeSpan.FromSeconds(3),
        AnswerTimeout = TimeSpan.FromSeconds(10),
        FirstDelay = TimeSpan.FromMilliseconds(20),
        LongestDelay = TimeSpan.FromMilliseconds(500),
        GiveUpAfter = TimeSpan.FromSeconds(60),
        RunPatience = TimeSpan.FromSeconds(60),
        WatchPatience = TimeSpan.FromSeconds(60),
        ItemPatience = TimeSpan.FromSeconds(30),
        TellAfter = TimeSpan.FromSeconds(1),
    };

    public async ValueTask InitializeAsync()
    {
        Practice = await Practice.OpenAsync();
        Service = new BadNetwork(new Uri(Practice.Archive.Url).Port);
        Storage = new BadNetwork(new Uri(Practice.Archive.BlobUrl).Port, seed: 2);
    }

    public async ValueTask DisposeAsync()
    {
        await Service.DisposeAsync();
        await Storage.DisposeAsync();
        await Practice.DisposeAsync();
    }

    /// <summary>Both ways do the same from now on.</summary>
    public void Set(NetworkFaults faults)
    {
        Service.Set(faults);
        Storage.Set(faults);
    }

    /// <summary>Whoever sits at the clinic's computer.</summary>
    public CliEnvironment Environment(TextWriter output, TextWriter error, NetworkOptions? network = null) => new()
    {
        Out = output,
        Error = error,
        In = TextReader.Null,
        Network = network ?? Hurried,
        Route = to => to.Port == new Uri(Practice.Archive.Url).Port ? new DnsEndPoint("127.0.0.1", Service.Port)
            : to.Port == new Uri(Practice.Archive.BlobUrl).Port ? new DnsEndPoint("127.0.0.1", Storage.Port)
            : throw new InvalidOperationException($"Nobody should talk to {to}."),
        Variable = name => name switch
        {
            "CLOUDARCHIVE_HOME" => Practice.Agent.Home,
            "CLOUDARCHIVE_URL" => Practice.Archive.Url,
            "CLOUDARCHIVE_CLINIC" => Practice.Clinic,
            "CLOUDARCHIVE_TOKEN" => Practice.Archive.AdminToken,
            _ => null,
        },
    };

    public async Task<(ExitCode Code, string Output, string Error)> RunAsync(NetworkOptions? network, CancellationToken cancellationToken, params string[] arguments)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = await CloudArchiveCli.RunAsync(arguments, Environment(output, error, network), cancellationToken);
        return ((ExitCode)code, output.ToString(), error.ToString());
    }

    public Task<(ExitCode Code, string Output, string Error)> RunAsync(params string[] arguments) => RunAsync(null, TestContext.Current.CancellationToken, arguments);

    /// <summary>Backs up a folder, and says what was sent to storage for it and what had to be.</summary>
    public async Task<(JsonObject Report, long Sent, long Needed)> BackUpAsync(string folder, params string[] options)
    {
        long before = Storage.BytesUp;
        (ExitCode code, string output, string error) = await RunAsync(["backup", folder, "--json", .. options]);
        Assert.True(code == ExitCode.Ok, $"{code}\n{output}\n{error}");
        JsonObject report = JsonNode.Parse(output)!.AsObject();
        return (report, Storage.BytesUp - before, (long)report["bytes"]!);
    }

    /// <summary>Brings a study back and compares it with the folder that it came from.</summary>
    public async Task RestoreAndCompareAsync(string study, string folder)
    {
        string target = folder + "-restored";
        ExitCode code;
        string output, error;
        int runs = 0;
        do
        {
            // A second restore is another disclosure: where the answer to the first request was lost, a person asks again.
            (code, output, error) = await RunAsync("restore", "--study", SampleStudies.UidOf("study " + study), "--out", target, "--purpose", "test", "--recipient", "test");
        }
        while (code == ExitCode.Unreachable && ++runs < 5);

        Assert.True(code == ExitCode.Ok, $"{code}\n{output}\n{error}");
        Assert.Equal(Practice.Contents(folder), Practice.Contents(target));
    }
}
