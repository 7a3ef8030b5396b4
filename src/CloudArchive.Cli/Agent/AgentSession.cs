using System.Security.Cryptography;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.State;
using CloudArchive.Format;

namespace CloudArchive.Cli.Agent;

/// <summary>An enrolled agent at work: its identity, its state and its way to the service.</summary>
public sealed class AgentSession : IDisposable
{
    private readonly AgentTokens _tokens;

    private AgentSession(AgentHome home, AgentIdentity identity, AgentState state, AgentTokens tokens, IdentifierSecret secret, CliEnvironment environment)
    {
        Home = home;
        Identity = identity;
        State = state;
        _tokens = tokens;
        Secret = secret;
        Client = new ArchiveClient(identity.Service, tokens, environment);
    }

    /// <summary>The data folder.</summary>
    public AgentHome Home { get; }

    /// <summary>What is pinned.</summary>
    public AgentIdentity Identity { get; }

    /// <summary>What is remembered.</summary>
    public AgentState State { get; }

    /// <summary>For HMACs of identifiers.</summary>
    public IdentifierSecret Secret { get; }

    /// <summary>The service, with the agent's token.</summary>
    public ArchiveClient Client { get; }

    /// <summary>Opens the data folder. <see cref="NotEnrolledException"/> where there is no identity.</summary>
    public static AgentSession Open(CliEnvironment environment)
    {
        AgentHome home = AgentHome.Of(environment);
        AgentIdentity identity = AgentIdentity.Load(home);
        byte[] secret = ProtectedFile.Read(home.IdentifierSecret);
        byte[] key = ProtectedFile.Read(home.AgentKey);
        ECDsa agentKey = ECDsa.Create();
        try
        {
            agentKey.ImportPkcs8PrivateKey(key, out _);
            return new AgentSession(home, identity, AgentState.Open(home.State(identity.Clinic)), new AgentTokens(identity, agentKey, environment), IdentifierSecret.FromBytes(secret), environment);
        }
        catch (Exception error)
        {
            agentKey.Dispose();
            if (error is CryptographicException or ArgumentException) throw new LocalFailureException($"The keys in {home.Path} are damaged. Ask your archive's admin for a new code and enroll again; nothing that is archived is lost.", error);
            throw;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
            CryptographicOperations.ZeroMemory(key);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Client.Dispose();
        _tokens.Dispose();
        Secret.Dispose();
        State.Dispose();
    }
}
