using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using CloudArchive.Api;
using CloudArchive.Api.Portal;
using CloudArchive.Azure.Queues;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Doctor;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Limits;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;
using CloudArchive.LocalHost.Hosting;
using CloudArchive.LocalHost.Keys;
using CloudArchive.LocalHost.Storage;
using CloudArchive.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

[assembly: AssemblyFixture(typeof(CloudArchive.Api.Tests.Support.SharedStorage))]

namespace CloudArchive.Api.Tests.Support;

/// <summary>One Azurite with its WORM layer, and one key folder, for all tests: each test has clinics of its own.</summary>
public sealed class SharedStorage : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();

    public LocalStorage Storage { get; private set; } = null!;

    public LocalKeys Keys { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Storage = await LocalStorage.StartAsync(_folder["storage"], TestContext.Current.CancellationToken);
        Keys = await LocalKeys.OpenAsync(_folder["keys"], TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        Keys.Dispose();
        await Storage.DisposeAsync();
        _folder.Dispose();
    }
}

/// <summary>What a test wants other than usual.</summary>
internal sealed record ApiHostOptions
{
    public ArchiveRole Role { get; init; } = ArchiveRole.Both;

    public RequestLimits Limits { get; init; } = new(10_000, 10_000, 10_000, 10_000, 10_000, 10_000, ReportsPerAgent: 10_000, UploadUrlsPerAgent: 10_000, CommitsPerAgent: 10_000);

    public PortalOptions Portal { get; init; } = new() { Secure = false };

    /// <summary>Where agents reach the archive.</summary>
    public Uri PublicUrl { get; init; } = new("https://archive.test/");

    /// <summary>Where staff reach it; null for the same address where the host has both roles, and for one that nobody listens at where it has one.</summary>
    public Uri? RecoveryUrl { get; init; }

    public bool WithUnwrapper { get; init; } = true;

    /// <summary>What signs tokens, for a test that takes versions out of use; null for the key of all tests.</summary>
    public LocalKeys? Keys { get; init; }

    /// <summary>Null for what a service has that was told nothing.</summary>
    public TimeSpan? SilentAfter { get; init; }

    /// <summary>Another issuer than that of <see cref="ApiHost.Staff"/>.</summary>
    public StaffIssuer? Staff { get; init; }

    public Func<IRowStore, IRowStore> Rows { get; init; } = rows => rows;

    /// <summary>Hosts of one name share their allowances, as instances of one service do; all tests share one storage.</summary>
    public string Service { get; init; } = Guid.NewGuid().ToString("N");

    /// <summary>The clock; null for one of the host's own.</summary>
    public FakeTimeProvider? Clock { get; init; }

    /// <summary>What stands between the allowances and their table.</summary>
    public Func<IRowStore, IRowStore> AllowanceRows { get; init; } = rows => rows;

    /// <summary>What comes before the service's own middlewares.</summary>
    public Action<IApplicationBuilder> Before { get; init; } = _ => { };
}

/// <summary>The API on Kestrel, on a free port of the loopback, with an issuer whose tokens a test can make as it likes.</summary>
internal sealed class ApiHost : IAsyncDisposable
{
    public const string StaffIssuer = "https://login.test/";
    public const string StaffAudience = "api://cloudarchive";
    public const string StaffTenant = "staff.test";

    private static readonly ECDsa _staffKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly WebApplication _app;

    private ApiHost(WebApplication app, FakeTimeProvider clock, CapturedLog log)
    {
        (_app, Clock, Logged) = (app, clock, log);
        Http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
    }

    public static Jwk StaffKey { get; } = JwkKeys.FromEcdsa(_staffKey, "staff-1");

    public HttpClient Http { get; }

    public FakeTimeProvider Clock { get; }

    public CapturedLog Logged { get; }

    public IServiceProvider Services => _app.Services;

    public IReadOnlyList<RouteEndpoint> Endpoints => [.. _app.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<ApiHost> StartAsync(SharedStorage shared, ApiHostOptions? options = null)
    {
        options ??= new ApiHostOptions();
        FakeTimeProvider clock = options.Clock ?? new(DateTimeOffset.UtcNow);
        CapturedLog log = new();
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Trace).AddProvider(log);
        builder.Services.AddSingleton<TimeProvider>(clock);
        builder.Services.AddSingleton(options.Rows(shared.Storage.Rows));
        WorkQueue queue = shared.Storage.OpenQueue("work-" + Guid.NewGuid().ToString("N"));
        await queue.EnsureReadyAsync(TestContext.Current.CancellationToken);
        builder.Services.AddSingleton<IWorkQueue>(queue);
        builder.Services.AddSingleton(new WorkSchedule(false));
        builder.Services.AddHostedService<WorkPump>();
        builder.Services.AddSingleton<IBlobVault>(shared.Storage.Vault);
        builder.Services.AddSingleton<IWrappingKeys>(shared.Keys);
        builder.Services.AddSingleton<ISigner>(shared.Keys);
        builder.Services.AddSingleton((options.Keys ?? shared.Keys).Tokens);
        builder.Services.AddSingleton<IStorageRights>(shared.Storage.Vault.Rights);
        builder.Services.AddSingleton<IKeyRights>(shared.Keys);
        if (options.WithUnwrapper)
        {
            builder.Services.AddSingleton<IKeyUnwrapper>(shared.Keys);
        }

        CloudArchiveOptions configured = new()
        {
            Role = options.Role,
            PublicUrl = options.PublicUrl,
            RecoveryUrl = options.RecoveryUrl ?? (options.Role == ArchiveRole.Both ? null : new Uri("https://recovery.test/")),
            Staff = options.Staff ?? new StaffIssuer(StaffIssuer, StaffAudience, StaffTenant, _ => Task.FromResult(new JwkSet([StaffKey]))),
            Limits = options.Limits,
            Portal = options.Portal,
        };
        configured.SilentAfter = options.SilentAfter ?? configured.SilentAfter;
        builder.Services.AddCloudArchive(configured);
        builder.Services.AddSingleton(provider => new SharedAllowances(
            options.AllowanceRows(new ServiceRows(shared.Storage.Rows, options.Service)), clock, provider.GetRequiredService<ILogger<SharedAllowances>>()));
        WebApplication app = builder.Build();
        options.Before(app);
        app.UseRouting();
        app.UseCloudArchive();
        app.MapCloudArchive();
        await app.StartAsync(Cancel);
        return new ApiHost(app, clock, log);
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.DisposeAsync();
    }

    /// <summary>A staff token; every part can be made wrong.</summary>
    public string Staff(
        string role,
        string clinics = "*",
        string subject = "ada",
        bool mfa = true,
        string issuer = StaffIssuer,
        string audience = StaffAudience,
        TimeSpan? lifetime = null,
        TimeSpan? notBefore = null,
        ECDsa? key = null,
        string? kid = null,
        Action<Dictionary<string, object>>? claims = null)
    {
        DateTimeOffset now = Clock.GetUtcNow();
        Dictionary<string, object> all = new()
        {
            ["tid"] = StaffTenant, ["oid"] = subject, ["sub"] = subject + "-pairwise", ["scp"] = "user_impersonation",
            ["roles"] = new[] { role }, ["clinics"] = clinics, ["amr"] = mfa ? new[] { "pwd", "mfa" } : ["pwd"],
        };
        claims?.Invoke(all);
        SecurityTokenDescriptor token = new()
        {
            Issuer = issuer,
            Audience = audience,
            IssuedAt = now.UtcDateTime,
            NotBefore = (now + (notBefore ?? TimeSpan.Zero)).UtcDateTime,
            Expires = (now + (lifetime ?? TimeSpan.FromHours(1))).UtcDateTime,
            SigningCredentials = new SigningCredentials(new ECDsaSecurityKey(key ?? _staffKey) { KeyId = kid ?? StaffKey.Kid }, SecurityAlgorithms.EcdsaSha256),
            Claims = all,
        };
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(token);
    }

    /// <summary>An ID token of the same issuer for the same application: who signed in, and nothing to call with.</summary>
    public string SignIn(string role, string clinics = "*", string subject = "ada") => Staff(role, clinics, subject, claims: claims => claims.Remove("scp"));

    /// <summary>As the archive calls a person.</summary>
    public static string Id(string subject) => $"{subject}@{StaffTenant}";

    public async Task<Answer> SendAsync(string method, string path, string? token, object? body = null, string? raw = null, string contentType = "application/json", string? correlation = null)
    {
        using HttpRequestMessage request = new(new HttpMethod(method), path);
        if (token is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + token);
        }

        if (correlation is not null)
        {
            request.Headers.TryAddWithoutValidation("x-ms-client-request-id", correlation);
        }

        if (raw is not null)
        {
            request.Content = new StringContent(raw);
            request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        }
        else if (body is not null)
        {
            request.Content = JsonContent.Create(body, body.GetType(), options: FormatJson.Options);
        }

        using HttpResponseMessage response = await Http.SendAsync(request, Cancel);
        return new Answer((int)response.StatusCode, await response.Content.ReadAsStringAsync(Cancel), response.Content.Headers.ContentType?.MediaType, response.Headers);
    }

    public Task<Answer> GetAsync(string path, string? token) => SendAsync("GET", path, token);

    public Task<Answer> PostAsync(string path, string? token, object? body = null) => SendAsync("POST", path, token, body);

    /// <summary>A log, whole.</summary>
    public async Task<IReadOnlyList<AuditEntry>> LogAsync(string log)
    {
        AuditReader reader = Services.GetRequiredService<AuditReader>();
        List<AuditEntry> entries = [];
        long size = (await reader.GetHeadAsync(log, Cancel)).Size;
        while (entries.Count < size)
        {
            entries.AddRange((await reader.ReadAsync(log, entries.Count, 1000, Cancel)).Select(entry => JsonSerializer.Deserialize<AuditEntry>(entry.Json, FormatJson.Options)!));
        }

        return entries;
    }

    /// <summary>Signs a checkpoint of a log.</summary>
    public Task CheckpointAsync(string log) => Services.GetRequiredService<Checkpoints>().MakeAsync(log, Cancel);

    /// <summary>Changes an entry as somebody would who can write to the tables.</summary>
    public async Task AlterEntryAsync(string log, long index)
    {
        IRowStore rows = Services.GetRequiredService<IRowStore>();
        Row row = (await rows.FindAsync(RowTable.Audit, log, $"e_{index:D16}", Cancel))!;
        Dictionary<string, object> values = new(row.Values) { ["json"] = row.Text("json")!.Replace("\"success\"", "\"failure\"", StringComparison.Ordinal) };
        await rows.SubmitAsync(RowTable.Audit, log, [new RowWrite.Replace(row.Key, values, row.ETag!)], Cancel);
    }

    /// <summary>The entries of one request, wherever they were written.</summary>
    public async Task<IReadOnlyList<AuditEntry>> EntriesOfAsync(Answer answer, params string[] logs)
    {
        List<AuditEntry> entries = [];
        foreach (string log in logs.Append(AuditEntry.SystemLog))
        {
            entries.AddRange((await LogAsync(log)).Where(entry => entry.Origin.CorrelationId == answer.CorrelationId));
        }

        return entries;
    }
}

/// <summary>The allowances of one service among those of others in the same table.</summary>
internal sealed class ServiceRows(IRowStore inner, string service) : IRowStore
{
    public Task EnsureReadyAsync(CancellationToken cancellationToken) => inner.EnsureReadyAsync(cancellationToken);

    public Task<CloudArchive.Core.Storage.Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken) =>
        inner.FindAsync(table, partition + service, key, cancellationToken);

    public Task<IReadOnlyList<CloudArchive.Core.Storage.Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken) =>
        inner.QueryAsync(table, partition + service, from, to, take, cancellationToken);

    public IAsyncEnumerable<string> PartitionsAsync(RowTable table, CancellationToken cancellationToken) => inner.PartitionsAsync(table, cancellationToken);

    public Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken) =>
        inner.SubmitAsync(table, partition + service, writes, cancellationToken);
}

/// <summary>A response.</summary>
internal sealed record Answer(int Status, string Body, string? MediaType, HttpResponseHeaders Headers)
{
    public string CorrelationId => Headers.GetValues("x-ms-client-request-id").Single();

    /// <summary>The end of the problem's type; null where it is none.</summary>
    public string? Problem => MediaType == "application/problem+json" ? JsonDocument.Parse(Body).RootElement.GetProperty("type").GetString()!.Split('/')[^1] : null;

    public T As<T>()
    {
        Assert.True(Status is >= 200 and < 300, $"{Status} {Body}");
        return JsonSerializer.Deserialize<T>(Body, FormatJson.Options)!;
    }
}

/// <summary>Every line that anything logs, as text.</summary>
internal sealed class CapturedLog : ILoggerProvider, ISupportExternalScope
{
    private IExternalScopeProvider _scopes = new LoggerExternalScopeProvider();

    public ConcurrentQueue<string> Lines { get; } = new();

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void SetScopeProvider(IExternalScopeProvider scopeProvider) => _scopes = scopeProvider;

    public void Dispose()
    {
    }

    private sealed class Logger(CapturedLog log, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => log._scopes.Push(state);

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            string scopes = "";
            log._scopes.ForEachScope((scope, _) => scopes += " " + (scope is IEnumerable<KeyValuePair<string, object>> pairs ? string.Join(',', pairs) : scope), 0);
            log.Lines.Enqueue($"{logLevel} {category} {formatter(state, exception)} {exception}{scopes}");
        }
    }
}
