// What must hold of infra/, rule by rule. Included with `#:include infra-rules.lib.cs`.

using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

/// <summary>A fault, where it is and which rule says so.</summary>
sealed record Finding(string File, int Line, string Rule, string Message);

/// <summary>A folder like infra/, and the rules on it.</summary>
sealed partial class InfraRules(string folder, IReadOnlyList<BicepFile> files)
{
    // What an Azure role id means: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
    private static readonly Dictionary<string, string> BuiltInRoles = new()
    {
        ["db58b8e5-c6ad-4a2a-8342-4190687cbf4a"] = "Storage Blob Delegator",
        ["b7e6dc6d-f1e8-4753-8033-0f276bb0955b"] = "Storage Blob Data Owner",
        ["3913510d-42f4-4e42-8a64-420c390055eb"] = "Monitoring Metrics Publisher",
    };

    // These have never had a version that is not a preview.
    private static readonly string[] PreviewOnly = ["Microsoft.Insights/diagnosticSettings"];

    private const string Accounts = "Microsoft.Storage/storageAccounts";
    private const string Containers = Accounts + "/blobServices/containers";
    private const string Vaults = "Microsoft.KeyVault/vaults";
    private const string Keys = Vaults + "/keys";
    private const string Sites = "Microsoft.Web/sites";
    private const string Assignments = "Microsoft.Authorization/roleAssignments";

    private readonly List<Finding> _findings = [];

    public IReadOnlyList<Finding> Check()
    {
        Syntax();
        if (_findings.Count > 0)
        {
            return _findings; // A tree with a hole in it says little more.
        }

        Modules();
        Symbols();
        Versions();
        StorageDefaults();
        Immutability();
        VaultDefaults();
        AppDefaults();
        Logging();
        Access();
        Parameters();
        Alerts();
        Functions();
        Lifecycle();
        return [.. _findings.OrderBy(f => f.File, StringComparer.Ordinal).ThenBy(f => f.Line)];
    }

    private void Syntax()
    {
        foreach (BicepFile file in files)
        {
            foreach (Node error in file.Errors)
            {
                string what = error.Text.ReplaceLineEndings(" ");
                Add(file, error, "syntax", error.Type == "MISSING" ? "Something is missing here." : $"This is not Bicep: {what[..Math.Min(what.Length, 60)]}");
            }
        }
    }

    private void Modules()
    {
        foreach (BicepFile file in files)
        {
            foreach (BicepModule module in file.Modules)
            {
                if (Target(file, module) is not { } target)
                {
                    Add(file, module.Declaration, "module-path", $"Module {module.Symbol}: there is no {module.Path}.");
                    continue;
                }

                string[] given = [.. module.Body.At("params")?.Object?.Properties.Select(p => p.Name) ?? []];
                foreach (string missing in target.Parameters.Where(p => !p.Value).Select(p => p.Key).Except(given))
                {
                    Add(file, module.Declaration, "module-parameters", $"Module {module.Symbol} is not given '{missing}', which {target.Path} asks for.");
                }

                foreach (string unknown in given.Except(target.Parameters.Keys))
                {
                    Add(file, module.Declaration, "module-parameters", $"Module {module.Symbol} is given '{unknown}', which {target.Path} does not have.");
                }
            }
        }
    }

    /// <summary>Every name that is used is declared; every output that is used is there; nothing is declared and not used.</summary>
    private void Symbols()
    {
        foreach (BicepFile file in files)
        {
            Node[] all = [.. file.Tree.Descendants()];
            HashSet<string> declared = [.. all.Where(n => n.Type.EndsWith("_declaration", StringComparison.Ordinal)).Select(BicepFile.NameOf)];
            declared.UnionWith(all.Where(n => n.Type is "loop_variable" or "loop_enumerator").Select(n => n.Text));
            foreach (Node lambda in all.Where(n => n.Type is "for_statement" or "lambda_expression"))
            {
                declared.UnionWith(lambda.Children.TakeWhile(c => c.Type is not ("=>" or "in")).SelectMany(c => c.Descendants().Prepend(c)).Where(n => n.Type == "identifier").Select(n => n.Text));
            }

            List<Node> used = [];
            Uses(file.Tree, used);
            foreach (Node name in used.Where(n => !declared.Contains(n.Text) && !BicepFunctions().IsMatch(n.Text)))
            {
                Add(file, name, "symbols", $"'{name.Text}' is declared nowhere.");
            }

            foreach (Node declaration in file.Tree.Children.Where(n => n.Type is "parameter_declaration" or "variable_declaration"))
            {
                string name = BicepFile.NameOf(declaration);
                if (!used.Any(u => u.Text == name))
                {
                    Add(file, declaration, "symbols", $"'{name}' is declared and not used.");
                }
            }

            foreach (Match use in OutputUse().Matches(file.Tree.Text))
            {
                if (file.Modules.FirstOrDefault(m => m.Symbol == use.Groups[1].Value) is { } module
                    && Target(file, module) is { } target
                    && !target.Outputs.Contains(use.Groups[2].Value))
                {
                    int line = file.Tree.Line + file.Tree.Text[..use.Index].Count(c => c == '\n');
                    _findings.Add(new Finding(file.Path, line, "outputs", $"{target.Path} has no output '{use.Groups[2].Value}'."));
                }
            }
        }
    }

    private void Versions()
    {
        foreach ((BicepFile file, BicepResource resource) in All().Where(r => r.Resource.Version is not null || !r.Resource.Existing))
        {
            // A resource inside another takes the other's version.
            if (resource.Version is null && file.Resources.Any(r => r != resource && r.Declaration.Descendants().Contains(resource.Declaration)))
            {
                continue;
            }

            Match match = DatedVersion().Match(resource.Version ?? "");
            if (!match.Success || !DateOnly.TryParseExact(match.Groups[1].Value, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _))
            {
                Add(file, resource.Declaration, "api-version", $"{resource.Type} has no dated API version: '{resource.Version}'.");
            }
            else if (match.Groups[2].Success && !PreviewOnly.Contains(resource.Type))
            {
                Add(file, resource.Declaration, "api-version", $"{resource.Type}@{resource.Version} is a preview.");
            }
        }
    }

    private void StorageDefaults()
    {
        foreach ((BicepFile file, BicepResource account) in Made(Accounts))
        {
            Expect(file, account, "storage", "false", "properties", "allowBlobPublicAccess");
            Expect(file, account, "storage", "false", "properties", "allowSharedKeyAccess");
            Expect(file, account, "storage", "false", "properties", "allowCrossTenantReplication");
            Expect(file, account, "storage", "false", "properties", "isLocalUserEnabled");
            Expect(file, account, "storage", "true", "properties", "supportsHttpsTrafficOnly");
            ExpectOneOf(file, account, "storage", ["TLS1_2", "TLS1_3"], "properties", "minimumTlsVersion");
        }

        foreach ((BicepFile file, BicepResource container) in Made(Containers))
        {
            ExpectOneOf(file, container, "storage", ["None"], "properties", "publicAccess");
        }

        foreach (BicepFile file in files)
        {
            foreach (Node call in file.Tree.Descendants().Where(n => n.Type is "identifier" or "property_identifier" && SecretFunctions().IsMatch(n.Text)))
            {
                Add(file, call, "secrets", $"{call.Text} reads an account's key: access is by identity.");
            }
        }
    }

    /// <summary>The archive is the account that a container with immutability is in.</summary>
    private void Immutability()
    {
        BicepFile[] archives = [.. files.Where(f => f.Resources.Any(r => !r.Existing && r.Type == Containers && r.At("name")?.Literal is "packs" or "records"))];
        if (archives.Length != 1)
        {
            _findings.Add(new Finding("main.bicep", 1, "immutability", "One module must make the containers 'packs' and 'records'."));
            return;
        }

        BicepFile file = archives[0];
        foreach (BicepResource account in file.Resources.Where(r => r.Type == Accounts && !r.Existing))
        {
            Expect(file, account, "immutability", "true", "properties", "immutableStorageWithVersioning", "enabled");
            Expect(file, account, "immutability", "false", "properties", "isHnsEnabled");
            Expect(file, account, "immutability", "false", "properties", "isNfsV3Enabled");
            Expect(file, account, "immutability", "false", "properties", "isSftpEnabled");
            if (account.At("properties", "immutableStorageWithVersioning", "immutabilityPolicy") is { } policy)
            {
                if (policy.At("state")?.Literal != "Locked" || policy.At("allowProtectedAppendWrites")?.Text == "true")
                {
                    Add(file, policy, "immutability", "An account's default policy must be 'Locked': an unlocked one can be shortened, so it promises what it does not keep.");
                }
            }
        }

        foreach (BicepResource service in file.Resources.Where(r => r.Type == Accounts + "/blobServices" && !r.Existing))
        {
            Expect(file, service, "immutability", "true", "properties", "isVersioningEnabled");
            Expect(file, service, "immutability", "false", "properties", "restorePolicy", "enabled");
            Expect(file, service, "immutability", "false", "properties", "lastAccessTimeTrackingPolicy", "enable");
        }

        foreach (string name in new[] { "packs", "records" })
        {
            if (file.Resources.FirstOrDefault(r => r.Type == Containers && !r.Existing && r.At("name")?.Literal == name) is { } container)
            {
                Expect(file, container, "immutability", "true", "properties", "immutableStorageWithVersioning", "enabled");
            }
            else
            {
                _findings.Add(new Finding(file.Path, 1, "immutability", $"There is no container '{name}'."));
            }
        }

        ExpectLock(file, Accounts);
        foreach (Node allowed in Redundancies(file).Where(n => n.Literal?.Contains("ZRS", StringComparison.Ordinal) == true))
        {
            Add(file, allowed, "immutability", $"{allowed.Literal} has no archive tier.");
        }
    }

    private static IEnumerable<Node> Redundancies(BicepFile file) =>
        file.Tree.Descendants().Where(n => n.Type == "string" && n.Literal?.StartsWith("Standard_", StringComparison.Ordinal) == true);

    private void VaultDefaults()
    {
        foreach ((BicepFile file, BicepResource vault) in Made(Vaults))
        {
            Expect(file, vault, "vault", "true", "properties", "enablePurgeProtection");
            Expect(file, vault, "vault", "true", "properties", "enableRbacAuthorization");
            Expect(file, vault, "vault", "true", "properties", "enableSoftDelete");
            Expect(file, vault, "vault", "90", "properties", "softDeleteRetentionInDays");
            Forbid(file, vault, "vault", "An access policy goes round the roles.", "properties", "accessPolicies");
            ExpectLock(file, Vaults);
        }

        foreach ((BicepFile file, BicepResource key) in Made(Keys))
        {
            Expect(file, key, "vault", "false", "properties", "attributes", "exportable");
            Forbid(file, key, "vault", "A version that expires is a pack that does not open.", "properties", "attributes", "exp");
            Forbid(file, key, "vault", "A version that expires is a pack that does not open.", "properties", "rotationPolicy", "attributes", "expiryTime");
            if (key.At("properties", "rotationPolicy", "lifetimeActions") is null)
            {
                Add(file, key.Declaration, "vault", $"Key {key.Symbol} has no rotation policy.");
            }

            string operations = string.Join(' ', (key.At("properties", "keyOps")?.Children ?? []).Select(c => c.Literal).OfType<string>().Order(StringComparer.Ordinal));
            if (operations is not ("sign verify" or "unwrapKey wrapKey"))
            {
                Add(file, key.Declaration, "vault", $"Key {key.Symbol} either signs or wraps, and may do nothing else: '{operations}'.");
            }

            if (key.At("properties", "keySize") is { } size && (!int.TryParse(size.Text, CultureInfo.InvariantCulture, out int bits) || bits < 3072))
            {
                Add(file, size, "vault", $"An RSA key has 3072 bits or more, not {size.Text}.");
            }
        }
    }

    private void AppDefaults()
    {
        foreach ((BicepFile file, BicepResource site) in Made(Sites))
        {
            Expect(file, site, "app", "true", "properties", "httpsOnly");
            ExpectOneOf(file, site, "app", ["UserAssigned"], "identity", "type");
            ExpectOneOf(file, site, "app", ["1.2", "1.3"], "properties", "siteConfig", "minTlsVersion");
            ExpectOneOf(file, site, "app", ["Disabled"], "properties", "siteConfig", "ftpsState");
            ExpectOneOf(file, site, "app", ["dotnet-isolated"], "properties", "functionAppConfig", "runtime", "name");
            ExpectOneOf(file, site, "app", ["UserAssignedIdentity"], "properties", "functionAppConfig", "deployment", "storage", "authentication", "type");
            foreach (string endpoint in new[] { "ftp", "scm" })
            {
                BicepResource? policy = file.Resources.FirstOrDefault(r => r.Type == Sites + "/basicPublishingCredentialsPolicies" && r.At("name")?.Literal == endpoint);
                if (policy?.At("properties", "allow")?.Text != "false")
                {
                    Add(file, site.Declaration, "app", $"Deployment over {endpoint} with a password must be switched off.");
                }
            }
        }
    }

    private void Logging()
    {
        const string workspaces = "Microsoft.OperationalInsights/workspaces";
        foreach ((BicepFile file, BicepResource workspace) in Made(workspaces))
        {
            Expect(file, workspace, "logging", "true", "properties", "features", "disableLocalAuth");
        }

        foreach ((BicepFile file, BicepResource component) in Made("Microsoft.Insights/components"))
        {
            Expect(file, component, "logging", "true", "properties", "DisableLocalAuth");
        }

        (BicepFile File, BicepResource Resource)[] tables = [.. Made(workspaces + "/tables")];
        if (tables.Length == 0)
        {
            _findings.Add(new Finding("main.bicep", 1, "logging", "No table says how long its logs are kept."));
        }

        foreach ((BicepFile file, BicepResource table) in tables)
        {
            string days = Resolve(file, table.At("properties", "totalRetentionInDays"));
            if (!int.TryParse(days, CultureInfo.InvariantCulture, out int kept) || kept < 2192)
            {
                Add(file, table.Declaration, "logging", $"Logs are kept for six years (2192 days), not '{days}' days.");
            }
        }

        // Who must be logged: the archive's blobs and rows, the keys, the apps.
        foreach ((string type, string what) in new[]
        {
            (Accounts + "/blobServices", "archive"), (Accounts + "/tableServices", "archive"), (Vaults, ""), (Sites, ""),
        })
        {
            foreach ((BicepFile file, BicepResource resource) in Made(type).Where(r => r.File.Path.Contains(what, StringComparison.Ordinal)))
            {
                if (!file.Resources.Any(r => r.Type == "Microsoft.Insights/diagnosticSettings" && r.At("scope")?.Text == resource.Symbol && r.At("properties", "workspaceId") is not null))
                {
                    Add(file, resource.Declaration, "logging", $"{resource.Symbol} has no diagnostic setting: nobody could say who did what to it.");
                }
            }
        }
    }

    private void Parameters()
    {
        if (files.FirstOrDefault(f => f.Path == "main.bicep") is not { } main)
        {
            _findings.Add(new Finding("main.bicep", 1, "parameters", "There is no main.bicep."));
            return;
        }

        if (Json("main.parameters.json", "parameters") is not { } document)
        {
            return;
        }

        string[] given = [.. document.GetProperty("parameters").EnumerateObject().Select(p => p.Name)];
        foreach (string unknown in given.Except(main.Parameters.Keys))
        {
            _findings.Add(new Finding("main.parameters.json", 1, "parameters", $"main.bicep has no parameter '{unknown}'."));
        }

        foreach (string missing in main.Parameters.Where(p => !p.Value).Select(p => p.Key).Except(given))
        {
            _findings.Add(new Finding("main.parameters.json", 1, "parameters", $"main.bicep asks for '{missing}'."));
        }
    }

    private void Expect(BicepFile file, BicepResource resource, string rule, string value, params string[] path)
    {
        if (resource.At(path)?.Text != value)
        {
            Add(file, resource.At(path) ?? resource.Declaration, rule, $"{resource.Symbol}: {string.Join('.', path)} must be {value}, and is {resource.At(path)?.Text ?? "not set"}.");
        }
    }

    private void ExpectOneOf(BicepFile file, BicepResource resource, string rule, string[] values, params string[] path)
    {
        if (resource.At(path)?.Literal is not { } value || !values.Contains(value))
        {
            Add(file, resource.At(path) ?? resource.Declaration, rule, $"{resource.Symbol}: {string.Join('.', path)} must be {string.Join(" or ", values)}, and is {resource.At(path)?.Text ?? "not set"}.");
        }
    }

    private void Forbid(BicepFile file, BicepResource resource, string rule, string why, params string[] path)
    {
        if (resource.At(path) is { } value)
        {
            Add(file, value, rule, $"{resource.Symbol}: no {string.Join('.', path)} here. {why}");
        }
    }

    private void ExpectLock(BicepFile file, string type)
    {
        foreach (BicepResource target in file.Resources.Where(r => r.Type == type && !r.Existing))
        {
            if (!file.Resources.Any(r => r.Type == "Microsoft.Authorization/locks" && r.At("scope")?.Text == target.Symbol && r.At("properties", "level")?.Literal is "CanNotDelete" or "ReadOnly"))
            {
                Add(file, target.Declaration, "locks", $"{target.Symbol} has no CanNotDelete lock.");
            }
        }
    }

    private IEnumerable<(BicepFile File, BicepResource Resource)> All() => files.SelectMany(f => f.Resources.Select(r => (f, r)));

    private IEnumerable<(BicepFile File, BicepResource Resource)> Made(string type) => All().Where(r => r.Resource.Type == type && !r.Resource.Existing);

    private BicepFile? Target(BicepFile file, BicepModule module)
    {
        string path = Path.GetRelativePath(folder, Path.GetFullPath(Path.Combine(folder, Path.GetDirectoryName(file.Path) ?? "", module.Path))).Replace('\\', '/');
        return files.FirstOrDefault(f => f.Path == path);
    }

    /// <summary>The text of an expression; a variable's is its value's.</summary>
    private static string Resolve(BicepFile file, Node? expression) =>
        expression is { Type: "identifier" } && file.Tree.Children.FirstOrDefault(n => n.Type == "variable_declaration" && BicepFile.NameOf(n) == expression.Text) is { } variable
            ? variable.Children[^1].Text
            : expression?.Text ?? "not set";

    /// <summary>Identifiers that are read, not declared, not names of properties.</summary>
    private static void Uses(Node node, List<Node> into)
    {
        for (int i = 0; i < node.Children.Length; i++)
        {
            Node child = node.Children[i];
            bool names = i == 0 && node.Type == "object_property" && child.Type == "identifier";
            bool declares = node.Type.EndsWith("_declaration", StringComparison.Ordinal) && child == node.Child("identifier");
            if (child.Type == "identifier" && !names && !declares)
            {
                into.Add(child);
            }

            Uses(child, into);
        }
    }

    private void Add(BicepFile file, Node at, string rule, string message) => _findings.Add(new Finding(file.Path, at.Line, rule, message));

    private JsonElement? Json(string name, string rule)
    {
        string path = Path.Combine(folder, name);
        if (!File.Exists(path))
        {
            _findings.Add(new Finding(name, 1, rule, "The file is not there."));
            return null;
        }

        try
        {
            return JsonDocument.Parse(File.ReadAllText(path)).RootElement;
        }
        catch (JsonException e)
        {
            _findings.Add(new Finding(name, (int)(e.LineNumber ?? 0) + 1, rule, "This is not JSON."));
            return null;
        }
    }

    [GeneratedRegex(@"\b(\w+)(?:\[[^\]]*\])?!?\.outputs\.(\w+)")]
    private static partial Regex OutputUse();

    [GeneratedRegex(@"^(20[2-9]\d-\d\d-\d\d)(-preview)?$")]
    private static partial Regex DatedVersion();

    [GeneratedRegex("^(listKeys|listAccountSas|listServiceSas|listSecrets|list)$")]
    private static partial Regex SecretFunctions();

    // https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions, those that infra/ has a use for.
    [GeneratedRegex("^(any|array|allowed|batchSize|concat|contains|deployer|deployment|description|empty|endsWith|environment|filter|first|flatten|guid|int|items|join|last|length|loadJsonContent|loadTextContent|map|maxLength|maxValue|metadata|minLength|minValue|replace|resourceGroup|resourceId|secure|split|startsWith|string|subscription|subscriptionResourceId|take|tenant|toLower|toObject|toUpper|union|uniqueString|utcNow)$")]
    private static partial Regex BicepFunctions();
}
