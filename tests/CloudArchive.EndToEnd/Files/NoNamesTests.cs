using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;
using Azure.Data.Tables;
using Azure.Data.Tables.Models;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using CloudArchive.Core;
using CloudArchive.LocalHost;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd.Files;

/// <summary>
/// docs/design.md, invariant 6: outside a seal there is no path, name, birth date or ID: in no blob, row, line of a log, metric or trace of a whole run. The archive is
/// in this process, so that what it measures can be listened to; the commands are processes of their own.
/// </summary>
public sealed partial class NoNamesTests
{
    private static readonly string[] s_secrets = ["Zwetschgenbaum", "Quittengelee", "19470312", "Mirabellenmus", "clinic/Zw", "QX-71-4711", "QX-71-4712", "Holunderstrauch"];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nothing_outside_the_seals_holds_a_name_a_path_or_an_ID()
    {
        using TemporaryFolder folder = new();
        using Telemetry telemetry = new();
        await using LocalArchive archive = await LocalArchive.StartAsync(new LocalHostOptions(folder["data"]) { Port = 0, LogFile = folder["host.log"] }, Cancel);
        string url = archive.Url.AbsoluteUri, clinic = folder["clinic"];
        Cli admin = new(folder["admin"], url, archive.Issuer.Issue("ada", "admin", TimeSpan.FromHours(1)));
        Cli compliance = new(folder["compliance"], url, archive.Issuer.Issue("carl", "compliance", TimeSpan.FromHours(1)));
        Cli agent = new(folder["agent"]);
        string[] of = ["--clinic", "test-clinic"];
        (await admin.RunAsync("clinic", "create", "test-clinic", "--name", "Test Clinic", "--no-approval")).Expect(0);
        string code = (string)(await admin.RunAsync(["enrollment", "create", .. of, "--json"])).Expect(0).Json["code"]!;
        await File.WriteAllTextAsync(folder["passphrase.txt"], "correct horse battery staple", Cancel);
        (await agent.RunAsync("enroll", "--url", url, "--code", code, "--name", "test-pc", "--escrow-out", folder["escrow.pem"], "--escrow-passphrase-file", folder["passphrase.txt"])).Expect(0);

        SampleStudies.WriteOne(Path.Combine(clinic, "Zwetschgenbaum", "one.dcm"), "one", patient: "QX-71-4711");
        SampleStudies.WriteNamed(Path.Combine(clinic, "two.dcm"), "two", "Holunderstrauch^Rosa", "19470312", "QX-71-4712", "Mirabellenmus", "ISO_IR 192", Encoding.UTF8);
        ImagingFolder.Write(clinic, "Zwetschgenbaum/Quittengelee 19470312.pdf", "%PDF-1.7 Zwetschgenbaum");
        ImagingFolder.Write(clinic, "Zwetschgenbaum/Mirabellenmus.jpg", "\u00ff\u00d8\u00ff");
        Assert.NotNull((await agent.RunAsync("backup", clinic, "--json")).Expect(0).Json["snapshot"]);
        (await admin.RunAsync(["restore-test", "run", .. of, "--json"])).Expect(0);
        (await admin.RunAsync(["restore", .. of, "--as-of", "latest", "--out", folder["restored"], "--purpose", "test", "--recipient", "test", "--json"])).Expect(0);

        // Who looks for a patient tells the service an ID, and one who may not, too.
        (await admin.RunAsync(["disclosures", .. of, "--patient", "QX-71-4711"])).Expect(0);
        Assert.NotEqual(0, (await compliance.RunAsync(["disclosures", .. of, "--patient", "QX-71-4711"])).ExitCode);

        AssertNone(await EverythingStoredAsync(archive), 50);

        // At the clinic what `find` searches is under a seal too, and nothing of the data folder has in clear what stands in images alone (its state has paths).
        Assert.Single((await agent.RunAsync("find", "rosa", "holunder", "1947-03-12", "--json")).Expect(0).Json["found"]!.AsArray());
        (string Where, string Text)[] home = [.. Directory.EnumerateFiles(folder["agent"]).Select(file => (Path.GetFileName(file), Encoding.Latin1.GetString(File.ReadAllBytes(file))))];
        AssertNone(home.Where(file => file.Where.Contains("find", StringComparison.Ordinal)), 2);
        Assert.All(home, file => Assert.All((string[])["Holunderstrauch", "QX-71-4711", "QX-71-4712"], secret => Assert.DoesNotContain(secret, file.Text, StringComparison.OrdinalIgnoreCase)));
        AssertNone((await ReadSharedAsync(folder["host.log"])).Split('\n').Where(line => line.Length > 0).Select((line, number) => ($"log line {number}", line)), 1);
        AssertNone(telemetry.Seen.Keys.Select(seen => ("telemetry", seen)), 50);
        Assert.True(telemetry.Seen.Keys.Any(seen => seen.Contains("cloudarchive.packs.committed", StringComparison.Ordinal)), "nothing was listened to");
        Assert.True(telemetry.Traces > 20, $"{telemetry.Traces} traces");

        // A dimension of ours is one of a few names that the archive chose itself.
        string[] ours = [.. telemetry.Seen.Keys.Where(seen => seen.StartsWith(ArchiveMetrics.MeterName + ' ', StringComparison.Ordinal))];
        Assert.All((string[])["packs.committed", "packs.bytes", "restore_tests.finished", "requests.refused"], name => Assert.Contains(ours, seen => seen.Contains($"cloudarchive.{name} ", StringComparison.Ordinal)));
        Assert.All(ours, seen => Assert.Matches(OurMeasurement(), seen));
    }

    [Fact]
    public void All_that_our_assemblies_measure_is_on_the_one_meter_that_is_listened_to()
    {
        List<string> found = [];
        foreach (string file in Directory.EnumerateFiles(AppContext.BaseDirectory, "*loudarchive*.dll").Concat(Directory.EnumerateFiles(AppContext.BaseDirectory, "CloudArchive.*.dll")).Distinct())
        {
            Assembly assembly = Assembly.LoadFrom(file);
            const BindingFlags all = BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
            found.AddRange(assembly.GetTypes().SelectMany(type => type.GetFields(all)).Where(field => field.FieldType == typeof(Meter) || field.FieldType == typeof(ActivitySource)).Select(field => $"{field.DeclaringType!.FullName} {((field.GetValue(null) as Meter)?.Name ?? "?")}"));
        }

        Assert.Equal(["CloudArchive.Core.ArchiveMetrics CloudArchive"], found);
    }

    private static async Task<List<(string Where, string Text)>> EverythingStoredAsync(LocalArchive archive)
    {
        List<(string, string)> all = [];
        BlobServiceClient blobs = StoredArchive.Service(archive.Storage.BlobUrl.ToString());
        foreach (string container in (string[])["packs", "records"])
        {
            BlobContainerClient client = blobs.GetBlobContainerClient(container);
            foreach (BlobItem blob in client.GetBlobs(BlobTraits.Metadata | BlobTraits.Tags, BlobStates.Version, null, Cancel))
            {
                BinaryData content = (await client.GetBlobClient(blob.Name).DownloadContentAsync(Cancel)).Value.Content;
                all.Add(($"{container}/{blob.Name}", string.Join(' ', [Encoding.Latin1.GetString(content), blob.Name, .. blob.Metadata.Values, .. blob.Tags?.Values ?? []])));
            }
        }

        TableServiceClient tables = StoredArchive.Tables(archive.Storage.TableUrl.ToString());
        foreach (TableItem table in tables.Query())
        {
            foreach (TableEntity row in tables.GetTableClient(table.Name).Query<TableEntity>())
            {
                all.Add(($"{table.Name} {row.RowKey}", string.Join(' ', row.Select(p => p.Value is byte[] bytes ? Encoding.Latin1.GetString(bytes) : $"{p.Value}"))));
            }
        }

        return all;
    }

    private static void AssertNone(IEnumerable<(string Where, string Text)> all, int atLeast)
    {
        int looked = 0;
        foreach ((string where, string text) in all)
        {
            looked++;
            Assert.All(s_secrets, secret => Assert.False(text.Contains(secret, StringComparison.OrdinalIgnoreCase) || text.Contains(Uri.EscapeDataString(secret), StringComparison.OrdinalIgnoreCase), $"{secret} in {where}: {text}"));
        }

        Assert.True(looked >= atLeast, $"looked at {looked}, not {atLeast}");
    }

    private static async Task<string> ReadSharedAsync(string file)
    {
        await using FileStream open = new(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using StreamReader reader = new(open);
        return await reader.ReadToEndAsync(Cancel);
    }

    [GeneratedRegex(@"^CloudArchive cloudarchive(\.[a-z_]+)+ \d+( [a-z]+=[a-z][a-z0-9-]*)?$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex OurMeasurement();

    /// <summary>All that any meter measures and any source traces in this process, in words: names, values and tags.</summary>
    private sealed class Telemetry : IDisposable
    {
        private readonly MeterListener _meters = new();
        private readonly ActivityListener _sources;
        private int _traces;

        public Telemetry()
        {
            _meters.InstrumentPublished = (instrument, listener) => listener.EnableMeasurementEvents(instrument);
            _meters.SetMeasurementEventCallback<byte>(Note);
            _meters.SetMeasurementEventCallback<short>(Note);
            _meters.SetMeasurementEventCallback<int>(Note);
            _meters.SetMeasurementEventCallback<long>(Note);
            _meters.SetMeasurementEventCallback<float>(Note);
            _meters.SetMeasurementEventCallback<double>(Note);
            _meters.SetMeasurementEventCallback<decimal>(Note);
            _meters.Start();
            _sources = new ActivityListener
            {
                ShouldListenTo = _ => true,
                Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
                ActivityStopped = Note,
            };
            ActivitySource.AddActivityListener(_sources);
        }

        public ConcurrentDictionary<string, bool> Seen { get; } = new(StringComparer.Ordinal);

        public int Traces => _traces;

        public void Dispose()
        {
            _meters.Dispose();
            _sources.Dispose();
        }

        private void Note<T>(Instrument instrument, T value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state)
            where T : struct =>
            Seen[string.Join(' ', [instrument.Meter.Name, instrument.Name, Invariant(value), .. tags.ToArray().Select(tag => $"{tag.Key}={Invariant(tag.Value)}")])] = true;

        private void Note(Activity activity)
        {
            Interlocked.Increment(ref _traces);
            Seen[string.Join(
                ' ',
                [
                    activity.Source.Name, activity.OperationName, activity.DisplayName, $"{activity.StatusDescription}",
                    .. activity.TagObjects.Select(tag => $"{tag.Key}={Invariant(tag.Value)}"),
                    .. activity.Baggage.Select(item => $"{item.Key}={item.Value}"),
                    .. activity.Events.SelectMany(one => one.Tags.Select(tag => $"{one.Name} {tag.Key}={Invariant(tag.Value)}")),
                ])] = true;
        }

        private static string Invariant(object? value) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{value}");
    }
}
