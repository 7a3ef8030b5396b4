using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Retention;

/// <summary>A legal hold: what it names is kept, whatever its date is, until the hold is cleared.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Clinic">Whose.</param>
/// <param name="Study">The study that it names; or null.</param>
/// <param name="Patients">The patient that it names, as all the HMACs that the catalogue may have; or null.</param>
/// <param name="Reason">Why, for people. May name a case: it is not in the audit log.</param>
/// <param name="Statement">SHA-256 of salt and reason, which the log has.</param>
/// <param name="Salt">So that the statement tells nothing of the reason.</param>
/// <param name="Status">Where it stands.</param>
/// <param name="SetBy">Who.</param>
/// <param name="SetAt">When.</param>
/// <param name="EnforcedAt">Since when storage holds all that was archived then; null: not yet.</param>
/// <param name="Packs">How many packs it held then.</param>
/// <param name="ClearRequestedBy">Who asked to clear it.</param>
/// <param name="ClearRequestedAt">When. After <see cref="Holds.ClearLifetime"/> it counts no longer.</param>
/// <param name="ClearedBy">Who cleared it, or approved that.</param>
/// <param name="ClearedAt">When.</param>
/// <param name="LiftedAt">Since when storage has let go of what no other hold keeps.</param>
/// <param name="ETag">Of the row.</param>
/// <param name="Unreadable">The row says what cannot be: nobody knows what it names, so it keeps everything until it is mended.</param>
public sealed record Hold(
    WorkId Id,
    ClinicId Clinic,
    Uid? Study,
    IReadOnlyList<Sha256Digest>? Patients,
    string Reason,
    Sha256Digest Statement,
    byte[] Salt,
    HoldStatus Status,
    string SetBy,
    DateTimeOffset SetAt,
    DateTimeOffset? EnforcedAt = null,
    int Packs = 0,
    string? ClearRequestedBy = null,
    DateTimeOffset? ClearRequestedAt = null,
    string? ClearedBy = null,
    DateTimeOffset? ClearedAt = null,
    DateTimeOffset? LiftedAt = null,
    string ETag = "",
    bool Unreadable = false)
{
    /// <summary>Which spellings of the patient's ID it takes for the same: as the clinic had chosen when it was set.</summary>
    public IdentifierMatch Match { get; init; }

    /// <summary>What those spellings share; null: only the same is the same.</summary>
    public Sha256Digest? Form { get; init; }

    /// <summary>HMACs of the spellings that were archived up to now; not in its row.</summary>
    public IReadOnlyList<Sha256Digest> Archived { get; init; } = [];

    /// <summary>Whether it is on. One that somebody asked to clear is, until that is done.</summary>
    public bool IsOn => Status != HoldStatus.Cleared;

    /// <summary>Whether it names this study, or one of its patients.</summary>
    public bool Keeps(StudyFacts study) => Keeps(study.Study, null) || study.Packs.Any(pack => Keeps(study.Study, pack.Patient));

    /// <summary>Whether it names this study or patient.</summary>
    public bool Keeps(Uid study, Sha256Digest? patient) => IsOn && (Unreadable || Study == study || (patient is { } one && (Patients?.Contains(one) == true || Archived.Contains(one))));

    /// <summary>As an admin or compliance sees it: never the patient.</summary>
    public HoldResponse ToResponse() => new(
        Id.ToString(), Clinic, Study, Patients is not null, Reason, Status, SetBy, SetAt, EnforcedAt, Packs, ClearRequestedBy, ClearRequestedAt, ClearedBy, ClearedAt)
    {
        IdentifierMatch = Match,
    };
}

/// <summary>Holds, in <see cref="RowTable.Clinics"/>: <c>hold:{id}</c>. They stay when they are cleared.</summary>
internal static class HoldRows
{
    public const string Prefix = "hold:";

    public static Dictionary<string, object> Values(Hold hold)
    {
        Dictionary<string, object> values = new()
        {
            ["reason"] = hold.Reason,
            ["statement"] = hold.Statement.Hex,
            ["salt"] = hold.Salt,
            ["status"] = hold.Status.ToString(),
            ["setBy"] = hold.SetBy,
            ["setAt"] = hold.SetAt,
            ["packs"] = (long)hold.Packs,
        };
        Add(values, "study", hold.Study?.Value);
        Add(values, "patient", hold.Patients is { } patients ? string.Join(' ', patients.Select(patient => patient.Hex)) : null);
        Add(values, "form", hold.Form?.Hex);
        Add(values, "match", hold.Form is null ? null : hold.Match.ToString());
        Add(values, "enforcedAt", hold.EnforcedAt);
        Add(values, "clearRequestedBy", hold.ClearRequestedBy);
        Add(values, "clearRequestedAt", hold.ClearRequestedAt);
        Add(values, "clearedBy", hold.ClearedBy);
        Add(values, "clearedAt", hold.ClearedAt);
        Add(values, "liftedAt", hold.LiftedAt);
        return values;
    }

    /// <summary>The hold; where the row says what cannot be, one that keeps everything and that nobody may change.</summary>
    public static Hold Read(Row row)
    {
        try
        {
            return ToHold(row);
        }
        catch (Exception e) when (e is FormatException or InvalidCastException or InvalidOperationException or ArgumentException or NullReferenceException)
        {
            WorkId id = WorkId.TryParse(row.Key[Prefix.Length..], null, out WorkId known) ? known : default;
            return new Hold(
                id,
                ClinicId.Parse(row.Partition),
                null,
                null,
                $"Unreadable: row {row.Key} was changed past the service. It keeps everything until it is mended: docs/operations.md, integrity.",
                default,
                [],
                HoldStatus.Active,
                "",
                DateTimeOffset.MinValue,
                ETag: row.ETag!,
                Unreadable: true);
        }
    }

    private static Hold ToHold(Row row) => new(
        WorkId.Parse(row.Key[Prefix.Length..]),
        ClinicId.Parse(row.Partition),
        row.Text("study") is { } study ? Uid.Parse(study) : null,
        row.Text("patient") is { } patients ? [.. patients.Split(' ').Select(patient => Sha256Digest.Parse(patient))] : null,
        row.Text("reason")!,
        Sha256Digest.Parse(row.Text("statement")!),
        row.Bytes("salt")!,
        Enum.Parse<HoldStatus>(row.Text("status")!),
        row.Text("setBy")!,
        row.Time("setAt")!.Value,
        row.Time("enforcedAt"),
        (int)row.Number("packs")!.Value,
        row.Text("clearRequestedBy"),
        row.Time("clearRequestedAt"),
        row.Text("clearedBy"),
        row.Time("clearedAt"),
        row.Time("liftedAt"),
        row.ETag!)
    {
        Form = row.Text("form") is { } form ? Sha256Digest.Parse(form) : null,
        Match = row.Text("match") is { } match ? Enum.Parse<IdentifierMatch>(match) : IdentifierMatch.Exact,
    };

    private static void Add(Dictionary<string, object> values, string name, object? value)
    {
        if (value is not null)
        {
            values[name] = value;
        }
    }
}
