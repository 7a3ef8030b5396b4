#!/usr/bin/env dotnet
#:include setup.lib.cs
#:include archive.lib.cs
#:include azure-deployment.lib.cs
// One day on Azure, prepared: deploys an archive of its own, tries what only Azure can answer, writes a table, and takes down what may go.
//   dotnet run scripts/azure-trial.cs -- --client-id <application> --location <region> [--mfa-context c1] [--yes] [--keep]
//   dotnet run scripts/azure-trial.cs -- --local     the same rows against LocalHost, as far as it has the call
// Also: --from <folder> of DICOM files; --out <file.md>; --rows <part of a name>, repeated; --no-build; --blobs <url>: with --local, other blob storage.
// Needs az (signed in, Owner of the subscription), azd >= 1.23.4, 30 minutes, and the application of docs/operations.md, "Register the application".
// Exit code 0: no row does not hold; 1: some do not, or it could not be tried.

using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;

return await Setup.RunAsync(async () =>
{
    Options options = Options.Parse(args);
    DirectoryInfo work = Directory.CreateTempSubdirectory("cloudarchive-trial-");
    try
    {
        return options.Local ? await LocalAsync(options, work.FullName) : await AzureAsync(options, work.FullName);
    }
    finally
    {
        work.Delete(recursive: true);
    }
});

static async Task<int> LocalAsync(Options options, string work)
{
    await PrepareAsync(options, "src/CloudArchive.LocalHost");
    using LocalHostProcess host = await LocalHostProcess.StartAsync(work, keep: false);
    try
    {
        return await new Trial(options, host.ToArchive(work), BlobStorage.OfAzurite(options.Blobs ?? (string)host.Ready["blobUrl"]!, TimeProvider.System), null, TimeProvider.System).RunAsync();
    }
    finally
    {
        host.Stop();
    }
}

static async Task<int> AzureAsync(Options options, string work)
{
    await Azure.AnnounceAsync(options);
    if (!options.Yes)
    {
        Console.Write("Go on? Type yes: ");
        if (Console.ReadLine()?.Trim() != "yes")
        {
            throw new SetupException("Nothing was done.");
        }
    }

    await PrepareAsync(options);
    Azure azure = new(options, TimeProvider.System);
    try
    {
        await azure.DeployAsync();
        Archive archive = new(azure["CLOUDARCHIVE_INGEST_URL"].TrimEnd('/'), azure["CLOUDARCHIVE_RECOVERY_URL"].TrimEnd('/'), await Azure.TokenAsync("--scope", $"api://{options.ClientId}/access"), work);
        return await new Trial(options, archive, await azure.OpenStorageAsync(), azure, TimeProvider.System).RunAsync();
    }
    finally
    {
        await azure.TakeDownAsync(options.Keep);
    }
}

static async Task PrepareAsync(Options options, params string[] projects)
{
    if (!options.NoBuild)
    {
        await Setup.PrepareAsync(["src/CloudArchive.Cli", .. options.From is null ? ["tests/CloudArchive.Samples"] : Array.Empty<string>(), .. projects]);
    }
}

sealed record Options(string? ClientId, string? Location, string MfaContext, string? From, string Out, string? Blobs, string[] Rows, bool Local, bool Yes, bool Keep, bool NoBuild)
{
    public static Options Parse(string[] args)
    {
        string[] valued = ["--client-id", "--location", "--mfa-context", "--from", "--out", "--blobs", "--rows"], flags = ["--local", "--yes", "--keep", "--no-build"];
        Dictionary<string, string> given = [];
        for (int i = 0; i < args.Length; i++)
        {
            bool whole = flags.Contains(args[i]) || (valued.Contains(args[i]) && i + 1 < args.Length);
            string name = whole ? args[i] : throw new SetupException($"'{args[i]}' is not an option, or lacks its value. Options: {string.Join(' ', valued.Concat(flags))}");
            given[name] = flags.Contains(name) ? "" : given.TryGetValue(name, out string? before) ? $"{before}\n{args[++i]}" : args[++i];
        }

        bool local = given.ContainsKey("--local");
        return local || (given.ContainsKey("--client-id") && given.ContainsKey("--location"))
            ? new Options(given.GetValueOrDefault("--client-id"), given.GetValueOrDefault("--location"), given.GetValueOrDefault("--mfa-context", ""), given.GetValueOrDefault("--from"),
                Path.GetFullPath(given.GetValueOrDefault("--out", "azure-trial.md")), given.GetValueOrDefault("--blobs"),
                given.GetValueOrDefault("--rows", "").Split('\n'), local, given.ContainsKey("--yes"), given.ContainsKey("--keep"), given.ContainsKey("--no-build"))
            : throw new SetupException("Say --client-id and --location, or --local: docs/operations.md, \"A trial on Azure\".");
    }
}

enum Answer
{
    NotChecked,
    Holds,
    DoesNotHold,
}

/// <summary>What a row found.</summary>
sealed record Seen(Answer Answer, string What)
{
    public static Seen NotHere { get; } = new(Answer.NotChecked, "only Azure has it");

    public static Seen If(bool holds, string what) => new(holds ? Answer.Holds : Answer.DoesNotHold, what);

    /// <summary>Refused in the way that says why. Let through, it does not hold; refused for another reason, it says nothing: a right of ours may be missing, or the blob.</summary>
    public static Seen Refused(BlobReply reply, params int[] statuses) =>
        new(statuses.Contains(reply.Status) ? Answer.Holds : reply.Status is >= 200 and < 300 ? Answer.DoesNotHold : Answer.NotChecked, reply.ToString());

    /// <summary>Done, or refused although it must not be. A blob that is not there, and what we may not do ourselves (401, 403), say nothing.</summary>
    public static Seen Done(BlobReply reply, bool ours = true) =>
        new(reply.Status is >= 200 and < 300 ? Answer.Holds : reply.Status is 404 || (ours && reply.Status is 401 or 403) ? Answer.NotChecked : Answer.DoesNotHold, reply.ToString());
}

/// <summary>The rows. Each is one method; one that fails is "not checked" and ends no other.</summary>
sealed class Trial(Options options, Archive archive, BlobStorage blobs, Azure? azure, TimeProvider clock)
{
    private const string Clinic = "trial-dental", Scratch = "/packs/trial-scratch/locked", Loose = "/packs/trial-scratch/loose";
    private static readonly (string, string) s_block = ("x-ms-blob-type", "BlockBlob");

    private readonly List<(string Name, string Expected, Seen Seen)> _rows = [];
    private readonly DateTimeOffset _began = clock.GetUtcNow();
    private int _backedUp;
    private string _pack = "", _version = "", _scratchVersion = "", _heldBack = "", _writeUrl = "", _readUrl = "";

    private string Pack => Need(_pack, "a backup");

    private string Versioned => Version(Pack, _version);

    private string ScratchVersion => Version(Scratch, Need(_scratchVersion, "a version that can be locked"));

    private string WriteUrl => Need(_writeUrl, "an upload URL");

    private string ReadUrl => Need(_readUrl, "a download URL");

    private static string Need(string value, string what) => value.Length > 0 ? value : throw new SetupException($"needs {what}: see that row");

    private static string Version(string path, string version) => $"{path}?versionid={Uri.EscapeDataString(version)}";

    public async Task<int> RunAsync()
    {
        // What the rows need. Each of these is a row too: without it those that need it are not checked, and say so.
        await TryAsync("a backup gets its receipts", "every pack has one", BackUpAsync);
        await TryAsync("a version can be locked", "200, locked", LockAsync);
        await TryAsync("an agent is handed an upload URL", "a SAS for one blob", OpenPackAsync);
        await TryAsync("a restore is handed a download URL", "a SAS for one version", OpenRestoreAsync);

        await TryAsync("delete a locked pack", "409", async () => Seen.Refused(await blobs.SendAsync(HttpMethod.Delete, Pack), 409));
        await TryAsync("delete a locked version", "409", async () => Seen.Refused(await blobs.SendAsync(HttpMethod.Delete, Versioned), 409));
        await TryAsync("write a new blob over a locked pack", "409 or 412", async () => Seen.Refused(await blobs.SendAsync(HttpMethod.Put, Pack, "ransomware"u8.ToArray(), s_block, ("If-None-Match", "*")), 409, 412));
        await TryAsync("change a locked version's metadata", "409", async () => Seen.Refused(await blobs.SendAsync(HttpMethod.Put, Pack + "?comp=metadata", null, ("x-ms-meta-encryptiondata", "gone")), 409));
        await TryAsync("shorten a lock", "409", async () => Seen.Refused(await SetLockAsync(Versioned, clock.GetUtcNow().AddHours(1)), 409));
        await TryAsync("take a lock away", "409", async () => Seen.Refused(await blobs.SendAsync(HttpMethod.Delete, Versioned + "&comp=immutabilityPolicies"), 409));
        await TryAsync("extend a lock", "200", async () => Seen.Done(await SetLockAsync(ScratchVersion, _began.AddDays(2))));
        await TryAsync("tags on a locked version", "204", async () => Seen.Done(await blobs.SendAsync(HttpMethod.Put, ScratchVersion + "&comp=tags", "<Tags><TagSet><Tag><Key>tier</Key><Value>trial</Value></Tag></TagSet></Tags>"u8.ToArray())));
        await TryAsync("write over a locked version", "refused, or a new version beside it", WriteOverAsync);

        await TryAsync("upload URL: writes its blob", "201", async () => Seen.Done(await blobs.SendAsync(HttpMethod.Put, WriteUrl, "trial"u8.ToArray(), s_block, ("If-None-Match", "*")), ours: false));
        await TryAsync("upload URL: reads", "403", async () => Seen.Refused(await blobs.SendAsync(HttpMethod.Get, WriteUrl), 403));
        await TryAsync("upload URL: lists", "403", async () => Seen.Refused(await blobs.SendAsync(HttpMethod.Get, ListUrl(WriteUrl)), 403));
        await TryAsync("upload URL: deletes", "403", async () => Seen.Refused(await blobs.SendAsync(HttpMethod.Delete, WriteUrl), 403));
        await TryAsync("upload URL: sets a lock", "403", async () => Seen.Refused(await SetLockAsync(WriteUrl, _began.AddDays(1)), 403));
        await TryAsync("download URL: reads", "200", async () => Seen.Done(await blobs.SendAsync(HttpMethod.Get, ReadUrl), ours: false));
        await TryAsync("download URL: writes", "403", async () => Seen.Refused(await blobs.SendAsync(HttpMethod.Put, ReadUrl, "ransomware"u8.ToArray(), s_block), 400, 403));
        await TryAsync("download URL: lists", "403", async () => Seen.Refused(await blobs.SendAsync(HttpMethod.Get, ListUrl(ReadUrl)), 403));
        await TryAsync("download URL: deletes", "403", async () => Seen.Refused(await blobs.SendAsync(HttpMethod.Delete, ReadUrl), 403));
        await TryAsync("a URL that has run out", "reads before, 403 after", ExpireAsync);
        await TryAsync("a leased blob", "412 until the lease is broken", LeaseAsync);
        await TryAsync("back from the archive tier", "202, and a status that says so", RehydrateAsync);
        await TryAsync("delete under a legal hold", "409", HoldAsync);
        await TryAsync("the archive holds what is committed under a legal hold", "x-ms-legal-hold: true", CommitUnderHoldAsync);

        await TryAsync("doctor: ingest", "exit code 0", () => DoctorAsync(archive.Ingest));
        await TryAsync("doctor: recovery", "exit code 0", () => DoctorAsync(archive.Recovery));
        await TryAsync("a study comes back", "byte for byte", RestoreAsync);
        await TryAsync("a restore test", "passed", TestRestoreAsync);

        await TryAsync("sign-in: headers of a caller's own", "let nobody in", ForgeHeadersAsync);
        await TryAsync("sign-in: leads to Entra ID", "302 to login.microsoftonline.com", SignInAsync);
        await TryAsync("token: version, role, clinics", "2.0, admin, *", () => Task.FromResult(azure is null ? Seen.NotHere : TokenClaims()));
        await TryAsync("token: acrs", "the context of the second factor", () => Task.FromResult(azure is null ? Seen.NotHere : TokenContext()));
        await TryAsync("timers have run", "IngestTimer, IngestWork, RecoveryTimer, RecoveryWork", () => azure is null ? Task.FromResult(Seen.NotHere) : azure.TimersAsync());
        await TryAsync("functions of the other app are off", "as infra/functions.json has them", () => azure is null ? Task.FromResult(Seen.NotHere) : azure.FunctionsAsync());
        await TryAsync("delete the account", "refused: its lock", () => azure is null ? Task.FromResult(Seen.NotHere) : azure.DeleteAccountAsync());
        return await WriteAsync();
    }

    private async Task TryAsync(string name, string expected, Func<Task<Seen>> row)
    {
        if (!options.Rows.Any(part => name.Contains(part, StringComparison.Ordinal)))
        {
            return;
        }

        Seen seen;
        try
        {
            using CancellationTokenSource patience = new(TimeSpan.FromMinutes(20));
            seen = await row().WaitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            seen = new Seen(Answer.NotChecked, "no answer within 20 minutes");
        }
        catch (Exception e)
        {
            seen = new Seen(Answer.NotChecked, e.Message);
        }

        string what = seen.What.ReplaceLineEndings(" ").Replace("|", "\\|", StringComparison.Ordinal);
        _rows.Add((name, expected, seen with { What = what.Length > 300 ? what[..300] + " ..." : what }));
        Console.WriteLine($"{Words(seen.Answer),-15} {name}: {_rows[^1].Seen.What}");
    }

    private static string Words(Answer answer) => answer switch { Answer.Holds => "holds", Answer.DoesNotHold => "DOES NOT HOLD", _ => "not checked" };

    private async Task<int> WriteAsync()
    {
        int[] counts = [.. ((Answer[])[Answer.Holds, Answer.DoesNotHold, Answer.NotChecked]).Select(answer => _rows.Count(row => row.Seen.Answer == answer))];
        string sum = $"{counts[0]} hold, {counts[1]} {(counts[1] == 1 ? "does" : "do")} not, {counts[2]} not checked";
        await File.WriteAllLinesAsync(options.Out, [$"# {(azure is null ? "LocalHost" : "Azure")}, {_began:yyyy-MM-dd HH:mm} UTC", "", $"{sum}.", "", "| row | expected | seen | |", "|---|---|---|---|",
            .. _rows.Select(row => $"| {row.Name} | {row.Expected} | {row.Seen.What} | {Words(row.Seen.Answer)} |")]);
        Console.WriteLine($"{sum}: {options.Out}");
        return counts[1] == 0 ? 0 : 1;
    }

    private async Task<Seen> BackUpAsync()
    {
        string source = options.From ?? Path.Combine(archive.Work, "made"), clinic = Directory.CreateDirectory(Path.Combine(archive.Work, "clinic")).FullName;
        if (options.From is null)
        {
            await Archive.RunAsync("tests/CloudArchive.Samples", "CloudArchive.Samples", ["studies", source]);
        }

        // One file of a study waits, for the row of the legal hold.
        _heldBack = Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories).GroupBy(f => Path.GetDirectoryName(f)).First(g => g.Count() > 1).Order(StringComparer.Ordinal).Last();
        foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories).Where(f => f != _heldBack))
        {
            string target = Path.Combine(clinic, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }

        await archive.EnrollAsync(Clinic, "Trial Dental Practice", Path.Combine(archive.Work, "escrow-key.pem"), "--retention-years", "1");
        JsonObject report = Json.Object(await archive.CliAsync(["backup", clinic, "--json"], 4));
        _backedUp = (int)report["backedUp"]!;
        _pack = $"/packs/{Clinic}/{(await PacksAsync())[0]["pack"]}";
        _version = (await blobs.SendAsync(HttpMethod.Head, _pack))["x-ms-version-id"];
        return Seen.If((int)report["packs"]! > 0 && (int)report["packs"]! == (int)report["receipts"]!, $"{report["backedUp"]} files, {report["packs"]} packs, {report["receipts"]} receipts");
    }

    private async Task<JsonNode[]> PacksAsync() => [.. (await archive.ApiAsync(HttpMethod.Get, $"/v1/clinics/{Clinic}/packs?take=1000"))["items"]!.AsArray()!];

    private Task<BlobReply> SetLockAsync(string target, DateTimeOffset until) => blobs.SendAsync(HttpMethod.Put, target + (target.Contains('?') ? "&" : "?") + "comp=immutabilityPolicies", null,
        ("x-ms-immutability-policy-until-date", until.UtcDateTime.ToString("R")), ("x-ms-immutability-policy-mode", "Locked"));

    private async Task<Seen> LockAsync()
    {
        await blobs.SendAsync(HttpMethod.Put, Scratch, "trial"u8.ToArray(), s_block);
        _scratchVersion = (await blobs.SendAsync(HttpMethod.Head, Scratch))["x-ms-version-id"];
        return Seen.Done(await SetLockAsync(Version(Scratch, _scratchVersion), _began.AddDays(1)));
    }

    private async Task<Seen> WriteOverAsync()
    {
        BlobReply written = await blobs.SendAsync(HttpMethod.Put, Scratch, "ransomware"u8.ToArray(), s_block);
        BlobReply before = await blobs.SendAsync(HttpMethod.Get, Version(Scratch, _scratchVersion));
        return Seen.If(before.Status == 200 && Encoding.UTF8.GetString(before.Body) == "trial", $"{written}; the locked version answers {before.Status}, {before.Body.Length} bytes");
    }

    /// <summary>A second computer of the clinic's, made here: its token gets an upload URL (RFC 7523, docs/api.md).</summary>
    private async Task<Seen> OpenPackAsync()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        ECParameters point = key.ExportParameters(false);
        JsonObject code = await archive.AdminJsonAsync("enrollment", "create", "--clinic", Clinic, "--json");
        JsonObject agent = await archive.ApiAsync(HttpMethod.Post, archive.Ingest + "/v1/enrollments", new JsonObject
        {
            ["code"] = $"{code["code"]}", ["agentName"] = "trial", ["agentKey"] = new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["x"] = Base64Url.EncodeToString(point.Q.X), ["y"] = Base64Url.EncodeToString(point.Q.Y) },
        });
        long now = clock.GetUtcNow().ToUnixTimeSeconds();
        string signed = Part(new() { ["alg"] = "ES256", ["typ"] = "JWT" }) + "." + Part(new() { ["iss"] = $"{agent["agentId"]}", ["sub"] = $"{agent["agentId"]}", ["aud"] = $"{agent["audience"]}", ["jti"] = Guid.NewGuid().ToString("N"), ["iat"] = now, ["exp"] = now + 120 });
        string assertion = signed + "." + Base64Url.EncodeToString(key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256));
        using HttpClient http = new();
        using HttpResponseMessage answer = await http.PostAsync(archive.Ingest + "/v1/token", new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials", ["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", ["client_assertion"] = assertion,
        }));
        JsonObject token = Json.Object(await answer.Content.ReadAsStringAsync());
        JsonObject opened = await archive.ApiAsync(HttpMethod.Post, $"{archive.Ingest}/v1/clinics/{Clinic}/packs", new JsonObject { ["study"] = "1.2.826.0.1.3680043.2.1125.1", ["plannedBytes"] = 5 }, (string)token["access_token"]!);
        return Sas(_writeUrl = (string)opened["uploadUrl"]!);
    }

    private static string Part(JsonObject claims) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(claims.ToJsonString()));

    private async Task<Seen> OpenRestoreAsync()
    {
        using RSA key = RSA.Create(3072);
        RSAParameters open = key.ExportParameters(false);
        JsonObject asked = await archive.ApiAsync(HttpMethod.Post, $"/v1/clinics/{Clinic}/restores", new JsonObject
        {
            ["everything"] = true, ["purpose"] = "trial", ["recipient"] = "the person at the keyboard",
            ["publicKey"] = new JsonObject { ["kty"] = "RSA", ["n"] = Base64Url.EncodeToString(open.Modulus), ["e"] = Base64Url.EncodeToString(open.Exponent), ["alg"] = "RSA-OAEP-256", ["use"] = "enc" },
        });
        JsonObject page = await archive.ApiAsync(HttpMethod.Get, $"/v1/clinics/{Clinic}/restores/{asked["id"] ?? asked["restore"]}/result");
        return Sas(_readUrl = (string)page["items"]![0]!["url"]!);
    }

    private static Seen Sas(string url) => Seen.If(url.Contains("sig=", StringComparison.Ordinal) && Regex.IsMatch(url, "[?&]sr=(b|bv)(&|$)"), "permissions " + Regex.Match(url, "[?&]sp=(\\w+)").Groups[1].Value);

    private static string ListUrl(string url) => url[..url.IndexOf("/packs/", StringComparison.Ordinal)] + $"/packs?restype=container&comp=list&prefix={Clinic}&"
        + Regex.Replace(url[(url.IndexOf('?') + 1)..], "&?versionid=[^&]*", "").TrimStart('&');

    private async Task<Seen> ExpireAsync()
    {
        await blobs.SendAsync(HttpMethod.Put, Loose, "trial"u8.ToArray(), s_block);
        // What a clock of storage's that is off by more than this would let live on.
        TimeSpan life = TimeSpan.FromSeconds(azure is null ? 3 : 90);
        string url = azure is null ? blobs.AzuritesSas(Loose, "r", clock.GetUtcNow() + life) : await azure.SasAsync(Loose, clock.GetUtcNow() + life);
        BlobReply before = await blobs.SendAsync(HttpMethod.Get, url);
        await Task.Delay(life + TimeSpan.FromSeconds(azure is null ? 1 : 30));
        BlobReply after = await blobs.SendAsync(HttpMethod.Get, url);
        return before.Status == 200 ? Seen.Refused(after, 403) with { What = $"{before} before, {after} after" } : new Seen(Answer.NotChecked, $"{before} before it ran out");
    }

    // An upload URL may lease what it may write: whoever removes such a blob has to break the lease first.
    private async Task<Seen> LeaseAsync()
    {
        if (azure is null)
        {
            return Seen.NotHere;
        }

        BlobReply leased = await blobs.SendAsync(HttpMethod.Put, Loose + "?comp=lease", null, ("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "-1"));
        BlobReply kept = await blobs.SendAsync(HttpMethod.Delete, Loose);
        BlobReply broken = await blobs.SendAsync(HttpMethod.Put, Loose + "?comp=lease", null, ("x-ms-lease-action", "break"), ("x-ms-lease-break-period", "0"));
        return leased.Status != 201 ? new Seen(Answer.NotChecked, $"no lease: {leased}") : Seen.If(kept.Status == 412 && broken.Status == 202, $"delete {kept}, break {broken}");
    }

    private async Task<Seen> RehydrateAsync()
    {
        await blobs.SendAsync(HttpMethod.Put, Loose, "trial"u8.ToArray(), s_block);
        BlobReply archived = await blobs.SendAsync(HttpMethod.Put, Loose + "?comp=tier", null, ("x-ms-access-tier", "Archive"));
        BlobReply asked = await blobs.SendAsync(HttpMethod.Put, Loose + "?comp=tier", null, ("x-ms-access-tier", "Cold"));
        BlobReply now = await blobs.SendAsync(HttpMethod.Head, Loose);
        string what = $"archived {archived}, asked {asked}, status '{now["x-ms-archive-status"]}', tier {now["x-ms-access-tier"]}";
        return azure is null || archived.Status >= 400 ? new Seen(Answer.NotChecked, azure is null ? "only Azure takes hours for it" : what) : Seen.If(asked.Status == 202 && now["x-ms-archive-status"].StartsWith("rehydrate-pending", StringComparison.Ordinal), what);
    }

    private async Task<Seen> HoldAsync()
    {
        const string held = "/packs/trial-scratch/held";
        await blobs.SendAsync(HttpMethod.Put, held, "trial"u8.ToArray(), s_block);
        string version = Version(held, (await blobs.SendAsync(HttpMethod.Head, held))["x-ms-version-id"]);
        BlobReply set = await blobs.SendAsync(HttpMethod.Put, version + "&comp=legalhold", null, ("x-ms-legal-hold", "true"));
        BlobReply kept = await blobs.SendAsync(HttpMethod.Delete, version);
        await blobs.SendAsync(HttpMethod.Put, version + "&comp=legalhold", null, ("x-ms-legal-hold", "false"));
        return set.Status >= 400 ? Seen.Done(set) : Seen.Refused(kept, 409);
    }

    // Ingest's own right, and not ours: it holds a pack that it commits for a study under a hold.
    private async Task<Seen> CommitUnderHoldAsync()
    {
        string[] before = [.. (await PacksAsync()).Select(pack => $"{pack["pack"]}")], studies = [.. (await PacksAsync()).Select(pack => $"{pack["study"]}").Distinct()];
        foreach (string study in studies)
        {
            await archive.AdminAsync(["hold", "set", "--clinic", Clinic, "--study", study, "--reason", "trial"]);
        }

        string clinic = Path.Combine(archive.Work, "clinic");
        File.Copy(Need(_heldBack, "a backup"), Path.Combine(clinic, "held-back.dcm"));
        _backedUp = (int)Json.Object(await archive.CliAsync(["backup", clinic, "--json"], 4))["backedUp"]!;
        JsonNode added = (await PacksAsync()).Single(pack => !before.Contains($"{pack["pack"]}") && $"{pack["set"]}" != "snapshot");
        if (!studies.Contains($"{added["study"]}"))
        {
            return new Seen(Answer.NotChecked, "the files of --from have no folder with two of one study");
        }

        BlobReply pack = await blobs.SendAsync(HttpMethod.Head, $"/packs/{Clinic}/{added["pack"]}");
        return pack.Status == 200 ? Seen.If(pack["x-ms-legal-hold"] == "true", $"x-ms-legal-hold: {pack["x-ms-legal-hold"]}") : new Seen(Answer.NotChecked, pack.ToString());
    }

    private async Task<Seen> DoctorAsync(string url)
    {
        // 12: something is not as it must be. What, it says itself.
        JsonObject found = Json.Object(await archive.AdminAsync(["doctor", "--url", url, "--json"], 12));
        string[] failed = [.. found["checks"]!.AsArray().Where(check => $"{check!["verdict"]}" == "failed").Select(check => $"{check!["name"]}: {check["found"]}")];
        return Seen.If(failed.Length == 0, failed.Length == 0 ? $"{found["checks"]!.AsArray().Count} checks, none failed" : string.Join("; ", failed));
    }

    private async Task<Seen> RestoreAsync()
    {
        string target = Path.Combine(archive.Work, "restored");
        await archive.AdminAsync(["restore", "--clinic", Clinic, "--everything", "--out", target, "--purpose", "trial", "--recipient", "the person at the keyboard", "--json"]);
        HashSet<string> known = [.. Directory.EnumerateFiles(Path.Combine(archive.Work, "clinic"), "*", SearchOption.AllDirectories).Select(HashOf)];
        string[] restored = [.. Directory.EnumerateFiles(target, "*", SearchOption.AllDirectories).Where(f => !f.Contains(".cloudarchive-restore", StringComparison.Ordinal))];
        int same = restored.Count(f => known.Contains(HashOf(f)));
        return Seen.If(same > 0 && same == restored.Length && same == _backedUp, $"{restored.Length} files of {_backedUp} that were backed up, {same} of them byte for byte a file of the clinic's");
    }

    private async Task<Seen> TestRestoreAsync()
    {
        // 7: a pack did not come back.
        JsonObject run = Json.Object(await archive.AdminAsync(["restore-test", "run", "--clinic", Clinic, "--json"], 7));
        return Seen.If($"{run["result"]}" == "passed", $"{run["result"]}: {run["passed"]} of {run["tested"]} packs");
    }

    private static string HashOf(string file) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)));

    private async Task<Seen> ForgeHeadersAsync()
    {
        using HttpClient http = new(new HttpClientHandler { AllowAutoRedirect = false });
        using HttpRequestMessage request = new(HttpMethod.Get, $"{archive.Recovery}/portal/clinics/{Clinic}");
        string admin = Base64Url.EncodeToString("{\"alg\":\"none\"}"u8) + "." + Part(new() { ["oid"] = Guid.NewGuid().ToString(), ["roles"] = new JsonArray("admin"), ["clinics"] = "*" }) + ".";
        foreach (string header in (string[])["X-MS-TOKEN-AAD-ID-TOKEN", "X-MS-CLIENT-PRINCIPAL", "X-MS-CLIENT-PRINCIPAL-ID", "X-MS-CLIENT-PRINCIPAL-NAME"])
        {
            request.Headers.TryAddWithoutValidation(header, admin);
        }

        using HttpResponseMessage answer = await http.SendAsync(request);
        return Seen.If((int)answer.StatusCode is >= 300 and < 500, $"{(int)answer.StatusCode} {answer.Headers.Location?.ToString().Split('?')[0]}");
    }

    private async Task<Seen> SignInAsync()
    {
        using HttpClient http = new(new HttpClientHandler { AllowAutoRedirect = false });
        using HttpResponseMessage answer = await http.GetAsync(archive.Recovery + "/.auth/login/aad");
        string to = $"{answer.Headers.Location}";
        return azure is null ? Seen.NotHere : Seen.If(to.StartsWith("https://login.microsoftonline.com/", StringComparison.Ordinal) && Uri.UnescapeDataString(to).Contains("/.auth/login/aad/callback", StringComparison.Ordinal), $"{(int)answer.StatusCode} {to.Split('?')[0]}");
    }

    private JsonObject Claims() => Json.Object(Encoding.UTF8.GetString(Base64Url.DecodeFromChars(archive.Token.Split('.')[1])));

    private Seen TokenClaims()
    {
        JsonObject claims = Claims();
        string roles = $"{claims["roles"]?.ToJsonString()}", clinics = $"{claims["extn.clinics"]?.ToJsonString() ?? claims["clinics"]?.ToJsonString()}";
        return Seen.If($"{claims["ver"]}" == "2.0" && roles.Contains("\"admin\"", StringComparison.Ordinal) && (clinics.Contains('*') || roles.Contains("clinic:*", StringComparison.Ordinal)), $"ver {claims["ver"]}, roles {roles}, clinics {clinics}");
    }

    private Seen TokenContext() => options.MfaContext.Length == 0
        ? new Seen(Answer.NotChecked, "no --mfa-context was named")
        : Seen.If($"{Claims()["acrs"]?.ToJsonString()}".Contains($"\"{options.MfaContext}\"", StringComparison.Ordinal), $"acrs {Claims()["acrs"]?.ToJsonString() ?? "is not there"}");
}
