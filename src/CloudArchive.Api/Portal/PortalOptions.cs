namespace CloudArchive.Api.Portal;

/// <summary>How people get into the portal, and for how long.</summary>
public sealed record PortalOptions
{
    /// <summary>Without a request for so long, a session is over.</summary>
    public TimeSpan Idle { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>A session is over after this, however busy.</summary>
    public TimeSpan Longest { get; init; } = TimeSpan.FromHours(8);

    /// <summary>Whether browsers reach the portal by https, so that its cookie may ask for it. Only a host on loopback says no.</summary>
    public bool Secure { get; init; } = true;

    /// <summary>Whether the platform signs people in and hands their ID token on (App Service authentication). Believed only where the platform itself says so.</summary>
    public bool PlatformSignIn { get; init; }

    /// <summary>The host's own door; null where it has none.</summary>
    public IPortalDoor? Door { get; init; }

    /// <summary>Where storage has the packs, which the page of a restore fetches from; null: then only the command line does. Storage must allow it by CORS.</summary>
    public Uri? BlobUrl { get; init; }
}

/// <summary>Somebody that a host can sign in by itself.</summary>
/// <param name="Subject">Who.</param>
/// <param name="Name">For people.</param>
public sealed record PortalIdentity(string Subject, string Name);

/// <summary>A host's own way to sign staff in, with a secret that only they can read.</summary>
public interface IPortalDoor
{
    /// <summary>Whom it can sign in.</summary>
    IReadOnlyList<PortalIdentity> Identities { get; }

    /// <summary>A staff token for that identity; null where the code is not the host's, or there is no such identity.</summary>
    string? Open(string code, string subject);
}
