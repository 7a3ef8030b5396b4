using System.Text.Json;
using System.Text.Json.Nodes;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Doctor;

/// <summary>Whether the lifecycle policy that an account has is the one in the repository. The service has no right to read it: an operator's az does.</summary>
internal static class LifecycleCheck
{
    public static async Task<DoctorCheck> RunAsync(string deployedFile, string expectedFile, CancellationToken cancellationToken)
    {
        Dictionary<string, JsonNode> deployed = await ReadAsync(deployedFile, cancellationToken);
        Dictionary<string, JsonNode> expected = await ReadAsync(expectedFile, cancellationToken);
        string[] differ = [.. deployed.Keys.Union(expected.Keys).Where(name => !JsonNode.DeepEquals(deployed.GetValueOrDefault(name), expected.GetValueOrDefault(name))).Order(StringComparer.Ordinal)];
        return differ.Length == 0
            ? new DoctorCheck("lifecycle", DoctorVerdict.Ok, $"{expected.Count} rules, as in {expectedFile}", "the rules of the repository, and no others")
            : new DoctorCheck("lifecycle", DoctorVerdict.Failed, $"not as in {expectedFile}: {string.Join(", ", differ)}", "the rules of the repository, and no others", "azd provision puts them back. Who changed them? AzureActivity says.");
    }

    private static async Task<Dictionary<string, JsonNode>> ReadAsync(string file, CancellationToken cancellationToken)
    {
        try
        {
            JsonNode root = JsonNode.Parse(await File.ReadAllTextAsync(file, cancellationToken))!;
            JsonArray rules = (root["policy"] ?? root)["rules"]!.AsArray();

            // az writes what is not there as null, and states defaults.
            return rules.ToDictionary(rule => rule!["name"]!.GetValue<string>(), rule => Bare(rule!));
        }
        catch (Exception e) when (e is JsonException or NullReferenceException or InvalidOperationException or ArgumentException)
        {
            throw new UsageException($"{file} is no lifecycle policy: it has rules, each with a name.");
        }
    }

    /// <summary>Without nulls; numbers as numbers, however they are written.</summary>
    private static JsonNode Bare(JsonNode node) => node switch
    {
        JsonObject value => new JsonObject(value.Where(member => member.Value is not null).Select(member => KeyValuePair.Create(member.Key, (JsonNode?)Bare(member.Value!)))),
        JsonArray list => new JsonArray([.. list.Select(item => Bare(item!))]),
        JsonValue value when value.GetValueKind() == JsonValueKind.Number => JsonValue.Create(value.Deserialize<decimal>()),
        _ => node.DeepClone(),
    };
}
