using System.Security.Cryptography;
using System.Text;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;

namespace CloudArchive.Cli.Tests;

/// <summary>Real packs, receipts and keys for tests: made with the format's own writer.</summary>
public sealed class Packs : IDisposable
{
    public static readonly ClinicId Clinic = ClinicId.Parse("demo-dental");
    public static readonly Uid Study = Uid.Parse("1.2.3.4");
    private readonly ECDsa _signing = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    // Making RSA keys takes longer than any test here; two clinics are enough for all of them.
    private static readonly Lazy<RSA>[] s_rsa = [.. Enumerable.Range(0, 3).Select(_ => new Lazy<RSA>(() => RSA.Create(2048)))];

    public RSA Wrapping { get; } = s_rsa[0].Value;

    /// <summary>The clinic's, or another's.</summary>
    public RSA Escrow { get; init; } = s_rsa[1].Value;

    public static RSA OtherEscrow => s_rsa[2].Value;

    public JwkSet Keys => new([JwkKeys.FromEcdsa(_signing)]);

    public static SidecarInstance Instance(string sop, byte[] content) =>
        new(Uid.Parse(sop), Uid.Parse("1.2.840.10008.5.1.4.1.1.7"), null, "OT", Uid.Parse("1.2.840.10008.1.2.1"), content.Length, Sha256Digest.Of(content));

    /// <summary>Seals files into <c>{folder}/{pack}</c> and its sidecar beside it.</summary>
    public async Task<Sidecar> WriteAsync(string folder, PackId pack, params (string Path, byte[] Content)[] files)
    {
        Directory.CreateDirectory(folder);
        using ContentKey key = ContentKey.Create();
        PackHeader header = new(Clinic, pack, Study, new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
        PackSummary summary;
        await using (FileStream output = File.Create(Path.Combine(folder, pack.ToString())))
        await using (PackWriter writer = new(output, header, key))
        {
            for (int i = 0; i < files.Length; i++)
            {
                PackEntry entry = new(files[i].Path, Modified(i), Instance($"1.2.3.4.{i + 1}", files[i].Content), Deflate: i % 2 == 0);
                await writer.AddAsync(entry, new MemoryStream(files[i].Content), TestContext.Current.CancellationToken);
            }

            summary = await writer.CompleteAsync(TestContext.Current.CancellationToken);
        }

        Sidecar sidecar = Sidecars.For(header, summary, KeyWrapping.Wrap(key, JwkKeys.FromRsa(Wrapping)), KeyWrapping.Wrap(key, JwkKeys.FromRsa(Escrow)));
        await File.WriteAllBytesAsync(Path.Combine(folder, $"{pack}.sidecar.json"), Sidecars.Serialize(sidecar));
        return sidecar;
    }

    public static DateTimeOffset Modified(int i) => new(2020, 5, 6, 7, 8, i, TimeSpan.Zero);

    public static Receipt ReceiptFor(Sidecar sidecar, DateTimeOffset? immutableUntil = null) => new(
        Receipt.CurrentFormat, sidecar.Clinic, sidecar.Pack, sidecar.Study, sidecar.Sha256, sidecar.Length, "v1", immutableUntil ?? new DateTimeOffset(2040, 1, 1, 0, 0, 0, TimeSpan.Zero),
        sidecar.InstancesRoot, sidecar.Instances.Count, sidecar.Clinic.Value, 7, new DateTimeOffset(2026, 1, 2, 3, 5, 0, TimeSpan.Zero));

    public Task<string> SignAsync(Receipt receipt) => Jws.SignAsync(
        Receipt.JwsType, Format.Packs.Receipts.Serialize(receipt), JwkKeys.FromEcdsa(_signing).Kid!,
        (data, _) => Task.FromResult(_signing.SignData(data.Span, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation)), TestContext.Current.CancellationToken);

    public Task<string> SignAsync(string type, byte[] payload) => Jws.SignAsync(
        type, payload, JwkKeys.FromEcdsa(_signing).Kid!,
        (data, _) => Task.FromResult(_signing.SignData(data.Span, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation)), TestContext.Current.CancellationToken);

    public static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    public void Dispose() => _signing.Dispose();
}
