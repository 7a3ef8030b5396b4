// The rules on infra/'s JSON: who may do what, functions, alerts, lifecycle. Included with `#:include infra-data.lib.cs`.

using System.Text.Json;
using System.Text.RegularExpressions;

sealed partial class InfraRules
{
    // Lifecycle management's own limits: https://learn.microsoft.com/azure/storage/blobs/lifecycle-management-overview
    private const int LifecycleRules = 100;
    private const int LifecyclePrefixes = 10;

    private static readonly string[] Tiers = ["tierToCool", "tierToCold", "tierToArchive", "enableAutoTierToHotFromCool"];

    /// <summary>Rights come from access.json and roles.json alone, and keep the two apps apart.</summary>
    private void Access()
    {
        if (Json("roles.json", "access") is not { } roles || Json("access.json", "access") is not { } access || files.FirstOrDefault(f => f.Path == "modules/access.bicep") is not { } file)
        {
            return;
        }

        foreach (JsonProperty role in roles.EnumerateObject())
        {
            string name = role.Value.GetProperty("name").GetString()!;
            if (role.Value.TryGetProperty("builtIn", out JsonElement id))
            {
                if (!BuiltInRoles.TryGetValue(id.GetString()!, out string? known) || known != name)
                {
                    Fault("roles.json", "role-id", $"{role.Name}: {id} is {(known is null ? "no role that is known here" : $"{known}, not {name}")}.");
                }
            }
            else if (Rights(role.Value).FirstOrDefault(r => r.Contains('*')) is { } wide)
            {
                Fault("roles.json", "access", $"{role.Name}: a role of our own lists its rights; {wide} is a wildcard.");
            }
        }

        string scopes = file.Tree.Text;
        foreach (JsonElement row in access.EnumerateArray())
        {
            string identity = row.GetProperty("identity").GetString()!;
            string role = row.GetProperty("role").GetString()!;
            string scope = row.GetProperty("scope").GetString()!;
            if (identity is not ("ingest" or "recovery"))
            {
                Fault("access.json", "access", $"There is no identity '{identity}'.");
            }

            if (!roles.TryGetProperty(role, out JsonElement definition))
            {
                Fault("access.json", "role-id", $"{identity} on {scope}: roles.json has no '{role}'.");
                continue;
            }

            bool host = scope.EndsWith("-host", StringComparison.Ordinal);
            if (!scopes.Contains(host ? "'-host'" : $"'{scope}'", StringComparison.Ordinal))
            {
                Fault("access.json", "access", $"modules/access.bicep assigns nothing at '{scope}'.");
            }

            if (string.IsNullOrWhiteSpace(row.GetProperty("why").GetString()))
            {
                Fault("access.json", "access", $"{identity}, {role}, {scope}: why?");
            }

            if (host && scope != identity + "-host")
            {
                Fault("access.json", "separation", $"{identity} must not reach {scope}: whoever can write an app's package is that app.");
            }

            foreach (string right in Rights(definition).Where(r => !host && Forbidden(identity, scope).IsMatch(r)))
            {
                Fault("access.json", "separation", $"{identity} must not have {right} ({role} on {scope}).");
            }
        }

        foreach ((BicepFile where, BicepResource assignment) in Made(Assignments))
        {
            if (where != file || assignment.At("properties", "roleDefinitionId")?.Text != "roleIds[row.role]" || assignment.At("properties", "principalId")?.Text != "principals[row.identity]")
            {
                Add(where, assignment.Declaration, "role-id", $"{assignment.Symbol} assigns a role that does not come from access.json and roles.json.");
            }
        }
    }

    // Ingest may not open a pack; recovery may not remove or change one; nobody handles keys beyond using them, or storage beyond its data.
    private static Regex Forbidden(string identity, string scope) => identity switch
    {
        "ingest" => IngestForbidden(),
        _ when scope is "packs" or "archive" => RecoveryForbiddenOnPacks(),
        _ => RecoveryForbidden(),
    };

    private static IEnumerable<string> Rights(JsonElement role) =>
        role.GetProperty("actions").EnumerateArray().Concat(role.GetProperty("dataActions").EnumerateArray()).Select(r => r.GetString()!);

    private void Functions()
    {
        if (Json("functions.json", "functions") is not { } roles)
        {
            return;
        }

        string source = Path.Combine(folder, "..", "src", "CloudArchive.Functions");
        string[] all = [.. roles.EnumerateObject().SelectMany(r => r.Value.EnumerateArray()).Select(f => f.GetString()!).Distinct()];
        if (Directory.Exists(source))
        {
            string[] declared = [.. Directory.EnumerateFiles(source, "*.cs", SearchOption.AllDirectories).SelectMany(f => FunctionName().Matches(File.ReadAllText(f))).Select(m => m.Groups[1].Value).Distinct()];
            foreach (string missing in all.Except(declared))
            {
                Fault("functions.json", "functions", $"CloudArchive.Functions has no function '{missing}'.");
            }

            foreach (string unassigned in declared.Except(all))
            {
                Fault("functions.json", "functions", $"No app runs the function '{unassigned}'.");
            }
        }

        foreach (string role in new[] { "ingest", "recovery" }.Where(r => !roles.TryGetProperty(r, out _)))
        {
            Fault("functions.json", "functions", $"There is no role '{role}'.");
        }

        string azd = Path.Combine(folder, "..", "azure.yaml");
        if (File.Exists(azd))
        {
            string[] services = [.. AzdService().Matches(File.ReadAllText(azd)).Select(m => m.Groups[1].Value)];
            foreach (JsonProperty role in roles.EnumerateObject().Where(r => !services.Contains(r.Name)))
            {
                Fault("functions.json", "functions", $"azure.yaml deploys nothing to '{role.Name}'.");
            }
        }
    }

    private void Alerts()
    {
        if (Json("alerts.json", "alerts") is not { } alerts)
        {
            return;
        }

        string operations = Path.Combine(folder, "..", "docs", "operations.md");
        HashSet<string>? anchors = File.Exists(operations)
            ? [.. File.ReadLines(operations).Where(l => l.StartsWith('#')).Select(l => NotInAnchor().Replace(l.TrimStart('#').Trim().ToLowerInvariant(), "").Replace(' ', '-'))]
            : null;
        foreach (JsonElement alert in alerts.EnumerateArray())
        {
            string name = alert.GetProperty("name").GetString()!;
            if (alert.GetProperty("severity").GetInt32() is < 0 or > 4)
            {
                Fault("alerts.json", "alerts", $"{name}: a severity is 0 to 4.");
            }

            if (anchors?.Contains(alert.GetProperty("runbook").GetString()!) == false)
            {
                Fault("alerts.json", "alerts", $"{name}: docs/operations.md has no runbook '{alert.GetProperty("runbook")}'.");
            }
        }

        foreach (string needed in new[] { "restore-test-failed", "clinic-silent", "key-access-denied", "delete-refused" }.Except(alerts.EnumerateArray().Select(a => a.GetProperty("name").GetString()!)))
        {
            Fault("alerts.json", "alerts", $"There is no alert '{needed}'.");
        }
    }

    private void Lifecycle()
    {
        if (Json("lifecycle.json", "lifecycle") is not { } policy)
        {
            return;
        }

        JsonElement[] rules = [.. policy.GetProperty("rules").EnumerateArray()];
        if (rules.Length is 0 or > LifecycleRules)
        {
            Fault("lifecycle.json", "lifecycle", $"A policy has 1 to {LifecycleRules} rules, not {rules.Length}.");
        }

        foreach (string twice in rules.GroupBy(r => r.GetProperty("name").GetString()!, StringComparer.OrdinalIgnoreCase).Where(g => g.Count() > 1).Select(g => g.Key))
        {
            Fault("lifecycle.json", "lifecycle", $"Two rules are called '{twice}'.");
        }

        foreach (JsonElement rule in rules)
        {
            string name = rule.GetProperty("name").GetString()!;
            JsonElement definition = rule.GetProperty("definition");
            string[] prefixes = [.. definition.GetProperty("filters").TryGetProperty("prefixMatch", out JsonElement match) ? match.EnumerateArray().Select(p => p.GetString()!) : []];
            if (prefixes.Length is 0 or > LifecyclePrefixes || prefixes.Any(p => p.Split('/')[0] is not ("packs" or "records")))
            {
                Fault("lifecycle.json", "lifecycle", $"{name}: 1 to {LifecyclePrefixes} prefixes, each beginning with a container of the archive.");
            }

            bool tagged = definition.GetProperty("filters").TryGetProperty("blobIndexMatch", out JsonElement tags) && tags.GetArrayLength() > 0;
            foreach (JsonProperty of in definition.GetProperty("actions").EnumerateObject())
            {
                if (!tagged && prefixes.Any(p => p.Split('/')[0] == "packs") && of.Value.TryGetProperty("tierToArchive", out _))
                {
                    Fault("lifecycle.json", "lifecycle", $"{name}: a prefix alone takes sidecars and receipts to the archive tier, which every restore test reads: match the packs' tag.");
                }

                foreach (JsonProperty action in of.Value.EnumerateObject())
                {
                    if (action.Name == "delete")
                    {
                        Fault("lifecycle.json", "lifecycle", $"{name} deletes: storage ignores that in an immutable container, and only the retention timer may.");
                    }
                    else if (of.Name is not ("baseBlob" or "version" or "snapshot") || !Tiers.Contains(action.Name))
                    {
                        Fault("lifecycle.json", "lifecycle", $"{name}: {of.Name}.{action.Name} is no action.");
                    }
                    else if (action.Value.ValueKind != JsonValueKind.Object || action.Value.EnumerateObject().Any(d => d.Value.ValueKind != JsonValueKind.Number || d.Value.GetDouble() < 0))
                    {
                        Fault("lifecycle.json", "lifecycle", $"{name}: {of.Name}.{action.Name} needs a number of days.");
                    }
                    else if (action.Name == "tierToArchive" && !action.Value.TryGetProperty("daysAfterLastTierChangeGreaterThan", out _))
                    {
                        Fault("lifecycle.json", "lifecycle", $"{name}: without daysAfterLastTierChangeGreaterThan a pack that was just rehydrated is archived again.");
                    }
                }
            }
        }
    }

    private void Fault(string file, string rule, string message) => _findings.Add(new Finding(file, 1, rule, message));

    [GeneratedRegex(@"(?i)(unwrap|decrypt|/keys/(?!read$|sign/action$)|vaults/\*|locks/|roleAssignments|listKeys|immutabilityPolicies)")]
    private static partial Regex IngestForbidden();

    [GeneratedRegex(@"(?i)(blobs/(?!read$)|containers/(write|delete|\*)|delete|/keys/(?!read$|sign/action$|unwrap/action$)|vaults/\*|locks/|roleAssignments|listKeys)")]
    private static partial Regex RecoveryForbiddenOnPacks();

    [GeneratedRegex(@"(?i)(blobs/(delete|write|\*)|deleteBlobVersion|containers/(write|delete|\*)|/keys/(?!read$|sign/action$|unwrap/action$)|vaults/\*|locks/|roleAssignments|listKeys)")]
    private static partial Regex RecoveryForbidden();

    [GeneratedRegex(@"\[Function\((?:""|nameof\()([A-Za-z0-9]+)")]
    private static partial Regex FunctionName();

    [GeneratedRegex(@"(?m)^  ([a-z][a-z0-9-]*):\s*$")]
    private static partial Regex AzdService();

    [GeneratedRegex(@"[^a-z0-9 \-]")]
    private static partial Regex NotInAnchor();
}
