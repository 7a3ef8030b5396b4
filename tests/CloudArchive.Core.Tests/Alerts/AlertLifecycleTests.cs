using System.Text.Json;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.Alerts;

/// <summary>From when on an alert is open, and what ends that.</summary>
public sealed class AlertLifecycleTests
{
    private static readonly ClinicId Clinic = ClinicId.Parse("riverside");
    private static readonly DateTimeOffset Start = new(2026, 11, 26, 9, 0, 0, TimeSpan.Zero);
    private static readonly Requester Watch = Requester.System("clinic-watch", "watch-1");
    private static readonly Requester Ada = new(new AuditActor("ada", "admin"), new AuditOrigin("127.0.0.1", "test"));
    private static readonly Alert Pending = new(Clinic, AlertCause.FilesNotBackedUp, "riverside.0123456789abcdef", "reception: 3 files are not archived yet.");

    private readonly MemoryRowStore _rows = new();
    private readonly FakeTimeProvider _clock = new(Start);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_alert_is_open_until_its_cause_is_over()
    {
        await Desk.RaiseAsync(Pending, Watch, Cancel);
        Assert.Equal([(AlertCause.FilesNotBackedUp, Pending.Subject)], (await Desk.ListOpenAsync(Clinic.Value, Cancel)).Select(one => (one.Cause, one.Subject)));

        // Not by time alone, as it was once.
        _clock.Advance(TimeSpan.FromDays(30));
        Assert.True((await AllAsync())[0].IsOpen(Now));
        Assert.True(await Desk.EndAsync(Clinic, Pending.Cause, Pending.Subject, Watch, Cancel));
        Assert.False(await Desk.EndAsync(Clinic, Pending.Cause, Pending.Subject, Watch, Cancel));
        RaisedAlert closed = Assert.Single(await AllAsync());
        Assert.Equal((false, AlertClosing.CauseEnded, Now), (closed.IsOpen(Now), closed.Closing, closed.ClosedAt));
        Assert.Empty(await Desk.ListOpenAsync(Clinic.Value, Cancel));
        Assert.Equal([AuditActions.AlertRaised, AuditActions.AlertClosed], await ActionsAsync());
    }

    [Fact]
    public async Task What_is_still_so_is_raised_again_the_next_day_and_only_the_newest_is_open()
    {
        await Desk.RaiseAsync(Pending, Watch, Cancel);
        Assert.False(await Desk.RaiseAsync(Pending, Watch, Cancel));
        _clock.Advance(TimeSpan.FromDays(1));
        Assert.True(await Desk.RaiseAsync(Pending, Watch, Cancel));
        IReadOnlyList<RaisedAlert> all = await AllAsync();
        Assert.Equal([(AlertClosing.RaisedAgain, false), (null, true)], all.Select(alert => (alert.Closing, alert.IsOpen(Now))));
        Assert.All(all, alert => Assert.Equal(Start, alert.Since));
        Assert.Equal(all[1].Id, Assert.Single(await Desk.ListOpenAsync(Clinic.Value, Cancel)).Alert);
    }

    [Fact]
    public async Task What_was_over_and_is_so_again_on_the_same_day_is_open_again_without_a_second_mail()
    {
        await Desk.RaiseAsync(Pending, Watch, Cancel);
        await Desk.EndAsync(Clinic, Pending.Cause, Pending.Subject, Watch, Cancel);
        Assert.False(await Desk.RaiseAsync(Pending, Watch, Cancel));
        Assert.True(Assert.Single(await AllAsync()).IsOpen(Now));
        Assert.Single(await Desk.ListOpenAsync(Clinic.Value, Cancel));
        Assert.Equal([AuditActions.AlertRaised, AuditActions.AlertClosed, AuditActions.AlertReopened], await ActionsAsync());
        Assert.Single(await _rows.QueryAsync(RowTable.Work, Clinic.Value, RowRange.Prefix("alert-due:"), 10, Cancel));
    }

    [Fact]
    public async Task An_alert_says_what_is_so_now_though_it_is_raised_once_a_day()
    {
        await Desk.RaiseAsync(Pending, Watch, Cancel);
        Assert.False(await Desk.RaiseAsync(Pending with { Message = "reception: 2 files are not archived yet." }, Watch, Cancel));
        Assert.Equal("reception: 2 files are not archived yet.", Assert.Single(await AllAsync()).Alert.Message);
        await Desk.EndAsync(Clinic, Pending.Cause, Pending.Subject, Watch, Cancel);
        Assert.False(await Desk.RaiseAsync(Pending with { Message = "reception: 9 files could not be read." }, Watch, Cancel));
        Assert.Equal("reception: 9 files could not be read.", Assert.Single(await AllAsync()).Alert.Message);
    }

    [Fact]
    public async Task An_acknowledgement_says_who_when_and_why_and_the_log_has_no_word_of_it()
    {
        await Desk.RaiseAsync(Pending, Watch, Cancel);
        AlertId id = (await AllAsync())[0].Id;
        _clock.Advance(TimeSpan.FromHours(3));
        RaisedAlert acknowledged = await List.AcknowledgeAsync(Clinic.Value, id, "  The share moves to the new server on Friday.\n", Ada, Cancel);
        Assert.Equal(new AlertAcknowledgement("ada", Now, "The share moves to the new server on Friday."), acknowledged.Acknowledged);
        Assert.False(acknowledged.IsOpen(Now));
        await List.AcknowledgeAsync(Clinic.Value, id, "Once more.", Ada, Cancel);
        AuditEntry entry = (await LogAsync())[^1];
        Assert.Equal((AuditActions.AlertAcknowledged, "ada", id.ToString(), "3"), (entry.Action, entry.Actor.Id, entry.Details!["alert"], entry.Details["hours"]));
        Assert.DoesNotContain("server", JsonSerializer.Serialize(entry, FormatJson.Options), StringComparison.Ordinal);
        Assert.Equal([AuditActions.AlertRaised, AuditActions.AlertAcknowledged], await ActionsAsync());

        // It stays in hand for the day, and where it is still so the next day nobody may have forgotten it.
        Assert.False(await Desk.RaiseAsync(Pending, Watch, Cancel));
        Assert.False((await AllAsync())[0].IsOpen(Now));
        _clock.Advance(TimeSpan.FromDays(1));
        Assert.True(await Desk.RaiseAsync(Pending, Watch, Cancel));
        Assert.Equal([false, true], (await AllAsync()).Select(alert => alert.IsOpen(Now)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("with a \u0007 bell")]
    public async Task An_acknowledgement_without_a_reason_is_refused(string reason)
    {
        await Desk.RaiseAsync(Pending, Watch, Cancel);
        AlertId id = (await AllAsync())[0].Id;
        foreach (string given in new[] { reason, new string('x', AlertList.MostReasonCharacters + 1) })
        {
            RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => List.AcknowledgeAsync(Clinic.Value, id, given, Ada, Cancel));
            Assert.Equal(Refusal.RequestInvalid, refused.Refusal);
        }
    }

    [Fact]
    public async Task Who_was_told_of_an_alert_is_told_that_it_is_over_and_who_was_not_is_not()
    {
        Recorder recorder = new();
        await Desk.RaiseAsync(Pending, Watch, Cancel);
        await Desk.EndAsync(Clinic, Pending.Cause, Pending.Subject, Watch, Cancel);
        await Delivery(recorder).RunAsync(Watch, Cancel);
        Assert.Equal([NoticeKind.AlertRaised], recorder.Got.Select(notice => notice.Kind));

        _clock.Advance(TimeSpan.FromDays(1));
        await Desk.RaiseAsync(Pending, Watch, Cancel);
        await Delivery(recorder).RunAsync(Watch, Cancel);
        await Desk.EndAsync(Clinic, Pending.Cause, Pending.Subject, Watch, Cancel);
        await Delivery(recorder).RunAsync(Watch, Cancel);
        Notice over = recorder.Got[^1];
        Assert.Equal((NoticeKind.AlertClosed, "Over: files not backed up"), (over.Kind, over.Title));
        Assert.Contains(Pending.Message, over.Lines);
        Assert.Equal(AuditActions.LetterDelivered, (await LogAsync())[^1].Action);
        Assert.Empty(await _rows.QueryAsync(RowTable.Work, Clinic.Value, RowRange.Prefix("letter"), 10, Cancel));
    }

    [Fact]
    public async Task A_letter_that_cannot_be_delivered_is_tried_as_an_alert_is_and_then_given_up_with_an_entry()
    {
        Recorder recorder = new();
        await Desk.RaiseAsync(Pending, Watch, Cancel);
        await Delivery(recorder).RunAsync(Watch, Cancel);
        await Desk.EndAsync(Clinic, Pending.Cause, Pending.Subject, Watch, Cancel);
        recorder.Outcome = SendOutcome.Failed("The mail server could not be reached (ConnectionRefused).");
        int attempts = 0;
        for (DateTimeOffset end = Now.AddDays(4); Now < end; _clock.Advance(TimeSpan.FromMinutes(5)))
        {
            int before = recorder.Got.Count;
            await Delivery(recorder).RunAsync(Watch, Cancel);
            attempts += recorder.Got.Count - before;
        }

        Assert.Equal(AlertDelivery.Waits.Count + 1, attempts);
        Assert.Equal(AuditActions.LetterUndelivered, (await LogAsync())[^1].Action);
        Assert.Empty(await _rows.QueryAsync(RowTable.Work, Clinic.Value, RowRange.Prefix("letter"), 10, Cancel));
    }

    [Fact]
    public async Task Two_hosts_that_find_the_same_at_once_raise_and_close_it_once()
    {
        for (int day = 0; day < 3; day++)
        {
            bool[] raised = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(() => Desk.RaiseAsync(Pending, Watch, Cancel))));
            Assert.Single(raised, one => one);
            _clock.Advance(TimeSpan.FromDays(1));
        }

        bool[] closed = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(() => Desk.EndAsync(Clinic, Pending.Cause, Pending.Subject, Watch, Cancel))));
        Assert.Single(closed, one => one);
        Assert.Equal(4, (await LogAsync()).Count);
    }

    [Fact]
    public async Task An_alert_of_before_alerts_were_closed_is_open_for_two_days_or_until_somebody_was_told()
    {
        Dictionary<string, object> old = new()
        {
            ["at"] = Start, ["alert"] = JsonSerializer.Serialize(Pending, FormatJson.Options), ["delivery"] = "Delivered", ["attempts"] = 1L, ["deliveredAt"] = Start,
        };
        await _rows.SubmitAsync(RowTable.Work, Clinic.Value, [new RowWrite.Insert("alert:" + AlertId.Of(Pending, Start), old)], Cancel);
        Assert.True((await AllAsync())[0].IsOpen(Start.AddDays(1)));
        Assert.False((await AllAsync())[0].IsOpen(Start.AddDays(3)));
        Assert.False(await Desk.RaiseAsync(Pending, Watch, Cancel));
        _clock.Advance(TimeSpan.FromDays(1));
        Assert.True(await Desk.RaiseAsync(Pending, Watch, Cancel));
    }

    private DateTimeOffset Now => _clock.GetUtcNow();

    private Outbox Outbox => new(_rows, new AuditLog(_rows, _clock), _clock);

    private AlertDesk Desk => new(_rows, Outbox, _clock, NullLogger<AlertDesk>.Instance);

    private AlertList List => new(_rows, Outbox, _clock);

    private AlertDelivery Delivery(INoticeChannel channel) => new(_rows, Outbox, Desk, [channel], _clock, NullLogger<AlertDelivery>.Instance);

    private async Task<IReadOnlyList<RaisedAlert>> AllAsync() => (await List.ListAsync(Clinic.Value, null, null, 100, Cancel)).Alerts;

    private async Task<List<AuditEntry>> LogAsync() =>
        [.. (await new AuditReader(_rows).ReadAsync(Clinic.Value, 0, 1000, Cancel)).Select(entry => JsonSerializer.Deserialize<AuditEntry>(entry.Json, FormatJson.Options)!)];

    private async Task<IEnumerable<string>> ActionsAsync() => (await LogAsync()).Select(entry => entry.Action);

    private sealed class Recorder : INoticeChannel
    {
        public string Name => "webhook";

        public SendOutcome Outcome { get; set; } = SendOutcome.Sent;

        public List<Notice> Got { get; } = [];

        public Task<SendOutcome> SendAsync(Notice notice, CancellationToken cancellationToken)
        {
            Got.Add(notice);
            return Task.FromResult(Outcome);
        }
    }
}
