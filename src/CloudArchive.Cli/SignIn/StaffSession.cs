using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using CloudArchive.Cli.Agent;
using CloudArchive.Format;

namespace CloudArchive.Cli.SignIn;

/// <summary>What <c>login</c> leaves: who is signed in to which archive, and the tokens.</summary>
/// <param name="Service">The archive; its tokens go nowhere else.</param>
/// <param name="Issuer">Who issued the tokens, and renews them.</param>
/// <param name="ClientId">As which application.</param>
/// <param name="Scope">What they are for.</param>
/// <param name="AccessToken">Good until <paramref name="ExpiresAt"/>.</param>
/// <param name="ExpiresAt">By this computer's clock.</param>
/// <param name="RefreshToken">Gets the next; null where the issuer gives none.</param>
/// <param name="Subject">Who, as the issuer calls them; null where it does not say.</param>
/// <param name="Name">The same for people.</param>
/// <param name="Claims">The <c>claims</c> that the login asked for: a second factor. The tokens that follow must be asked for with the same.</param>
/// <param name="Device">Whether the person signed in on another device.</param>
internal sealed record StaffSession(
    Uri Service,
    string Issuer,
    string ClientId,
    string Scope,
    string AccessToken,
    DateTimeOffset ExpiresAt,
    string? RefreshToken = null,
    string? Subject = null,
    string? Name = null,
    string? Claims = null,
    bool Device = false)
{
    /// <summary>For people.</summary>
    [JsonIgnore]
    public string Who => Name ?? "somebody whom the issuer does not name";

    public override string ToString() => "**redacted**";
}

/// <summary>The sign-in that is there is over, or cannot be used for this; the message says why and what to do.</summary>
internal sealed class SignInNeededException(string why, string command = "cloudarchive login", Exception? inner = null)
    : CliException(ExitCode.Refused, $"{why.TrimEnd('.')}. Sign in again: {command}", inner);

/// <summary>
/// The one sign-in of this user on this computer, in a file that only they can read; on Windows under DPAPI besides. In a folder of its own: the agent's
/// data folder may move to a service of the whole computer, and a person's sign-in stays with the person.
/// </summary>
internal sealed class StaffSessions
{
    // Another command renews a token in a second or two; one that waits for the issuer gives up after 30 s.
    private static readonly TimeSpan s_longestWait = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_lookEvery = TimeSpan.FromMilliseconds(100);
    private readonly string _folder;
    private readonly TimeProvider _clock;

    public StaffSessions(CliEnvironment environment)
    {
        _folder = System.IO.Path.Combine(AgentHome.OfUser(environment).Path, "staff");
        Path = System.IO.Path.Combine(_folder, "session");
        _clock = environment.Clock;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The sign-in; null where there is none.</summary>
    /// <exception cref="SignInNeededException">There is one, and it cannot be read.</exception>
    public StaffSession? Find()
    {
        byte[]? content = null;
        try
        {
            content = ProtectedFile.Unprotect(File.ReadAllBytes(Path));
            return JsonSerializer.Deserialize<StaffSession>(content, FormatJson.Options) ?? throw new JsonException("null");
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception error) when (error is JsonException or CryptographicException)
        {
            throw new SignInNeededException($"The sign-in that was kept is damaged, or belongs to another user or computer ({Path})", "cloudarchive login --url <service>", error);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(content);
        }
    }

    /// <summary>Keeps the sign-in in place of what was there.</summary>
    public void Save(StaffSession session)
    {
        new AgentHome(_folder).Create();
        byte[] content = JsonSerializer.SerializeToUtf8Bytes(session, FormatJson.Options);
        ProtectedFile.WritePlain(Path, ProtectedFile.Protect(content));
        CryptographicOperations.ZeroMemory(content);
    }

    /// <summary>Deletes it; false where there was none.</summary>
    public bool Delete()
    {
        if (!File.Exists(Path))
        {
            return false;
        }

        File.Delete(Path);
        return true;
    }

    /// <summary>Held while the sign-in is renewed: an issuer may take each refresh token once.</summary>
    public async Task<RunLock> LockAsync(CancellationToken cancellationToken)
    {
        new AgentHome(_folder).Create();
        long began = _clock.GetTimestamp();
        while (true)
        {
            try
            {
                return RunLock.Take(Path + ".lock", "command that renews the sign-in");
            }
            catch (AlreadyRunningException) when (_clock.GetElapsedTime(began) < s_longestWait)
            {
                await Task.Delay(s_lookEvery, _clock, cancellationToken);
            }
        }
    }
}
