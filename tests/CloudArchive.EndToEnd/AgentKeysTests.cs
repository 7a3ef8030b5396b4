using System.Text.Json;
using System.Text.Json.Nodes;
using CloudArchive.Cli;
using CloudArchive.Cli.Agent;
using CloudArchive.Format;
using CloudArchive.LocalHost.Keys;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>Keys that change, the agent's and the archive's, on a clinic's computer that goes on backing up.</summary>
public sealed class AgentKeysTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_agent_changes_its_key_by_itself_and_a_lost_answer_or_a_crash_does_not_shut_it_out()
    {
        await using Practice practice = await Practice.OpenAsync();
        AgentHome home = new(practice.Agent.Home);
        Age(home);
        byte[] first = ProtectedFile.Read(home.AgentKey);
        await BackUpAsync("a", null);
        byte[] second = ProtectedFile.Read(home.AgentKey);
        Assert.NotEqual(first, second);
        Assert.False(File.Exists(home.NextAgentKey));
        Assert.InRange(AgentIdentity.Load(home).KeyRenewedAt!.Value, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow);

        // Not due: the same key.
        await BackUpAsync("b", null);
        Assert.Equal(second, ProtectedFile.Read(home.AgentKey));

        // The service changed the key, and its answer never came: the same run goes on with the new one.
        Age(home);
        await BackUpAsync("c", (request, answer) => request.RequestUri!.AbsolutePath.EndsWith("/key", StringComparison.Ordinal) ? throw new HttpRequestException("the answer is lost") : answer);
        byte[] third = ProtectedFile.Read(home.AgentKey);
        Assert.NotEqual(second, third);
        Assert.False(File.Exists(home.NextAgentKey));

        // A crash before the request: the key that lies there is taken up.
        Age(home);
        using (System.Security.Cryptography.ECDsa key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256))
        {
            ProtectedFile.Write(home.NextAgentKey, key.ExportPkcs8PrivateKey());
        }

        byte[] waiting = ProtectedFile.Read(home.NextAgentKey);
        await BackUpAsync("d", null);
        Assert.Equal(waiting, ProtectedFile.Read(home.AgentKey));

        // Whoever copied the key before it was changed has nothing any more.
        ProtectedFile.Write(home.AgentKey, third);
        SampleStudies.WriteOne(Path.Combine(practice["clinic"], "e.dcm"), "e");
        (ExitCode code, _, string error) = await InProcessCli.RunAsync(home.Path, null, "backup", practice["clinic"]);
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("does not let this computer in", error, StringComparison.Ordinal);

        async Task BackUpAsync(string name, Func<HttpRequestMessage, HttpResponseMessage, HttpResponseMessage>? between)
        {
            SampleStudies.WriteOne(Path.Combine(practice["clinic"], name + ".dcm"), name);
            (ExitCode code, string output, string error) = await InProcessCli.RunAsync(home.Path, between, "backup", practice["clinic"], "--json");
            Assert.True(code == ExitCode.Ok, $"{name}: {code} {output} {error}");
        }
    }

    [Fact]
    public async Task An_agent_follows_a_rotated_signing_key_and_a_rotated_clinic_key_without_a_new_code()
    {
        await using Practice practice = await Practice.OpenAsync();
        AgentHome home = new(practice.Agent.Home);
        SampleStudies.WriteOne(Path.Combine(practice["clinic"], "a.dcm"), "one");
        await practice.BackUpAsync(practice["clinic"]);
        AgentIdentity before = AgentIdentity.Load(home);
        using LocalKeys keys = await LocalKeys.OpenAsync(KeyFolder(practice), Cancel);
        await keys.RotateSigningKeyAsync(Cancel);
        await keys.RotateAsync(ClinicId.Parse(practice.Clinic), Cancel);
        await Task.Delay(TimeSpan.FromSeconds(1.5), Cancel); // the service looks for a key that it does not know once a second

        SampleStudies.WriteOne(Path.Combine(practice["clinic"], "b.dcm"), "two");
        await practice.BackUpAsync(practice["clinic"]);
        AgentIdentity after = AgentIdentity.Load(home);
        Assert.Equal((1, 2), (before.SigningKeys.Keys.Count, after.SigningKeys.Keys.Count));
        Assert.NotEqual(before.WrappingKey.Kid, after.WrappingKey.Kid);
        Assert.Equal(before.EscrowKey, after.EscrowKey);
        Assert.NotNull(after.KeysStatedAt);

        // What both keys sealed and signed comes back.
        (await practice.Agent.RunAsync("receipts", "verify")).Expect(0);
        (await practice.RestoreEverythingAsync(practice["back"])).Expect(0);
        Assert.Equal(Practice.Contents(practice["clinic"]), Practice.Contents(practice["back"]));
    }

    [Fact]
    public async Task Keys_that_no_pinned_key_vouches_for_are_refused_and_nothing_is_sealed_for_them()
    {
        await using Practice practice = await Practice.OpenAsync();
        AgentHome home = new(practice.Agent.Home);
        AgentIdentity before = AgentIdentity.Load(home);

        // Another archive behind the same address: it knows the agent, and has keys of its own.
        Directory.Delete(Path.Combine(KeyFolder(practice), "signing"), recursive: true);
        using (LocalKeys keys = await LocalKeys.OpenAsync(KeyFolder(practice), Cancel))
        {
            await keys.RotateAsync(ClinicId.Parse(practice.Clinic), Cancel);
        }

        await practice.RestartArchiveAsync();
        SampleStudies.WriteOne(Path.Combine(practice["clinic"], "a.dcm"), "one");
        CliRun run = await practice.Agent.RunAsync("backup", practice["clinic"], "--json");
        Assert.Equal((int)ExitCode.Integrity, run.ExitCode);
        Assert.Contains("no key that it knows vouches for it", run.Error, StringComparison.Ordinal);
        Assert.Equal(JsonSerializer.Serialize(before), JsonSerializer.Serialize(AgentIdentity.Load(home)));
        Assert.Empty(StoredArchive.Service(practice.Archive.BlobUrl).GetBlobContainerClient("packs").GetBlobs(cancellationToken: Cancel));
    }

    private static string KeyFolder(Practice practice) => Path.Combine(practice["archive"], "secrets", "keys");

    /// <summary>As if the agent had had its key for a hundred days.</summary>
    private static void Age(AgentHome home)
    {
        JsonObject identity = JsonNode.Parse(File.ReadAllText(home.Identity))!.AsObject();
        identity["enrolledAt"] = DateTimeOffset.UtcNow.AddDays(-100).ToString("O");
        identity.Remove("keyRenewedAt");
        File.WriteAllText(home.Identity, identity.ToJsonString());
    }
}
