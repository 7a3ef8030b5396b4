#!/usr/bin/env dotnet
#:include setup.lib.cs
// The arithmetic of docs/scale.md: what an archive of this size stores, does, costs, and where it meets its first limit.
//   dotnet run scripts/scale.cs                                  the table of docs/scale.md
//   dotnet run scripts/scale.cs -- clinics=200 archive-tb=20     another size, or another price
//   dotnet run scripts/scale.cs -- --inputs                      every input and what it is

using System.Globalization;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;

return await Setup.RunAsync(() =>
{
    Inputs inputs = new();
    foreach (string argument in args.Where(a => a != "--inputs"))
    {
        inputs.Set(argument);
    }

    foreach (string line in args.Contains("--inputs") ? inputs.Table() : Scale.Table(inputs))
    {
        Console.WriteLine(line);
    }

    return Task.FromResult(0);
});

/// <summary>Sizes, habits and prices. Prices are list prices of a US region in US dollars, GRS where there is a choice; put your own in their place.</summary>
sealed class Inputs
{
    private readonly Dictionary<string, (double Value, string What)> _values = new()
    {
        ["clinics"] = (10_000, "clinics"),
        ["archive-tb"] = (1_000, "sealed data at rest, TB"),
        ["growth-gb"] = (25, "new data a clinic a year, GB"),
        ["pack-mib"] = (32, "an average pack, MiB: many studies are smaller than the 64 MiB that a pack holds"),
        ["block-mib"] = (8, "a staged block, MiB"),
        ["instances"] = (12, "instances in an average pack"),
        ["tests-per-clinic-day"] = (0, "packs that restore tests open, a clinic a day; 0: so many that each is opened within a year, which is the default"),
        ["runs-per-clinic-day"] = (1, "restore tests, a clinic a day"),
        ["canaries"] = (9, "packs, damaged on purpose and sound, that each run opens besides"),
        ["entries-per-pack"] = (4, "entries that a clinic's log has for each pack, all told"),
        ["slices-per-clinic-day"] = (112, "slices of scheduled work, a clinic a day: Core/Work/Jobs.cs"),
        ["calls-per-slice"] = (18, "calls to storage that a slice takes on the average, its runner's included: JobCallsTests counts them"),
        ["slices-at-once"] = (4, "slices that an instance works on at once: host.json"),
        ["restored-share"] = (0.005, "share of the archive that clinics restore in a year"),
        ["active-hours"] = (10, "hours a day in which a clinic's log grows, and so has a checkpoint"),
        ["hot-days"] = (30, "days before lifecycle.json moves a pack to cold"),
        ["instance-mb-s"] = (100, "what one function instance reads and hashes, MB/s"),
        ["instance-gb"] = (2, "memory of an instance, GB"),
        ["vaults"] = (1, "key vaults that clinics are spread over"),
        ["unwraps-per-second"] = (100, "RSA-3072 operations a vault does: 1,000 in 10 s"),
        ["egress-gbps"] = (200, "what a storage account sends, Gbit/s"),
        ["hot-gb"] = (0.0368, "hot, $ a GB-month"),
        ["cold-gb"] = (0.0081, "cold, $ a GB-month"),
        ["row-gb"] = (0.06, "tables, $ a GB-month"),
        ["geo-gb"] = (0.02, "geo-replication, $ a GB"),
        ["hot-write"] = (0.10, "hot writes, $ per 10,000"),
        ["cold-write"] = (0.36, "cold writes (a tier change is one), $ per 10,000"),
        ["hot-read"] = (0.004, "hot reads, $ per 10,000"),
        ["cold-read"] = (0.10, "cold reads, $ per 10,000"),
        ["cold-retrieval-gb"] = (0.03, "reading from cold, $ a GB"),
        ["row-operation"] = (0.00036, "table transactions, $ per 10,000"),
        ["queue-operation"] = (0.004, "queues, $ per 10,000"),
        ["key-operation"] = (0.15, "Key Vault, RSA-3072 and P-256, $ per 10,000"),
        ["gb-second"] = (0.000026, "Flex Consumption, $ a GB-second"),
        ["execution"] = (0.40, "Flex Consumption, $ per 1,000,000 executions"),
        ["egress-gb"] = (0.08, "leaving Azure, $ a GB"),
        ["log-gb"] = (2.76, "Log Analytics, $ a GB taken in"),
        ["log-kept-gb"] = (0.02, "Log Analytics beyond 90 days, $ a GB-month"),
        ["log-bytes"] = (1_000, "a logged operation, bytes"),
        ["backup-instance"] = (10, "Azure Backup, $ an instance of 50 to 500 GB a month"),
        ["backup-gb"] = (0.0448, "Azure Backup vault, $ a GB-month"),
    };

    public double this[string name] => _values[name].Value;

    public void Set(string assignment)
    {
        string[] parts = assignment.Split('=');
        if (parts.Length != 2 || !_values.TryGetValue(parts[0], out (double Value, string What) known) || !double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double value) || value < 0)
        {
            throw new SetupException($"'{assignment}' is no input. Write name=number; --inputs lists the names.");
        }

        _values[parts[0]] = (value, known.What);
    }

    public IEnumerable<string> Table() =>
        _values.Select(v => string.Create(CultureInfo.InvariantCulture, $"| {v.Key} | {v.Value.Value:#,0.######} | {v.Value.What} |")).Prepend("|---|---:|---|").Prepend("| input | value | what it is |");
}

static class Scale
{
    private const double Mib = 1024 * 1024;
    private const double Month = 365.0 / 12;

    public static IEnumerable<string> Table(Inputs i)
    {
        double packBytes = i["pack-mib"] * Mib;
        double packs = i["archive-tb"] * 1e12 / packBytes;
        double grownGb = i["clinics"] * i["growth-gb"] / 12;
        double newPacks = grownGb * 1e9 / packBytes;
        double checkpoints = i["clinics"] * i["active-hours"] * Month;
        double runs = i["clinics"] * i["runs-per-clinic-day"] * Month;
        double packsEach = packs / i["clinics"];
        // TestBudget.WithinAYear.
        double tested = i["clinics"] * (i["tests-per-clinic-day"] > 0 ? i["tests-per-clinic-day"] : 2 * Math.Max(1, Math.Ceiling(packsEach * 3 / (4 * 365)))) * Month;
        double testedGb = tested * packBytes / 1e9;
        double restoredGb = i["archive-tb"] * 1e3 * i["restored-share"] / 12;
        double restored = restoredGb * 1e9 / packBytes;

        // A commit: the blocks and their list; sidecar and receipt; set and lock the policy on all three.
        double blocks = Math.Ceiling(i["pack-mib"] / i["block-mib"]);
        // A run of restore tests: a checkpoint and four files of evidence, each written and locked; and storage listed, 5,000 blobs a time.
        double listed = Math.Ceiling(packs / i["clinics"] * 3 / 5000);
        double hotWrites = (newPacks * (blocks + 1 + 2 + 6)) + (checkpoints * 3) + (runs * ((5 * 3) + listed));
        // A commit looks, reads back, and reads the policies back.
        double hotReads = newPacks * 6, canaryReads = runs * i["canaries"] * 3;
        double tierings = newPacks * 3;
        double coldReads = (tested + restored) * 3;
        // A commit: work in and out, pack and study, instances, audit; and the reads before them.
        // Each clinic's log is read whole twice a day, 1,000 entries a time, for its check and for a run's population; its catalogue for
        // the population and for retention's plan.
        double logRead = Math.Ceiling(packsEach * i["entries-per-pack"] / 1000), catalogueRead = Math.Ceiling(packsEach / 1000);
        // Most slices find that nothing is to be done: two rows are written for each, and its message is sent, received, hidden and deleted.
        double slices = i["clinics"] * Month * i["slices-per-clinic-day"];
        double rowWrites = (newPacks * 14) + (checkpoints * 3) + (tested * 8) + (runs * 20) + (slices * 2);
        double rowOperations = rowWrites + (slices * (i["calls-per-slice"] - 2)) + (i["clinics"] * Month * ((2 * logRead) + (2 * catalogueRead)));
        double queueOperations = slices * 4;
        double rowBytes = packs * (1_000 + (i["instances"] * 500) + 1_500);
        // A receipt and its token; a checkpoint; a test, a canary or a restore unwraps and asks for the key; a run signs checkpoint, evidence and report.
        double keyOperations = (newPacks * 2) + checkpoints + ((tested + restored) * 2) + (runs * (i["canaries"] + 3));
        double computeSeconds = ((grownGb + testedGb) * 1e3 / i["instance-mb-s"]) + (slices * i["calls-per-slice"] * 0.01 / i["slices-at-once"]);
        double executions = (newPacks * 4) + slices + (60 * 24 * 31 * 2);

        // Of tables what is written is logged, of blobs everything.
        double logGb = (hotWrites + hotReads + canaryReads + coldReads + rowWrites + keyOperations) * i["log-bytes"] / 1e9;

        double hotGb = grownGb * i["hot-days"] / Month;
        double coldGb = Math.Max((i["archive-tb"] * 1e3) - hotGb, 0);

        (string What, string HowMuch, double Dollars)[] costs =
        [
            ("packs at rest, cold", $"{coldGb / 1e3:#,0} TB", coldGb * i["cold-gb"]),
            ("packs at rest, hot", $"{hotGb / 1e3:#,0.0} TB", hotGb * i["hot-gb"]),
            ("geo-replication of new data", $"{grownGb / 1e3:#,0.0} TB", grownGb * i["geo-gb"]),
            ("blob writes, policies, locks", $"{hotWrites / 1e6:#,0.0} M", hotWrites / 1e4 * i["hot-write"]),
            ("moves to cold", $"{tierings / 1e6:#,0.0} M", tierings / 1e4 * i["cold-write"]),
            ("verification of new packs", $"{grownGb / 1e3:#,0.0} TB", hotReads / 1e4 * i["hot-read"]),
            ("restore tests", $"{testedGb / 1e3:#,0.0} TB", (testedGb * i["cold-retrieval-gb"]) + (tested * 3 / 1e4 * i["cold-read"]) + (canaryReads / 1e4 * i["hot-read"])),
            ("restores", $"{restoredGb / 1e3:#,0.0} TB", (restoredGb * (i["cold-retrieval-gb"] + i["egress-gb"])) + (restored * 3 / 1e4 * i["cold-read"])),
            ("rows at rest", $"{rowBytes / 1e9:#,0} GB", rowBytes / 1e9 * i["row-gb"]),
            ("row transactions", $"{rowOperations / 1e6:#,0.0} M", rowOperations / 1e4 * i["row-operation"]),
            ("queue operations", $"{queueOperations / 1e6:#,0.0} M", queueOperations / 1e4 * i["queue-operation"]),
            ("key operations", $"{keyOperations / 1e6:#,0.0} M", keyOperations / 1e4 * i["key-operation"]),
            ("function compute", $"{computeSeconds / 3600:#,0} h", (computeSeconds * i["instance-gb"] * i["gb-second"]) + (executions / 1e6 * i["execution"])),
            ("logs", $"{logGb:#,0} GB", (logGb * i["log-gb"]) + (logGb * 72 * i["log-kept-gb"])),
        ];
        double total = costs.Sum(c => c.Dollars);
        double perTb = total / i["archive-tb"];
        double backup = ((i["clinics"] * i["backup-instance"]) + (i["archive-tb"] * 1e3 * i["backup-gb"])) / i["archive-tb"];
        double plain = ((hotGb * i["hot-gb"]) + (coldGb * i["cold-gb"]) + (grownGb * i["geo-gb"]) + (newPacks * (blocks + 1) / 1e4 * i["hot-write"])) / i["archive-tb"];
        double unwrapAll = packs / (i["unwraps-per-second"] * i["vaults"]) / 3600;
        double sendAll = i["archive-tb"] * 1e12 * 8 / (i["egress-gbps"] * 1e9) / 3600;
        double yearly = tested * 12 / packs;

        yield return "| a month | how much | $ | share |";
        yield return "|---|---:|---:|---:|";
        foreach ((string what, string howMuch, double dollars) in costs)
        {
            yield return $"| {what} | {howMuch} | {dollars:#,0} | {dollars / total:0.0 %} |";
        }

        yield return $"| **all of it** | | **{total:#,0}** | |";
        yield return "";
        yield return "| a TB a month | $ |";
        yield return "|---|---:|";
        yield return $"| CloudArchive | {perTb:0.00} |";
        yield return $"| the same bytes in the same tiers, and nothing else | {plain:0.00} |";
        yield return $"| Azure Backup, one instance a clinic | {backup:0.00} |";
        yield return $"| CloudArchive, a clinic a month | {total / i["clinics"]:0.00} |";
        yield return "";
        yield return "| size and pace | |";
        yield return "|---|---:|";
        yield return $"| packs | {packs / 1e6:#,0.0} M |";
        yield return $"| blobs (pack, sidecar, receipt) | {packs * 3 / 1e6:#,0.0} M |";
        yield return $"| new packs a month | {newPacks / 1e6:#,0.00} M |";
        yield return $"| commits a second, all in 8 hours of 21 days | {newPacks / (21 * 8 * 3600):0.0} |";
        yield return $"| packs that a year's restore tests open | {yearly:0.0 %} |";
        yield return $"| packs that restore tests open, a clinic a day | {tested / Month / i["clinics"]:0.#} |";
        yield return $"| reading every pack once | ${i["archive-tb"] * 1e3 * i["cold-retrieval-gb"]:#,0} |";
        yield return $"| unwrapping every pack's key, {i["vaults"]:0} vault{(i["vaults"] == 1 ? "" : "s")} | {unwrapAll:#,0} h |";
        yield return $"| sending every pack, one storage account | {sendAll:#,0} h |";
        yield return $"| vaults for all of it in 72 h | {Math.Ceiling(packs / i["unwraps-per-second"] / (72 * 3600)):0} |";
    }
}
