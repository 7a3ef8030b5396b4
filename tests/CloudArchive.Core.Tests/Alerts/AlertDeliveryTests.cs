using System.Globalization;
using System.Text.Json;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.Alerts;

public sealed class AlertDeliveryTests : IAsyncLifetime
{
    private static readonly ClinicId Clinic = ClinicId.Parse("riverside");
    private static readonly DateTimeOffset Start = new(2026, 11, 26, 9, 0, 0, TimeSpan.Zero);
    private static readonly Requester Timer = Requester.System("restore-test-timer", "run-1");
    private static readonly Requester Ada = new(new AuditActor("ada", "admin"), new AuditOrigin("127.0.0.1", "test"));
    private static readonly Alert Failed = new(Clinic, AlertCause.RestoreTestFailed, "run-7", "Two packs did not come back. Read the run's evidence.");

    private readonly MemoryRowStore _rows = new();
    private readonly FakeTimeProvider _clock = new(Start);
    private Receiver _receiver = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _receiver = await Receiver.StartAsync();

    public ValueTask DisposeAsync() => _receiver.DisposeAsync();

    [Fact]
    public async Task An_alert_arrives_signed_and_says_what_it_is_about()
    {
        await RaiseAsync(Failed);
        Assert.Equal(new AlertDeliveryRun(1, 0, 0), await RunAsync());
        Received got = Assert.Single(_receiver.Got);
        RaisedAlert alert = await OnlyAsync();
        Assert.Equal(("application/json", "/hook"), (got.ContentType, got.Path));
        Assert.Equal(_receiver.Target.Sign(got.Id, DateTimeOffset.FromUnixTimeSeconds(long.Parse(got.Timestamp, CultureInfo.InvariantCulture)), got.Body), got.Signature);
        Assert.DoesNotContain('.', got.Id);
        Assert.Equal(
            $$$"""{"data":{"cause":"restore-test-failed","clinic":"riverside","id":"{{{alert.Id}}}","message":"{{{Failed.Message}}}","subject":"run-7"},"timestamp":"2026-11-26T09:00:00+00:00","type":"alert.raised"}""",
            System.Text.Encoding.UTF8.GetString(got.Body));
        Assert.Equal((AlertDeliveryStatus.Delivered, 1, Start), (alert.Delivery.Status, alert.Delivery.Attempts, alert.Delivery.DeliveredAt));
        Assert.Equal(["webhook"], alert.Delivery.Sent);
        Assert.Equal([AuditActions.AlertRaised, AuditActions.AlertDelivered], (await LogAsync(Clinic.Value)).Select(entry => entry.Action));
        Assert.Equal(new AlertDeliveryRun(0, 0, 0), await RunAsync());
    }

    [Fact]
    public async Task A_receiver_that_fails_is_tried_with_growing_waits_and_then_the_alert_is_a_dead_letter_that_an_admin_can_send_again()
    {
        _receiver.Answer = context =>
        {
            context.Response.StatusCode = 503;
            return context.Response.WriteAsync("the receiver's own words");
        };
        await RaiseAsync(Failed);
        List<DateTimeOffset> attempts = [];
        for (DateTimeOffset end = Start.AddDays(5); _clock.GetUtcNow() < end; _clock.Advance(TimeSpan.FromMinutes(5)))
        {
            int before = _receiver.Got.Count;
            await RunAsync();
            attempts.AddRange(Enumerable.Repeat(_clock.GetUtcNow(), _receiver.Got.Count - before));
        }

        TimeSpan[] waits = [.. attempts.Zip(attempts.Skip(1), (a, b) => b - a)];
        Assert.Equal(AlertDelivery.Waits, waits);
        Assert.Equal(waits.Order(), waits);
        Assert.Single(_receiver.Got.Select(got => got.Id).Distinct());
        RaisedAlert dead = await OnlyAsync(AlertDeliveryStatus.Failed);
        Assert.Equal((8, "The receiver answered HTTP 503.", null), (dead.Delivery.Attempts, dead.Delivery.LastError, dead.Delivery.NextAttemptAt));

        _receiver.Answer = _ => Task.CompletedTask;
        Assert.Equal(new AlertDeliveryRun(0, 0, 0), await RunAsync());
        await List.RetryAsync(Clinic.Value, dead.Id, Ada, Cancel);
        await List.RetryAsync(Clinic.Value, dead.Id, Ada, Cancel);
        Assert.Equal(new AlertDeliveryRun(1, 0, 0), await RunAsync());
        Assert.Equal((AlertDeliveryStatus.Delivered, 1), ((await OnlyAsync()).Delivery.Status, (await OnlyAsync()).Delivery.Attempts));
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => List.RetryAsync(Clinic.Value, dead.Id, Ada, Cancel));
        Assert.Equal(Refusal.AlertDelivered, refused.Refusal);
        Assert.Equal(
            [AuditActions.AlertRaised, AuditActions.AlertUndelivered, AuditActions.AlertRetried, AuditActions.AlertDelivered],
            (await LogAsync(Clinic.Value)).Select(entry => entry.Action));
    }

    [Fact]
    public async Task A_crash_after_sending_loses_nothing_and_the_receiver_can_tell_the_repetition()
    {
        await RaiseAsync(Failed);
        using Webhook webhook = new(_receiver.Target, _clock);
        AlertDelivery dying = new(new DyingStore(_rows, survives: 1), new Outbox(new DyingStore(_rows, survives: 0), new AuditLog(_rows, _clock), _clock), Desk, [webhook], _clock, NullLogger<AlertDelivery>.Instance);
        Assert.Equal(new AlertDeliveryRun(0, 0, 0), await dying.RunAsync(Timer, Cancel));
        Assert.Equal(AlertDeliveryStatus.Waiting, (await OnlyAsync()).Delivery.Status);

        Assert.Equal(new AlertDeliveryRun(0, 0, 0), await RunAsync());
        _clock.Advance(AlertDelivery.Waits[0]);
        Assert.Equal(new AlertDeliveryRun(1, 0, 0), await RunAsync());
        Assert.Equal(2, _receiver.Got.Count);
        Assert.Single(_receiver.Got.Select(got => got.Id).Distinct());
        Assert.Single(await LogAsync(Clinic.Value), entry => entry.Action == AuditActions.AlertDelivered);
    }

    [Fact]
    public async Task Hosts_that_run_at_once_send_an_alert_once()
    {
        await RaiseAsync(Failed);
        await RaiseAsync(Failed with { Subject = "run-8" });
        await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(RunAsync)));
        Assert.Equal(2, _receiver.Got.Count);
        Assert.Equal(2, _receiver.Got.Select(got => got.Id).Distinct().Count());
    }

    [Fact]
    public async Task A_redirect_is_not_followed()
    {
        _receiver.Answer = context =>
        {
            context.Response.Redirect("/elsewhere");
            return Task.CompletedTask;
        };
        await RaiseAsync(Failed);
        Assert.Equal(new AlertDeliveryRun(0, 1, 0), await RunAsync());
        Assert.Equal("/hook", Assert.Single(_receiver.Got).Path);
        Assert.Equal("The receiver answered HTTP 302.", (await OnlyAsync()).Delivery.LastError);
    }

    [Fact]
    public async Task An_answer_without_end_is_not_read()
    {
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        _receiver.Answer = async context =>
        {
            while (!over.IsCancellationRequested && !context.RequestAborted.IsCancellationRequested)
            {
                await context.Response.Body.WriteAsync(new byte[65536], context.RequestAborted);
            }
        };
        await RaiseAsync(Failed);
        Assert.Equal(new AlertDeliveryRun(1, 0, 0), await RunAsync());
        await over.CancelAsync();
    }

    [Fact]
    public async Task A_receiver_that_is_away_is_not_asked_for_every_alert()
    {
        WebhookTarget away = _receiver.Target;
        await _receiver.DisposeAsync();
        for (int i = 0; i < 12; i++)
        {
            await RaiseAsync(Failed with { Subject = $"run-{i}" });
        }

        AlertDelivery delivery = Delivery(new Webhook(away, _clock));
        Assert.Equal(new AlertDeliveryRun(0, 5, 0), await delivery.RunAsync(Timer, Cancel));
        (IReadOnlyList<RaisedAlert> all, _) = await List.ListAsync(Clinic.Value, alert => alert.Delivery.Status == AlertDeliveryStatus.Waiting, null, 100, Cancel);
        Assert.Equal(12, all.Count);
        Assert.Equal(5, all.Count(alert => alert.Delivery.LastError == "The receiver could not be reached (ConnectionRefused)."));
    }

    [Fact]
    public async Task Without_a_channel_an_alert_is_a_dead_letter_at_once()
    {
        await RaiseAsync(Failed);
        Assert.Equal(new AlertDeliveryRun(0, 0, 1), await Delivery().RunAsync(Timer, Cancel));
        Assert.Equal("No webhook and no mail server is configured.", (await OnlyAsync(AlertDeliveryStatus.Failed)).Delivery.LastError);
        Assert.Equal(AuditActions.AlertUndelivered, (await LogAsync(Clinic.Value))[^1].Action);
    }

    [Fact]
    public async Task Each_channel_is_tried_until_it_has_the_alert_and_one_that_has_it_is_not_asked_again()
    {
        Channel webhook = new("webhook"), mail = new("mail-operator") { Outcome = SendOutcome.Failed("The mail server could not be reached (ConnectionRefused).") };
        await RaiseAsync(Failed);
        Assert.Equal(new AlertDeliveryRun(0, 1, 0), await Delivery(webhook, mail).RunAsync(Timer, Cancel));
        RaisedAlert waiting = await OnlyAsync();
        Assert.Equal(["webhook"], waiting.Delivery.Sent);
        Assert.Equal("mail-operator: The mail server could not be reached (ConnectionRefused).", waiting.Delivery.LastError);

        mail.Outcome = SendOutcome.Sent;
        _clock.Advance(AlertDelivery.Waits[0]);
        Assert.Equal(new AlertDeliveryRun(1, 0, 0), await Delivery(webhook, mail).RunAsync(Timer, Cancel));
        Assert.Equal((1, 2), (webhook.Got.Count, mail.Got.Count));
        Assert.Single(mail.Got.Select(notice => notice.Id).Distinct());
        Assert.Equal((AlertDeliveryStatus.Delivered, null), ((await OnlyAsync()).Delivery.Status, (await OnlyAsync()).Delivery.LastError));
        Assert.Equal("webhook,mail-operator", (await LogAsync(Clinic.Value))[^1].Details!["sent"]);
    }

    [Fact]
    public async Task Mail_that_is_refused_is_a_dead_letter_at_once_and_an_alert_over_what_is_left()
    {
        Channel webhook = new("webhook"), mail = new("mail-clinic") { Outcome = SendOutcome.Refused("The mail server does not take mail for that address (550).") };
        await RaiseAsync(Failed);
        Assert.Equal(new AlertDeliveryRun(0, 0, 1), await Delivery(webhook, mail).RunAsync(Timer, Cancel));
        IReadOnlyList<RaisedAlert> all = (await List.ListAsync(Clinic.Value, null, null, 10, Cancel)).Alerts;
        RaisedAlert told = Assert.Single(all, alert => alert.Alert.Cause == AlertCause.MailUndeliverable);
        Assert.Equal("mail-clinic", told.Alert.Subject);
        Assert.Contains("(550)", told.Alert.Message, StringComparison.Ordinal);

        // It goes to the webhook; the channel that it is about says itself that it is not concerned (MailChannelTests).
        mail.Outcome = SendOutcome.NotConcerned;
        Assert.Equal(new AlertDeliveryRun(1, 0, 0), await Delivery(webhook, mail).RunAsync(Timer, Cancel));
        Assert.Equal([NoticeKind.AlertRaised, NoticeKind.AlertRaised], webhook.Got.Select(notice => notice.Kind));
    }

    [Fact]
    public async Task An_alert_that_concerns_nobody_is_a_dead_letter_that_says_so()
    {
        await RaiseAsync(Failed);
        Assert.Equal(new AlertDeliveryRun(0, 0, 1), await Delivery(new Channel("mail-clinic") { Outcome = SendOutcome.NotConcerned }).RunAsync(Timer, Cancel));
        Assert.Equal("Nobody is configured to be told of it.", (await OnlyAsync()).Delivery.LastError);
    }

    [Fact]
    public async Task A_channel_whose_receiver_is_away_does_not_keep_the_other_one_waiting()
    {
        Channel webhook = new("webhook"), mail = new("mail-operator") { Outcome = SendOutcome.Failed("away") };
        for (int i = 0; i < 9; i++)
        {
            await RaiseAsync(Failed with { Subject = $"run-{i}" });
        }

        Assert.Equal(new AlertDeliveryRun(0, 9, 0), await Delivery(webhook, mail).RunAsync(Timer, Cancel));
        Assert.Equal((9, 5), (webhook.Got.Count, mail.Got.Count));
    }

    [Fact]
    public async Task The_same_alert_is_raised_once_a_day_and_what_differs_is_another()
    {
        Assert.True(await RaiseAsync(Failed));
        Assert.False(await RaiseAsync(Failed with { Message = "Said otherwise." }));
        Assert.True(await RaiseAsync(Failed with { Cause = AlertCause.CanaryFailed }));
        Assert.True(await RaiseAsync(Failed with { Subject = "run-8" }));
        Assert.True(await RaiseAsync(Failed with { Clinic = ClinicId.Parse("north") }));
        Assert.True(await RaiseAsync(Failed with { Clinic = null }));
        _clock.SetUtcNow(new DateTimeOffset(2026, 11, 26, 23, 59, 59, TimeSpan.Zero));
        Assert.False(await RaiseAsync(Failed));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.True(await RaiseAsync(Failed));
        Assert.Equal(4, (await LogAsync(Clinic.Value)).Count);
        AuditEntry system = Assert.Single(await LogAsync(AuditEntry.SystemLog));
        Assert.Equal(("run-7", null, "restore-test-failed"), (system.Subject.Other, system.Subject.Clinic, system.Details!["cause"]));
    }

    [Fact]
    public async Task Raising_and_delivering_are_counted_by_cause_and_outcome_and_by_nothing_else()
    {
        using MetricsOf metrics = new();
        await RaiseAsync(Failed with { Cause = AlertCause.ScheduleMissed, Subject = "metrics" });
        await RaiseAsync(Failed with { Cause = AlertCause.ScheduleMissed, Subject = "metrics" });
        await RunAsync();

        // Other tests count too, at the same time: of this cause there is only this one.
        Assert.Single(metrics.Measured, one => one == "cloudarchive.alerts.raised 1 cause=schedule-missed");
        Assert.Contains("cloudarchive.alerts.deliveries 1 outcome=delivered", metrics.Measured);
        Assert.All(metrics.Measured, one => Assert.Matches("^cloudarchive[a-z_.]+ [0-9]+( (cause|outcome|verdict|reason)=[a-z-]+)?$", one));
    }

    [Fact]
    public async Task The_reconciler_appends_what_a_crash_left_of_an_alert_about_the_archive_as_a_whole()
    {
        AlertDesk dying = new(_rows, new Outbox(_rows, new DeadLog(), _clock), _clock, NullLogger<AlertDesk>.Instance);
        await Assert.ThrowsAsync<IOException>(() => dying.RaiseAsync(Failed with { Clinic = null, Cause = AlertCause.LogDamaged }, Timer, Cancel));
        Assert.Empty(await LogAsync(AuditEntry.SystemLog));
        _clock.Advance(TimeSpan.FromHours(1));
        Core.Packs.Reconciler reconciler = new(_rows, null!, null!, null!, null!, new Outbox(_rows, new AuditLog(_rows, _clock), _clock), _clock, NullLogger<Core.Packs.Reconciler>.Instance);
        Assert.Equal(1, (await reconciler.RunOwnAsync(Cancel)).Entries);
        Assert.Equal(AuditActions.AlertRaised, Assert.Single(await LogAsync(AuditEntry.SystemLog)).Action);
    }

    private AlertList List => new(_rows, new Outbox(_rows, new AuditLog(_rows, _clock), _clock), _clock);

    private AlertDesk Desk => new(_rows, new Outbox(_rows, new AuditLog(_rows, _clock), _clock), _clock, NullLogger<AlertDesk>.Instance);

    private AlertDelivery Delivery(params INoticeChannel[] channels) =>
        new(_rows, new Outbox(_rows, new AuditLog(_rows, _clock), _clock), Desk, channels, _clock, NullLogger<AlertDelivery>.Instance);

    private Task<bool> RaiseAsync(Alert alert) => Desk.RaiseAsync(alert, Timer, Cancel);

    private async Task<AlertDeliveryRun> RunAsync()
    {
        using Webhook webhook = new(_receiver.Target, _clock);
        return await Delivery(webhook).RunAsync(Timer, Cancel);
    }

    private async Task<RaisedAlert> OnlyAsync(AlertDeliveryStatus? delivery = null) => 
        Assert.Single((await List.ListAsync(Clinic.Value, alert => delivery is null || alert.Delivery.Status == delivery, null, 10, Cancel)).Alerts);

    private async Task<List<AuditEntry>> LogAsync(string log) =>
        [.. (await new AuditReader(_rows).ReadAsync(log, 0, 1000, Cancel)).Select(entry => JsonSerializer.Deserialize<AuditEntry>(entry.Json, FormatJson.Options)!)];

    /// <summary>A log as a process sees it that dies before it is heard.</summary>
    private sealed class DeadLog : IAuditLog
    {
        public Task<AuditPlace> AppendAsync(AuditEvent entry, CancellationToken cancellationToken) => throw new IOException("This process is dead.");
    }

    /// <summary>A store as a process sees it that dies after some writes.</summary>
    private sealed class DyingStore(IRowStore inner, int survives) : IRowStore
    {
        private int _writes;

        public Task EnsureReadyAsync(CancellationToken cancellationToken) => inner.EnsureReadyAsync(cancellationToken);

        public Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken) => inner.FindAsync(table, partition, key, cancellationToken);

        public Task<IReadOnlyList<Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken) =>
            inner.QueryAsync(table, partition, from, to, take, cancellationToken);

        public IAsyncEnumerable<string> PartitionsAsync(RowTable table, CancellationToken cancellationToken) => inner.PartitionsAsync(table, cancellationToken);

        public Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken) =>
            _writes++ < survives ? inner.SubmitAsync(table, partition, writes, cancellationToken) : throw new IOException("This process is dead.");
    }

    /// <summary>A receiver that does as it is told.</summary>
    private sealed class Channel(string name) : INoticeChannel
    {
        public string Name => name;

        public SendOutcome Outcome { get; set; } = SendOutcome.Sent;

        public List<Notice> Got { get; } = [];

        public Task<SendOutcome> SendAsync(Notice notice, CancellationToken cancellationToken)
        {
            Got.Add(notice);
            return Task.FromResult(Outcome);
        }
    }
}
