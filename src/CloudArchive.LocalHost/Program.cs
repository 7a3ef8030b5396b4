using System.CommandLine;
using System.Net;
using System.Runtime.InteropServices;
using CloudArchive.Api.Mail;
using CloudArchive.Core.Alerts;
using CloudArchive.Format.Verdicts;
using CloudArchive.LocalHost;
using CloudArchive.LocalHost.Keys;

Option<string> data = new("--data") { Description = "The folder with everything that the archive keeps.", Required = true };
Option<int?> port = new("--port") { Description = "The API's port; 0 for any. Default: the one used before, 5280, or the next free one." };
Option<int?> agentPort = new("--agent-port") { Description = "A port for the clinics' computers alone, as on Azure: what staff ask for is at --port then, and nowhere else. 0 for any." };
Option<string> address = new("--address") { Description = "The loopback address to listen on.", DefaultValueFactory = _ => "127.0.0.1" };
Option<string?> readyFile = new("--ready-file") { Description = "A file to write, with addresses and tokens, when everything is up." };
Option<string?> logFile = new("--log-file") { Description = "A file for log lines, instead of the console." };
Option<int> portalIdle = new("--portal-idle") { Description = "Minutes without a request after which the portal signs people out.", DefaultValueFactory = _ => 15 };
Option<string?> azurite = new("--azurite") { Description = "The folder of the npm package azurite. Default: the nearest node_modules." };
Option<string?> webhook = new("--webhook") { Description = "Where alerts are sent: an https URL, or http on this machine. The secret is in CLOUDARCHIVE_WEBHOOK_SECRET (whsec_...), which keeps it out of the list of processes." };
Option<string?> mailServer = new("--mail-server") { Description = "Where mail goes out: smtp://user@host:587 (STARTTLS) or smtps://user@host:465. The password is in CLOUDARCHIVE_MAIL_PASSWORD." };
Option<string?> mailFrom = new("--mail-from") { Description = "The address that mail comes from." };
Option<string?> mailOperator = new("--mail-operator") { Description = "Who gets mail about the archive as a whole." };
Option<int?> silentDays = new("--silent-days") { Description = "After how many days in which nothing was heard of a clinic's agents an alert is raised. Default: 4." };
Option<bool> stopWithStdin = new("--stop-with-stdin") { Description = "Stop when standard input is closed." };
RootCommand command = new("Runs CloudArchive on this machine: API, timers, storage with immutability. Ctrl+C stops it.") { data, port, agentPort, address, readyFile, logFile, portalIdle, azurite, webhook, mailServer, mailFrom, mailOperator, silentDays, stopWithStdin, RotateKeyCommand.Create(), DisableKeyCommand.Create() };
command.SetAction(async (arguments, cancellationToken) =>
{
    try
    {
        LocalHostOptions options = new(arguments.GetValue(data)!)
        {
            Address = IPAddress.TryParse(arguments.GetValue(address), out IPAddress? parsed) ? parsed : throw new LocalHostException($"'{arguments.GetValue(address)}' is not an IP address."),
            Port = arguments.GetValue(port),
            AgentPort = arguments.GetValue(agentPort),
            Azurite = arguments.GetValue(azurite),
            LogFile = arguments.GetValue(logFile),
            Webhook = arguments.GetValue(webhook) is { } url ? Target(url) : null,
            Mail = arguments.GetValue(mailServer) is { } server ? Server(server, arguments.GetValue(mailFrom), arguments.GetValue(mailOperator)) : null,
            SilentAfter = arguments.GetValue(silentDays) switch
            {
                null => VerdictLimits.Default.Silent,
                >= 1 and <= 365 and var days => TimeSpan.FromDays(days),
                _ => throw new LocalHostException("--silent-days is 1 to 365."),
            },
            PortalIdle = arguments.GetValue(portalIdle) is >= 1 and <= 1440 and var minutes ? TimeSpan.FromMinutes(minutes) : throw new LocalHostException("--portal-idle: 1 to 1440 minutes."),
        };
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => Stop(signal, stop));
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => Stop(signal, stop));
        await using LocalArchive archive = await LocalArchive.StartAsync(options, stop.Token);
        if (arguments.GetValue(readyFile) is { } file)
        {
            ReadyFile.Of(archive).Write(file);
        }

        Console.WriteLine($"CloudArchive is at {archive.Url} and keeps everything in {Path.GetFullPath(options.Data)}.");
        if (archive.AgentUrl != archive.Url)
        {
            Console.WriteLine($"The clinics' computers ask {archive.AgentUrl}");
        }

        Console.WriteLine($"The portal: {archive.PortalUrl}");
        Console.WriteLine($"Commands: cloudarchive login --url {archive.Url.AbsoluteUri.TrimEnd('/')}, with the sign-in code {archive.SignInCode}");
        Task stdin = arguments.GetValue(stopWithStdin) ? Console.OpenStandardInput().CopyToAsync(Stream.Null, stop.Token) : Task.Delay(Timeout.Infinite, stop.Token);
        Task first = await Task.WhenAny(stdin, archive.Storage.Failed);
        return first == stdin ? 0 : throw new LocalHostException($"Start LocalHost again. {await archive.Storage.Failed}");
    }
    catch (OperationCanceledException)
    {
        return 0;
    }
    catch (LocalHostException e)
    {
        await Console.Error.WriteLineAsync(e.Message);
        return 1;
    }
});

// By default it is two seconds, and an Azurite that writes its index may take ten.
InvocationConfiguration configuration = new() { ProcessTerminationTimeout = TimeSpan.FromMinutes(1) };
return await command.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null }).InvokeAsync(configuration);

static WebhookTarget Target(string address)
{
    try
    {
        return WebhookTarget.Parse(address, Environment.GetEnvironmentVariable("CLOUDARCHIVE_WEBHOOK_SECRET") ?? "");
    }
    catch (FormatException e)
    {
        throw new LocalHostException($"{e.Message} --webhook has the address, CLOUDARCHIVE_WEBHOOK_SECRET the secret.");
    }
}

static MailServer Server(string address, string? from, string? @operator)
{
    try
    {
        return MailServer.Parse(address, Environment.GetEnvironmentVariable("CLOUDARCHIVE_MAIL_PASSWORD"), from, @operator);
    }
    catch (FormatException e)
    {
        throw new LocalHostException($"{e.Message} See --mail-server, --mail-from, --mail-operator; CLOUDARCHIVE_MAIL_PASSWORD has the password.");
    }
}

static void Stop(PosixSignalContext signal, CancellationTokenSource stop)
{
    signal.Cancel = true;
    stop.Cancel();
}
