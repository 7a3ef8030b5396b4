using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace CloudArchive.Format;

/// <summary>How every JSON document of the archive is read and written: camelCase names, strings for enums, no nulls.</summary>
public static class FormatJson
{
    /// <summary>
    /// Options for everything at rest and on the wire. Unknown members are ignored: a newer writer may add some. A member that is there
    /// twice is refused, because two readers may disagree on which one counts; names match exactly for the same reason.
    /// </summary>
    public static JsonSerializerOptions Options { get; } = Create();

    private static JsonSerializerOptions Create()
    {
        JsonSerializerOptions options = new(JsonSerializerDefaults.Web)
        {
            AllowDuplicateProperties = false,
            PropertyNameCaseInsensitive = false,
            DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
            NumberHandling = JsonNumberHandling.Strict,
            RespectNullableAnnotations = true,
            RespectRequiredConstructorParameters = true,
            MaxDepth = 32,
            TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { LetNullsBeLeftOut } },
        };
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false));
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }

    /// <summary>Writers leave nulls out, so no reader may ask for a member that may be null, default value in its constructor or not.</summary>
    private static void LetNullsBeLeftOut(JsonTypeInfo type)
    {
        foreach (JsonPropertyInfo member in type.Properties)
        {
            if (member.AssociatedParameter is { } parameter && (parameter.IsNullable || Nullable.GetUnderlyingType(member.PropertyType) is not null))
            {
                member.IsRequired = false;
            }
        }
    }
}
