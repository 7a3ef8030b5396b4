namespace CloudArchive.Cli.Agent;

/// <summary>The data folder: identity, keys, state, locks. One per enrolled computer and user.</summary>
public sealed class AgentHome(string path)
{
    /// <summary>The folder.</summary>
    public string Path { get; } = path;

    /// <summary>What <c>enroll</c> pinned; nothing secret.</summary>
    public string Identity => System.IO.Path.Combine(Path, "identity.json");

    /// <summary>The agent's P-256 private key, protected.</summary>
    public string AgentKey => System.IO.Path.Combine(Path, "agent.key");

    /// <summary>The key that the agent is changing to, protected: there only while it does, or where a crash came between.</summary>
    public string NextAgentKey => System.IO.Path.Combine(Path, "agent.key.next");

    /// <summary>The key that an enrollment under way sent, with the code's hash, protected: gone once it is answered.</summary>
    public string EnrollingKey => System.IO.Path.Combine(Path, "agent.key.enrolling");

    /// <summary>The clinic's identifier secret, protected.</summary>
    public string IdentifierSecret => System.IO.Path.Combine(Path, "identifier.key");

    /// <summary>The key of what <c>find</c> searches, protected.</summary>
    public string FindKey => System.IO.Path.Combine(Path, "find.key");

    /// <summary>What <c>find</c> searches: sealed under <see cref="FindKey"/>.</summary>
    public string FindIndex(Format.ClinicId clinic) => System.IO.Path.Combine(Path, $"{clinic}.find.db");

    /// <summary>What a person may set for all runs; there only where somebody made it.</summary>
    public string Settings => System.IO.Path.Combine(Path, "settings.json");

    /// <summary>The clinic's identifier secret, or null where it cannot be read: for what does without it.</summary>
    public Format.IdentifierSecret? TryReadSecret()
    {
        try
        {
            byte[] secret = ProtectedFile.Read(IdentifierSecret);
            try
            {
                return Format.IdentifierSecret.FromBytes(secret);
            }
            finally
            {
                System.Security.Cryptography.CryptographicOperations.ZeroMemory(secret);
            }
        }
        catch (Exception error) when (error is LocalFailureException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>Held while a backup runs.</summary>
    public string BackupLock => System.IO.Path.Combine(Path, "backup.lock");

    /// <summary>Held while a watch runs.</summary>
    public string WatchLock => System.IO.Path.Combine(Path, "watch.lock");

    /// <summary>The state of the agent for one clinic: a computer that is enrolled anew for another starts with an empty one.</summary>
    public string State(Format.ClinicId clinic) => System.IO.Path.Combine(Path, $"{clinic}.db");

    /// <summary><c>CLOUDARCHIVE_HOME</c>, else <c>%LOCALAPPDATA%\CloudArchive</c>, else <c>$XDG_DATA_HOME/cloudarchive</c> or <c>~/.local/share/cloudarchive</c>.</summary>
    public static AgentHome Of(CliEnvironment environment) => Named(environment)
        ?? (OperatingSystem.IsWindows() && Directory.Exists(OfMachine) && (Own() is not { } own || !File.Exists(own.Identity)) ? new AgentHome(OfMachine) : OfUser(environment));

    /// <summary>The same, and never that of the computer as a whole: what is a person's.</summary>
    public static AgentHome OfUser(CliEnvironment environment) =>
        Named(environment) ?? Own() ?? throw new LocalFailureException("There is no folder for this user's data. Set CLOUDARCHIVE_HOME to one.");

    private static AgentHome? Named(CliEnvironment environment) => environment.Variable("CLOUDARCHIVE_HOME") is { Length: > 0 } home ? new AgentHome(System.IO.Path.GetFullPath(home)) : null;

    private static AgentHome? Own()
    {
        string data = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
        return data.Length == 0 ? null : new AgentHome(System.IO.Path.Combine(data, OperatingSystem.IsWindows() ? "CloudArchive" : "cloudarchive"));
    }

    /// <summary>The data folder of a computer as a whole, where a service of Windows has it: <c>%ProgramData%\CloudArchive</c>, open to it and to administrators.</summary>
    public static string OfMachine { get; } =
        System.IO.Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.CommonApplicationData, Environment.SpecialFolderOption.DoNotVerify), "CloudArchive");

    /// <summary>Moves everything to another folder, the identity last: until then this one is the data folder. Secrets are protected anew, as the other folder wants it.</summary>
    public void MoveTo(AgentHome other)
    {
        using (RunLock.Take(BackupLock, "backup"))
        using (RunLock.Take(WatchLock, "watch"))
        {
            other.Create();
            string[] secrets = [AgentKey, NextAgentKey, EnrollingKey, IdentifierSecret, FindKey];
            string[] locks = [BackupLock, WatchLock];
            string[] files = [.. Directory.EnumerateFiles(Path).Except(locks).OrderBy(file => file == Identity)];
            foreach (string file in files)
            {
                string target = System.IO.Path.Combine(other.Path, System.IO.Path.GetFileName(file));
                if (secrets.Contains(file))
                {
                    byte[] secret = ProtectedFile.Read(file);
                    ProtectedFile.Write(target, secret);
                    System.Security.Cryptography.CryptographicOperations.ZeroMemory(secret);
                }
                else
                {
                    File.Copy(file, target, overwrite: true);
                }
            }

            // From the identity on: without one, this is no data folder any more.
            foreach (string file in files.Reverse())
            {
                File.Delete(file);
            }
        }
    }

    /// <summary>Makes the folder, for this user only.</summary>
    public void Create()
    {
        if (OperatingSystem.IsWindows())
        {
            // Below LOCALAPPDATA, Windows lets in the user, SYSTEM and administrators; secrets are under DPAPI besides.
            Directory.CreateDirectory(Path);
        }
        else
        {
            Directory.CreateDirectory(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }
}
