using CloudArchive.Format.Audit;

namespace CloudArchive.Core;

/// <summary>Who asks, and from where: what every audit entry of the request carries.</summary>
public sealed record Requester(AuditActor Actor, AuditOrigin Origin)
{
    /// <summary>Entra ID's <c>sub</c>: 32 bytes in base64url.</summary>
    private const int PairwiseCharacters = 43;

    /// <summary>
    /// What rows call the same person that were written when people were known by <c>oid</c>, or by <c>sub</c> where a token had none
    ///; empty for agents and timers.
    /// </summary>
    public IReadOnlyList<string> Formerly { get; init; } = [];

    /// <summary>The archive itself: a timer or a run.</summary>
    public static Requester System(string name, string correlationId) => new(new AuditActor(name, "system"), new AuditOrigin(null, correlationId));

    /// <summary>Whether a stored id is whoever asks.</summary>
    public bool Is(string? id) => id is not null && (id == Actor.Id || Formerly.Contains(id, StringComparer.OrdinalIgnoreCase));

    /// <summary>
    /// Whether a stored id is whoever asks, or nobody can tell: a pairwise <c>sub</c> of another application says nothing of who it is. Where
    /// two people are needed, only who is certainly another counts as the second.
    /// </summary>
    public bool MayBe(string? id) => Is(id) || (Formerly.Count > 0 && id is { Length: PairwiseCharacters } && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'));
}
