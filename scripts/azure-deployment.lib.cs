// An archive on Azure for a trial: deployed, asked, taken down; all by az and azd. Included with `#:include azure-deployment.lib.cs`.

using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json.Nodes;

/// <summary>The deployment that is tried.</summary>
sealed class Azure(Options options, TimeProvider clock)
{
    private readonly string _name = "trial-" + RandomNumberGenerator.GetHexString(6, lowercase: true);
    private Dictionary<string, string> _values = [];

    public string this[string name] => _values.TryGetValue(name, out string? value) ? value : throw new SetupException($"azd's environment has no {name}: the deployment did not end well.");

    private string AccountId => $"/subscriptions/{this["AZURE_SUBSCRIPTION_ID"]}/resourceGroups/{this["CLOUDARCHIVE_ARCHIVE_GROUP"]}/providers/Microsoft.Storage/storageAccounts/{this["CLOUDARCHIVE_ARCHIVE_NAME"]}";

    /// <summary>What will be done, what it costs, what stays.</summary>
    public static async Task AnnounceAsync(Options options)
    {
        JsonNode account = JsonNode.Parse(await AzAsync("account", "show"))!;
        await RunAsync("azd", "auth", "login", "--check-status");
        Dictionary<string, double> price = (await RunAsync("dotnet", "run", Path.Combine("scripts", "scale.cs"), "--", "--inputs")).Split('\n').Select(line => line.Split('|', StringSplitOptions.TrimEntries))
            .Where(cells => cells.Length == 5 && double.TryParse(cells[2], out _)).ToDictionary(cells => cells[1], cells => double.Parse(cells[2]));
        (string What, double Much, string Unit, double Dollars)[] costs =
        [
            ("function compute, two apps for half an hour at the most", 2 * 1800 * price["instance-gb"], "GB-s", 2 * 1800 * price["instance-gb"] * price["gb-second"]),
            ("logs", 0.2, "GB", 0.2 * price["log-gb"]),
            ("key operations", 1_000, "", 1_000 / 1e4 * price["key-operation"]),
            ("blob writes, locks", 2_000, "", 2_000 / 1e4 * price["hot-write"]),
            ("what stays: packs and evidence, for seven years", 0.1, "GB", 0.1 * price["hot-gb"] * 84),
        ];
        Console.WriteLine($"""
            This deploys an archive of its own to '{account["name"]}' ({account["id"]}), {options.Location}, as {account["user"]?["name"]}:
            two resource groups, three storage accounts, two vaults, two function apps, a workspace, an action group; rights and a diagnostic setting of the subscription.
            It changes the application {options.ClientId}: its redirect URI, and a federated credential. It gives you Storage Blob Data Owner on the new archive.
            It takes about 30 minutes. At its end the apps' group goes (--keep: it stays).
            What cannot go: the archive's account, whose versions are locked (packs for a year, evidence and checkpoints for seven), and the vaults, which nobody can purge for 90 days.
            Costs, US list prices as `dotnet run scripts/scale.cs -- --inputs` states them, without any free grant:
            """);
        foreach ((string what, double much, string unit, double dollars) in costs)
        {
            Console.WriteLine($"  {what,-58} {much,8:#,0.#} {unit,-4} ${dollars:0.00}");
        }

        Console.WriteLine($"  {"together",-58} {"",13} ${costs.Sum(c => c.Dollars):0.00}");
    }

    public async Task DeployAsync()
    {
        Console.WriteLine($"Deploying {_name} (azd up) ...");
        await RunAsync("azd", "env", "new", _name, "--location", options.Location!, "--subscription", await AzAsync("account", "show", "--query", "id", "-o", "tsv"), "--no-prompt");
        foreach ((string name, string value) in ((string, string)[])[("CLOUDARCHIVE_STAFF_CLIENT_ID", options.ClientId!), ("CLOUDARCHIVE_STAFF_MFA_CONTEXTS", options.MfaContext), ("CLOUDARCHIVE_REDUNDANCY", "Standard_LRS")])
        {
            await RunAsync("azd", "env", "set", name, value, "-e", _name);
        }

        try
        {
            await RunAsync("azd", "up", "-e", _name, "--no-prompt");
        }
        finally
        {
            _values = (await RunAsync("azd", "env", "get-values", "-e", _name)).Split('\n').Select(line => line.Split('=', 2)).Where(pair => pair.Length == 2).ToDictionary(pair => pair[0], pair => pair[1].Trim().Trim('"'));
        }

        // As docs/operations.md has it, "Register the application".
        await AzAsync("ad", "app", "update", "--id", options.ClientId!, "--web-redirect-uris", this["CLOUDARCHIVE_RECOVERY_URL"] + ".auth/login/aad/callback", "--enable-id-token-issuance", "true");
        await AzAsync("ad", "app", "federated-credential", "create", "--id", options.ClientId!, "--parameters", new JsonObject
        {
            ["name"] = _name, ["issuer"] = $"https://login.microsoftonline.com/{await AzAsync("account", "show", "--query", "tenantId", "-o", "tsv")}/v2.0",
            ["subject"] = this["CLOUDARCHIVE_RECOVERY_PRINCIPAL"], ["audiences"] = new JsonArray("api://AzureADTokenExchange"),
        }.ToJsonString());
    }

    /// <summary>The archive's storage, with a right of our own on it: a new one takes minutes to be known everywhere.</summary>
    public async Task<BlobStorage> OpenStorageAsync()
    {
        string me = await AzAsync("ad", "signed-in-user", "show", "--query", "id", "-o", "tsv");
        await AzAsync("role", "assignment", "create", "--assignee-object-id", me, "--assignee-principal-type", "User", "--role", "Storage Blob Data Owner", "--scope", AccountId);
        string token = await TokenAsync("--resource", "https://storage.azure.com/");
        BlobStorage storage = new($"https://{this["CLOUDARCHIVE_ARCHIVE_NAME"]}.blob.core.windows.net", (request, _) =>
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            return Task.CompletedTask;
        }, clock);
        for (int minute = 0; minute < 10 && (await storage.SendAsync(HttpMethod.Get, "/packs?restype=container&comp=list&maxresults=1")).Status == 403; minute++)
        {
            await Task.Delay(TimeSpan.FromMinutes(1));
        }

        return storage;
    }

    public Task<string> SasAsync(string path, DateTimeOffset expires) => AzAsync("storage", "blob", "generate-sas", "--account-name", this["CLOUDARCHIVE_ARCHIVE_NAME"], "--container-name", "packs",
        "--name", path["/packs/".Length..], "--permissions", "r", "--expiry", expires.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ"), "--auth-mode", "login", "--as-user", "--full-uri", "-o", "tsv");

    /// <summary>Telemetry comes minutes late.</summary>
    public async Task<Seen> TimersAsync()
    {
        string[] wanted = ["IngestTimer", "IngestWork", "RecoveryTimer", "RecoveryWork"];
        string workspace = await AzAsync("monitor", "log-analytics", "workspace", "show", "-g", this["AZURE_RESOURCE_GROUP"], "-n", this["CLOUDARCHIVE_WORKSPACE_NAME"], "--query", "customerId", "-o", "tsv");
        string query = new JsonObject { ["query"] = "AppRequests | where Success == true | distinct Name", ["timespan"] = "PT2H" }.ToJsonString();
        string[] ran = [];
        for (int minute = 0; minute < 15 && wanted.Except(ran).Any(); minute++)
        {
            JsonNode answer = JsonNode.Parse(await AzAsync("rest", "--method", "post", "--url", $"https://api.loganalytics.io/v1/workspaces/{workspace}/query", "--resource", "https://api.loganalytics.io", "--body", query))!;
            ran = [.. answer["tables"]![0]!["rows"]!.AsArray().Select(row => $"{row![0]}")];
            await Task.Delay(TimeSpan.FromMinutes(wanted.Except(ran).Any() ? 1 : 0));
        }

        return Seen.If(!wanted.Except(ran).Any(), "ran: " + string.Join(", ", ran));
    }

    public async Task<Seen> FunctionsAsync()
    {
        List<string> wrong = [];
        foreach ((string app, JsonNode? own) in JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(Setup.Root, "infra", "functions.json")))!.AsObject())
        {
            JsonArray functions = JsonNode.Parse(await AzAsync("functionapp", "function", "list", "-g", this["AZURE_RESOURCE_GROUP"], "-n", this[$"SERVICE_{app.ToUpperInvariant()}_NAME"]))!.AsArray();
            string[] on = [.. functions.Where(f => !(bool)f!["isDisabled"]!).Select(f => $"{f!["name"]}".Split('/')[^1])], its = [.. own!.AsArray().Select(f => $"{f}")];
            wrong.AddRange(on.Except(its).Select(f => $"{app} runs {f}").Concat(its.Except(on).Select(f => $"{app} does not run {f}")));
        }

        return Seen.If(wrong.Count == 0, wrong.Count == 0 ? "each app runs its own" : string.Join("; ", wrong));
    }

    public async Task<Seen> DeleteAccountAsync()
    {
        (int code, string said) = await Setup.CaptureAsync("az", ["storage", "account", "delete", "--ids", AccountId, "--yes", "--only-show-errors"]);
        return code == 0 ? Seen.If(false, "it is gone") : new Seen(said.Contains("ScopeLocked", StringComparison.Ordinal) ? Answer.Holds : Answer.NotChecked, said);
    }

    /// <summary>Apps first: from the moment a lock is gone, whoever holds an app's identity may remove what it kept. One step that fails ends no other.</summary>
    public async Task TakeDownAsync(bool keep)
    {
        if (keep || !_values.TryGetValue("AZURE_RESOURCE_GROUP", out string? group))
        {
            Console.WriteLine($"Nothing was taken down. azd's environment is {_name}: its groups are rg-{_name} and rg-{_name}-{options.Location}.");
            return;
        }

        Console.WriteLine($"Taking down {group} ...");
        string workspace = $"/subscriptions/{_values.GetValueOrDefault("AZURE_SUBSCRIPTION_ID")}/resourceGroups/{group}/providers/Microsoft.OperationalInsights/workspaces/{_values.GetValueOrDefault("CLOUDARCHIVE_WORKSPACE_NAME")}";
        string[][] steps =
        [
            ["functionapp", "stop", "-g", group, "-n", _values.GetValueOrDefault("SERVICE_INGEST_NAME", "")],
            ["functionapp", "stop", "-g", group, "-n", _values.GetValueOrDefault("SERVICE_RECOVERY_NAME", "")],
            ["ad", "app", "federated-credential", "delete", "--id", options.ClientId!, "--federated-credential-id", _name],
            ["monitor", "diagnostic-settings", "subscription", "delete", "--name", "cloudarchive-" + _name, "--yes"],
            ["resource", "lock", "delete", "--name", "logs", "--resource", workspace],
            ["group", "delete", "--name", group, "--yes"],
        ];
        foreach (string[] step in steps)
        {
            try
            {
                await AzAsync(step);
            }
            catch (SetupException e)
            {
                Console.WriteLine($"  Not done: az {string.Join(' ', step)}: {e.Message.ReplaceLineEndings(" ")}");
            }
        }

        Console.WriteLine($"""
            What stays, because it is locked: the group {_values.GetValueOrDefault("CLOUDARCHIVE_ARCHIVE_GROUP")} with the account {_values.GetValueOrDefault("CLOUDARCHIVE_ARCHIVE_NAME")} (evidence and checkpoints until {clock.GetUtcNow().AddYears(7):yyyy-MM-dd}, packs until {clock.GetUtcNow().AddYears(1):yyyy-MM-dd} at the earliest)
            the vaults, and their roles. After that: lift their locks, `az group delete`. The application's redirect URI was changed: set it back if it serves another deployment.
            """);
    }

    public static Task<string> TokenAsync(string kind, string of) => AzAsync("account", "get-access-token", kind, of, "--query", "accessToken", "-o", "tsv");

    private static Task<string> AzAsync(params string[] arguments) => RunAsync("az", [.. arguments, "--only-show-errors"]);

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        (int code, string output) = await Setup.CaptureAsync(program, arguments);
        return code == 0 ? output.Trim() : throw new SetupException($"{program} {string.Join(' ', arguments.Take(3))} ended with exit code {code}: {output.Trim()}");
    }
}
