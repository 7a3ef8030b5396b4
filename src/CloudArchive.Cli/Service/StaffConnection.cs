using System.CommandLine;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.SignIn;
using CloudArchive.Cli.Transport;
using CloudArchive.Format;

namespace CloudArchive.Cli.Service;

/// <summary>The options with which an admin's or compliance officer's command finds the service: <c>--url</c>, <c>--token</c>, <c>--token-file</c>, <c>--clinic</c>, or the environment.</summary>
public sealed class StaffConnection(CliEnvironment environment)
{
    private readonly Option<string?> _url = new("--url") { Description = "The service's URL [CLOUDARCHIVE_URL; else that of cloudarchive login, or the one that this computer is enrolled with]", HelpName = "url" };
    private readonly Option<string?> _token = new("--token") { Description = "Bearer token, in scripts [CLOUDARCHIVE_TOKEN, which keeps it out of the list of processes; else the sign-in of cloudarchive login]", HelpName = "token" };
    private readonly Option<string?> _tokenFile = new("--token-file") { Description = "File with the bearer token in its first line, which is read again each time: for work that outlasts a token [CLOUDARCHIVE_TOKEN_FILE]", HelpName = "file" };
    private readonly Option<string?> _clinic = new("--clinic") { Description = "The clinic [CLOUDARCHIVE_CLINIC; else the one that this computer is enrolled for]", HelpName = "clinic" };

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command, bool clinic = true)
    {
        command.Options.Add(_url);
        command.Options.Add(_token);
        command.Options.Add(_tokenFile);
        if (clinic)
        {
            command.Options.Add(_clinic);
        }
    }

    /// <summary>The client that the command line describes. Throws <see cref="UsageException"/> where something is missing.</summary>
    public ArchiveClient Connect(ParseResult parsed)
    {
        Uri url = ServiceOf(environment, parsed.GetValue(_url));
        return new ArchiveClient(url, Tokens(parsed, url), environment);
    }

    /// <summary>The same over a way out of the command's own.</summary>
    public ArchiveClient Connect(ParseResult parsed, Network network)
    {
        Uri url = ServiceOf(environment, parsed.GetValue(_url));
        return new ArchiveClient(url, Tokens(parsed, url), network);
    }

    /// <summary>The service that staff ask: the one that is named, else of the last sign-in, else the one that this computer is enrolled with.</summary>
    public static Uri ServiceOf(CliEnvironment environment, string? named)
    {
        string? url = named ?? environment.Variable("CLOUDARCHIVE_URL") ?? OfSession(environment) ?? AgentIdentity.TryLoad(AgentHome.Of(environment))?.Service.AbsoluteUri;
        return string.IsNullOrWhiteSpace(url) ? throw new UsageException("Which service? Give --url or set CLOUDARCHIVE_URL; cloudarchive login --url <service> remembers it.") : ServiceUrl.Parse(url);
    }

    private static string? OfSession(CliEnvironment environment)
    {
        try
        {
            return new StaffSessions(environment).Find()?.Service.AbsoluteUri;
        }
        catch (SignInNeededException)
        {
            return null; // where its tokens are needed, that is said
        }
    }

    private IAccessTokens Tokens(ParseResult parsed, Uri service)
    {
        if (parsed.GetValue(_token) is not null && parsed.GetValue(_tokenFile) is not null)
        {
            throw new UsageException("Give --token or --token-file, not both.");
        }

        string? token = parsed.GetValue(_token);
        string? file = token is null ? parsed.GetValue(_tokenFile) ?? environment.Variable("CLOUDARCHIVE_TOKEN_FILE") : null;
        StaffTokens tokens = string.IsNullOrWhiteSpace(file)
            ? new StaffTokens(environment, () => token ?? environment.Variable("CLOUDARCHIVE_TOKEN"), null)
            : new StaffTokens(environment, () => ReadToken(file), file);
        return tokens.HasToken ? tokens : file is null ? Session(service) : throw new UsageException($"There is no access token in the first line of {file}.");
    }

    private SessionTokens Session(Uri service)
    {
        StaffSessions sessions = new(environment);
        StaffSession session = sessions.Find()
            ?? throw new UsageException($"This command acts for a person. Sign in: cloudarchive login --url {service.AbsoluteUri.TrimEnd('/')} (scripts give an access token with --token-file, --token or CLOUDARCHIVE_TOKEN)");
        return session.Service == service
            ? new SessionTokens(environment, sessions, session)
            : throw new UsageException($"You are signed in to {session.Service.Authority}, and this is for {service.Authority}: cloudarchive login --url {service.AbsoluteUri.TrimEnd('/')}");
    }

    private static string? ReadToken(string file)
    {
        try
        {
            return File.ReadLines(file).FirstOrDefault();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null; // It may be being written in this moment.
        }
    }

    /// <summary>The clinic that the command line names.</summary>
    public ClinicId Clinic(ParseResult parsed)
    {
        string? clinic = parsed.GetValue(_clinic) ?? environment.Variable("CLOUDARCHIVE_CLINIC") ?? Identity()?.Clinic.Value;
        if (string.IsNullOrWhiteSpace(clinic)) throw new UsageException("Which clinic? Give --clinic or set CLOUDARCHIVE_CLINIC.");
        return ClinicId.TryParse(clinic, null, out ClinicId id) ? id : throw new UsageException($"'{clinic}' is no clinic's id: 3 to 40 of a-z, 0-9 and '-'.");
    }

    private AgentIdentity? Identity() => AgentIdentity.TryLoad(AgentHome.Of(environment));
}

/// <summary>The service's URL.</summary>
public static class ServiceUrl
{
    /// <summary>An https URL, or http to this very computer: tokens and codes never cross a network in the clear.</summary>
    public static Uri Parse(string text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? url) || url.Scheme is not ("https" or "http") || url.UserInfo.Length > 0 || url.Query.Length > 0)
            throw new UsageException($"'{text}' is no service URL: it looks like https://archive.example.org.");
        if (url.Scheme == "http" && !url.IsLoopback) throw new UsageException($"{url} would send codes and tokens in the clear: use https.");
        return url;
    }
}
