namespace CloudArchive.Api.Portal.Session;

/// <summary>What the portal's cookie states, signed by the archive (docs/decisions/0030-portal-sessions.md). It lives in the browser and nowhere else.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Subject">Whose.</param>
/// <param name="FormToken">What every form of the session must send along.</param>
/// <param name="StartedAt">When the person signed in, in Unix seconds.</param>
/// <param name="SeenAt">When it was last renewed, in Unix seconds.</param>
/// <param name="Token">The staff token, where the host signed the person in itself; the platform brings it with each request.</param>
internal sealed record PortalSession(string Id, string Subject, string FormToken, long StartedAt, long SeenAt, string? Token = null)
{
    /// <inheritdoc/>
    public override string ToString() => "**redacted**";
}

/// <summary>Why a person has to sign in.</summary>
internal enum SignInReason
{
    /// <summary>There is no session.</summary>
    None,

    /// <summary>Nothing was done for too long.</summary>
    Idle,

    /// <summary>The session or its token has come to its end.</summary>
    Expired,

    /// <summary>They signed out.</summary>
    SignedOut,

    /// <summary>The code or token was not right.</summary>
    Wrong,
}

/// <summary>A page was asked for without a session: no refusal, the person is shown where to sign in.</summary>
internal sealed class SignInNeededException(SignInReason reason) : Exception("The portal needs a session.")
{
    public SignInReason Reason { get; } = reason;
}
