using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using CloudArchive.Core;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.LocalHost;
using CloudArchive.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.Benchmarks;

/// <summary>
/// What LocalHost takes, and how it slows down as it fills: packs of five images, each a study of its own, committed two at a time without the network between.
/// Then one study of 20,000 instances in packs of 2,000. <c>-- localhost [packs]</c> runs it; docs/localhost.md has its numbers.
/// </summary>
internal static class LocalHostScale
{
    private const int Step = 1000;
    private const int Images = 5;
    private const int AtOnce = 2;

    public static async Task<int> RunAsync(int packs)
    {
        using TemporaryFolder folder = new();
        await using LocalArchive archive = await LocalArchive.StartAsync(new LocalHostOptions(folder["archive"]) { Port = 0, Timers = false, LogFile = folder["log"] }, CancellationToken.None);
        Site site = await Site.CreateAsync(archive);
        Console.WriteLine("| packs | packs a minute | CPU seconds a pack (tables, blobs) | a page of 100 studies by date | a SOP instance | a page of changes |");
        Console.WriteLine("|---|---|---|---|---|---|");
        for (int done = 0; done < packs; done += Step)
        {
            TimeSpan[] before = Cpu(archive);
            long start = Stopwatch.GetTimestamp();
            await Parallel.ForEachAsync(
                Enumerable.Range(done, Step), new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (number, _) => await site.BackUpAsync(Study(number), Images, number));
            TimeSpan took = Stopwatch.GetElapsedTime(start);
            TimeSpan[] cpu = [.. Cpu(archive).Zip(before, (now, then) => now - then)];
            double byDate = await TimeAsync(async () => (await site.Catalog.ListStudiesAsync(site.Clinic, new StudyFilter(From: "20200101"), null, 100, CancellationToken.None)).Items.Count == 100);
            double bySop = await TimeAsync(async () => (await site.Catalog.FindInstanceAsync(site.Clinic, Uid.Parse($"{Study(done)}.1.2"), CancellationToken.None)).Count == 1);
            double changes = await TimeAsync(async () => (await site.Changes.ReadAsync(site.Clinic, done * 3, 100, CancellationToken.None)).Items.Count > 0);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {done + Step:N0} | {Step / took.TotalMinutes:N0} | {cpu[1].TotalSeconds / Step:N3}, {cpu[0].TotalSeconds / Step:N3} | {byDate:N0} ms | {bySop:N0} ms | {changes:N0} ms |"));
        }

        Uid large = Uid.Parse("1.2.840.1.9999");
        double slowest = 0;
        long all = Stopwatch.GetTimestamp();
        for (int pack = 0; pack < 10; pack++)
        {
            slowest = Math.Max(slowest, await TimeAsync(async () =>
            {
                await site.BackUpAsync(large, 2000, pack);
                return true;
            }));
        }

        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"One study of 20,000 instances in 10 packs: {Stopwatch.GetElapsedTime(all).TotalSeconds:N1} s; the slowest commit of 2,000 took {slowest / 1000:N1} s."));
        return 0;
    }

    private static Uid Study(int number) => Uid.Parse($"1.2.276.0.7230010.3.1.2.{number + 1}");

    private static TimeSpan[] Cpu(LocalArchive archive) => [.. archive.Storage.ProcessIds.Select(id =>
    {
        using Process process = Process.GetProcessById(id);
        return process.TotalProcessorTime;
    })];

    private static async Task<double> TimeAsync(Func<Task<bool>> work)
    {
        long start = Stopwatch.GetTimestamp();
        return await work() ? Stopwatch.GetElapsedTime(start).TotalMilliseconds : throw new InvalidOperationException("It did not find what is there.");
    }

    /// <summary>A clinic with an agent, which uploads what an agent does.</summary>
    private sealed class Site(LocalArchive archive, ClinicId clinic, AgentId agent)
    {
        private static readonly Requester s_by = new(new AuditActor("benchmark", "agent"), new AuditOrigin(null, "benchmark"));
        private readonly IBlobVault _vault = archive.Services.GetRequiredService<IBlobVault>();
        private readonly PackIntake _intake = archive.Services.GetRequiredService<PackIntake>();
        private readonly PackCommit _commit = archive.Services.GetRequiredService<PackCommit>();

        public ClinicId Clinic => clinic;

        public CatalogReader Catalog { get; } = archive.Services.GetRequiredService<CatalogReader>();

        public ChangeFeed Changes { get; } = archive.Services.GetRequiredService<ChangeFeed>();

        public static async Task<Site> CreateAsync(LocalArchive archive)
        {
            ClinicId clinic = ClinicId.Parse("benchmark");
            await archive.Services.GetRequiredService<ClinicDirectory>().CreateAsync(clinic, "Benchmark", 10, true, s_by, CancellationToken.None);
            Enrollments enrollments = archive.Services.GetRequiredService<Enrollments>();
            IssuedCode code = await enrollments.CreateCodeAsync(clinic, s_by, CancellationToken.None);
            using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            using RSA escrow = RSA.Create(2048);
            Enrolled enrolled = await enrollments.EnrollAsync(code.Code.Reveal(), "benchmark", JwkKeys.FromEcdsa(key), JwkKeys.FromRsa(escrow), new AuditOrigin(null, "benchmark"), CancellationToken.None);
            return new Site(archive, clinic, enrolled.Agent.Id);
        }

        public async Task BackUpAsync(Uid study, int instances, int number)
        {
            OpenedPack opened = await _intake.OpenAsync(agent, study, instances * 1000L, s_by, CancellationToken.None);
            using ContentKey key = ContentKey.Create();
            byte[] ciphertext = RandomNumberGenerator.GetBytes(4000 + 28);
            WrappedContentKey wrapped = KeyWrapping.Wrap(key, opened.WrappingKey), escrow = KeyWrapping.Wrap(key, opened.EscrowKey);
            SidecarInstance[] all = [.. Enumerable.Range(1, instances).Select(i => new SidecarInstance(
                Uid.Parse($"{study}.{(instances > Images ? number + 1 : 1)}.{i}"), Uid.Parse("1.2.840.10008.5.1.4.1.1.1.3"), Uid.Parse($"{study}.9"), "IO", Uid.Parse("1.2.840.10008.1.2.1"), 1000, Sha256Digest.Of(RandomNumberGenerator.GetBytes(8))))];
            Sidecar sidecar = new(
                Sidecar.FormatWithoutRetention, clinic, opened.Pack, study, TimeProvider.System.GetUtcNow(), ciphertext.Length, Sha256Digest.Of(ciphertext), 4000,
                BlobEncryption.For(wrapped), escrow, InstancesRoot.Of(all), all, $"2025{(number % 12) + 1:d2}01", Sha256Digest.Of(BitConverter.GetBytes(number / 3)), null);
            Dictionary<string, string> metadata = new()
            {
                [BlobEncryption.MetadataName] = BlobEncryption.ToMetadata(sidecar.Encryption),
                [BlobEncryption.EscrowMetadataName] = BlobEncryption.ToMetadata(BlobEncryption.For(escrow)),
            };
            await _vault.WriteNewAsync(BlobName.Pack(clinic, opened.Pack), ciphertext, "application/octet-stream", metadata, CancellationToken.None);
            await _commit.RunAsync(agent, opened.Pack, sidecar, s_by, CancellationToken.None);
        }
    }
}
