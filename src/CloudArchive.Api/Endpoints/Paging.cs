using CloudArchive.Core;

namespace CloudArchive.Api.Endpoints;

/// <summary>The query parameters of every listing.</summary>
internal static class Paging
{
    private const int Default = 100;
    private const int Most = 1000;

    public static int Take(int? take) => take is null ? Default : take is >= 1 and <= Most ? take.Value : throw new RefusedException(Refusal.RequestInvalid, $"take: 1 to {Most}.");

    public static T? After<T>(string? after, string name = "after")
        where T : struct, IParsable<T> =>
        after is null ? null : T.TryParse(after, null, out T value) ? value : throw new RefusedException(Refusal.RequestInvalid, $"{name}: pass the next of the page before, as it came.");
}
