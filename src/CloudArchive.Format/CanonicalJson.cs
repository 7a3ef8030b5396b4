using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace CloudArchive.Format;

/// <summary>
/// JSON in the one spelling of RFC 8785 (JCS): what is hashed or signed as JSON is hashed and signed in this form, so that anyone can
/// write the same bytes again. Every failure is a <see cref="JsonException"/>.
/// </summary>
public static class CanonicalJson
{
    /// <summary>The canonical form of a record or a node, as <see cref="FormatJson.Options"/> write it.</summary>
    public static byte[] Serialize<T>(T value) => Serialize(JsonSerializer.SerializeToElement(value, FormatJson.Options));

    /// <summary>The canonical form of a document. A member that is there twice is refused.</summary>
    public static byte[] Serialize(JsonElement element)
    {
        ArrayBufferWriter<byte> output = new();
        RefuseLoneSurrogates(() => Write(element, output));
        return output.WrittenSpan.ToArray();
    }

    /// <summary>The canonical form of JSON text.</summary>
    public static byte[] Canonicalize(ReadOnlyMemory<byte> json)
    {
        JsonDocument? document = null;
        JsonDocumentOptions options = new() { AllowDuplicateProperties = false, MaxDepth = FormatJson.Options.MaxDepth };
        RefuseLoneSurrogates(() => document = JsonDocument.Parse(json, options));
        using (document)
        {
            return Serialize(document!.RootElement);
        }
    }

    /// <summary>System.Text.Json's answer to a lone surrogate, which has no UTF-8 form (RFC 8785 §3.2.2.2), is not a JsonException.</summary>
    private static void RefuseLoneSurrogates(Action act)
    {
        try
        {
            act();
        }
        catch (InvalidOperationException e)
        {
            throw new JsonException("A string is not valid Unicode.", e);
        }
    }

    private static void Write(JsonElement element, ArrayBufferWriter<byte> output)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                WriteObject(element, output);
                break;
            case JsonValueKind.Array:
                output.Write("["u8);
                bool first = true;
                foreach (JsonElement item in element.EnumerateArray())
                {
                    output.Write(first ? ""u8 : ","u8);
                    first = false;
                    Write(item, output);
                }

                output.Write("]"u8);
                break;
            case JsonValueKind.String:
                WriteString(element.GetString()!, output);
                break;
            case JsonValueKind.Number:
                output.Write(Encoding.ASCII.GetBytes(Number(element)));
                break;
            case JsonValueKind.True:
                output.Write("true"u8);
                break;
            case JsonValueKind.False:
                output.Write("false"u8);
                break;
            case JsonValueKind.Null:
                output.Write("null"u8);
                break;
            default:
                throw new JsonException("No JSON value.");
        }
    }

    private static void WriteObject(JsonElement element, ArrayBufferWriter<byte> output)
    {
        // RFC 8785 §3.2.3: by UTF-16 code units, which is how .NET compares strings ordinally.
        JsonProperty[] members = [.. element.EnumerateObject().OrderBy(member => member.Name, StringComparer.Ordinal)];
        output.Write("{"u8);
        for (int i = 0; i < members.Length; i++)
        {
            if (i > 0)
            {
                if (members[i].Name == members[i - 1].Name)
                {
                    throw new JsonException("A member is there twice.");
                }

                output.Write(","u8);
            }

            WriteString(members[i].Name, output);
            output.Write(":"u8);
            Write(members[i].Value, output);
        }

        output.Write("}"u8);
    }

    /// <summary>RFC 8785 §3.2.2.2: only what JSON must escape is escaped, in its shortest form.</summary>
    private static void WriteString(string text, ArrayBufferWriter<byte> output)
    {
        StringBuilder escaped = new(text.Length + 2);
        escaped.Append('"');
        foreach (char c in text)
        {
            _ = c switch
            {
                '"' => escaped.Append("\\\""),
                '\\' => escaped.Append(@"\\"),
                '\b' => escaped.Append(@"\b"),
                '\f' => escaped.Append(@"\f"),
                '\n' => escaped.Append(@"\n"),
                '\r' => escaped.Append(@"\r"),
                '\t' => escaped.Append(@"\t"),
                < ' ' => escaped.Append(@"\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture)),
                _ => escaped.Append(c),
            };
        }

        escaped.Append('"');
        output.Write(Encoding.UTF8.GetBytes(escaped.ToString()));
    }

    private static string Number(JsonElement element)
    {
        double value = element.GetDouble();
        string canonical = Number(value);

        // An integer beyond 2^53 would be signed as its neighbour. Refuse rather than round; what is in canonical form already passes.
        string literal = element.GetRawText();
        bool isInteger = literal.AsSpan(literal[0] == '-' ? 1 : 0).IndexOfAnyExceptInRange('0', '9') < 0;
        if (isInteger && literal != canonical && value != 0)
        {
            throw new JsonException("An integer is too large for a JSON number of RFC 8785: write it as a string.");
        }

        return canonical;
    }

    /// <summary>ECMA-262 §6.1.6.1.20 Number::toString, radix 10: the shortest digits that read back as the same double.</summary>
    internal static string Number(double value)
    {
        if (!double.IsFinite(value))
        {
            throw new JsonException("A number is out of range.");
        }

        if (value == 0)
        {
            return "0"; // also for -0
        }

        // .NET's "E16" pads; "R" is the shortest that round-trips, in .NET's own layout: take its digits and lay them out anew.
        string roundTrip = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture);
        string[] parts = roundTrip.Split('E');
        string mantissa = parts[0];
        int point = mantissa.IndexOf('.', StringComparison.Ordinal);
        int integerDigits = point < 0 ? mantissa.Length : point;
        string all = point < 0 ? mantissa : mantissa.Remove(point, 1);
        int leadingZeros = all.Length - all.TrimStart('0').Length;
        string digits = all.Trim('0');
        int k = digits.Length;

        // value = 0.digits * 10^n
        int n = integerDigits - leadingZeros + (parts.Length > 1 ? int.Parse(parts[1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) : 0);
        string text = n switch
        {
            >= 1 and <= 21 when k <= n => digits + new string('0', n - k),
            >= 1 and <= 21 => $"{digits.AsSpan(0, n)}.{digits.AsSpan(n)}",
            > -6 and <= 0 => $"0.{new string('0', -n)}{digits}",
            _ => $"{digits[0]}{(k > 1 ? "." : "")}{digits.AsSpan(1)}e{(n > 0 ? "+" : "-")}{Math.Abs(n - 1).ToString(CultureInfo.InvariantCulture)}",
        };
        return value < 0 ? "-" + text : text;
    }
}
