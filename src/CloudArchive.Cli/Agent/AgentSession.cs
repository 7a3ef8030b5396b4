using System.Globalization;
using System.Security.Cryptography;
using CloudArchive.Cli.Find;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Status;
using CloudArchive.Cli.Transport;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Agent;

/// <summary>An enrolled agent at work: its identity, its state and its way to the service.</summary>
public sealed class AgentSession : IDisposable
{
    private readonly AgentTokens _tokens;
    private readonly TimeProvider _clock;
    private readonly SemaphoreSlim _following = new(1);

    private AgentSession(AgentHome home, AgentIdentity identity, AgentState state, ECDsa key, IdentifierSecret secret, Network network)
    {
        Home = home;
        Identity = identity;
        State = state;
        Network = network;
        _tokens = new AgentTokens(identity, key, OtherKey, Settle, network);
        _clock = network.Clock;
        Secret = secret;
        Index = new FindFilling(home, identity.Clinic);
        Client = new ArchiveClient(identity.Service, _tokens, network)
        {
            OnQuotaUsedUp = error => State.Set(AgentLook.QuotaName, (_clock.GetUtcNow() + error.Wait).ToString("O", CultureInfo.InvariantCulture)),
        };
    }

    /// <summary>The data folder.</summary>
    public AgentHome Home { get; }

    /// <summary>What is pinned.</summary>
    public AgentIdentity Identity { get; private set; }

    /// <summary>What is remembered.</summary>
    public AgentState State { get; }

    /// <summary>For HMACs of identifiers.</summary>
    public IdentifierSecret Secret { get; }

    /// <summary>What <c>find</c> searches at the clinic.</summary>
    public FindFilling Index { get; }

    /// <summary>The way to the service and to storage.</summary>
    public Network Network { get; }

    /// <summary>The service, with the agent's token.</summary>
    public ArchiveClient Client { get; }

    /// <summary>Opens the data folder. <see cref="NotEnrolledException"/> where there is no identity.</summary>
    /// <param name="environment">The way out.</param>
    /// <param name="giveUpAfter">How long to go on trying while the network is away; null: as for a run that may be started again.</param>
    /// <param name="limit">How fast images may leave; null: as fast as they can.</param>
    public static AgentSession Open(CliEnvironment environment, TimeSpan? giveUpAfter = null, RateLimit? limit = null)
    {
        AgentHome home = AgentHome.Of(environment);
        AgentIdentity identity = AgentIdentity.Load(home);
        byte[] secret = ProtectedFile.Read(home.IdentifierSecret);
        ECDsa? agentKey = null;
        try
        {
            agentKey = ReadKey(home.AgentKey);
            Network network = new(environment, giveUpAfter ?? environment.Network.RunPatience, limit);
            return new AgentSession(home, identity, AgentState.Open(home.State(identity.Clinic)), agentKey, IdentifierSecret.FromBytes(secret), network);
        }
        catch (Exception error)
        {
            agentKey?.Dispose();
            if (error is CryptographicException or ArgumentException) throw new LocalFailureException($"The keys in {home.Path} are damaged. Ask your archive's admin for a new code and enroll again; nothing that is archived is lost.", error);
            throw;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    /// <summary>
    /// Changes the agent's own key where it is older than <paramref name="oldest"/>. The new key lies on disk before the service hears of it, and the
    /// old one until it has answered: after a crash anywhere between, one of the two opens, and the next run goes on.
    /// </summary>
    /// <returns>Whether it was changed.</returns>
    public async Task<bool> RenewKeyAsync(TimeSpan oldest, CancellationToken cancellationToken)
    {
        Identity = AgentIdentity.Load(Home); // another run may have changed it
        if (_clock.GetUtcNow() - (Identity.KeyRenewedAt ?? Identity.EnrolledAt) < oldest)
        {
            return false;
        }

        if (!File.Exists(Home.NextAgentKey))
        {
            WriteNewKey(Home.NextAgentKey);
        }

        ECDsa next = ReadKey(Home.NextAgentKey);
        try
        {
            RenewAgentKeyRequest request = await _tokens.ProposeAsync(next, cancellationToken);
            await Client.PostAsync<AgentResponse>($"v1/clinics/{Identity.Clinic}/agents/{Identity.AgentId}/key", request, repeatable: false, cancellationToken);
        }
        catch
        {
            next.Dispose();
            throw;
        }

        Promote();
        await _tokens.ChangeToAsync(next, CancellationToken.None);
        return true;
    }

    /// <summary>
    /// Pins the keys that the archive has now, where a key that is pinned vouches for them. <see cref="IntegrityException"/> where none does: then
    /// nothing is sealed for them, and nothing that they signed is believed.
    /// </summary>
    /// <param name="unknown">What was met that is not pinned, for people.</param>
    /// <param name="isPinned">Whether it is pinned by now: uploads run side by side, and meet the same.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task FollowKeysAsync(string unknown, Func<AgentIdentity, bool> isPinned, CancellationToken cancellationToken)
    {
        await _following.WaitAsync(cancellationToken);
        try
        {
            if (isPinned(Identity))
            {
                return;
            }

            KeyStatementsResponse answer = await Client.GetAsync<KeyStatementsResponse>($"v1/clinics/{Identity.Clinic}/keys", cancellationToken);
            Pin(KeyStatement.FindVouchedFor(answer.Statements, Identity.SigningKeys), unknown);
            if (!isPinned(Identity))
            {
                throw Unvouched(unknown);
            }
        }
        catch (Exception error) when (error is ServiceRefusedException { Status: 404 or 405 } or System.Text.Json.JsonException)
        {
            throw Unvouched(unknown, error);
        }
        finally
        {
            _following.Release();
        }
    }

    private static IntegrityException Unvouched(string unknown, Exception? inner = null) => new(
        $"The service has {unknown} that this computer does not know, and no key that it knows vouches for it; nothing was sealed with it or believed. If your archive's operator announced new keys, enroll again with a new code; else tell them.", inner);

    private static ECDsa ReadKey(string file)
    {
        byte[] bytes = ProtectedFile.Read(file);
        ECDsa key = ECDsa.Create();
        try
        {
            key.ImportPkcs8PrivateKey(bytes, out _);
            return key;
        }
        catch
        {
            key.Dispose();
            throw;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    private static void WriteNewKey(string file)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] bytes = key.ExportPkcs8PrivateKey();
        try
        {
            ProtectedFile.Write(file, bytes);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    private void Pin(KeyStatement? statement, string unknown)
    {
        if (statement is null)
        {
            throw Unvouched(unknown);
        }

        // An older statement was true once: whoever replays it would bring back keys that were given up since.
        if (statement.Clinic != Identity.Clinic || statement.Time < (Identity.KeysStatedAt ?? Identity.EnrolledAt) - AgentKeyChange.MostSkew)
        {
            throw new IntegrityException("The service's statement of its keys is another clinic's, or older than one that this computer has seen. Tell your archive's operator.");
        }

        Identity = AgentIdentity.Load(Home) with { SigningKeys = statement.SigningKeys, WrappingKey = statement.WrappingKey, KeysStatedAt = statement.Time };
        Identity.Save(Home);
    }

    // The key first: with a date that is too old, the key is changed once more.
    private void Promote()
    {
        File.Move(Home.NextAgentKey, Home.AgentKey, overwrite: true);
        Identity = AgentIdentity.Load(Home) with { KeyRenewedAt = _clock.GetUtcNow() };
        Identity.Save(Home);
    }

    private ECDsa? OtherKey(ECDsa refused)
    {
        foreach (string file in (string[])[Home.AgentKey, Home.NextAgentKey])
        {
            if (File.Exists(file) && ReadKey(file) is { } key)
            {
                if (!IsSame(key, refused))
                {
                    return key;
                }

                key.Dispose();
            }
        }

        return null;
    }

    private void Settle(ECDsa known)
    {
        if (File.Exists(Home.NextAgentKey))
        {
            using ECDsa next = ReadKey(Home.NextAgentKey);
            if (IsSame(next, known))
            {
                Promote();
            }
        }
    }

    private static bool IsSame(ECDsa one, ECDsa other) => JwkKeys.FromEcdsa(one).Kid == JwkKeys.FromEcdsa(other).Kid;

    /// <inheritdoc/>
    public void Dispose()
    {
        Client.Dispose();
        _tokens.Dispose();
        Secret.Dispose();
        Index.Dispose();
        State.Dispose();
        Network.Dispose();
        _following.Dispose();
    }
}
