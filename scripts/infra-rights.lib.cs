// The rules on who may do what, on functions, alerts and lifecycle. Included with `#:include infra-rights.lib.cs`.

using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Xml;

sealed partial class InfraRules
{
    // What a role id means: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
    private static readonly Dictionary<string, string> s_builtIn = new()
    {
        ["db58b8e5-c6ad-4a2a-8342-4190687cbf4a"] = "Storage Blob Delegator",
        ["b7e6dc6d-f1e8-4753-8033-0f276bb0955b"] = "Storage Blob Data Owner",
        ["974c5e8b-45b9-4653-ba55-5f855dd0fb88"] = "Storage Queue Data Contributor",
        ["3913510d-42f4-4e42-8a64-420c390055eb"] = "Monitoring Metrics Publisher",
    };

    // What access.json calls a scope, as the end of a resource's id.
    private static readonly Dictionary<string, string> s_scopes = new()
    {
        ["archive"] = "/storageAccounts/starc[^/]+", ["packs"] = "/containers/packs", ["records"] = "/containers/records", ["vault"] = "/vaults/kv-[^/]+",
        ["clinic-vaults"] = @"/vaults/kc\d-[^/]+", ["signing-key"] = "/keys/signing", ["token-key"] = "/keys/tokens", ["insights"] = "/components/appi-[^/]+",
        ["ingest-host"] = "/storageAccounts/stin[^/]+", ["recovery-host"] = "/storageAccounts/stre[^/]+",
        ["Clinics"] = "/tables/Clinics", ["Catalog"] = "/tables/Catalog", ["Audit"] = "/tables/Audit", ["Work"] = "/tables/Work",
    };

    private static readonly string[] s_alerts =
        ["restore-test-failed", "clinic-silent", "mass-change", "key-access-denied", "delete-refused", "ingest-timers-stopped", "recovery-timers-stopped"];

    /// <summary>Rights come from access.json and roles.json alone, and keep the two apps apart.</summary>
    private void Access()
    {
        JsonObject roles = Json("roles.json").AsObject();
        foreach ((string key, JsonNode? role) in roles)
        {
            if (role!["builtIn"] is { } id && (!s_builtIn.TryGetValue($"{id}", out string? known) || known != $"{role["name"]}"))
            {
                Fault("role-id", $"{key}: {id} is not {role["name"]}.");
            }
            else if (role["builtIn"] is null && Rights(role).FirstOrDefault(r => r.Contains('*')) is { } wide)
            {
                Fault("access", $"{key}: a role of our own lists its rights; {wide} is a wildcard.");
            }
        }

        // Every row is an assignment, and every assignment is a row's.
        List<Predicted> assigned = [.. _full.Where(r => r.Type == Assignments)];
        foreach (JsonNode row in Json("access.json").AsArray()!)
        {
            string identity = $"{row["identity"]}", scope = $"{row["scope"]}", key = $"{row["role"]}", why = $"{row["why"]}";
            if (roles[key] is not { } role)
            {
                Fault("role-id", $"{identity} on {scope}: roles.json has no '{key}'.");
                continue;
            }

            string ends = s_scopes.GetValueOrDefault(scope, "/nowhere") + "$";
            Predicted[] made = [.. assigned.Where(a => Regex.IsMatch(a.Scope, ends) && a.At("properties.principalId").Contains($"'{identity}Identity", StringComparison.Ordinal)
                && (role["builtIn"] is { } builtIn ? a.At("properties.roleDefinitionId").EndsWith($"/{builtIn}", StringComparison.Ordinal) : Is(role, a.At("properties.roleDefinitionId"))))];
            if (made.Length != (scope == "clinic-vaults" ? 2 : 1) || why.Trim().Length == 0 || made.Any(m => m.At("properties.description") != why))
            {
                Fault("access", $"{identity}, {key}, {scope}: the deployment must give this right there, once, with its reason.");
            }

            assigned.RemoveAll(made.Contains);
            bool host = scope.EndsWith("-host", StringComparison.Ordinal);
            if (host && scope != identity + "-host")
            {
                Fault("separation", $"{identity} must not reach {scope}: whoever can write an app's package is that app.");
            }

            foreach (string right in Rights(role).Where(r => !host && Forbidden(identity, scope).IsMatch(r)))
            {
                Fault("separation", $"{identity} must not have {right} ({key} on {scope}).");
            }
        }

        foreach (Predicted beside in assigned)
        {
            Fault("role-id", $"{beside.Scope}: a role is assigned that does not come from access.json and roles.json.");
        }
    }

    /// <summary>Whether a role definition of the deployment is this role, with its rights.</summary>
    private bool Is(JsonNode role, string id) => _full.FirstOrDefault(r => r.Id == id) is { } definition
        && definition.At("properties.roleName").StartsWith($"{role["name"]} (", StringComparison.Ordinal)
        && JsonNode.DeepEquals(definition.Body["properties"]!["permissions"]![0], new JsonObject { ["actions"] = role["actions"]!.DeepClone(), ["dataActions"] = role["dataActions"]!.DeepClone() });

    private static IEnumerable<string> Rights(JsonNode role) => role["actions"]!.AsArray().Concat(role["dataActions"]!.AsArray()).Select(r => $"{r}");

    // Ingest may not open a pack; recovery may not remove or change one, and may make keys for clinics alone; neither handles keys beyond that.
    private static Regex Forbidden(string identity, string scope) => identity switch
    {
        "ingest" => IngestForbidden(),
        _ when scope is "packs" or "archive" => RecoveryForbiddenOnPacks(),
        _ when scope is "clinic-vaults" => RecoveryForbiddenOnClinicVaults(),
        _ => RecoveryForbidden(),
    };

    private void Functions()
    {
        Dictionary<string, string[]> apps = Json("functions.json").AsObject().ToDictionary(r => r.Key, r => r.Value!.AsArray().Select(f => $"{f}").ToArray());
        string[] all = [.. apps.Values.SelectMany(f => f).Distinct()];
        string[] read = [.. SettingRead().Matches(File.ReadAllText(Path.Combine(Setup.Root, "src", "CloudArchive.Functions", "AppSettings.cs"))).Select(m => m.Groups[1].Value.Replace(":", "__", StringComparison.Ordinal)).Distinct()];
        foreach ((string role, string[] run) in apps)
        {
            JsonObject settings = _full.FirstOrDefault(r => r.Type == Sites + "/config" && Regex.IsMatch(r.Name, $"^func-{role}-[^/]+/appsettings$"))?.Body["properties"]?.AsObject() ?? [];
            if (!all.Except(run).ToHashSet().SetEquals(settings.Where(s => $"{s.Value}" == "true").Select(s => DisabledFunction().Match(s.Key)).Where(m => m.Success).Select(m => m.Groups[1].Value)))
            {
                Fault("functions", $"The app '{role}' must have the functions of the other app switched off, and no others.");
            }

            // Alerts and letters are recovery's: ingest has no right to their secrets.
            string[] wanted = [.. read.Where(name => role == "recovery" || !DeliverySetting().IsMatch(name))];
            string[] told = [.. settings.Select(s => s.Key).Where(name => wanted.Contains(name) || name.StartsWith("CloudArchive__", StringComparison.Ordinal))];
            foreach (string name in wanted.Except(told).Concat(told.Except(wanted)))
            {
                Fault("settings", $"The app '{role}' {(told.Contains(name) ? "is told" : "is not told")} {name}, which AppSettings.cs {(wanted.Contains(name) ? "reads" : "does not read there")}.");
            }
        }
    }

    private void Alerts()
    {
        string operations = Text("../docs/operations.md");
        HashSet<string> anchors = [.. operations.Split('\n').Where(l => l.StartsWith('#')).Select(l => NotInAnchor().Replace(l.TrimStart('#').Trim().ToLowerInvariant(), "").Replace(' ', '-'))];
        Predicted[] alerts = [.. _full.Where(r => r.Type == "Microsoft.Insights/scheduledQueryRules")];
        foreach (Predicted alert in alerts)
        {
            string runbook = alert.At("properties.description").Split('#')[^1];
            if (operations.Length > 0 && !anchors.Contains(runbook))
            {
                Fault("alerts", $"{alert.Name}: docs/operations.md has no runbook '{runbook}'.");
            }

            if (XmlConvert.ToTimeSpan(alert.At("properties.windowSize")) <= XmlConvert.ToTimeSpan(alert.At("properties.evaluationFrequency")))
            {
                Fault("alerts", $"{alert.Name}: its window must be longer than its frequency. A row that arrives late is in no window otherwise.");
            }

            JsonNode criterion = alert.Body["properties"]!["criteria"]!["allOf"]![0]!;
            if ($"{criterion["operator"]} {criterion["threshold"]}" != (alert.Name.EndsWith("-timers-stopped", StringComparison.Ordinal) ? "LessThan 1" : "GreaterThan 0"))
            {
                Fault("alerts", $"{alert.Name} waits for what must not be there; a heartbeat's rule for what must.");
            }
        }

        // What the doctor asks for is refused as it should be: nobody is woken by that, and by nothing less.
        string mark = ProbeMark().Match(File.ReadAllText(Path.Combine(Setup.Root, "src", "CloudArchive.Azure", "DoctorProbe.cs"))).Groups[1].Value;
        foreach ((string name, string excuse) in ((string, string)[])
        [
            ("key-access-denied", $"not(CorrelationId startswith '{mark}' and OperationName == 'KeyUnwrap')"),
            ("delete-refused", $"not(ClientRequestId startswith '{mark}' and Uri contains '/_doctor/nothing')"),
        ])
        {
            if (alerts.FirstOrDefault(alert => alert.Name == name) is { } found && !found.Body.ToJsonString().Replace("\\u0027", "'", StringComparison.Ordinal).Contains(excuse, StringComparison.Ordinal))
            {
                Fault("alerts", $"{name} must leave out the doctor's probes, and nothing else: {excuse}");
            }
        }

        foreach (string needed in s_alerts.Except(alerts.Select(a => a.Name)))
        {
            Fault("alerts", $"There is no alert '{needed}'.");
        }
    }

    // https://learn.microsoft.com/azure/storage/blobs/lifecycle-management-overview has its limits.
    private void Lifecycle()
    {
        JsonNode[] rules = [.. _full.Where(r => r.Type == Accounts + "/managementPolicies").SelectMany(r => r.Body["properties"]!["policy"]!["rules"]!.AsArray())!];
        if (rules.Length is 0 or > 100 || rules.DistinctBy(r => $"{r["name"]}".ToUpperInvariant()).Count() != rules.Length)
        {
            Fault("lifecycle", $"A policy has 1 to 100 rules, each with a name of its own, not these {rules.Length}.");
        }

        foreach (JsonNode rule in rules)
        {
            string name = $"{rule["name"]}";
            JsonNode filters = rule["definition"]!["filters"]!;
            string[] containers = [.. (filters["prefixMatch"]?.AsArray() ?? []).Select(p => $"{p}".Split('/')[0])];
            if (containers.Length is 0 or > 10 || containers.Any(c => c is not ("packs" or "records")))
            {
                Fault("lifecycle", $"{name}: 1 to 10 prefixes, each beginning with a container of the archive.");
            }

            foreach ((string of, string action, JsonNode? days) in rule["definition"]!["actions"]!.AsObject().SelectMany(of => of.Value!.AsObject().Select(a => (of.Key, a.Key, a.Value))))
            {
                string? fault = action switch
                {
                    "delete" => $"{name} deletes: storage ignores that in an immutable container, and only the retention timer may.",
                    not ("tierToCool" or "tierToCold" or "tierToArchive") => $"{name}: {of}.{action} is no action of ours.",
                    "tierToArchive" when days?["daysAfterLastTierChangeGreaterThan"] is null => $"{name}: without daysAfterLastTierChangeGreaterThan a pack that was just rehydrated is archived again.",
                    "tierToArchive" when containers.Contains("packs") && (filters["blobIndexMatch"]?.AsArray().Count ?? 0) == 0 =>
                        $"{name}: a prefix alone takes sidecars and receipts to the archive tier, which every restore test reads: match the packs' tag.",
                    _ => null,
                };
                if (fault is not null)
                {
                    Fault("lifecycle", fault);
                }
            }
        }
    }

    [GeneratedRegex(@"(?i)(unwrap|decrypt|/keys/(?!read$|sign/action$)|/secrets/|vaults/\*|locks/|roleAssignments|listKeys|immutabilityPolicies)")]
    private static partial Regex IngestForbidden();

    [GeneratedRegex(@"(?i)(blobs/(?!read$)|containers/(write|delete|\*)|delete|/keys/(?!read$|sign/action$|unwrap/action$)|vaults/\*|locks/|roleAssignments|listKeys)")]
    private static partial Regex RecoveryForbiddenOnPacks();

    [GeneratedRegex(@"(?i)(/keys/(?!read$|unwrap/action$|create/action$)|/secrets/|vaults/\*|locks/|roleAssignments)")]
    private static partial Regex RecoveryForbiddenOnClinicVaults();

    [GeneratedRegex(@"(?i)(blobs/(delete|write|\*)|deleteBlobVersion|containers/(write|delete|\*)|/keys/(?!read$|sign/action$)|/secrets/(?!getSecret/action$)|vaults/\*|locks/|roleAssignments|listKeys)")]
    private static partial Regex RecoveryForbidden();

    [GeneratedRegex("Mark = \"([0-9a-f]{8}-)\"")]
    private static partial Regex ProbeMark();

    [GeneratedRegex(@"\bread\.\w+\(""((?!WEBSITE_)[\w:]+)""")]
    private static partial Regex SettingRead();

    [GeneratedRegex("^CloudArchive__(Webhook|Mail)")]
    private static partial Regex DeliverySetting();

    [GeneratedRegex(@"^AzureWebJobs\.(\w+)\.Disabled$")]
    private static partial Regex DisabledFunction();

    [GeneratedRegex(@"[^a-z0-9 \-]")]
    private static partial Regex NotInAnchor();
}
