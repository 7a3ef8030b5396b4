// An archive as the demo and the trial use it: LocalHost as a child process, the CLI, and blob storage past the service.
// Included with `#:include archive.lib.cs`, beside setup.lib.cs.

using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

/// <summary>An archive's addresses (the same one twice where one process has both roles), a staff token, and a folder for the CLI's data.</summary>
sealed record Archive(string Ingest, string Recovery, string Token, string Work)
{
    /// <summary>Runs <c>cloudarchive</c> as a clinic's computer.</summary>
    public Task<string> CliAsync(string[] arguments, params int[] allowed) =>
        RunAsync("src/CloudArchive.Cli", "cloudarchive", arguments, allowed, new() { ["CLOUDARCHIVE_HOME"] = Path.Combine(Work, "agent") });

    /// <summary>Runs <c>cloudarchive</c> as an admin.</summary>
    public Task<string> AdminAsync(string[] arguments, params int[] allowed) =>
        RunAsync("src/CloudArchive.Cli", "cloudarchive", arguments, allowed, new() { ["CLOUDARCHIVE_HOME"] = Path.Combine(Work, "admin"), ["CLOUDARCHIVE_URL"] = Recovery, ["CLOUDARCHIVE_TOKEN"] = Token });

    public async Task<JsonObject> AdminJsonAsync(params string[] arguments) => Json.Object(await AdminAsync(arguments));

    /// <summary>A clinic, its first computer, and the escrow key that this makes.</summary>
    public async Task<string> EnrollAsync(string clinic, string name, string escrowKey, params string[] options)
    {
        await AdminAsync(["clinic", "create", clinic, "--name", name, "--no-approval", .. options]);
        JsonObject code = await AdminJsonAsync("enrollment", "create", "--clinic", clinic, "--json");
        string passphrase = Path.Combine(Work, "escrow-passphrase.txt");
        await File.WriteAllTextAsync(passphrase, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)));
        return await CliAsync(["enroll", "--url", Ingest, "--code", (string)code["code"]!, "--name", "reception-pc", "--escrow-out", escrowKey, "--escrow-passphrase-file", passphrase]);
    }

    /// <summary>Asks the API; what is refused throws, with the answer.</summary>
    public async Task<JsonObject> ApiAsync(HttpMethod method, string url, JsonNode? body = null, string? token = null)
    {
        using HttpClient http = new();
        using HttpRequestMessage request = new(method, url.StartsWith('/') ? Recovery + url : url);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token ?? Token);
        request.Content = body is null ? null : new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await http.SendAsync(request);
        string text = await response.Content.ReadAsStringAsync();
        return response.IsSuccessStatusCode ? Json.Object(text) : throw new SetupException($"{method} {request.RequestUri!.AbsolutePath} answered {(int)response.StatusCode}: {text}");
    }

    /// <summary>Runs what the build made of a project; another exit code than 0 and those that are allowed is told and ends the script.</summary>
    public static async Task<string> RunAsync(string project, string assembly, string[] arguments, int[]? allowed = null, Dictionary<string, string>? environment = null)
    {
        using Process process = Setup.Start("dotnet", [Setup.Assembly(project, assembly), .. arguments], redirect: true, environment: environment);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        string text = await output;
        return process.ExitCode == 0 || (allowed ?? []).Contains(process.ExitCode)
            ? text
            : throw new SetupException($"`{assembly} {arguments[0]}` ended with exit code {process.ExitCode}: {(text + await errors).Trim()}");
    }
}

/// <summary>What blob storage answered.</summary>
sealed record BlobReply(int Status, string Code, byte[] Body, IReadOnlyDictionary<string, string> Headers)
{
    public string this[string header] => Headers.GetValueOrDefault(header, "");

    public override string ToString() => $"{Status} {Code}".Trim();
}

/// <summary>Blob storage, past the service.</summary>
/// <param name="root">The account's URL, without a slash at its end.</param>
/// <param name="sign">Puts on a request what lets it in.</param>
/// <param name="clock">The time that requests state.</param>
sealed class BlobStorage(string root, Func<HttpRequestMessage, byte[]?, Task> sign, TimeProvider clock)
{
    // The account and key that Azurite documents for everyone.
    private const string Account = "devstoreaccount1";
    private const string Key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    public string Root => root;

    /// <summary>As the holder of Azurite's account key.</summary>
    public static BlobStorage OfAzurite(string url, TimeProvider clock) => new($"{new Uri(url).GetLeftPart(UriPartial.Authority)}/{Account}", (request, content) =>
    {
        // https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
        Dictionary<string, string> headers = request.Headers.ToDictionary(h => h.Key, h => string.Join(',', h.Value), StringComparer.OrdinalIgnoreCase);
        string named = string.Concat(headers.Where(h => h.Key.StartsWith("x-ms-", StringComparison.Ordinal)).OrderBy(h => h.Key, StringComparer.Ordinal).Select(h => $"{h.Key}:{h.Value}\n"));
        string query = string.Concat(request.RequestUri!.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)
            .Select(p => p.Split('=', 2)).Select(p => $"\n{p[0]}:{Uri.UnescapeDataString(p[1])}"));
        string length = content is { Length: > 0 } ? $"{content.Length}" : "";
        string toSign = $"{request.Method}\n\n\n{length}\n\n\n\n\n\n{headers.GetValueOrDefault("If-None-Match")}\n\n\n{named}/{Account}{request.RequestUri.AbsolutePath}{query}";
        request.Headers.TryAddWithoutValidation("Authorization", $"SharedKey {Account}:{Sign(toSign)}");
        return Task.CompletedTask;
    }, clock);

    /// <summary>A SAS for one blob, signed with Azurite's key. https://learn.microsoft.com/rest/api/storageservices/create-service-sas</summary>
    public string AzuritesSas(string path, string permissions, DateTimeOffset expires)
    {
        string until = expires.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
        string signature = Sign($"{permissions}\n\n{until}\n/blob/{Account}{path}\n\n\n\n2020-12-06\nb\n\n\n\n\n\n\n");
        return $"{Root}{path}?sv=2020-12-06&sr=b&sp={permissions}&se={Uri.EscapeDataString(until)}&sig={Uri.EscapeDataString(signature)}";
    }

    /// <param name="target">A path below the account, such as <c>/packs/a</c>; or a whole URL, which is then let in by its SAS alone.</param>
    public async Task<BlobReply> SendAsync(HttpMethod method, string target, byte[]? content = null, params (string Name, string Value)[] headers)
    {
        using HttpRequestMessage request = new(method, target.StartsWith('/') ? root + target : target);
        foreach ((string name, string value) in ((string, string)[])[("x-ms-date", clock.GetUtcNow().ToString("R", CultureInfo.InvariantCulture)), ("x-ms-version", "2024-11-04"), .. headers])
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        request.Content = content is null && method != HttpMethod.Put ? null : new ByteArrayContent(content ?? []);
        if (target.StartsWith('/'))
        {
            await sign(request, content);
        }

        using HttpClient http = new();
        using HttpResponseMessage response = await http.SendAsync(request);
        Dictionary<string, string> answered = response.Headers.ToDictionary(h => h.Key.ToLowerInvariant(), h => string.Join(',', h.Value));
        return new BlobReply((int)response.StatusCode, answered.GetValueOrDefault("x-ms-error-code", ""), await response.Content.ReadAsByteArrayAsync(), answered);
    }

    private static string Sign(string text) => Convert.ToBase64String(HMACSHA256.HashData(Convert.FromBase64String(Key), Encoding.UTF8.GetBytes(text)));
}

/// <summary>CloudArchive.LocalHost as a child process.</summary>
sealed class LocalHostProcess : IDisposable
{
    private readonly Process _process;
    private readonly bool _keep;

    private LocalHostProcess(Process process, bool keep, JsonObject ready) => (_process, _keep, Ready) = (process, keep, ready);

    /// <summary>What it wrote when it was up: addresses, tokens, process ids.</summary>
    public JsonObject Ready { get; }

    /// <summary>It, for an admin.</summary>
    public Archive ToArchive(string work) => new(((string)Ready["url"]!).TrimEnd('/'), ((string)Ready["url"]!).TrimEnd('/'), (string)Ready["tokens"]!["admin"]!, work);

    public static async Task<LocalHostProcess> StartAsync(string work, bool keep)
    {
        string readyFile = Path.Combine(work, "ready.json");
        string log = Path.Combine(work, "localhost.log");
        File.Delete(readyFile);
        // Its output goes to a file, so that one that is kept holds none of our pipes; its input is ours to close, so that one that
        // is not kept ends with us even when we are killed.
        List<string> arguments = [Setup.Assembly("src/CloudArchive.LocalHost", "CloudArchive.LocalHost"), "--data", Path.Combine(work, "data"), "--ready-file", readyFile, "--log-file", log];
        if (!keep)
        {
            arguments.Add("--stop-with-stdin");
        }

        Process process = Setup.Start("dotnet", arguments, redirect: true, redirectInput: true);
        Task<string> errors = process.StandardError.ReadToEndAsync();
        Stopwatch watch = Stopwatch.StartNew();
        while (!File.Exists(readyFile))
        {
            if (process.HasExited)
            {
                throw new SetupException($"LocalHost did not start: {(await errors).Trim()}");
            }

            if (watch.Elapsed > TimeSpan.FromMinutes(1))
            {
                process.Kill(entireProcessTree: true);
                throw new SetupException($"LocalHost was not ready within a minute; its log is {log}.");
            }

            await Task.Delay(50);
        }

        return new LocalHostProcess(process, keep, JsonNode.Parse(await File.ReadAllTextAsync(readyFile))!.AsObject());
    }

    public void Stop()
    {
        if (_process.HasExited)
        {
            return;
        }

        _process.StandardInput.Close();
        if (_keep || !_process.WaitForExit(TimeSpan.FromSeconds(20)))
        {
            _process.Kill(entireProcessTree: true);
        }
    }

    public void Dispose() => _process.Dispose();
}

static class Json
{
    public static JsonSerializerOptions Indented { get; } = new() { WriteIndented = true };

    public static JsonObject Object(string json)
    {
        try
        {
            return JsonNode.Parse(json)!.AsObject();
        }
        catch (JsonException)
        {
            throw new SetupException("Expected a JSON document and got: " + json);
        }
    }
}
