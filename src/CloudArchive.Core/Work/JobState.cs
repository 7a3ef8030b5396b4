using CloudArchive.Core.Storage;

namespace CloudArchive.Core.Work;

/// <summary>
/// How far a job is for one scope: row <c>job:{name}</c> of the scope's partition in <see cref="RowTable.Work"/>. Messages may come twice, late or never; the
/// row says which slice is next, and its lease that nobody else is at it.
/// </summary>
/// <param name="Due">The time of the schedule that is being done, or was last.</param>
/// <param name="Number">The slice that is next.</param>
/// <param name="Done">Whether nothing is left of it.</param>
/// <param name="Cursor">Where the next slice begins.</param>
/// <param name="LeasedUntil">Until when somebody is at it.</param>
/// <param name="Failures">How often in a row it was given up.</param>
/// <param name="Error">The type of the last error; never its text, which may name what must not be here.</param>
internal sealed record JobState(DateTimeOffset Due, int Number, bool Done, string? Cursor, DateTimeOffset? LeasedUntil, int Failures, string? Error)
{
    public static string Key(string job) => "job:" + job;

    public static JobState Begin(WorkMessage message) => new(message.Due, message.Number, false, null, null, 0, null);

    public static JobState Read(Row row) => new(
        row.Time("due")!.Value, (int)row.Number("slice")!.Value, row.Flag("done"), row.Text("cursor"), row.Time("leasedUntil"), (int)(row.Number("failures") ?? 0), row.Text("error"));

    public Dictionary<string, object> Values()
    {
        Dictionary<string, object> values = new() { ["due"] = Due, ["slice"] = (long)Number, ["done"] = Done, ["failures"] = (long)Failures };
        values.AddUnlessNull("cursor", Cursor);
        values.AddUnlessNull("leasedUntil", LeasedUntil);
        values.AddUnlessNull("error", Error);
        return values;
    }

    /// <summary>Whether what a message asks for was done, or is not wanted any more.</summary>
    public bool IsOver(WorkMessage message) => message.Due < Due || (message.Due == Due && (Done || message.Number < Number));

    /// <summary>The slice that a message asks for. Of a time that was never ended the cursor is gone on with.</summary>
    public JobState Take(WorkMessage message, DateTimeOffset leasedUntil) => this with { Due = message.Due, Number = message.Number, Done = false, LeasedUntil = leasedUntil };

    public WorkMessage Message(string job, string scope) => new(job, scope, Due, Number);
}
