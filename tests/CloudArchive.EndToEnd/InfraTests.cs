using System.Text.Json;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>scripts/check-infra.cs on infra/ as it is, and on copies with one fault each.</summary>
public sealed class InfraTests(InfraTests.Checked seeded) : IClassFixture<InfraTests.Checked>
{
    /// <summary>A fault: in which file, what replaces what, and the finding that must tell of it.</summary>
    public sealed record Fault(string File, string From, string To, string Finding);

    private static readonly Dictionary<string, Fault> Faults = new()
    {
        ["a brace is missing"] = new("modules/archive.bicep", "  kind: 'StorageV2'\n  sku: {", "  kind: 'StorageV2'\n  sku: ", "syntax: "),
        ["a word is not Bicep"] = new("main.bicep", "targetScope = 'subscription'", "targetScope is 'subscription'", "syntax: "),
        ["public blobs on"] = new("modules/archive.bicep", "allowBlobPublicAccess: false", "allowBlobPublicAccess: true", "storage: account: properties.allowBlobPublicAccess must be false"),
        ["a container is public"] = new("modules/archive.bicep", "publicAccess: 'None'", "publicAccess: 'Blob'", "storage: packs: properties.publicAccess must be None"),
        ["shared keys on"] = new("modules/archive.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true", "storage: account: properties.allowSharedKeyAccess must be false"),
        ["shared keys not mentioned"] = new("modules/host.bicep", "    allowSharedKeyAccess: false\n", "", "storage: account: properties.allowSharedKeyAccess must be false, and is not set"),
        ["old TLS"] = new("modules/archive.bicep", "minimumTlsVersion: 'TLS1_2'", "minimumTlsVersion: 'TLS1_0'", "storage: account: properties.minimumTlsVersion must be TLS1_2"),
        ["plain HTTP"] = new("modules/host.bicep", "supportsHttpsTrafficOnly: true", "supportsHttpsTrafficOnly: false", "storage: account: properties.supportsHttpsTrafficOnly must be true"),
        ["an account key is read"] = new("modules/host.bicep", "output id string = account.id", "output id string = account.listKeys().keys[0].value", "secrets: listKeys"),
        ["versioning off"] = new("modules/archive.bicep", "isVersioningEnabled: true", "isVersioningEnabled: false", "immutability: blobs: properties.isVersioningEnabled must be true"),
        ["immutability off for the account"] = new("modules/archive.bicep", "    immutableStorageWithVersioning: {\n      enabled: true\n    }\n    isHnsEnabled", "    isHnsEnabled", "immutability: account: properties.immutableStorageWithVersioning.enabled must be true"),
        ["immutability off for the records"] = new("modules/archive.bicep", "  name: 'records'\n  properties: {\n    publicAccess: 'None'\n    immutableStorageWithVersioning: {\n      enabled: true", "  name: 'records'\n  properties: {\n    publicAccess: 'None'\n    immutableStorageWithVersioning: {\n      enabled: false", "immutability: records: properties.immutableStorageWithVersioning.enabled must be true"),
        ["an unlocked policy"] = new("modules/archive.bicep", "      enabled: true\n    }\n    isHnsEnabled", "      enabled: true\n      immutabilityPolicy: {\n        immutabilityPeriodSinceCreationInDays: 2192\n        state: 'Unlocked'\n      }\n    }\n    isHnsEnabled", "immutability: An account's default policy must be 'Locked'"),
        ["point-in-time restore on"] = new("modules/archive.bicep", "restorePolicy: {\n      enabled: false", "restorePolicy: {\n      enabled: true", "immutability: blobs: properties.restorePolicy.enabled must be false"),
        ["no lock on the archive"] = new("modules/archive.bicep", "level: 'CanNotDelete'", "level: 'NotSpecified'", "locks: account has no CanNotDelete lock"),
        ["zone redundancy"] = new("modules/archive.bicep", "'Standard_RAGRS'", "'Standard_GZRS'", "immutability: Standard_GZRS has no archive tier"),
        ["purge protection off"] = new("modules/vault.bicep", "enablePurgeProtection: true", "enablePurgeProtection: false", "vault: vault: properties.enablePurgeProtection must be true"),
        ["access policies instead of roles"] = new("modules/vault.bicep", "enableRbacAuthorization: true", "enableRbacAuthorization: false", "vault: vault: properties.enableRbacAuthorization must be true"),
        ["a signing key that wraps"] = new("modules/vault.bicep", "keyOps: ['sign', 'verify']", "keyOps: ['sign', 'unwrapKey']", "vault: Key signing either signs or wraps"),
        ["a short RSA key"] = new("modules/vault.bicep", "keySize: 3072", "keySize: 2048", "vault: An RSA key has 3072 bits or more"),
        ["key versions that expire"] = new("modules/vault.bicep", "    rotationPolicy: {\n      lifetimeActions", "    rotationPolicy: {\n      attributes: {\n        expiryTime: 'P2Y'\n      }\n      lifetimeActions", "vault: signing: no properties.rotationPolicy.attributes.expiryTime here"),
        ["an app over HTTP"] = new("modules/app.bicep", "httpsOnly: true", "httpsOnly: false", "app: app: properties.httpsOnly must be true"),
        ["deployment with a password"] = new("modules/app.bicep", "name: 'scm'\n  properties: {\n    allow: false", "name: 'scm'\n  properties: {\n    allow: true", "app: Deployment over scm with a password must be switched off"),
        ["logs kept for two years"] = new("modules/monitoring.bicep", "keptDays = 2556", "keptDays = 730", "logging: Logs are kept for six years (2192 days), not '730' days"),
        ["nobody logs the vault"] = new("modules/vault.bicep", "scope: vault\n  name: 'audit'", "scope: signing\n  name: 'audit'", "logging: vault has no diagnostic setting"),
        ["a module that is not there"] = new("main.bicep", "'modules/vault.bicep'", "'modules/keyvault.bicep'", "module-path: Module vault: there is no modules/keyvault.bicep"),
        ["a parameter that is not given"] = new("main.bicep", "    redundancy: redundancy\n", "", "module-parameters: Module archive is not given 'redundancy'"),
        ["a parameter that is not asked for"] = new("main.bicep", "    redundancy: redundancy\n", "    redundancy: redundancy\n    replicas: 3\n", "module-parameters: Module archive is given 'replicas'"),
        ["an output that is not there"] = new("main.bicep", "vault.outputs.uri", "vault.outputs.url", "outputs: modules/vault.bicep has no output 'url'"),
        ["a name that is declared nowhere"] = new("main.bicep", "tags: tags\n    redundancy: redundancy", "tags: labels\n    redundancy: redundancy", "symbols: 'labels' is declared nowhere"),
        ["a variable that nobody reads"] = new("modules/vault.bicep", "param workspaceId string\n", "param workspaceId string\nvar days = 90\n", "symbols: 'days' is declared and not used"),
        ["an API version without a date"] = new("modules/vault.bicep", "Microsoft.KeyVault/vaults@2024-11-01", "Microsoft.KeyVault/vaults@latest", "api-version: Microsoft.KeyVault/vaults has no dated API version"),
        ["a preview API"] = new("modules/vault.bicep", "Microsoft.KeyVault/vaults@2024-11-01", "Microsoft.KeyVault/vaults@2024-12-01-preview", "api-version: Microsoft.KeyVault/vaults@2024-12-01-preview is a preview"),
        ["a role id that is another role's"] = new("roles.json", "db58b8e5-c6ad-4a2a-8342-4190687cbf4a", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "role-id: delegation-key"),
        ["a role id that is no role's"] = new("roles.json", "3913510d-42f4-4e42-8a64-420c390055eb", "3913510d-42f4-4e42-8a64-420c390055ec", "role-id: telemetry"),
        ["a role that is not defined"] = new("access.json", "\"role\": \"signer\", \"scope\": \"signing-key\", \"why\": \"Signs receipts", "\"role\": \"signatory\", \"scope\": \"signing-key\", \"why\": \"Signs receipts", "role-id: ingest on signing-key: roles.json has no 'signatory'"),
        ["a role assigned beside the table"] = new("modules/access.bicep", "roleDefinitionId: roleIds[row.role]", "roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '8e3af657-a8ff-443c-a75c-2fe8c4bcb635')", "role-id: toArchive assigns a role that does not come from access.json"),
        ["a wildcard in a role of our own"] = new("roles.json", "Microsoft.KeyVault/vaults/keys/sign/action", "Microsoft.KeyVault/vaults/keys/*", "access: signer: a role of our own lists its rights"),
        ["ingest may unwrap"] = new("access.json", "\"role\": \"key-reader\", \"scope\": \"vault\"", "\"role\": \"unwrapper\", \"scope\": \"vault\"", "separation: ingest must not have Microsoft.KeyVault/vaults/keys/unwrap/action"),
        ["recovery may delete"] = new("access.json", "\"role\": \"pack-reader\", \"scope\": \"packs\"", "\"role\": \"archive-committer\", \"scope\": \"packs\"", "separation: recovery must not have Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete"),
        ["ingest reaches recovery's package"] = new("access.json", "\"scope\": \"ingest-host\"", "\"scope\": \"recovery-host\"", "separation: ingest must not reach recovery-host"),
        ["a parameter file that lacks one"] = new("main.parameters.json", "    \"staffClientId\": { \"value\": \"${CLOUDARCHIVE_STAFF_CLIENT_ID}\" },\n", "", "parameters: main.bicep asks for 'staffClientId'"),
        ["an alert less"] = new("alerts.json", "\"restore-test-failed\"", "\"restore-test-done\"", "alerts: There is no alert 'restore-test-failed'"),
        ["lifecycle deletes packs"] = new("lifecycle.json", "\"version\": { \"tierToCold\":", "\"version\": { \"delete\":", "lifecycle: packs-to-cold deletes"),
        ["lifecycle archives what was just rehydrated"] = new("lifecycle.json", "\"baseBlob\": { \"tierToCold\":", "\"baseBlob\": { \"tierToArchive\":", "lifecycle: packs-to-cold: without daysAfterLastTierChangeGreaterThan"),
        ["lifecycle archives sidecars and receipts too"] = new(
            "lifecycle.json", "\"prefixMatch\": [\"packs/\"],\n          \"blobIndexMatch\": [{ \"name\": \"archive_after_years\", \"op\": \"==\", \"value\": \"1\" }]", "\"prefixMatch\": [\"packs/\"]", "lifecycle: packs-to-archive-1: a prefix alone takes sidecars"),
        ["lifecycle of a container that is not there"] = new("lifecycle.json", "\"records/\"", "\"evidence/\"", "lifecycle: records-to-cool: 1 to 10 prefixes"),
        ["lifecycle is not JSON"] = new("lifecycle.json", "\"rules\": [", "\"rules\": ", "lifecycle: This is not JSON"),
    };

    public static TheoryData<string> FaultNames => [.. Faults.Keys];

    [Fact]
    public async Task The_infrastructure_is_sound()
    {
        (int code, string output) = await RepositoryScript.RunAsync("check-infra.cs");
        Assert.True(code == 0, output);
        Assert.StartsWith("infra: sound, ", output);
    }

    [Theory]
    [MemberData(nameof(FaultNames))]
    public void A_fault_is_told(string fault)
    {
        string[] told = seeded.Findings[fault];
        Assert.Contains(told, line => line.Contains(Faults[fault].Finding, StringComparison.Ordinal) && line.StartsWith(Faults[fault].File, StringComparison.Ordinal));
    }

    [Fact]
    public void An_untouched_copy_is_sound_and_a_faulty_one_ends_with_exit_code_1()
    {
        Assert.Empty(seeded.Findings["untouched"]);
        Assert.Equal(1, seeded.ExitCode);
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
        string[] sources = [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "src", "CloudArchive.Functions"), "*Function.cs", SearchOption.AllDirectories).Select(File.ReadAllText)];
        Assert.Equal(sources.Length, apps.Values.SelectMany(f => f).Distinct(StringComparer.Ordinal).Count());
        foreach (string source in sources)
        {
            string name = Between(source, "[Function(\"", "\")]");
            string[] runIt = [.. apps.Where(a => a.Value.Contains(name)).Select(a => a.Key)];
            if (name == "Api")
            {
                Assert.Equal(["ingest", "recovery"], runIt);
            }
            else
            {
                // A timer says itself whose it is, and refuses elsewhere.
                Assert.Equal([Between(source, "settings.Require(ArchiveRole.", ")").ToLowerInvariant()], runIt);
            }
        }
    }

    [Fact]
    public void Every_event_that_an_alert_waits_for_is_logged_somewhere()
    {
        string[] awaited = [.. Json("alerts.json").EnumerateArray().Select(a => a.GetProperty("query").GetString()!)
            .Where(q => q.Contains("Properties.EventName", StringComparison.Ordinal)).Select(q => Between(q, "EventName) == '", "'"))];
        string[] sources = [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories).Select(File.ReadAllText)];
        Assert.NotEmpty(awaited);
        Assert.All(awaited, name => Assert.Contains(sources, s => s.Contains($"EventName = \"{name}\"", StringComparison.Ordinal)));
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

    /// <summary>Every faulty copy, checked in one run.</summary>
    public sealed class Checked : IAsyncLifetime
    {
        public Dictionary<string, string[]> Findings { get; } = [];

        public int ExitCode { get; private set; }

        public async ValueTask InitializeAsync()
        {
            using TemporaryFolder copies = new();
            string[] names = ["untouched", .. Faults.Keys];
            string[] folders = [.. names.Select((_, i) => copies[$"copy{i:00}"])];
            for (int i = 0; i < names.Length; i++)
            {
                Copy(Path.Combine(Repository.Root, "infra"), folders[i]);
                if (Faults.TryGetValue(names[i], out Fault? fault))
                {
                    string path = Path.Combine(folders[i], fault.File);
                    string source = File.ReadAllText(path).ReplaceLineEndings("\n");
                    int at = source.IndexOf(fault.From, StringComparison.Ordinal);
                    Assert.True(at >= 0, $"{names[i]}: {fault.File} no longer has what the fault replaces.");
                    File.WriteAllText(path, source[..at] + fault.To + source[(at + fault.From.Length)..]);
                }
            }

            (ExitCode, string output) = await RepositoryScript.RunAsync("check-infra.cs", ["--no-compiler", .. folders]);
            for (int i = 0; i < names.Length; i++)
            {
                Assert.Contains($"\n{folders[i]}: ", "\n" + output);
                Findings[names[i]] = [.. output.Split('\n').Where(l => l.StartsWith(folders[i] + "/", StringComparison.Ordinal)).Select(l => l[(folders[i].Length + 1)..])];
            }
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

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
