namespace CloudArchive.Format.Wire;

/// <summary>How a check ended.</summary>
public enum DoctorVerdict
{
    /// <summary>As it must be.</summary>
    Ok,

    /// <summary>Somebody should look, and nothing is lost or open yet.</summary>
    Warning,

    /// <summary>Not as it must be.</summary>
    Failed,

    /// <summary>There is nothing to check here.</summary>
    NotApplicable,
}

/// <summary>One thing that was looked at.</summary>
/// <param name="Check">What; a name that does not change.</param>
/// <param name="Verdict">How it ended.</param>
/// <param name="Found">What is there.</param>
/// <param name="Expected">What must be there.</param>
/// <param name="WhatToDo">Where it is not; else null.</param>
public sealed record DoctorCheck(string Check, DoctorVerdict Verdict, string Found, string Expected, string? WhatToDo = null);

/// <summary><c>GET /v1/doctor</c>: what only the service can see of itself.</summary>
/// <param name="At">The service's clock.</param>
/// <param name="Role"><c>ingest</c>, <c>recovery</c>, or <c>both</c> on a single machine.</param>
/// <param name="Checks">In the order in which they were made.</param>
public sealed record DoctorResponse(DateTimeOffset At, string Role, IReadOnlyList<DoctorCheck> Checks);
