#pragma warning disable MA0009 // patterns and texts are this project's own
using CloudArchive.Core;
using System.Text.Json;
using System.Text.RegularExpressions;
using CloudArchive.Core.Alerts;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>scripts/check-infra.cs on infra/ as it is, and on copies with one fault each: of the Bicep, which the compiler reads again, or of what it made.</summary>
public sealed class InfraTests(InfraTests.Checked seeded) : IClassFixture<InfraTests.Checked>
{
    private const string Full = "infra/full.json", Elsewhere = "infra/elsewhere.json", Template = "infra/template.json", Roles = "infra/roles.json", Access = "infra/access.json";

    /// <summary>A fault: in which file, what (a regular expression) is replaced by what, and the finding that must tell of it.</summary>
    public sealed record Fault(string File, string From, string To, string Finding);

    private static readonly Dictionary<string, Fault> s_made = new()
    {
        ["public blobs on"] = new(Full, "\"allowBlobPublicAccess\": false", "\"allowBlobPublicAccess\": true", "storage: starc*: properties.allowBlobPublicAccess must be false"),
        ["a container is public"] = new(Full, "\"publicAccess\": \"None\"", "\"publicAccess\": \"Blob\"", "storage: starc*/default/packs: properties.publicAccess must be None"),
        ["shared keys on"] = new(Full, "\"allowSharedKeyAccess\": false", "\"allowSharedKeyAccess\": true", "storage: starc*: properties.allowSharedKeyAccess must be false"),
        ["shared keys not mentioned"] = new(Full, "(\"name\": \"stin(?s:.*?))\"allowSharedKeyAccess\": false,", "$1", "storage: stin*: properties.allowSharedKeyAccess must be false, and is not set"),
        ["old TLS"] = new(Full, "\"minimumTlsVersion\": \"TLS1_2\"", "\"minimumTlsVersion\": \"TLS1_0\"", "storage: starc*: properties.minimumTlsVersion must be TLS1_2 or TLS1_3"),
        ["plain HTTP"] = new(Full, "(\"name\": \"stre(?s:.*?))\"supportsHttpsTrafficOnly\": true", "$1\"supportsHttpsTrafficOnly\": false", "storage: stre*: properties.supportsHttpsTrafficOnly must be true"),
        ["any page may read"] = new(Full, "\"https://portal.example.org\"", "\"*\"", "cors: starc*/default: pages of the portal may GET"),
        ["pages may write"] = new(Full, "\"allowedMethods\": \\[\\s*\"GET\"", "\"allowedMethods\": [\"GET\", \"PUT\"", "cors: starc*/default: pages of the portal may GET"),
        ["versioning off"] = new(Full, "\"isVersioningEnabled\": true", "\"isVersioningEnabled\": false", "immutability: starc*/default: properties.isVersioningEnabled must be true"),
        ["immutability off for the account"] = new(Full, "\"immutableStorageWithVersioning\": \\{\\s*\"enabled\": true\\s*\\},\\s*\"isHnsEnabled\"", "\"isHnsEnabled\"", "immutability: starc*: properties.immutableStorageWithVersioning.enabled must be true"),
        ["immutability off for the records"] = new(Full, "(/default/records\"(?s:.*?)\"immutableStorageWithVersioning\": \\{\\s*\"enabled\": )true", "$1false", "immutability: starc*/default/records: properties.immutableStorageWithVersioning.enabled must be true"),
        ["an unlocked policy"] = new(Full, "(\"immutableStorageWithVersioning\": \\{)", "$1 \"immutabilityPolicy\": { \"state\": \"Unlocked\" },", "immutability: starc*: properties.immutableStorageWithVersioning.immutabilityPolicy.state must be not set or Locked, and is Unlocked"),
        ["point-in-time restore on"] = new(Full, "(\"restorePolicy\": \\{\\s*\"enabled\": )false", "$1true", "immutability: starc*/default: properties.restorePolicy.enabled must be false"),
        ["no lock on the archive"] = new(Full, "\"level\": \"CanNotDelete\"(,\\s*\"notes\": \"The clinics)", "\"level\": \"NotSpecified\"$1", "locks: starc* has no CanNotDelete lock"),
        ["no lock on the logs"] = new(Full, "\"level\": \"CanNotDelete\"(,\\s*\"notes\": \"Six years)", "\"level\": \"NotSpecified\"$1", "locks: log-* has no CanNotDelete lock"),
        ["zone redundancy"] = new(Template, "\"Standard_RAGRS\"", "\"Standard_GZRS\"", "immutability: Standard_ZRS and its like have no archive tier"),
        ["purge protection off"] = new(Full, "\"enablePurgeProtection\": true", "\"enablePurgeProtection\": false", "vault: kv-*: properties.enablePurgeProtection must be true"),
        ["access policies instead of roles"] = new(Full, "\"enableRbacAuthorization\": true", "\"enableRbacAuthorization\": false", "vault: kv-*: properties.enableRbacAuthorization must be true"),
        ["a signing key that wraps"] = new(Full, "\"verify\"", "\"unwrapKey\"", "vault: kv-*/signing either signs or wraps"),
        ["a short RSA key"] = new(Full, "\"kty\": \"EC\"", "\"kty\": \"RSA\", \"keySize\": 2048", "vault: kv-*/signing: properties.keySize must be not set or 3072 or 4096, and is 2048"),
        ["key versions that expire"] = new(Full, "(\"rotationPolicy\": \\{)", "$1 \"attributes\": { \"expiryTime\": \"P2Y\" },", "vault: kv-*/signing: properties.rotationPolicy.attributes.expiryTime must be not set"),
        ["receipts and tokens by one key"] = new(Full, "kv-([a-z0-9]+)/tokens\"", "kv-$1/signing\"", "kv-*/tokens"),
        ["an app over HTTP"] = new(Full, "\"httpsOnly\": true", "\"httpsOnly\": false", "app: func-ingest-*: properties.httpsOnly must be true"),
        ["deployment with a password"] = new(Full, "(/scm\"(?s:.*?)\"allow\": )false", "$1true", "app: func-ingest-*/scm: properties.allow must be false"),
        ["logs kept for two years"] = new(Full, "\"totalRetentionInDays\": 2556", "\"totalRetentionInDays\": 730", "logging: log-*: properties.totalRetentionInDays must be 2556"),
        ["nobody logs the vault"] = new(Full, "/vaults/kv-([^/\"]+)/providers/Microsoft.Insights/diagnosticSettings", "/vaults/kv-$1/keys/signing/providers/Microsoft.Insights/diagnosticSettings", "logging: kv-* has no diagnostic setting"),
        ["a preview API"] = new(Full, "\"apiVersion\": \"2026-05-15\"", "\"apiVersion\": \"2026-06-01-preview\"", "api-version: Microsoft.KeyVault/vaults@2026-06-01-preview is a preview"),
        ["a role id that is another role's"] = new(Roles, "db58b8e5-c6ad-4a2a-8342-4190687cbf4a", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "role-id: delegation-key"),
        ["a role id that is no role's"] = new(Roles, "3913510d-42f4-4e42-8a64-420c390055eb", "3913510d-42f4-4e42-8a64-420c390055ec", "role-id: telemetry"),
        ["a role that is not defined"] = new(Access, "\"signer\"", "\"signatory\"", "role-id: ingest on signing-key: roles.json has no 'signatory'"),
        ["a role assigned beside the table"] = new(Full, "(\"roleDefinitionId\": \".*/)[0-9a-f-]+\"", "${1}8e3af657-a8ff-443c-a75c-2fe8c4bcb635\"", "role-id: */storageAccounts/starc*: a role is assigned that does not come from access.json"),
        ["a wildcard in a role of our own"] = new(Roles, "keys/sign/action", "keys/*", "access: signer: a role of our own lists its rights"),
        ["a role with more rights than the table shows"] = new(Full, "(\"Microsoft.KeyVault/vaults/keys/create/action\")", "$1, \"Microsoft.KeyVault/vaults/keys/delete\"", "access: recovery, key-maker, clinic-vaults: the deployment must give this right"),
        ["ingest may unwrap"] = new(Access, "\"key-reader\"", "\"unwrapper\"", "separation: ingest must not have Microsoft.KeyVault/vaults/keys/unwrap/action"),
        ["ingest may make keys"] = new(Access, "\"key-reader\"", "\"key-maker\"", "separation: ingest must not have Microsoft.KeyVault/vaults/keys/create/action"),
        ["recovery may make a key that signs"] = new(Access, "(\"key-maker\", \"scope\": )\"clinic-vaults\"", "$1\"vault\"", "separation: recovery must not have Microsoft.KeyVault/vaults/keys/create/action (key-maker on vault)"),
        ["recovery may delete"] = new(Access, "\"pack-reader\"", "\"archive-committer\"", "separation: recovery must not have Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete"),
        ["ingest reaches recovery's package"] = new(Access, "\"ingest-host\"", "\"recovery-host\"", "separation: ingest must not reach recovery-host"),
        ["an alert less"] = new(Full, "\"name\": \"restore-test-failed\"", "\"name\": \"restore-test-done\"", "alerts: There is no alert 'restore-test-failed'"),
        ["an alert without a runbook"] = new(Full, "operations.md#a-clinic-is-silent", "operations.md#a-clinic-is-quiet", "alerts: clinic-silent: docs/operations.md has no runbook 'a-clinic-is-quiet'"),
        ["the doctor wakes somebody"] = new(Full, " and not\\(ClientRequestId startswith [^)]*\\)", "", "alerts: delete-refused must leave out the doctor's probes, and nothing else"),
        ["an alert that leaves out more than the doctor's probes"] = new(Full, " and OperationName == 'KeyUnwrap'\\)", ")", "alerts: key-access-denied must leave out the doctor's probes, and nothing else"),
        ["lifecycle deletes packs"] = new(Full, "(\"version\": \\{\\s*)\"tierToCold\"", "$1\"delete\"", "lifecycle: packs-to-cold deletes"),
        ["lifecycle archives what was just rehydrated"] = new(Full, "(\"baseBlob\": \\{\\s*)\"tierToCold\"", "$1\"tierToArchive\"", "lifecycle: packs-to-cold: without daysAfterLastTierChangeGreaterThan"),
        ["lifecycle archives sidecars and receipts too"] = new(Full, "\"blobIndexMatch\"", "\"blobIndexMatches\"", "lifecycle: packs-to-archive-1: a prefix alone takes sidecars"),
        ["lifecycle of a container that is not there"] = new(Full, "\"records/\"", "\"evidence/\"", "lifecycle: records-to-cool: 1 to 10 prefixes"),
        ["a budget that starts anew each month"] = new(Full, "\"startDate\": \"2027-01-01\"", "\"startDate\": \"[utcNow('yyyy-MM-01')]\"", "budget: cloudarchive-check: properties.timePeriod.startDate must be 2027-01-01"),
        ["a template that is another every day"] = new(Template, "\"defaultValue\": \"\"", "\"defaultValue\": \"[utcNow()]\"", "budget: utcNow makes another template of every deployment"),
        ["a secret among an app's settings"] = new(Full, "(\"CloudArchive__WebhookSecret\": )\".*\"", "$1\"[parameters('webhookSecret')]\"", "secrets: CloudArchive__WebhookSecret must be a reference to Key Vault"),
        ["the mail server's password among an app's settings"] = new(Full, "(\"CloudArchive__MailPassword\": )\".*\"", "$1\"[parameters('mailPassword')]\"", "secrets: CloudArchive__MailPassword must be a reference to Key Vault"),
        ["a setting that the app reads and nobody sets"] = new(Full, "\"CloudArchive__MailOperator\"", "\"CloudArchive__MailOperators\"", "settings: The app 'recovery' is not told CloudArchive__MailOperator, which AppSettings.cs reads"),
        ["a setting that no app reads"] = new(Full, "\"CloudArchive__MailOperator\"", "\"CloudArchive__MailOperators\"", "settings: The app 'recovery' is told CloudArchive__MailOperators, which AppSettings.cs does not read there"),
        ["ingest is told a secret"] = new(Full, "(func-ingest-[^/]+/appsettings\"(?s:.*?)\"properties\": \\{)", "$1 \"CloudArchive__MailPassword\": \"@Microsoft.KeyVault(x)\",", "settings: The app 'ingest' is told CloudArchive__MailPassword"),
        ["a secret through a plain parameter"] = new(Template, "(\"vaultName\"(?s:.{0,400})\"value\": \\{\\s*\"type\": )\"securestring\"", "$1\"string\"", "secrets: A secret passes through the parameter 'value', which is not @secure()"),
        ["a password through a variable and an object"] = new(Template, "(\"deliverySettings\": \")\\[", "$1[union(createObject('x', parameters('mailPassword')), ", "secrets: A secret passes through the parameter 'settings', which is not @secure()"),
        ["a secret through a variable and an object"] = new(Template, "(\"deliverySettings\": \")\\[", "$1[union(createObject('x', parameters('webhookSecret')), ", "secrets: A secret passes through the parameter 'settings', which is not @secure()"),
        ["an account key is read where the compiler does not look"] = new(Template, "\\[parameters\\('location'\\)\\]", "[listKeys(parameters('location'), '2025-06-01').keys[0].value]", "secrets: listKeys() reads an account's key"),
        ["an azd that breaks arrays"] = new("azure.yaml", ">= 1.23.4", ">= 1.9.0", "azd: azure.yaml must ask for azd >= 1.23.4"),
        ["no word about azd's version"] = new("azure.yaml", "requiredVersions", "wishedVersions", "azd: azure.yaml must ask for azd >= 1.23.4"),
        ["a key for each clinic in the template"] = new(Full, "kv-([a-z0-9]+)/signing\"", "kv-$1/kek-smith-dental\"", "keys: kv-*/kek-smith-dental: a clinic's key is made when the clinic is created"),
        ["names that know the region"] = new(Elsewhere, "/storageAccounts/starc", "/storageAccounts/starcwest", "region: */storageAccounts/starcwest* is not what the first deployment made"),
        ["the archive made anew elsewhere"] = new(Elsewhere, "(\"predictedResources\": \\[)", "$1 { \"type\": \"Microsoft.KeyVault/vaults\", \"id\": \"/subscriptions/x/resourceGroups/rg-check/providers/x/kv-x\", \"name\": \"kv-x\" },", "region: kv-x would be made although the archive exists"),
        ["an app in the lost region"] = new(Elsewhere, "\"location\": \"away\"", "\"location\": \"home\"", "region: rg-check-away would be made in home"),
        ["the archive's group kept where the archive is"] = new(Full, "home-pair", "home", "region: The archive's group has a place of its own for its record"),
        ["an assignment with the lost app's name"] = new(Elsewhere, "", "", "region: Signs the agents' write-only SAS; there are no account keys. The assignment has the name"),
        ["concurrency left to chance"] = new(Full, "\"perInstanceConcurrency\": 16", "\"perInstance\": 16", "app: func-ingest-*: properties.functionAppConfig.scaleAndConcurrency.triggers.http.perInstanceConcurrency must be"),
        ["no heartbeat"] = new(Full, "\"name\": \"ingest-timers-stopped\"", "\"name\": \"ingest-timers\"", "alerts: There is no alert 'ingest-timers-stopped'"),
        ["a heartbeat that waits for a beat"] = new(Full, "\"operator\": \"LessThan\"", "\"operator\": \"GreaterThan\"", "alerts: ingest-timers-stopped waits for what must not be there"),
        ["a window as long as the frequency"] = new(Full, "\"windowSize\": \"PT30M\"", "\"windowSize\": \"PT15M\"", "alerts: restore-test-failed: its window must be longer than its frequency"),
        ["a function that both apps run"] = new(Full, "\"AzureWebJobs.RecoveryWork.Disabled\": \"true\"", "\"AzureWebJobs.RecoveryWork.Disabled\": \"false\"", "functions: The app 'ingest' must have the functions of the other app switched off"),
    };

    // Several in one copy, as far as one does not hide another.
    private static readonly Dictionary<string, Fault>[] s_compiled =
    [
        new()
        {
            ["a brace is missing"] = new("infra/modules/archive.bicep", "  sku: \\{", "  sku: ", "bicep: modules/archive.bicep("),
            ["an account key is read"] = new("infra/modules/host.bicep", "output blobEndpoint", "output key string = account.listKeys().keys[0].value\noutput blobEndpoint", "outputs-should-not-contain-secrets"),
            ["a module that is not there"] = new("infra/main.bicep", "modules/roles.bicep", "modules/rights.bicep", "rights.bicep"),
            ["a parameter that is not given"] = new("infra/main.bicep", "(module monitoring (?s:.*?))    location: appLocation\n", "$1", "\"location\""),
            ["a parameter that is not asked for"] = new("infra/main.bicep", "(module network (?s:.*?))    location: appLocation\n", "$1    location: appLocation\n    replicas: 3\n", "\"replicas\""),
            ["an output that is not there"] = new("infra/main.bicep", "alerts.outputs.actionGroupId", "alerts.outputs.groupId", "\"groupId\""),
            ["a name that is declared nowhere"] = new("infra/main.bicep", "principals: principals", "principals: everybody", "\"everybody\""),
        },
        new()
        {
            ["a word is not Bicep"] = new("infra/modules/roles.bicep", "targetScope = ", "targetScope is ", "bicep: modules/roles.bicep("),
            ["a variable that nobody reads"] = new("infra/modules/vault.bicep", "param workspaceId string\n", "param workspaceId string\nvar days = 90\n", "\"days\""),
            ["an API version without a date"] = new("infra/modules/host.bicep", "storageAccounts@2025-06-01", "storageAccounts@latest", "bicep: modules/host.bicep(13): BCP029"),
            ["an API version that is two years old"] = new("infra/modules/identity.bicep", "@2024-11-30", "@2023-01-31", "use-recent-api-versions"),
            ["lifecycle is not JSON"] = new("infra/lifecycle.json", "\"rules\": \\[", "\"rules\": ", "bicep: modules/archive.bicep("),
            ["a parameter file that lacks one"] = new("infra/main.bicepparam", "param staffClientId = .*\n", "", "\"staffClientId\""),
            ["a module with a name"] = new("infra/main.bicep", "(module alerts '[^']*' = \\{\n)", "$1  name: 'alerts'\n", "no-module-name"),
            ["an object of any shape"] = new("infra/modules/endpoint.bicep", "param tags texts", "param tags object", "use-user-defined-types"),
        },
    ];

    public static TheoryData<string> FaultNames => [.. s_made.Keys, .. s_compiled.SelectMany(f => f.Keys)];

    [Fact]
    public void The_infrastructure_is_sound()
    {
        Assert.True(seeded.Sound.Code == 0, seeded.Sound.Output);
        Assert.StartsWith("infra: sound, ", seeded.Sound.Output.Split('\n').First(l => l.StartsWith("infra: ", StringComparison.Ordinal)));
    }

    [Theory]
    [MemberData(nameof(FaultNames))]
    public void A_fault_is_told(string fault)
    {
        Fault seed = s_made.GetValueOrDefault(fault) ?? s_compiled.First(f => f.ContainsKey(fault))[fault];
        string pattern = Regex.Escape(seed.Finding).Replace("\\*", "\\S*", StringComparison.Ordinal);
        Assert.True(seeded.Findings[fault].Any(line => Regex.IsMatch(line, pattern)), $"Not told: {seed.Finding}\n{string.Join('\n', seeded.Findings[fault])}");
    }

    [Fact]
    public void An_untouched_copy_is_sound_and_a_faulty_one_ends_with_exit_code_1()
    {
        Assert.Empty(seeded.Findings["untouched"]);
        Assert.Equal(1, seeded.ExitCode);
    }

    [Fact]
    public async Task Without_a_compiler_nothing_is_called_sound_and_CI_fails()
    {
        Dictionary<string, string> none = new() { ["CLOUDARCHIVE_BICEP"] = Path.Combine(Repository.Root, "no-such-compiler"), ["CI"] = "" };
        (int code, string output) = await RepositoryScript.RunAsync("check-infra.cs", [], none);
        Assert.Equal(0, code);
        Assert.StartsWith("infra: not checked: there is no Bicep compiler.", output);
        none["CI"] = "true";
        (code, output) = await RepositoryScript.RunAsync("check-infra.cs", [], none);
        Assert.Equal(1, code);
        Assert.DoesNotContain("sound", output);
    }

    [Fact]
    public void Ingest_could_not_unwrap_and_recovery_could_not_delete()
    {
        Assert.DoesNotContain(RightsOf("ingest"), r => Names(r.Right, "unwrap", "decrypt", "vaults/keys/*", "vaults/*"));
        Assert.DoesNotContain(RightsOf("recovery").Where(r => r.Scope is "packs" or "records" or "archive"), r => Names(r.Right, "delete", "blobs/write", "*"));
        Assert.DoesNotContain(RightsOf("ingest").Concat(RightsOf("recovery")).Where(r => r.Scope == "Audit"), r => r.Right.Contains("delete", StringComparison.Ordinal));

        // And each can do its own work, or the above says nothing.
        Assert.Contains(RightsOf("ingest"), r => r.Scope == "packs" && r.Right.EndsWith("immutableStorage/runAsSuperUser/action", StringComparison.Ordinal));
        Assert.Contains(RightsOf("recovery"), r => r.Right.EndsWith("keys/unwrap/action", StringComparison.Ordinal));
    }

    [Fact]
    public void Each_app_runs_the_functions_of_its_role_and_no_others()
    {
        JsonElement listed = Json("functions.json");
        Dictionary<string, string[]> apps = listed.EnumerateObject().ToDictionary(r => r.Name, r => r.Value.EnumerateArray().Select(f => f.GetString()!).ToArray());
        string[] functions =
        [
            .. Directory.EnumerateFiles(Path.Combine(Repository.Root, "src", "CloudArchive.Functions"), "*.cs", SearchOption.AllDirectories)
                .SelectMany(file => File.ReadAllText(file).Split("[Function(\"")[1..]),
        ];
        Assert.Equal(functions.Length, apps.Values.SelectMany(f => f).Distinct(StringComparer.Ordinal).Count());
        foreach (string function in functions)
        {
            string name = function[..function.IndexOf('"', StringComparison.Ordinal)];
            string[] runIt = [.. apps.Where(a => a.Value.Contains(name)).Select(a => a.Key)];
            if (name == "Api")
            {
                Assert.Equal(["ingest", "recovery"], runIt);
            }
            else
            {
                // Scheduled work says itself whose it is, and refuses elsewhere.
                Assert.Equal([Between(function, "ArchiveRole.", ",").ToLowerInvariant()], runIt);
            }
        }
    }

    [Fact]
    public void Every_event_that_an_alert_waits_for_is_logged_somewhere()
    {
        string[] awaited = [.. Queries().SelectMany(q => Regex.Matches(q, @"EventName\) (?:==|in) ([^)]+)")).SelectMany(m => Regex.Matches(m.Value, "'([A-Za-z]+)'")).Select(m => m.Groups[1].Value)];
        string[] sources = [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories).Select(File.ReadAllText)];
        Assert.NotEmpty(awaited);
        Assert.All(awaited, name => Assert.Contains(sources, s => s.Contains($"EventName = \"{name}\"", StringComparison.Ordinal)));

        // What a rule passes over, it knows by its text.
        string[] passed = [.. Queries().SelectMany(q => Regex.Matches(q, "!has '([^']+)'")).Select(m => m.Groups[1].Value)];
        Assert.NotEmpty(passed);
        Assert.All(passed, text => Assert.Contains(sources, s => s.Contains(text, StringComparison.Ordinal)));
    }

    [Fact]
    public void Every_cause_of_an_alert_has_a_rule_that_waits_for_it()
    {
        string[] queries = Queries();
        Assert.All(Enum.GetNames<AlertCause>(), cause => Assert.Contains(queries, q => q.Contains($"'{cause}'", StringComparison.Ordinal)));
    }

    [Fact]
    public void Operations_show_rights_and_functions_as_they_are()
    {
        string page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "operations.md")).ReplaceLineEndings("\n");
        JsonElement roles = Json("roles.json");
        Assert.Equal(
            Json("access.json").EnumerateArray().Select(row => $"| {row.GetProperty("identity")} | {roles.GetProperty(row.GetProperty("role").GetString()!).GetProperty("name")} | {row.GetProperty("scope")} | {row.GetProperty("why")} |"),
            Rows(Between(page, "\n## Identities\n", "\n## ")));
        Assert.Equal(
            Json("functions.json").EnumerateObject().SelectMany(app => app.Value.EnumerateArray().Select(f => $"| {app.Name} | {f} |")).Order(StringComparer.Ordinal),
            Rows(Between(page, "\n### Which app runs what\n", "\n## ")).Select(r => string.Join('|', r.Split('|')[..3]) + "|").Order(StringComparer.Ordinal));
    }

    private static string[] Queries() => [.. Json("alerts.json").EnumerateArray().Select(a => a.GetProperty("query").GetString()!)];

    private static IEnumerable<string> Rows(string section) =>
        section.Split('\n').Where(l => l.StartsWith("| ingest |", StringComparison.Ordinal) || l.StartsWith("| recovery |", StringComparison.Ordinal));

    private static string Between(string text, string begin, string end)
    {
        int at = text.IndexOf(begin, StringComparison.Ordinal);
        Assert.True(at >= 0, $"There is no '{begin}'.");
        at += begin.Length;
        return text[at..text.IndexOf(end, at, StringComparison.Ordinal)];
    }

    private static bool Names(string right, params string[] parts) => parts.Any(p => right.Contains(p, StringComparison.OrdinalIgnoreCase));

    private static IEnumerable<(string Scope, string Right)> RightsOf(string identity)
    {
        JsonElement roles = Json("roles.json");
        return Json("access.json").EnumerateArray()
            .Where(row => row.GetProperty("identity").GetString() == identity)
            .SelectMany(row => new[] { "actions", "dataActions" }
                .SelectMany(kind => roles.GetProperty(row.GetProperty("role").GetString()!).GetProperty(kind).EnumerateArray())
                .Select(right => (row.GetProperty("scope").GetString()!, right.GetString()!)));
    }

    private static JsonElement Json(string name) => JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.Root, "infra", name))).RootElement;

    /// <summary>infra/ compiled once; every faulty copy of what came of it, checked in one run; and the faults that are the compiler's to find.</summary>
    public sealed class Checked : IAsyncLifetime
    {
        public Dictionary<string, string[]> Findings { get; } = [];

        public (int Code, string Output) Sound { get; private set; }

        public int ExitCode { get; private set; }

        public async ValueTask InitializeAsync()
        {
            using TemporaryFolder copies = new();
            string origin = Path.Combine(copies["made"], "infra");
            Sound = await RepositoryScript.RunAsync("check-infra.cs", ["--keep", origin]);
            Assert.True(File.Exists(Path.Combine(origin, "full.json")), Sound.Output);
            List<(string Folder, string[] Faults)> made = [(Seed(copies["untouched"], origin, []), ["untouched"])];
            made.AddRange(s_made.Select((f, i) => (Seed(copies[$"made{i:00}"], origin, [f]), new[] { f.Key })));
            ExitCode = await CheckAsync(["--kept"], made);
            string source = Path.Combine(Repository.Root, "infra");
            List<(string Folder, string[] Faults)> compiled = [.. s_compiled.Select((f, i) => (Seed(copies[$"compiled{i:00}"], source, f), f.Keys.ToArray()))];
            await CheckAsync([], compiled);
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private async Task<int> CheckAsync(string[] options, List<(string Folder, string[] Faults)> copies)
        {
            (int code, string output) = await RepositoryScript.RunAsync("check-infra.cs", [.. options, .. copies.Select(c => c.Folder)]);
            foreach ((string folder, string[] faults) in copies)
            {
                string[] told = [.. output.Split('\n').Where(l => l.StartsWith(folder + ": ", StringComparison.Ordinal)).Select(l => l[(folder.Length + 2)..])];
                Assert.True(told.Length > 0, output);
                foreach (string fault in faults)
                {
                    Findings[fault] = told[..^1];
                }
            }

            return code;
        }

        /// <summary>A copy with faults; its azure.yaml and docs/operations.md are beside it, as in the repository.</summary>
        private static string Seed(string to, string origin, IEnumerable<KeyValuePair<string, Fault>> faults)
        {
            Copy(origin, Path.Combine(to, "infra"));
            Directory.CreateDirectory(Path.Combine(to, "docs"));
            File.Copy(Path.Combine(Repository.Root, "azure.yaml"), Path.Combine(to, "azure.yaml"));
            File.Copy(Path.Combine(Repository.Root, "docs", "operations.md"), Path.Combine(to, "docs", "operations.md"));
            foreach ((string name, Fault fault) in faults)
            {
                string path = Path.Combine(to, fault.File);
                string before = File.ReadAllText(path).ReplaceLineEndings("\n");
                string after = fault.From.Length > 0 ? new Regex(fault.From).Replace(before, fault.To, 1) : WithTheOthersName(before, Path.Combine(to, Full));
                Assert.True(before != after, $"{name}: {fault.File} no longer has what the fault replaces.");
                File.WriteAllText(path, after);
            }

            return Path.Combine(to, "infra");
        }

        private static string WithTheOthersName(string elsewhere, string full)
        {
            Regex assignment = new("/storageAccounts/[^/\"]+/providers/Microsoft.Authorization/roleAssignments/[0-9a-f-]+");
            return assignment.Replace(elsewhere, assignment.Match(File.ReadAllText(full)).Value, 1);
        }

        private static void Copy(string from, string to)
        {
            foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
            {
                string target = Path.Combine(to, Path.GetRelativePath(from, file));
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.Copy(file, target);
            }
        }
    }
}
