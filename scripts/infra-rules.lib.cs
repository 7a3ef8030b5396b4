// What must hold of infra/, rule by rule: over the compiler's template and snapshots, and over infra/'s own JSON. Included with `#:include infra-rules.lib.cs`.

using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Xml;

/// <summary>A fault, and which rule says so.</summary>
sealed record Finding(string Rule, string Message);

/// <summary>A resource as a snapshot predicts it.</summary>
sealed record Predicted(string Type, string Id, string Name, JsonNode Body)
{
    /// <summary>What stands at a path such as <c>properties.sku.name</c>, as text; "" where nothing does.</summary>
    public string At(string path) => path.Split('.').Aggregate((JsonNode?)Body, (at, name) => at is JsonObject o ? o[name] : null)?.ToString() ?? "";

    public bool In(string group) => Id.Contains($"/resourceGroups/{group}/", StringComparison.Ordinal);

    /// <summary>What an extension such as a lock or a role assignment is on.</summary>
    public string Scope => Id[..Math.Max(0, Id.LastIndexOf("/providers/", StringComparison.Ordinal))];
}

/// <summary>A folder like infra/ and what the compiler made of it.</summary>
/// <param name="folder">infra/.</param>
/// <param name="template">What <c>bicep build</c> made.</param>
/// <param name="full">The snapshot of a deployment with everything that can be switched on.</param>
/// <param name="elsewhere">The snapshot after the loss of the region: the archive exists, the apps go to another.</param>
sealed partial class InfraRules(string folder, JsonNode template, JsonNode full, JsonNode elsewhere)
{
    /// <summary>What the snapshots are made with. The second stands for the runbook of a lost region.</summary>
    public static IReadOnlyDictionary<string, string>[] Environments { get; } = [Environment("home", "true", "false", 2), Environment("away", "false", "true", 2)];

    private const string Budget = "2027-01-01", Group = "rg-check";
    private const string Accounts = "Microsoft.Storage/storageAccounts", Blobs = Accounts + "/blobServices", Containers = Blobs + "/containers", Vaults = "Microsoft.KeyVault/vaults";
    private const string Keys = Vaults + "/keys", Sites = "Microsoft.Web/sites", Assignments = "Microsoft.Authorization/roleAssignments", Logs = "Microsoft.OperationalInsights/workspaces";

    // Where a name begins as the third says, the path must have one of the values; "" is "not set".
    private static readonly (string Rule, string Type, string Name, string Path, string[] Values)[] s_expected =
    [
        ("storage", Accounts, "", "properties.allowBlobPublicAccess", ["false"]),
        ("storage", Accounts, "", "properties.allowSharedKeyAccess", ["false"]),
        ("storage", Accounts, "", "properties.allowCrossTenantReplication", ["false"]),
        ("storage", Accounts, "", "properties.isLocalUserEnabled", ["false"]),
        ("storage", Accounts, "", "properties.supportsHttpsTrafficOnly", ["true"]),
        ("storage", Accounts, "", "properties.minimumTlsVersion", ["TLS1_2", "TLS1_3"]),
        ("storage", Containers, "", "properties.publicAccess", ["None"]),
        ("immutability", Accounts, "starc", "properties.immutableStorageWithVersioning.enabled", ["true"]),
        // An unlocked default can be shortened: it promises what it does not keep.
        ("immutability", Accounts, "starc", "properties.immutableStorageWithVersioning.immutabilityPolicy.state", ["", "Locked"]),
        ("immutability", Accounts, "starc", "properties.isHnsEnabled", ["false"]),
        ("immutability", Accounts, "starc", "properties.isNfsV3Enabled", ["false"]),
        ("immutability", Accounts, "starc", "properties.isSftpEnabled", ["false"]),
        ("immutability", Blobs, "starc", "properties.isVersioningEnabled", ["true"]),
        ("immutability", Blobs, "starc", "properties.restorePolicy.enabled", ["false"]),
        ("immutability", Blobs, "starc", "properties.lastAccessTimeTrackingPolicy.enable", ["false"]),
        ("immutability", Containers, "starc", "properties.immutableStorageWithVersioning.enabled", ["true"]),
        ("vault", Vaults, "", "properties.enablePurgeProtection", ["true"]),
        ("vault", Vaults, "", "properties.enableRbacAuthorization", ["true"]),
        ("vault", Vaults, "", "properties.enableSoftDelete", ["true"]),
        ("vault", Vaults, "", "properties.softDeleteRetentionInDays", ["90"]),
        ("vault", Vaults, "", "properties.accessPolicies", [""]),
        ("vault", Keys, "", "properties.attributes.exportable", ["false"]),
        // A version that expires is a pack that does not open.
        ("vault", Keys, "", "properties.attributes.exp", [""]),
        ("vault", Keys, "", "properties.rotationPolicy.attributes.expiryTime", [""]),
        ("vault", Keys, "", "properties.keySize", ["", "3072", "4096"]),
        ("app", Sites, "", "properties.httpsOnly", ["true"]),
        ("app", Sites, "", "identity.type", ["UserAssigned"]),
        ("app", Sites, "", "properties.siteConfig.minTlsVersion", ["1.2", "1.3"]),
        ("app", Sites, "", "properties.siteConfig.ftpsState", ["Disabled"]),
        ("app", Sites, "", "properties.functionAppConfig.runtime.name", ["dotnet-isolated"]),
        ("app", Sites, "", "properties.functionAppConfig.deployment.storage.authentication.type", ["UserAssignedIdentity"]),
        ("app", Sites, "", "properties.functionAppConfig.scaleAndConcurrency.triggers.http.perInstanceConcurrency", ["4", "8", "16", "32"]),
        ("app", Sites + "/basicPublishingCredentialsPolicies", "", "properties.allow", ["false"]),
        ("logging", Logs, "", "properties.features.disableLocalAuth", ["true"]),
        ("logging", "Microsoft.Insights/components", "", "properties.DisableLocalAuth", ["true"]),
        // Six years, in the steps that Log Analytics offers.
        ("logging", Logs + "/tables", "", "properties.totalRetentionInDays", ["2556", "2922", "3288", "3653", "4018", "4383"]),
        ("budget", "Microsoft.Consumption/budgets", "", "properties.timePeriod.startDate", [Budget]),
    ];

    private static readonly string[] s_needed =
    [
        Accounts + " starc", Containers + " starc*/default/packs", Containers + " starc*/default/records", Vaults + " kv-", Keys + " kv-*/signing", Keys + " kv-*/tokens", Vaults + " kc0-", Vaults + " kc1-",
        Sites + " func-ingest-", Sites + " func-recovery-", Logs + "/tables log-", "Microsoft.Consumption/budgets cloudarchive-",
        Sites + "/basicPublishingCredentialsPolicies func-ingest-*/ftp", Sites + "/basicPublishingCredentialsPolicies func-ingest-*/scm",
        Sites + "/basicPublishingCredentialsPolicies func-recovery-*/ftp", Sites + "/basicPublishingCredentialsPolicies func-recovery-*/scm",
    ];

    private readonly List<Finding> _findings = [];
    private readonly Predicted[] _full = Read(full), _elsewhere = Read(elsewhere);

    public IReadOnlyList<Finding> Check()
    {
        Resources();
        Regions();
        Secrets();
        Access();
        Functions();
        Alerts();
        Lifecycle();
        return [.. _findings.Distinct()];
    }

    private static Dictionary<string, string> Environment(string region, string networking, string existing, int vaults) => new()
    {
        ["AZURE_ENV_NAME"] = "check", ["AZURE_LOCATION"] = region, ["CLOUDARCHIVE_APP_LOCATION"] = region, ["CLOUDARCHIVE_GROUP_LOCATION"] = region + "-pair",
        ["CLOUDARCHIVE_EXISTING_ARCHIVE"] = existing, ["CLOUDARCHIVE_CLINIC_VAULTS"] = $"{vaults}", ["CLOUDARCHIVE_PRIVATE_NETWORKING"] = networking,
        ["CLOUDARCHIVE_STAFF_CLIENT_ID"] = "00000000-0000-0000-0000-000000000001", ["CLOUDARCHIVE_STAFF_CLI_CLIENT_ID"] = "00000000-0000-0000-0000-000000000002", ["CLOUDARCHIVE_ALERT_EMAILS"] = "[\"on-call@example.org\"]", ["CLOUDARCHIVE_BUDGET_START"] = Budget,
        ["CLOUDARCHIVE_WEBHOOK_URL"] = "https://hooks.example.org/", ["CLOUDARCHIVE_WEBHOOK_SECRET"] = "whsec_" + new string('A', 32),
        ["CLOUDARCHIVE_MAIL_SERVER"] = "smtp://archive%40example.org@mail.example.org:587", ["CLOUDARCHIVE_MAIL_PASSWORD"] = "tell-nobody", ["CLOUDARCHIVE_MAIL_FROM"] = "archive@example.org",
        ["CLOUDARCHIVE_MAIL_OPERATOR"] = "on-call@example.org", ["CLOUDARCHIVE_PORTAL_URL"] = "https://portal.example.org/",
    };

    private void Resources()
    {
        foreach (string needed in s_needed)
        {
            string[] parts = needed.Split(' ');
            Regex name = new("^" + parts[1].Replace("*", "[^/]*", StringComparison.Ordinal) + (parts[1].EndsWith('-') || parts[1] == "starc" ? "" : "$"));
            if (!_full.Any(r => r.Type == parts[0] && name.IsMatch(r.Name)))
            {
                Fault("needed", $"There is no {parts[0]} '{parts[1]}'.");
            }
        }

        foreach (Predicted r in _full.Concat(_elsewhere))
        {
            foreach ((string rule, _, _, string path, string[] values) in s_expected.Where(e => e.Type == r.Type && r.Name.StartsWith(e.Name, StringComparison.Ordinal) && !e.Values.Contains(r.At(e.Path))))
            {
                Fault(rule, $"{r.Name}: {path} must be {string.Join(" or ", values.Select(v => v.Length == 0 ? "not set" : v))}, and is {(r.At(path) is { Length: > 0 } found ? found : "not set")}.");
            }

            if (r.At("apiVersion").EndsWith("-preview", StringComparison.Ordinal) && r.Type != "Microsoft.Insights/diagnosticSettings")
            {
                Fault("api-version", $"{r.Type}@{r.At("apiVersion")} is a preview.");
            }

            // An account of the apps' own can be made anew; what these have, cannot.
            bool kept = r.Type is Vaults or Logs || (r.Type == Accounts && r.In(Group));
            if (kept && !All(r).Any(l => l.Type == "Microsoft.Authorization/locks" && l.Scope == r.Id && l.At("properties.level") is "CanNotDelete" or "ReadOnly"))
            {
                Fault("locks", $"{r.Name} has no CanNotDelete lock.");
            }

            JsonArray cors = r.Body["properties"]?["cors"]?["corsRules"]?.AsArray() ?? [];
            if (r.Type == Blobs && cors.Any(rule => rule?["allowedMethods"]?.ToJsonString() != "[\"GET\"]" || rule["allowedOrigins"]?.AsArray().All(o => $"{o}".StartsWith("https://", StringComparison.Ordinal) && !$"{o}".Contains('*', StringComparison.Ordinal)) != true))
            {
                Fault("cors", $"{r.Name}: pages of the portal may GET, by https, and nothing and nobody else.");
            }

            bool told = r.Type is Vaults or Sites || (r.Type is Blobs or Accounts + "/tableServices" && r.In(Group));
            if (told && !All(r).Any(d => d.Type == "Microsoft.Insights/diagnosticSettings" && d.Scope == r.Id && d.At("properties.workspaceId").Length > 0))
            {
                Fault("logging", $"{r.Name} has no diagnostic setting: nobody could say who did what to it.");
            }

            string operations = r.Type != Keys ? "" : string.Join(' ', (r.Body["properties"]?["keyOps"]?.AsArray() ?? []).Select(o => $"{o}").Order(StringComparer.Ordinal));
            if (r.Type == Keys && (operations is not ("sign verify" or "unwrapKey wrapKey") || r.At("properties.rotationPolicy.lifetimeActions").Length == 0))
            {
                Fault("vault", $"{r.Name} either signs or wraps, may do nothing else, and is rotated; it is for '{operations}'.");
            }

            if (r.Type == Keys && !r.Name.EndsWith("/signing", StringComparison.Ordinal) && !r.Name.EndsWith("/tokens", StringComparison.Ordinal))
            {
                Fault("keys", $"{r.Name}: a clinic's key is made when the clinic is created. A template ends at 800 of them, and every clinic would be a deployment.");
            }
        }

        string text = template.ToJsonString();
        if (text.Contains("ZRS\"", StringComparison.Ordinal))
        {
            Fault("immutability", "Standard_ZRS and its like have no archive tier.");
        }

        if (text.Contains("utcNow(", StringComparison.Ordinal))
        {
            Fault("budget", "utcNow makes another template of every deployment: a budget's start cannot be changed, so that every later month's deployment would fail.");
        }

        string azd = Text("../azure.yaml");
        if (azd.Length > 0 && !(RequiredAzd().Match(azd) is { Success: true } required && Version.Parse(required.Groups[1].Value) >= new Version(1, 23, 4)))
        {
            Fault("azd", "azure.yaml must ask for azd >= 1.23.4 (requiredVersions): what came before breaks array parameters.");
        }
    }

    /// <summary>The archive is found again from another region, and nothing of what is deployed there needs the lost one.</summary>
    private void Regions()
    {
        HashSet<string> there = [.. _full.Select(r => r.Id)];
        foreach (Predicted r in _elsewhere)
        {
            if (r.In(Group) && r.Type != Assignments)
            {
                Fault("region", $"{r.Name} would be made although the archive exists: its region may be lost.");
            }

            if (r.Type == Assignments && r.In(Group) && (!there.Contains(r.Scope) || there.Contains(r.Id)))
            {
                Fault("region", there.Contains(r.Id)
                    ? $"{r.At("properties.description")} The assignment has the name that the lost region's app's has: Azure changes no assignment's principal."
                    : $"{r.Scope} is not what the first deployment made: a name that knows the region finds a new, empty account.");
            }

            if (r.At("location") is not ("" or "away" or "global"))
            {
                Fault("region", $"{r.Name} would be made in {r.At("location")}, and the apps' region is another.");
            }
        }

        if (_full.FirstOrDefault(r => r.Type == "Microsoft.Resources/resourceGroups" && r.Name == Group)?.At("location") != "home-pair" || _full.Any(r => r.In(Group) && r.Type is Sites or Logs))
        {
            Fault("region", "The archive's group has a place of its own for its record, and holds no app.");
        }
    }

    /// <summary>A secret passes through secure parameters alone, and an app setting names it instead of having it.</summary>
    private void Secrets()
    {
        if (AccountKeys().Match(template.ToJsonString()) is { Success: true } call)
        {
            Fault("secrets", $"{call.Value}) reads an account's key: access is by identity.");
        }

        foreach ((string name, JsonNode? value) in _full.Where(r => r.Type == Sites + "/config" && r.Name.EndsWith("/appsettings", StringComparison.Ordinal)).SelectMany(r => r.Body["properties"]!.AsObject()))
        {
            if (SecretName().IsMatch(name) && !$"{value}".Contains("@Microsoft.KeyVault(", StringComparison.Ordinal))
            {
                Fault("secrets", $"{name} must be a reference to Key Vault: whoever reads an app's settings would have it.");
            }
        }

        Pass(template);
    }

    private void Pass(JsonNode within)
    {
        static bool Secure(JsonNode? parameter) => $"{parameter?["type"]}".StartsWith("secure", StringComparison.OrdinalIgnoreCase);
        HashSet<string> secret = [.. (within["parameters"]?.AsObject() ?? []).Where(p => Secure(p.Value)).Select(p => $"parameters('{p.Key}')")];
        foreach ((string name, JsonNode? value) in (within["variables"]?.AsObject() ?? []).Where(v => secret.Any($"{v.Value?.ToJsonString().Replace("\\u0027", "'", StringComparison.Ordinal)}".Contains)).ToArray())
        {
            secret.Add($"variables('{name}')");
        }

        IEnumerable<JsonNode?> resources = within["resources"] is JsonObject named ? named.Select(n => n.Value) : within["resources"]?.AsArray() ?? [];
        foreach (JsonNode deployment in resources.Where(r => (r?["properties"] as JsonObject)?["template"] is not null)!)
        {
            JsonNode inner = deployment["properties"]!["template"]!;
            foreach ((string name, JsonNode? value) in deployment["properties"]!["parameters"]?.AsObject() ?? [])
            {
                if (!Secure(inner["parameters"]?[name]) && secret.Any($"{value?.ToJsonString().Replace("\\u0027", "'", StringComparison.Ordinal)}".Contains))
                {
                    Fault("secrets", $"A secret passes through the parameter '{name}', which is not @secure(): it stays in the deployments' history.");
                }
            }

            Pass(inner);
        }
    }

    private Predicted[] All(Predicted of) => _full.Contains(of) ? _full : _elsewhere;

    private static Predicted[] Read(JsonNode snapshot) =>
        [.. snapshot["predictedResources"]!.AsArray().Select(r => new Predicted($"{r!["type"]}", $"{r["id"]}", $"{r["name"]}", r))];

    private string Text(string file) => Path.Combine(folder, file) is var path && File.Exists(path) ? File.ReadAllText(path) : "";

    private JsonNode Json(string file) => JsonNode.Parse(Text(file))!;

    private void Fault(string rule, string message) => _findings.Add(new Finding(rule, message));

    [GeneratedRegex(@"\blist[A-Z]\w*\(")]
    private static partial Regex AccountKeys();

    [GeneratedRegex("(Secret|Password|Key|Token)$", RegexOptions.IgnoreCase)]
    private static partial Regex SecretName();

    [GeneratedRegex(@"(?m)^requiredVersions:\s*\n(?:\s+#.*\n)*\s+azd: "">= ?([0-9.]+)""")]
    private static partial Regex RequiredAzd();
}
