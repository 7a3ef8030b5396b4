using System.Text.Json;
using CloudArchive.Api.Mail;
using CloudArchive.Api.Portal;
using CloudArchive.Core;
using CloudArchive.Core.Alerts;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Api;

/// <summary>What a host tells <see cref="CloudArchiveServices.AddCloudArchive"/>.</summary>
public sealed class CloudArchiveOptions
{
    /// <summary>Which endpoints this host has.</summary>
    public ArchiveRole Role { get; set; } = ArchiveRole.Both;

    /// <summary>Where agents reach the ingest host, such as <c>https://ingest.example/</c>. Issuer and audience of the agents' tokens.</summary>
    public Uri PublicUrl { get; set; } = new("http://127.0.0.1/");

    /// <summary>Who issues the staff's tokens; null where only agents are served.</summary>
    public StaffIssuer? Staff { get; set; }

    /// <summary>Whether endpoints whose policy asks for it need a token that says that a second factor was used.</summary>
    public bool RequireMfa { get; set; } = true;

    /// <summary>Whom an auditor asks about evidence.</summary>
    public EvidenceContact Contact { get; set; } = new("Whoever operates this archive", "operator@localhost");

    /// <summary>Where alerts are sent; null to send none. Needed by the recovery role alone, which delivers them.</summary>
    public WebhookTarget? Webhook { get; set; }

    /// <summary>Where mail goes out; null to send none. Needed by the recovery role alone.</summary>
    public MailServer? Mail { get; set; }

    /// <summary>Where staff reach the recovery host: portal, commands, links in mail. Null where that is <see cref="PublicUrl"/>, as on a host with both roles.</summary>
    public Uri? RecoveryUrl { get; set; }

    /// <summary>What is printed for staff: a command, a link.</summary>
    public Uri StaffUrl => RecoveryUrl ?? PublicUrl;

    /// <summary>How long nothing may be heard of a clinic's agents before that is an alert, and how long a report counts.</summary>
    public TimeSpan SilentAfter { get; set; } = VerdictLimits.Default.Silent;

    /// <summary>How people get into the portal.</summary>
    public PortalOptions Portal { get; set; } = new();

    /// <summary>How much one caller may ask for before it is told to wait.</summary>
    public RequestLimits Limits { get; set; } = new();

    /// <summary>The <c>aud</c> of the agents' client assertions (RFC 7523 §3): the token endpoint's URL.</summary>
    public string TokenEndpoint => new Uri(PublicUrl, "/v1/token").AbsoluteUri;

    /// <summary><c>iss</c> and <c>aud</c> of the tokens that this service issues to agents.</summary>
    public string AgentIssuer => PublicUrl.AbsoluteUri;
}

/// <summary>An OpenID Connect issuer of staff tokens.</summary>
/// <param name="Issuer">The <c>iss</c> that tokens must have.</param>
/// <param name="Audience">The <c>aud</c> that tokens must have.</param>
/// <param name="Tenant">The <c>tid</c> that tokens must have: the staff's directory.</param>
/// <param name="GetKeysAsync">Its current signing keys. Asked every few minutes, and when a token names an unknown one.</param>
public sealed record StaffIssuer(string Issuer, string Audience, string Tenant, Func<CancellationToken, Task<JwkSet>> GetKeysAsync)
{
    /// <summary>
    /// Values of <c>acrs</c> that count as <c>amr</c>'s <c>mfa</c> does: Entra ID's v2.0 access tokens have no <c>amr</c>, and state the
    /// authentication contexts whose Conditional Access policies the person satisfied (docs/operations.md, "Who may do what").
    /// </summary>
    public IReadOnlyList<string> MfaContexts { get; init; } = [];

    /// <summary>With which application <c>cloudarchive login</c> asks the issuer; null where it has none, and commands need a token that was got otherwise.</summary>
    public StaffClient? Client { get; init; }

    /// <summary>
    /// The <c>claims</c> of a login (OpenID Connect Core §5.5) that has the token state a second factor; null where no context stands for one. Of several, the
    /// first is asked for.
    /// </summary>
    public string? SecondFactorClaims => MfaContexts is [var context, ..]
        ? JsonSerializer.Serialize(new { access_token = new { acrs = new { essential = true, value = context } } })
        : null;
}

/// <summary>The public client (RFC 8252) with which commands sign a person in.</summary>
/// <param name="Id">Its <c>client_id</c>.</param>
/// <param name="Scope">The scope that stands for this service.</param>
public sealed record StaffClient(string Id, string Scope);

/// <summary>Requests and refusals in a minute of the clock, over all instances. Beyond: 429.</summary>
/// <param name="TokensPerAddress">Token requests of an address.</param>
/// <param name="EnrollmentsPerAddress">Enrollments of an address.</param>
/// <param name="OpensPerAgent">Packs opened by an agent.</param>
/// <param name="KeyRequestsPerAgent">Key changes of an agent, and questions for the archive's keys, which cost signatures.</param>
/// <param name="RefusalsPerAddress">Refusals of callers without a token, by address: each writes an audit entry, so they are bounded.</param>
/// <param name="RefusalsOfAnonymous">The same over all addresses.</param>
/// <param name="RefusalsPerCaller">Refusals of a caller with a token.</param>
/// <param name="ReportsPerAgent">Verdicts reported by an agent.</param>
/// <param name="UploadUrlsPerAgent">Further upload URLs for an agent's open packs.</param>
/// <param name="CommitsPerAgent">Packs committed by an agent.</param>
/// <param name="AgentsOfClinic">A clinic may do as much as so many of its agents.</param>
public sealed record RequestLimits(
    int TokensPerAddress = 120,
    int EnrollmentsPerAddress = 10,
    int OpensPerAgent = 600,
    int KeyRequestsPerAgent = 10,
    int RefusalsPerAddress = 20,
    int RefusalsOfAnonymous = 300,
    int RefusalsPerCaller = 120,
    int ReportsPerAgent = 30,
    int UploadUrlsPerAgent = 600,
    int CommitsPerAgent = 1200,
    int AgentsOfClinic = 4);
