using System.Security.Cryptography;
using System.Text;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Tests.Audit;

/// <summary>A log of a given size with checkpoints, as an export has it. Its lists can be tampered with.</summary>
internal sealed class MadeUpLog : IDisposable
{
    public const string Name = "smile-dental";
    public static readonly DateTimeOffset Start = new(2026, 7, 1, 8, 0, 0, TimeSpan.Zero);
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public MadeUpLog(int size, params int[] checkpoints)
    {
        Keys = new JwkSet([JwkKeys.FromEcdsa(_key, "key-1")]);
        for (int i = 0; i < size; i++)
        {
            Entries.Add(Write(Entry(i)));
        }

        Leaves = [.. Entries.Select(line => Merkle.LeafHash(Encoding.UTF8.GetBytes(line)).Hex)];
        Head = new TreeHead(size, RootOf(size));
        Checkpoints = [.. checkpoints.Select(at => Sign(at, Start.AddHours(at)))];
    }

    public List<string> Entries { get; } = [];

    public List<string> Leaves { get; }

    public List<string> Checkpoints { get; }

    public TreeHead? Head { get; set; }

    public JwkSet Keys { get; }

    public static AuditEntry Entry(int index) => new(
        AuditEntry.CurrentFormat, Name, index, Start.AddMinutes(index), "data-import/pack-committed", AuditOutcome.Success,
        new AuditActor("agent-1", "agent"), new AuditSubject(Name, "1.2.3." + index), new AuditOrigin("192.0.2.7", "c-" + index),
        Details: new Dictionary<string, string> { ["sha256"] = "é€😀 \"" + index });

    public static string Write(AuditEntry entry) => Encoding.UTF8.GetString(CanonicalJson.Serialize(entry));

    public Sha256Digest RootOf(int size) => Merkle.RootOf(Entries.Take(size).Select(line => (ReadOnlyMemory<byte>)Encoding.UTF8.GetBytes(line)));

    public string Sign(int size, DateTimeOffset time, Sha256Digest? root = null) => Sign(new Checkpoint(Checkpoint.CurrentFormat, Name, size, root ?? RootOf(size), time), _key, "key-1");

    public static string Sign(Checkpoint checkpoint, ECDsa key, string kid) => Jws.SignAsync(
        Checkpoint.JwsType, CanonicalJson.Serialize(checkpoint), kid, (data, _) => Task.FromResult(key.SignData(data.Span, HashAlgorithmName.SHA256)), default).GetAwaiter().GetResult();

    public AuditReport Verify(params string[] seen) => AuditVerifier.Verify(new AuditExport(Entries, Checkpoints, Leaves, Head), Keys, seen);

    /// <summary>Entries and checkpoints alone, as from a source that gives no more.</summary>
    public AuditReport VerifyBare(params string[] seen) => AuditVerifier.Verify(new AuditExport(Entries, Checkpoints), Keys, seen);

    public void Dispose() => _key.Dispose();
}
