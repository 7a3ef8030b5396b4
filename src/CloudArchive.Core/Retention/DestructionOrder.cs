using System.Text.Json;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Retention;

/// <summary>That a study, a folder's plain files or a computer's snapshots whose time is over is to be destroyed; and how that ended.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Clinic">Whose study.</param>
/// <param name="Study">The id of the set.</param>
/// <param name="Status">Where it stands.</param>
/// <param name="KeptUntil">Until when it had to be kept, as planned.</param>
/// <param name="Policy">The policy when it was asked for.</param>
/// <param name="Packs">How many packs.</param>
/// <param name="Instances">How many instances.</param>
/// <param name="Bytes">Bytes of ciphertext.</param>
/// <param name="RequestedBy">The plan's run, or an admin.</param>
/// <param name="RequestedAt">When.</param>
/// <param name="DecidedBy">Who approved or rejected it; null where the clinic wants no approval.</param>
/// <param name="DecidedAt">When.</param>
/// <param name="Why">Of a rejection.</param>
/// <param name="DestroyedAt">When nothing was left.</param>
/// <param name="ETag">Of the row.</param>
/// <param name="Set">What kind of set it is; null: a study.</param>
public sealed record DestructionOrder(
    WorkId Id,
    ClinicId Clinic,
    Uid Study,
    DestructionStatus Status,
    DateTimeOffset KeptUntil,
    RetentionPolicy Policy,
    int Packs,
    int Instances,
    long Bytes,
    string RequestedBy,
    DateTimeOffset RequestedAt,
    string? DecidedBy = null,
    DateTimeOffset? DecidedAt = null,
    string? Why = null,
    DateTimeOffset? DestroyedAt = null,
    string ETag = "",
    SetKind? Set = null)
{
    /// <summary>Whether it is still to be decided or done.</summary>
    public bool IsOpen => Status is DestructionStatus.PendingApproval or DestructionStatus.Approved or DestructionStatus.Destroying;

    /// <summary>As an admin or compliance sees it.</summary>
    public DestructionResponse ToResponse() => new(
        Id.ToString(), Clinic, Study, Status, KeptUntil, Policy.Version, Packs, Instances, Bytes, RequestedBy, RequestedAt, DecidedBy, DecidedAt, Why, DestroyedAt, Set);
}

/// <summary>A pack of an order, with what its certificate says of it.</summary>
/// <param name="Pack">As the certificate has it.</param>
/// <param name="Patient">Whose hold would keep it.</param>
internal sealed record OrderedPack(DestroyedPack Pack, Sha256Digest? Patient);

/// <summary>
/// Orders, in <see cref="RowTable.Work"/>: <c>destruction:{id}</c>, which stays; <c>destruction-of:{study}</c>, the study's order, until it is
/// destroyed; <c>destruction-pack:{study}:{pack}</c>, what is to go, while the order is open.
/// </summary>
internal static class DestructionRows
{
    public const string Order = "destruction:";
    private const string Of = "destruction-of:";
    private const string Pack = "destruction-pack:";

    public static string OfStudy(Uid study) => Of + study;

    /// <summary>Whether a study's packs are being removed in this moment, or an order that a crash cut short has removed some.</summary>
    public static async Task<bool> IsDestroyingAsync(IRowStore rows, ClinicId clinic, Uid study, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Work, clinic.Value, OfStudy(study), cancellationToken) is { } of
        && await rows.FindAsync(RowTable.Work, clinic.Value, Order + of.Text("id"), cancellationToken) is { } order
        && Read(order).Status == DestructionStatus.Destroying;

    public static RowRange OfStudies => RowRange.Prefix(Of);

    public static RowRange Packs(Uid study) => RowRange.Prefix($"{Pack}{study}:");

    public static Dictionary<string, object> OfValues(DestructionOrder order, DateTimeOffset? again) => again is null
        ? new() { ["id"] = order.Id.ToString() }
        : new() { ["id"] = order.Id.ToString(), ["again"] = again };

    public static RowWrite Write(Uid study, OrderedPack pack)
    {
        Dictionary<string, object> values = new() { ["pack"] = JsonSerializer.Serialize(pack.Pack, FormatJson.Options) };
        if (pack.Patient is { } patient)
        {
            values["patient"] = patient.Hex;
        }

        return new RowWrite.Upsert($"{Pack}{study}:{pack.Pack.Pack}", values);
    }

    public static OrderedPack ReadPack(Row row) => new(
        JsonSerializer.Deserialize<DestroyedPack>(row.Text("pack")!, FormatJson.Options)!, row.Text("patient") is { } patient ? Sha256Digest.Parse(patient) : null);

    public static Dictionary<string, object> Values(DestructionOrder order)
    {
        Dictionary<string, object> values = new()
        {
            ["study"] = order.Study.Value,
            ["status"] = order.Status.ToString(),
            ["keptUntil"] = order.KeptUntil,
            ["policy"] = JsonSerializer.Serialize(order.Policy, FormatJson.Options),
            ["packs"] = (long)order.Packs,
            ["instances"] = (long)order.Instances,
            ["bytes"] = order.Bytes,
            ["requestedBy"] = order.RequestedBy,
            ["requestedAt"] = order.RequestedAt,
        };
        Add(values, "decidedBy", order.DecidedBy);
        Add(values, "decidedAt", order.DecidedAt);
        Add(values, "why", order.Why);
        Add(values, "destroyedAt", order.DestroyedAt);
        Add(values, "set", order.Set?.ToString());
        return values;
    }

    public static DestructionOrder Read(Row row) => new(
        WorkId.Parse(row.Key[Order.Length..]),
        ClinicId.Parse(row.Partition),
        Uid.Parse(row.Text("study")!),
        Enum.Parse<DestructionStatus>(row.Text("status")!),
        row.Time("keptUntil")!.Value,
        JsonSerializer.Deserialize<RetentionPolicy>(row.Text("policy")!, FormatJson.Options)!,
        (int)row.Number("packs")!.Value,
        (int)row.Number("instances")!.Value,
        row.Number("bytes")!.Value,
        row.Text("requestedBy")!,
        row.Time("requestedAt")!.Value,
        row.Text("decidedBy"),
        row.Time("decidedAt"),
        row.Text("why"),
        row.Time("destroyedAt"),
        row.ETag!,
        row.Text("set") is { } set ? Enum.Parse<SetKind>(set) : null);

    private static void Add(Dictionary<string, object> values, string name, object? value)
    {
        if (value is not null)
        {
            values[name] = value;
        }
    }
}
