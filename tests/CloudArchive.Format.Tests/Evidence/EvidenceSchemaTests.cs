using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CloudArchive.Format.Evidence;
using CloudArchive.Testing;
using CloudArchive.Testing.Evidence;

namespace CloudArchive.Format.Tests.Evidence;

public sealed class EvidenceSchemaTests : IDisposable
{
    private static readonly JsonElement Schema = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.Root, "docs", "evidence.schema.json"))).RootElement;

    private readonly EvidenceSample _sample = new() { Packs = 30, Fails = place => place < 9 ? (PackFailure)place : null, Archived = place => place == 12 };

    public void Dispose() => _sample.Dispose();

    [Fact]
    public async Task Evidence_fits_its_schema()
    {
        Assert.Empty(Violations(await DocumentAsync()));
        using EvidenceSample empty = new() { Packs = 0, History = [], Canaries = [] };
        Assert.Empty(Violations(JsonSerializer.SerializeToElement(await empty.DocumentAsync(), FormatJson.Options)));
    }

    /// <summary>Else the schema would say less than the document: a member that is not in it could be anything.</summary>
    [Fact]
    public async Task Every_member_of_evidence_is_in_the_schema()
    {
        JsonElement strict = JsonDocument.Parse(Regex.Replace(Schema.GetRawText(), "\"properties\":", "\"additionalProperties\": false, $0", RegexOptions.NonBacktracking)).RootElement;
        Assert.Empty(Validator.Validate(strict, await DocumentAsync()));
    }

    [Theory]
    [InlineData("run", "5")]
    [InlineData("startedAt", "\"2026-11-22 03:00\"")]
    [InlineData("startedAt", "\"2026-11-22T03:00:00+01:00\"")]
    [InlineData("format", "\"cloudarchive/evidence/2\"")]
    [InlineData("clinic", "\"Riverside Dental\"")]
    [InlineData("verdict", "\"fine\"")]
    [InlineData("budget", "{\"packs\":0,\"bytes\":1,\"archivedBytes\":0}")]
    [InlineData("budget", "{\"packs\":1,\"bytes\":1.5,\"archivedBytes\":0}")]
    [InlineData("sample", "[{\"pack\":\"x\",\"reason\":\"random\"}]")]
    [InlineData("canaries", "[{\"canary\":\"x\",\"expected\":\"bad-luck\",\"outcome\":\"failed\"}]")]
    [InlineData("digests", "{\"run\":\"00\"}")]
    [InlineData("checkpoint", "\"a.b\"")]
    public async Task What_is_not_evidence_does_not_fit(string member, string value)
    {
        JsonObject document = JsonSerializer.SerializeToNode(await DocumentAsync())!.AsObject();
        document[member] = JsonNode.Parse(value);
        Assert.NotEmpty(Violations(JsonSerializer.SerializeToElement(document)));
    }

    [Fact]
    public async Task Every_top_level_member_is_required()
    {
        JsonObject document = JsonSerializer.SerializeToNode(await DocumentAsync())!.AsObject();
        foreach (string member in document.Select(member => member.Key).ToArray())
        {
            JsonObject without = document.DeepClone().AsObject();
            without.Remove(member);
            Assert.NotEmpty(Violations(JsonSerializer.SerializeToElement(without)));
        }
    }

    private static List<string> Violations(JsonElement document) => Validator.Validate(Schema, document);

    private async Task<JsonElement> DocumentAsync() => JsonSerializer.SerializeToElement(await _sample.DocumentAsync(), FormatJson.Options);

    /// <summary>As much of JSON Schema 2020-12 as the schema uses; a keyword beyond that is an error, not a pass.</summary>
    private sealed class Validator(JsonElement root)
    {
        private readonly List<string> _violations = [];

        public static List<string> Validate(JsonElement schema, JsonElement document)
        {
            Validator validator = new(schema);
            validator.Check(schema, document, "");
            return validator._violations;
        }

        private void Check(JsonElement schema, JsonElement value, string at)
        {
            foreach (JsonProperty keyword in schema.EnumerateObject())
            {
                if (!Holds(keyword, schema, value, at))
                {
                    _violations.Add($"{at}: {keyword.Name} {keyword.Value.GetRawText()}");
                }
            }
        }

        private bool Holds(JsonProperty keyword, JsonElement schema, JsonElement value, string at)
        {
            switch (keyword.Name)
            {
                case "$schema" or "$id" or "$defs" or "title" or "description":
                    return true;
                case "$ref":
                    Check(root.GetProperty("$defs").GetProperty(keyword.Value.GetString()!["#/$defs/".Length..]), value, at);
                    return true;
                case "type":
                    return keyword.Value.GetString() switch
                    {
                        "object" => value.ValueKind == JsonValueKind.Object,
                        "array" => value.ValueKind == JsonValueKind.Array,
                        "string" => value.ValueKind == JsonValueKind.String,
                        "integer" => value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out _),
                        _ => throw new NotSupportedException(keyword.Value.GetRawText()),
                    };
                case "const":
                    return JsonElement.DeepEquals(keyword.Value, value);
                case "enum":
                    return keyword.Value.EnumerateArray().Any(item => JsonElement.DeepEquals(item, value));
                case "pattern":
                    return value.ValueKind != JsonValueKind.String || Regex.IsMatch(value.GetString()!, keyword.Value.GetString()!.Replace("$", "\\z"), RegexOptions.NonBacktracking);
                case "minLength":
                    return value.ValueKind != JsonValueKind.String || value.GetString()!.Length >= keyword.Value.GetInt32();
                case "minimum":
                    return value.ValueKind != JsonValueKind.Number || value.GetDouble() >= keyword.Value.GetDouble();
                case "maximum":
                    return value.ValueKind != JsonValueKind.Number || value.GetDouble() <= keyword.Value.GetDouble();
                case "uniqueItems":
                    return value.EnumerateArray().Select(item => item.GetRawText()).Distinct().Count() == value.GetArrayLength();
                case "items":
                    Each(value, JsonValueKind.Array, () => value.EnumerateArray().Select((item, i) => (i.ToString(), item)), (name, item) => Check(keyword.Value, item, $"{at}/{name}"));
                    return true;
                case "required":
                    return value.ValueKind != JsonValueKind.Object || keyword.Value.EnumerateArray().All(name => value.TryGetProperty(name.GetString()!, out _));
                case "properties":
                    Each(value, JsonValueKind.Object, () => Members(value).Where(member => keyword.Value.TryGetProperty(member.Item1, out _)), (name, item) => Check(keyword.Value.GetProperty(name), item, $"{at}/{name}"));
                    return true;
                case "propertyNames":
                    Each(value, JsonValueKind.Object, () => Members(value), (name, _) => Check(keyword.Value, JsonSerializer.SerializeToElement(name), $"{at}/{name}"));
                    return true;
                case "additionalProperties":
                    bool none = keyword.Value.ValueKind == JsonValueKind.False;
                    (string, JsonElement)[] additional = value.ValueKind == JsonValueKind.Object
                        ? [.. Members(value).Where(member => !schema.TryGetProperty("properties", out JsonElement known) || !known.TryGetProperty(member.Item1, out _))]
                        : [];
                    foreach ((string name, JsonElement item) in none ? [] : additional)
                    {
                        Check(keyword.Value, item, $"{at}/{name}");
                    }

                    return !none || additional.Length == 0;
                default:
                    throw new NotSupportedException($"The validator of this test does not know {keyword.Name}.");
            }
        }

        private static void Each(JsonElement value, JsonValueKind kind, Func<IEnumerable<(string, JsonElement)>> parts, Action<string, JsonElement> check)
        {
            foreach ((string name, JsonElement part) in value.ValueKind == kind ? parts() : [])
            {
                check(name, part);
            }
        }

        private static IEnumerable<(string, JsonElement)> Members(JsonElement value) => value.EnumerateObject().Select(member => (member.Name, member.Value));
    }
}
