using System.Net;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using CloudArchive.Api.Mail;
using CloudArchive.Api.Tests.Mail;
using CloudArchive.Cli;
using CloudArchive.Core;
using CloudArchive.Core.Alerts;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.LocalHost;
using CloudArchive.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.EndToEnd.Operations;

/// <summary>
/// The two roles on two addresses over one storage, as on Azure: whatever is printed for somebody, by the command line, the portal or a mail, is followed
/// as it stands, and leads to where it is answered.
/// </summary>
public sealed partial class TwoAddressesTests
{
    private const string Clinic = "smith-dental";

    [Fact]
    public async Task Every_printed_command_and_link_leads_to_the_address_that_serves_it()
    {
        using TemporaryFolder folder = new();
        await using SmtpStandIn smtp = new() { OffersStartTls = false };
        await using LocalArchive archive = await LocalArchive.StartAsync(
            new LocalHostOptions(folder["archive"])
            {
                Port = 0,
                AgentPort = 0,
                Timers = false,
                LogFile = folder["log.txt"],
                Mail = MailServer.Parse($"smtp://127.0.0.1:{smtp.Port}", null, "archive@example.org", "operator@example.org"),
            },
            TestContext.Current.CancellationToken);
        string ingest = archive.AgentUrl.AbsoluteUri.TrimEnd('/'), recovery = archive.Url.AbsoluteUri.TrimEnd('/');
        Assert.NotEqual(ingest, recovery);
        await File.WriteAllTextAsync(folder["passphrase.txt"], "correct horse battery staple", TestContext.Current.CancellationToken);
        using Visitor staff = new(folder, archive);
        await staff.AdminAsync(recovery, "clinic", "create", Clinic, "--name", "Smith Dental", "--no-approval");
        await staff.AdminAsync(recovery, "clinic", "contact", "front@example.org", "--clinic", Clinic);

        // What "enrollment create" prints, run as it stands: on the clinic's computer it enrolls.
        string told = await staff.AdminAsync(recovery, "enrollment", "create", "--clinic", Clinic);
        string code = CodeLine().Match(told).Groups["it"].Value;
        string[] commands = [.. CommandLine().Matches(told).Select(command => command.Groups["it"].Value.Replace("<code>", code, StringComparison.Ordinal).Replace("<file.pem>", folder["escrow.pem"], StringComparison.Ordinal))];
        Assert.Equal(["setup", "enroll"], commands.Select(command => command.Split(' ')[1]));
        Assert.All(commands, command => Assert.Contains($" --url {ingest} ", command, StringComparison.Ordinal));
        await RunAsync(folder["agent"], $"{commands[1]} --escrow-passphrase-file {folder["passphrase.txt"]}");

        // Whoever takes the wrong one of the two is told the right one, and a code is not used up by it.
        string unused = CodeLine().Match(await staff.AdminAsync(recovery, "enrollment", "create", "--clinic", Clinic)).Groups["it"].Value;
        (ExitCode refused, _, string why) = await InProcessCli.RunAsync(folder["lost"], null, "enroll", "--url", recovery, "--code", unused);
        Assert.NotEqual(ExitCode.Ok, refused);
        Assert.Contains($"computers ask {ingest}/", why, StringComparison.Ordinal);
        await RunAsync(folder["found"], $"cloudarchive enroll --url {ingest} --code {unused} --name second");
        (refused, _, why) = await InProcessCli.RunAsync(folder["agent"], null, "clinic", "show", "--token", staff.Token); // by default where the computer is enrolled
        Assert.NotEqual(ExitCode.Ok, refused);
        Assert.Contains($"Staff ask {recovery}/", why, StringComparison.Ordinal);

        SampleStudies.WriteMixed(folder["images"], 2);
        await RunAsync(folder["agent"], $"cloudarchive backup {folder["images"]}");

        // The portal, entered at the wrong address: people arrive all the same.
        Assert.Equal(HttpStatusCode.OK, (await staff.EnterAsync($"{ingest}/portal/sign-in{archive.PortalUrl.Query}")).StatusCode);

        // The portal's enrollment code.
        string page = await staff.PostAsync($"/portal/clinics/{Clinic}/agents", $"/portal/clinics/{Clinic}/enrollments");
        commands = CommandsOf(page);
        Assert.All(commands, command => Assert.Contains($" --url {ingest} ", command, StringComparison.Ordinal));
        await RunAsync(folder["third"], commands.Single(command => command.StartsWith("cloudarchive enroll ", StringComparison.Ordinal)));

        // A restore that is asked for in the portal, and fetched by the command on its page.
        using RSA key = RSA.Create(3072);
        await File.WriteAllTextAsync(folder["cloudarchive-restore.pem"], key.ExportPkcs8PrivateKeyPem(), TestContext.Current.CancellationToken);
        string studies = await staff.GetAsync($"/portal/clinics/{Clinic}/studies");
        (string, string)[] fields =
        [
            .. ChosenStudy().Matches(studies).Select(study => ("study", study.Groups["it"].Value)), ("purpose", "a test"), ("recipient", "us"), ("publicKey", key.ExportSubjectPublicKeyInfoPem()),
        ];
        page = await staff.PostAsync($"/portal/clinics/{Clinic}/studies", $"/portal/clinics/{Clinic}/restores", fields);
        string fetch = Assert.Single(CommandsOf(page), command => command.StartsWith("cloudarchive restores fetch ", StringComparison.Ordinal));
        Assert.Contains($" --url {recovery} ", fetch, StringComparison.Ordinal);
        await RunAsync(folder["admin"], fetch.Replace("--key cloudarchive-restore.pem", $"--key {folder["cloudarchive-restore.pem"]}", StringComparison.Ordinal)
            .Replace("--out restored", $"--out {folder["restored"]} --token {staff.Token}", StringComparison.Ordinal));
        Assert.Equal(Practice.Contents(folder["images"]), Practice.Contents(folder["restored"]));

        // How the log is verified from outside.
        await staff.AdminAsync(recovery, "restore-test", "run", "--clinic", Clinic);
        page = await staff.PostAsync($"/portal/clinics/{Clinic}/audit", $"/portal/clinics/{Clinic}/audit/verify");
        string verify = Assert.Single(CommandsOf(page));
        Assert.Contains($" --url {recovery} ", verify, StringComparison.Ordinal);
        await File.WriteAllTextAsync(folder["keys.json"], await staff.GetAsync("/v1/keys"), TestContext.Current.CancellationToken);
        await RunAsync(folder["admin"], $"{verify.Replace("keys.json", folder["keys.json"], StringComparison.Ordinal)} --token {staff.Token}");

        // Every link of every page, and of every mail.
        Alert[] alerts = [new(ClinicId.Parse(Clinic), AlertCause.ClinicSilent, "agents", "Nothing was heard."), new(null, AlertCause.LogDamaged, "log-of-system", "The log does not verify.")];
        foreach (Alert alert in alerts)
        {
            await archive.Services.GetRequiredService<AlertDesk>().RaiseAsync(alert, Requester.System("test", "test"), TestContext.Current.CancellationToken);
        }

        await archive.Services.GetRequiredService<AlertDelivery>().RunAsync(Requester.System("test", "test"), TestContext.Current.CancellationToken);
        Assert.Equal(3, smtp.Got.Count); // the operator gets both, the clinic its own
        foreach (GotMail mail in smtp.Got)
        {
            Uri link = new(Assert.Single(WebAddress().Matches(mail.Data)).Value);
            Assert.Equal(recovery, link.GetLeftPart(UriPartial.Authority));
            await staff.GetAsync(link.PathAndQuery);
        }

        Assert.InRange(await staff.FollowEverythingAsync(), 20, 400);
    }

    private static async Task RunAsync(string home, string command)
    {
        string[] arguments = [.. command.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1)];
        (ExitCode code, string output, string error) = await InProcessCli.RunAsync(home, null, arguments);
        Assert.True(code == ExitCode.Ok, $"{command}\n{code}\n{output}\n{error}");
    }

    private static string[] CommandsOf(string html) =>
        [.. Printed().Matches(html).Select(one => WebUtility.HtmlDecode(Tag().Replace(one.Groups["it"].Value, "")).Trim())];

    [GeneratedRegex(@"(?m)^  (?<it>\S+)$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex CodeLine();

    [GeneratedRegex(@"(?m): (?<it>cloudarchive .*)$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex CommandLine();

    [GeneratedRegex("""<pre [^>]*aria-label="The command">(?<it>.*?)</pre>""", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Printed();

    [GeneratedRegex("""name="study" value="(?<it>[^"]+)""", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex ChosenStudy();

    [GeneratedRegex("<[^>]*>", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Tag();

    [GeneratedRegex(@"https?://\S+", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex WebAddress();

    /// <summary>An admin with a browser and a terminal.</summary>
    private sealed partial class Visitor(TemporaryFolder folder, LocalArchive archive) : IDisposable
    {
        private readonly HttpClient _http = new(new SocketsHttpHandler { CookieContainer = new CookieContainer() }) { BaseAddress = archive.Url };

        public void Dispose() => _http.Dispose();

        public string Token { get; } = archive.Issuer.Issue("local-admin", "admin", TimeSpan.FromHours(1));

        private static CancellationToken Cancel => TestContext.Current.CancellationToken;

        public async Task<string> AdminAsync(string url, params string[] arguments)
        {
            (ExitCode code, string output, string error) = await InProcessCli.RunAsync(folder["admin"], null, [.. arguments, "--url", url, "--token", Token]);
            Assert.True(code == ExitCode.Ok, $"{string.Join(' ', arguments)}\n{code}\n{output}\n{error}");
            return output;
        }

        /// <summary>Signs in with the link, wherever it leads.</summary>
        public async Task<HttpResponseMessage> EnterAsync(string link)
        {
            using HttpResponseMessage page = await _http.GetAsync(new Uri(link), Cancel);
            Assert.Equal(archive.Url.Authority, page.RequestMessage!.RequestUri!.Authority);
            string code = archive.PortalUrl.Query["?code=".Length..];
            return await _http.PostAsync(new Uri("/portal/sign-in", UriKind.Relative), new FormUrlEncodedContent([new("code", code), new("identity", "local-admin")]), Cancel);
        }

        public async Task<string> GetAsync(string path)
        {
            using HttpResponseMessage answer = await _http.GetAsync(new Uri(path, UriKind.Relative), Cancel);
            Assert.True(answer.IsSuccessStatusCode, $"{path}: {answer.StatusCode}");
            return await answer.Content.ReadAsStringAsync(Cancel);
        }

        /// <summary>Sends a form of a page.</summary>
        public async Task<string> PostAsync(string page, string path, params (string Name, string Value)[] fields)
        {
            string token = FormToken().Match(await GetAsync(page)).Groups["it"].Value;
            using FormUrlEncodedContent form = new(fields.Append(("formToken", token)).Select(field => KeyValuePair.Create(field.Item1, field.Item2)));
            using HttpResponseMessage answer = await _http.PostAsync(new Uri(path, UriKind.Relative), form, Cancel);
            string html = await answer.Content.ReadAsStringAsync(Cancel);
            Assert.True(answer.IsSuccessStatusCode, $"{path}: {answer.StatusCode} {html}");
            return html;
        }

        /// <summary>From the overview on, every page and file that a page links to: each answers, and at this address.</summary>
        public async Task<int> FollowEverythingAsync()
        {
            HashSet<string> seen = ["/portal"];
            Queue<string> open = new(seen);
            while (open.TryDequeue(out string? path))
            {
                string html = await GetAsync(path);
                foreach (string link in Link().Matches(html).Select(match => WebUtility.HtmlDecode(match.Groups["it"].Value)))
                {
                    Uri target = new(new Uri(archive.Url, path), link);
                    Assert.True(target.Authority == archive.Url.Authority, $"{path} links to {target}");
                    if (seen.Add(target.PathAndQuery))
                    {
                        open.Enqueue(target.PathAndQuery);
                    }
                }
            }

            return seen.Count;
        }

        [GeneratedRegex("""name="formToken" value="(?<it>[^"]+)""", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
        private static partial Regex FormToken();

        [GeneratedRegex(@"href=""(?<it>[^""]+)""", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
        private static partial Regex Link();
    }
}
