using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using CloudArchive.Cli.Agent;

namespace CloudArchive.Cli.Transport;

/// <summary>What stands in the data folder's <c>settings.json</c>, for runs that nobody gives options to. The command line outweighs it.</summary>
/// <param name="Limit">As <c>--limit</c>.</param>
/// <param name="LimitHours">As <c>--limit-hours</c>.</param>
/// <param name="GiveUpAfter">As <c>--give-up-after</c>.</param>
public sealed record LinkSettings(string? Limit = null, IReadOnlyList<string>? LimitHours = null, string? GiveUpAfter = null)
{
    // A setting with a typing error in its name would be one that nobody keeps to.
    private static readonly JsonSerializerOptions Strict = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, ReadCommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true,
    };

    /// <summary>Reads them; none where there is no such file.</summary>
    /// <exception cref="UsageException">It says something that is no setting.</exception>
    public static LinkSettings Read(AgentHome home)
    {
        try
        {
            return JsonSerializer.Deserialize<LinkSettings>(File.ReadAllBytes(home.Settings), Strict) ?? new LinkSettings();
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return new LinkSettings();
        }
        catch (JsonException error)
        {
            throw new UsageException($"{home.Settings} is not as it must be: {error.Message} Example: {{ \"limit\": \"2MB/s\", \"limitHours\": [\"08:00-18:00=500kB/s\"], \"giveUpAfter\": \"12h\" }}");
        }
    }
}

/// <summary><c>--limit</c>, <c>--limit-hours</c>, <c>--give-up-after</c>: how much of the link a run takes, and how long it waits for it.</summary>
public sealed class LinkOptions(CliEnvironment environment)
{
    private readonly Option<string?> _limit = new("--limit") { Description = "How fast images leave at most, all packs together: 2MB/s, 500kB/s, 20Mbit/s [unlimited]", HelpName = "rate" };
    private readonly Option<string[]> _limitHours = new("--limit-hours") { Description = "Another limit in these hours, local time: 08:00-18:00=500kB/s; may be repeated", HelpName = "from-until=rate" };
    private readonly Option<string?> _giveUpAfter = new("--give-up-after") { Description = "How long to go on trying while the network or the archive is away: 30min, 12h, 2d", HelpName = "time" };

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Options.Add(_limit);
        command.Options.Add(_limitHours);
        command.Options.Add(_giveUpAfter);
    }

    /// <summary>Opens the session that the command line and the settings describe.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="patience">How long to go on trying where neither says so.</param>
    /// <exception cref="UsageException">A limit or a time is none.</exception>
    public AgentSession Open(ParseResult parsed, TimeSpan patience)
    {
        LinkSettings settings = LinkSettings.Read(AgentHome.Of(environment));
        string? limit = parsed.GetValue(_limit) ?? settings.Limit;
        IReadOnlyList<string> hours = parsed.GetValue(_limitHours) is { Length: > 0 } given ? given : settings.LimitHours ?? [];
        RateLimit? rate = limit is null && hours.Count == 0 ? null : new RateLimit(environment.Clock, limit is null ? null : RateLimit.ParseRate(limit), [.. hours.Select(RateLimit.ParseHours)]);
        TimeSpan giveUpAfter = (parsed.GetValue(_giveUpAfter) ?? settings.GiveUpAfter) is { } time ? ParseTime(time) : patience;
        return AgentSession.Open(environment, giveUpAfter, rate);
    }

    /// <summary>Reads <c>90s</c>, <c>30min</c>, <c>12h</c>, <c>2d</c>.</summary>
    /// <exception cref="UsageException">It is none of these.</exception>
    public static TimeSpan ParseTime(string text)
    {
        string trimmed = text.Trim();
        string unit = trimmed.TrimStart("0123456789.".ToCharArray());
        double? seconds = unit.Trim() switch
        {
            "s" => 1,
            "m" or "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => null,
        };
        return seconds is { } each
            && double.TryParse(trimmed[..^unit.Length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number)
            && number * each is > 0 and <= 30 * 86_400
            ? TimeSpan.FromSeconds(number * each)
            : throw new UsageException($"'{text}' is no time to wait: it looks like 90s, 30min, 12h or 2d, and 30d is the most.");
    }
}
