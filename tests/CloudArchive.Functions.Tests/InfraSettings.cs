#pragma warning disable MA0009 // pattern and texts are this project's own
using System.Text.RegularExpressions;
using CloudArchive.Functions.Tests.Worker;
using CloudArchive.Testing;

namespace CloudArchive.Functions.Tests;

/// <summary>What infra/ sets for an app in every deployment, by its Bicep: no compiler is needed to read names. scripts/check-infra.cs holds the deployment itself against AppSettings.</summary>
internal static partial class InfraSettings
{
    public static string[] NamesOf(string role)
    {
        // Recovery's settings beyond these depend on parameters; what both apps have stands in one object of main.bicep, and what each has of itself in another of settings.bicep.
        Assert.Contains(role, (string[])["ingest", "recovery"]);
        string[] names = [.. Within("main.bicep", "var settings texts = {", "\n}"), .. Within("modules/settings.bicep", "resource appSettings ", "toObject(")];
        Assert.Contains("CloudArchive__Role", names);
        Assert.Contains("CloudArchive__BlobEndpoint", names);
        return names;
    }

    private static IEnumerable<string> Within(string file, string begin, string end)
    {
        string text = File.ReadAllText(Path.Combine(Repository.Root, "infra", file)).ReplaceLineEndings("\n");
        int from = text.IndexOf(begin, StringComparison.Ordinal);
        Assert.True(from >= 0, $"infra/{file} has no '{begin}'.");
        return Name().Matches(text[from..text.IndexOf(end, from, StringComparison.Ordinal)]).Select(match => match.Groups[1].Value);
    }

    // The Functions host's own and telemetry's are not the archive's to read, but for the queue that both read.
    [GeneratedRegex(@"(?m)^ +(CloudArchive__\w+|AZURE_CLIENT_ID|AzureWebJobsStorage__queueServiceUri):")]
    private static partial Regex Name();
}

public sealed class InfraSettingsTests
{
    [Theory]
    [InlineData("ingest")]
    [InlineData("recovery")]
    public void The_stand_in_for_Azure_has_a_value_for_each(string role) =>
        Assert.Equal(InfraSettings.NamesOf(role).Order(StringComparer.Ordinal), AzureStandIn.Values(role).Keys.Order(StringComparer.Ordinal));
}
