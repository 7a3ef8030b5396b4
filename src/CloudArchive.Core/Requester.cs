using CloudArchive.Format.Audit;

namespace CloudArchive.Core;

/// <summary>Who asks, and from where: what every audit entry of the request carries.</summary>
public sealed record Requester(AuditActor Actor, AuditOrigin Origin)
{
    /// <summary>The archive itself: a timer or a run.</summary>
    public static Requester System(string name, string correlationId) => new(new AuditActor(name, "system"), new AuditOrigin(null, correlationId));
}
