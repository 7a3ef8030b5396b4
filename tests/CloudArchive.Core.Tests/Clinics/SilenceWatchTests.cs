using System.Security.Cryptography;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.Clinics;

public sealed class SilenceWatchTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 1, 6, 0, 0, TimeSpan.Zero);

    private readonly MemoryRowStore _rows = new();
    private readonly FakeTimeProvider _clock = new(Start);

    [Fact]
    public async Task A_clinic_is_silent_when_its_agents_were_not_heard_of_for_more_than_four_days()
    {
        await AddAsync("quiet", Agent("quiet", seen: Start));
        await AddAsync("loud", Agent("loud", seen: Start.AddDays(1)));

        _clock.SetUtcNow(Start.AddDays(4));
        Assert.Empty(await RunAsync());
        _clock.SetUtcNow(Start.AddDays(4).AddSeconds(1));
        Assert.Equal(["quiet"], await RunAsync());
    }

    [Fact]
    public async Task One_agent_that_speaks_is_enough_and_a_revoked_one_does_not_count()
    {
        await AddAsync("two-agents", Agent("two-agents", seen: Start), Agent("two-agents", seen: Start.AddDays(9)));
        await AddAsync("revoked", Agent("revoked", seen: Start), Agent("revoked", seen: Start.AddDays(9)) with { Revoked = true });

        _clock.SetUtcNow(Start.AddDays(10));
        Assert.Equal(["revoked"], await RunAsync());
    }

    [Fact]
    public async Task An_agent_that_enrolled_and_never_asked_for_a_token_is_silent_and_a_clinic_without_agents_is_not()
    {
        await AddAsync("enrolled", Agent("enrolled", seen: null));
        await AddAsync("empty");
        await AddAsync("closed", Agent("closed", seen: Start) with { Revoked = true });

        _clock.SetUtcNow(Start.AddDays(30));
        Assert.Equal(["enrolled"], await RunAsync());
    }

    [Fact]
    public async Task A_silent_clinic_is_alerted_once_a_day_and_the_limit_is_the_services()
    {
        await AddAsync("quiet", Agent("quiet", seen: Start));
        SilenceLimit twoDays = new(TimeSpan.FromDays(2));
        _clock.SetUtcNow(Start.AddDays(2));
        Assert.Empty(await RunAsync(twoDays));
        _clock.SetUtcNow(Start.AddDays(2).AddMinutes(1));
        Assert.Equal(["quiet"], await RunAsync(twoDays));
        Assert.Equal(["quiet"], await RunAsync(twoDays));
        _clock.SetUtcNow(Start.AddDays(3).AddMinutes(1));
        Assert.Equal(["quiet"], await RunAsync(twoDays));

        AlertList list = new(_rows, null!, _clock);
        (IReadOnlyList<RaisedAlert> raised, _) = await list.ListAsync("quiet", null, null, 10, TestContext.Current.CancellationToken);
        Assert.Equal([Start.AddDays(2).AddMinutes(1), Start.AddDays(3).AddMinutes(1)], raised.Select(alert => alert.RaisedAt));
        Assert.All(raised, alert => Assert.Equal(AlertCause.ClinicSilent, alert.Alert.Cause));
        IReadOnlyList<StoredEntry> log = await new AuditReader(_rows).ReadAsync("quiet", 0, 10, TestContext.Current.CancellationToken);
        Assert.Equal(2, log.Count(entry => entry.Json.Contains(AuditActions.AlertRaised, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Every_clinic_is_looked_at_however_many_there_are()
    {
        for (int i = 0; i < 205; i++)
        {
            await AddAsync($"clinic-{i:000}", Agent($"clinic-{i:000}", seen: Start));
        }

        _clock.SetUtcNow(Start.AddDays(5));
        Assert.Equal(205, (await RunAsync()).Count);
    }

    private static Agent Agent(string clinic, DateTimeOffset? seen)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new Agent(AgentId.New(ClinicId.Parse(clinic)), "front desk", JwkKeys.FromEcdsa(key), Start, seen, Revoked: false);
    }

    private async Task AddAsync(string clinic, params Agent[] agents)
    {
        await _rows.SubmitAsync(RowTable.Clinics, ClinicRows.Index, [new RowWrite.Insert(clinic, new Dictionary<string, object>())], TestContext.Current.CancellationToken);
        foreach (Agent agent in agents)
        {
            await _rows.SubmitAsync(RowTable.Clinics, clinic, [new RowWrite.Insert(ClinicRows.AgentPrefix + agent.Id, ClinicRows.Values(agent))], TestContext.Current.CancellationToken);
        }
    }

    private async Task<List<string>> RunAsync(SilenceLimit? limit = null)
    {
        // No key is asked for: a look opens nothing.
        Outbox outbox = new(_rows, new AuditLog(_rows, _clock), _clock);
        ClinicDirectory clinics = new(_rows, null!, outbox, _clock);
        AlertDesk alerts = new(outbox, _clock, NullLogger<AlertDesk>.Instance);
        SilenceWatch watch = new(clinics, new Agents(_rows, outbox, _clock), alerts, limit ?? SilenceLimit.Default, _clock, NullLogger<SilenceWatch>.Instance);
        return [.. (await watch.RunAsync(TestContext.Current.CancellationToken)).Select(c => c.Value)];
    }
}
