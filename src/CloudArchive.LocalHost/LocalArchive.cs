using System.Globalization;
using System.Text;
using CloudArchive.Api;
using CloudArchive.Api.Portal;
using CloudArchive.Core;
using CloudArchive.Core.Doctor;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Storage;
using CloudArchive.LocalHost.Hosting;
using CloudArchive.LocalHost.Identity;
using CloudArchive.LocalHost.Keys;
using CloudArchive.LocalHost.Lifecycle;
using CloudArchive.LocalHost.Storage;

namespace CloudArchive.LocalHost;

/// <summary>The whole archive on this machine, in this process but for Azurite. What the program runs, and what tests run.</summary>
public sealed class LocalArchive : IAsyncDisposable
{
    private readonly WebApplication[] _apps;

    private LocalArchive(WebApplication[] apps, CloudArchiveOptions archive, string code, LocalStorage storage, LocalKeys keys, LocalIssuer issuer)
    {
        _apps = apps;
        Url = archive.StaffUrl;
        AgentUrl = archive.PublicUrl;
        SignInCode = code;
        PortalUrl = new Uri(Url, "portal/sign-in?code=" + code);
        Storage = storage;
        Keys = keys;
        Issuer = issuer;
    }

    /// <summary>Where the API answers: to staff, and to the clinics' computers unless these have an address of their own.</summary>
    public Uri Url { get; }

    /// <summary>Where the clinics' computers are answered.</summary>
    public Uri AgentUrl { get; }

    /// <summary>The code that lets one in: for this user's eyes only.</summary>
    public string SignInCode { get; }

    /// <summary>Where the portal answers, with the code that lets one in: for this user's eyes only.</summary>
    public Uri PortalUrl { get; }

    /// <summary>Blobs and tables.</summary>
    public LocalStorage Storage { get; }

    /// <summary>Wrapping and signing keys.</summary>
    public LocalKeys Keys { get; }

    /// <summary>Issues the staff's tokens.</summary>
    public LocalIssuer Issuer { get; }

    /// <summary>Everything that the host registered; the recovery role's, where there are two.</summary>
    public IServiceProvider Services => _apps[0].Services;

    /// <summary>Starts it; ready on return. <see cref="LocalHostException"/> says in a line what is missing.</summary>
    public static async Task<LocalArchive> StartAsync(LocalHostOptions options, CancellationToken cancellationToken)
    {
        string data = Path.GetFullPath(options.Data);
        string portFile = Path.Combine(data, "port");
        LoopbackPort port = LoopbackPort.Take(options.Address, options.Port ?? LastPort(portFile), orNext: options.Port is null);
        LoopbackPort? agentPort = null;
        LocalStorage? storage = null;
        LocalKeys? keys = null;
        LocalIssuer? issuer = null;
        List<WebApplication> apps = [];
        try
        {
            agentPort = options.AgentPort is { } own ? LoopbackPort.Take(options.Address, own, orNext: false) : null;
            storage = await LocalStorage.StartAsync(new LocalStorageOptions(data, options.BlobPort, options.Azurite, Portal: port.Url), options.Clock, cancellationToken);
            keys = await LocalKeys.OpenAsync(Path.Combine(data, "secrets", "keys"), cancellationToken);
            issuer = LocalIssuer.Open(new Uri(port.Url, LocalSignIn.Path), Path.Combine(data, "secrets", "issuer.pem"), options.Clock);
            LocalDoor door = new(issuer);
            PortalOptions portal = new() { Idle = options.PortalIdle, Secure = false, Door = door, BlobUrl = storage.BlobUrl };
            CloudArchiveOptions Describe(ArchiveRole role) => new()
            {
                Role = role,
                PublicUrl = (agentPort ?? port).Url,
                RecoveryUrl = port.Url,
                Staff = issuer.Trust,
                Webhook = options.Webhook,
                Mail = options.Mail,
                SilentAfter = options.SilentAfter,
                Portal = portal,
            };
            CloudArchiveOptions archive = Describe(agentPort is null ? ArchiveRole.Both : ArchiveRole.Recovery);

            // One writer: two would write over each other's lines.
            FileLog? log = options.LogFile is { } file ? new FileLog(file, options.Clock) : null;
            apps.Add(Build(port, options, archive, storage, keys, log, new LocalSignIn(issuer, door, options.Clock)));
            if (agentPort is not null)
            {
                apps.Add(Build(agentPort, options, Describe(ArchiveRole.Ingest), storage, keys, log, signIn: null));
            }

            foreach (WebApplication app in apps)
            {
                await app.StartAsync(cancellationToken);
            }

            PrivateFile.Write(portFile, Encoding.ASCII.GetBytes(port.Url.Port.ToString(CultureInfo.InvariantCulture)));
            return new LocalArchive([.. apps], archive, door.Code, storage, keys, issuer);
        }
        catch
        {
            await DisposeAsync(apps, storage, keys, issuer);
            port.Dispose();
            agentPort?.Dispose();
            throw;
        }
    }

    /// <summary>Stops answering, waits for what is under way, stops Azurite.</summary>
    public ValueTask DisposeAsync() => DisposeAsync(_apps, Storage, Keys, Issuer);

    private static async ValueTask DisposeAsync(IEnumerable<WebApplication> apps, LocalStorage? storage, LocalKeys? keys, LocalIssuer? issuer)
    {
        foreach (WebApplication app in apps)
        {
            await app.StopAsync(CancellationToken.None);
            await app.DisposeAsync();
        }

        if (storage is not null)
        {
            await storage.DisposeAsync();
        }

        keys?.Dispose();
        issuer?.Dispose();
    }

    private static WebApplication Build(
        LoopbackPort port, LocalHostOptions options, CloudArchiveOptions archive, LocalStorage storage, LocalKeys keys, FileLog? log, LocalSignIn? signIn)
    {
        WebApplicationBuilder builder = port.CreateBuilder();
        Register(builder, options, archive, storage, keys, log);
        WebApplication app = builder.Build();
        if (signIn is not null)
        {
            app.Map(LocalSignIn.Path, issuer => issuer.Run(signIn.InvokeAsync));
        }

        app.UseRouting();
        app.UseCloudArchive();
        app.MapCloudArchive();
        return app;
    }

    private static void Register(
        WebApplicationBuilder builder, LocalHostOptions options, CloudArchiveOptions archive, LocalStorage storage, LocalKeys keys, FileLog? log)
    {
        builder.Logging.SetMinimumLevel(LogLevel.Information).AddFilter("Microsoft", LogLevel.Warning).AddFilter("Azure", LogLevel.Warning);
        if (log is not null)
        {
            builder.Logging.AddProvider(log);
        }
        else
        {
            builder.Logging.AddSimpleConsole(console => console.SingleLine = true);
        }

        IServiceCollection services = builder.Services;
        services.AddRouting();
        services.AddSingleton(options.Clock);
        services.AddSingleton(storage);
        services.AddSingleton(LifecycleRules.Deployed());
        services.AddSingleton<LifecycleEngine>();
        services.AddSingleton<IBlobVault>(storage.Vault);
        services.AddSingleton<IRowStore>(storage.Rows);
        services.AddSingleton<IWorkQueue>(storage.Queue);
        services.AddSingleton<IWrappingKeys>(keys);
        services.AddSingleton<IStorageRights>(storage.Vault.Rights);
        services.AddSingleton<IKeyRights>(keys);
        services.AddSingleton<ISigner>(keys);
        services.AddSingleton(keys.Tokens);
        services.AddCloudArchive(archive);
        if (archive.Role == ArchiveRole.Ingest)
        {
            return; // It unwraps nothing, and the other app does the work of both.
        }

        services.AddSingleton<IKeyUnwrapper>(keys);
        services.AddSingleton(new WorkSchedule(options.Timers));
        services.AddHostedService<WorkPump>();
        if (options.Timers)
        {
            services.AddHostedService<LifecycleTimer>();
            services.AddHostedService<StartCheck>();
        }
    }

    private static int LastPort(string file) =>
        File.Exists(file) && int.TryParse(File.ReadAllText(file), CultureInfo.InvariantCulture, out int port) && port is > 0 and <= ushort.MaxValue ? port : LocalHostOptions.DefaultPort;
}
