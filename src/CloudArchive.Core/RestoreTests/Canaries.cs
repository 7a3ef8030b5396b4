using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using System.Text.Json;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;

namespace CloudArchive.Core.RestoreTests;

/// <summary>
/// A clinic's canaries: packs that are damaged on purpose, each in its way, and one that is sound. They are sealed with the clinic's own
/// keys, receipted with the archive's, and tested by the code that tests packs. A test that calls a damaged one sound sees no damage.
/// </summary>
public sealed class Canaries
{
    private const string Prefix = "canary:";

    /// <summary>Each name says what was done to it; null is the sound one. There is none that times out: it would take its time in every run.</summary>
    private static readonly (string Name, PackFailure? Expected)[] s_all =
    [
        ("sound", null),
        .. Enum.GetValues<PackFailure>().Where(cause => cause != PackFailure.TimedOut).Select(cause => (JsonNamingPolicy.KebabCaseLower.ConvertName(cause.ToString()), (PackFailure?)cause)),
    ];

    // Made anew well before their locks run out: a lock that has run out protects no longer, and a canary without one would be sound.
    private static readonly TimeSpan s_lifetime = RecordsKept - TimeSpan.FromDays(366);

    private readonly IRowStore _rows;
    private readonly ClinicDirectory _clinics;
    private readonly IWrappingKeys _keys;
    private readonly IAuditLog _log;
    private readonly TimeProvider _clock;
    private readonly IBlobVault _vault;
    private readonly StoredPacks _stored;
    private readonly ReceiptIssuer _receipts;
    private readonly CatalogWriter _writer;
    private readonly IRowStore _catalogRows;
    private readonly PackTest _test;

    /// <summary>On the seams of the archive, each turned to where canaries lie.</summary>
    public Canaries(IRowStore rows, IBlobVault vault, ArchiveKeys keys, ClinicDirectory clinics, IAuditLog log, TimeProvider clock)
    {
        (_rows, _clinics, _keys, _log, _clock) = (rows, clinics, keys.Wrapping, log, clock);
        _vault = CanaryShelf.Vault(vault);
        _catalogRows = CanaryShelf.Rows(rows);
        _stored = new StoredPacks(_vault);
        _receipts = new ReceiptIssuer(keys.Signer, _stored);
        _writer = new CatalogWriter(_catalogRows);
        _test = new PackTest(_vault, new CatalogReader(_catalogRows), keys.Content, new PackStatements(_receipts, _stored), null, clock);
    }

    private static TimeSpan RecordsKept => Records.RecordStore.Kept;

    /// <summary>Tests every canary of a clinic; makes those that are not there.</summary>
    /// <param name="clinic">Whose.</param>
    /// <param name="by">The run's requester.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <param name="patient">Where a store fails for one: whether to throw, so that it is tried again later, or to take that for its result.</param>
    public async Task<IReadOnlyList<CanaryResult>> RunAsync(ClinicId clinic, Requester by, CancellationToken cancellationToken, bool patient = true)
    {
        List<CanaryResult> results = [];
        foreach ((string name, PackFailure? expected) in s_all)
        {
            try
            {
                PackId pack = await EnsureAsync(clinic, name, expected, by, cancellationToken);
                PackTestResult result = await _test.RunAsync(clinic, pack, cancellationToken);
                results.Add(new CanaryResult(name, result.Outcome, expected, result.Cause, result.Detail));
            }
            catch (Exception e) when (!patient && e is not OperationCanceledException)
            {
                // The next run makes it anew.
                await ForgetAsync(clinic, name, cancellationToken);
                results.Add(new CanaryResult(name, PackTestOutcome.Failed, expected, PackFailure.TimedOut, "storage"));
            }
        }

        return results;
    }

    private async Task ForgetAsync(ClinicId clinic, string name, CancellationToken cancellationToken)
    {
        if (await _rows.FindAsync(RowTable.Work, clinic.Value, Prefix + name, cancellationToken) is { } row)
        {
            await _rows.DeleteUnchangedAsync(RowTable.Work, clinic.Value, [row], cancellationToken);
        }
    }

    private async Task<PackId> EnsureAsync(ClinicId clinic, string name, PackFailure? damage, Requester by, CancellationToken cancellationToken)
    {
        string key = Prefix + name;
        Row? row = await _rows.FindAsync(RowTable.Work, clinic.Value, key, cancellationToken);
        if (row is not null && row.Time("madeAt") > _clock.GetUtcNow() - s_lifetime)
        {
            return PackId.Parse(row.Text("pack")!);
        }

        // The row last: a canary that is known is whole. What a crash leaves behind is a few kilobytes that nothing names.
        PackId pack = await MakeAsync(clinic, name, damage, by, cancellationToken);
        Dictionary<string, object> values = new() { ["pack"] = pack.ToString(), ["madeAt"] = _clock.GetUtcNow() };
        try
        {
            await _rows.SubmitAsync(RowTable.Work, clinic.Value, [row is null ? new RowWrite.Insert(key, values) : new RowWrite.Replace(key, values, row.ETag!)], cancellationToken);
            return pack;
        }
        catch (RowConflictException)
        {
            return PackId.Parse((await _rows.FindAsync(RowTable.Work, clinic.Value, key, cancellationToken))!.Text("pack")!);
        }
    }

    private async Task<PackId> MakeAsync(ClinicId id, string name, PackFailure? damage, Requester by, CancellationToken cancellationToken)
    {
        Clinic clinic = await _clinics.GetAsync(id, cancellationToken);
        Jwk wrapping = await _keys.GetCurrentAsync(id, cancellationToken);

        // A clinic without an agent has no escrow key yet: its canaries do without a key that could open them.
        Jwk escrow = clinic.EscrowKey ?? wrapping;
        PackId pack = PackId.New(_clock);
        Uid study = NewUid();
        using ContentKey key = ContentKey.Create();
        using ContentKey other = ContentKey.Create();
        (byte[] ciphertext, Sidecar sidecar) = await SealAsync(new PackHeader(id, pack, study, _clock.GetUtcNow()), key, damage, cancellationToken);
        WrappedContentKey wrapped = KeyWrapping.Wrap(damage == PackFailure.DecryptFailed ? other : key, wrapping);
        sidecar = sidecar with
        {
            // A version that no key store ever makes: versions are random.
            Encryption = BlobEncryption.For(damage == PackFailure.KeyUnavailable ? wrapped with { KeyId = $"{wrapped.KeyId[..wrapped.KeyId.LastIndexOf('/')]}/{new string('0', 32)}" } : wrapped),
            Escrow = KeyWrapping.Wrap(key, escrow),
        };

        DateTimeOffset until = WholeSeconds(_clock.GetUtcNow() + RecordsKept);
        string version = await WritePackAsync(pack, ciphertext, sidecar, damage, until, cancellationToken);
        BlobName sidecarName = BlobName.Sidecar(id, pack);
        string sidecarVersion = await _stored.WriteSameAsync(sidecarName, Sidecars.Serialize(sidecar), "application/json", cancellationToken);
        await _stored.LockAsync(sidecarName, sidecarVersion, until, cancellationToken);
        AuditPlace place = await _log.AppendAsync(
            new AuditEvent(id.Value, AuditActions.CanaryMade, AuditOutcome.Success, by.Actor, new AuditSubject(id.Value, Pack: pack.ToString(), Other: name), by.Origin, Once: $"canary:{pack}"),
            cancellationToken);
        Receipt receipt = new(
            Receipt.CurrentFormat, id, pack, study, sidecar.Sha256, sidecar.Length, version, until, sidecar.InstancesRoot, sidecar.Instances.Count, place.Log, place.Index, _clock.GetUtcNow());
        string jws = await _receipts.IssueAsync(receipt, cancellationToken);
        CatalogPack catalogued = CatalogPack.For(sidecar, version, until, _clock.GetUtcNow(), jws, place.Index);

        // The catalogue's lie: a study date that is in no record.
        await _writer.RestoreAsync(damage == PackFailure.CatalogueMismatch ? catalogued with { StudyDate = "19000101" } : catalogued, sidecar, cancellationToken);
        return pack;
    }

    /// <summary>Ciphertext and sidecar; damaged where that is what is asked for.</summary>
    private async Task<(byte[] Ciphertext, Sidecar Sidecar)> SealAsync(PackHeader header, ContentKey key, PackFailure? damage, CancellationToken cancellationToken)
    {
        Uid series = NewUid(), sop = NewUid();
        (byte[] file, SidecarInstance instance) = CanaryImage.Create(header.Study, series, sop);
        if (damage == PackFailure.DicomInvalid)
        {
            file = file[..^100];
            instance = CanaryImage.Describe(file, series, sop);
        }

        using MemoryStream output = new();
        PackSummary summary;
        if (damage == PackFailure.ZipInvalid)
        {
            byte[] noise = RandomNumberGenerator.GetBytes(4096);
            await using SealingStream sealing = new(output, key, leaveOpen: true);
            await sealing.WriteAsync(noise, cancellationToken);
            SealedBytes bytes = await sealing.CompleteAsync(cancellationToken);
            summary = new PackSummary(bytes.Length, bytes.Sha256, bytes.PlaintextLength, [instance], InstancesRoot.Of([instance]));
        }
        else
        {
            await using PackWriter writer = new(output, header, key);
            await writer.AddAsync(new PackEntry("canary.dcm", header.CreatedAt, instance, Deflate: false), new MemoryStream(file), cancellationToken);
            summary = await writer.CompleteAsync(cancellationToken);
        }

        Jwk self = await _keys.GetCurrentAsync(header.Clinic, cancellationToken);
        WrappedContentKey wrapped = KeyWrapping.Wrap(key, self);
        return (output.ToArray(), Sidecars.For(header, summary, wrapped, wrapped));
    }

    /// <summary>Writes the blob that the sidecar speaks of, or what is left of it. Returns its version.</summary>
    private async Task<string> WritePackAsync(PackId pack, byte[] ciphertext, Sidecar sidecar, PackFailure? damage, DateTimeOffset until, CancellationToken cancellationToken)
    {
        if (damage == PackFailure.Missing)
        {
            // A version id of the right form, and of long before there were archives.
            return "2000-01-01T00:00:00.0000000Z";
        }

        if (damage == PackFailure.HashMismatch)
        {
            ciphertext[^1] ^= 1;
        }

        BlobName name = BlobName.Pack(sidecar.Clinic, pack);
        Dictionary<string, string> metadata = new()
        {
            [BlobEncryption.MetadataName] = BlobEncryption.ToMetadata(sidecar.Encryption),
            [BlobEncryption.EscrowMetadataName] = BlobEncryption.ToMetadata(BlobEncryption.For(sidecar.Escrow)),
        };
        string version = await _vault.WriteNewAsync(name, ciphertext, "application/octet-stream", metadata, cancellationToken);
        if (damage != PackFailure.ImmutabilityLost)
        {
            await _stored.LockAsync(name, version, until, cancellationToken);
        }

        return version;
    }

    private static DateTimeOffset WholeSeconds(DateTimeOffset time) => new(time.UtcTicks - (time.UtcTicks % TimeSpan.TicksPerSecond), TimeSpan.Zero);

    /// <summary>A UID from a UUID (PS3.5 §B.2).</summary>
    private Uid NewUid() => Uid.Parse("2.25." + new BigInteger(Guid.CreateVersion7(_clock.GetUtcNow()).ToByteArray(bigEndian: true), isUnsigned: true, isBigEndian: true).ToString(CultureInfo.InvariantCulture));
}
