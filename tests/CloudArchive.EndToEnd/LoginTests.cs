using System.Diagnostics;
using System.Net;
using System.Text.RegularExpressions;
using CloudArchive.Cli;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary><c>cloudarchive login</c> against LocalHost's own issuer, and the commands after it, none of which is given a token.</summary>
public sealed partial class LoginTests
{
    [Fact]
    public async Task With_the_browser_one_signs_in_steps_up_where_a_command_wants_it_and_restores()
    {
        await using Practice practice = await Practice.OpenAsync();
        SampleStudies.WriteOne(practice["images/one.dcm"], "image");
        await practice.BackUpAsync(practice["images"]);
        string home = practice["person"];
        List<Uri> opened = [];

        (ExitCode code, string output, string error) = await RunAsync("login", "--url", practice.Archive.Url);
        Assert.True(code == ExitCode.Ok, error);
        Assert.Equal($"Signed in as local-admin\nto {practice.Archive.Url}\nRenewed by itself; cloudarchive logout ends it.\n", output.ReplaceLineEndings("\n"));

        (code, output, error) = await RunAsync("clinic", "show", "--clinic", practice.Clinic);
        Assert.True(code is ExitCode.Ok or ExitCode.NotSafe, error);
        Assert.Contains("Test Clinic", output, StringComparison.Ordinal);
        Assert.Single(opened);

        (code, output, error) = await RunAsync("restore", "--clinic", practice.Clinic, "--everything", "--out", practice["restored"], "--purpose", "treatment", "--recipient", "Dr. Lee");
        Assert.True(code == ExitCode.Ok, output + error);
        Assert.Contains("This needs a second factor.", error, StringComparison.Ordinal);
        Assert.Equal(2, opened.Count);
        Assert.Equal(Practice.Contents(practice["images"]), Practice.Contents(practice["restored"]));

        // The second factor holds: nobody is asked again.
        Assert.Equal(ExitCode.Ok, (await RunAsync("enrollment", "create", "--clinic", practice.Clinic)).Code);
        Assert.Equal(2, opened.Count);

        Assert.Equal(ExitCode.Ok, (await RunAsync("logout")).Code);
        Assert.Equal(ExitCode.Usage, (await RunAsync("clinic", "show", "--clinic", practice.Clinic, "--url", practice.Archive.Url)).Code);

        async Task<(ExitCode Code, string Output, string Error)> RunAsync(params string[] arguments)
        {
            using StringWriter writer = new(), errors = new();
            CliEnvironment environment = InProcessCli.Environment(home, writer, errors) with { Interactive = true, OpenBrowser = Browse };
            int result = await CloudArchiveCli.RunAsync(arguments, environment, TestContext.Current.CancellationToken);
            return ((ExitCode)result, writer.ToString(), errors.ToString());
        }

        bool Browse(Uri url)
        {
            opened.Add(url);
            _ = SendFormAsync(practice.Archive, url, []);
            return true;
        }
    }

    [Fact]
    public async Task On_another_device_one_signs_in_and_a_script_is_told_of_the_second_factor()
    {
        await using Practice practice = await Practice.OpenAsync();
        SampleStudies.WriteOne(practice["images/one.dcm"], "image");
        await practice.BackUpAsync(practice["images"]);
        Cli person = new(practice["person"]);
        string[] restore = ["restore", "--clinic", practice.Clinic, "--everything", "--out", practice["restored"], "--purpose", "treatment", "--recipient", "Dr. Lee"];

        CliRun refused = await person.RunAsync([.. restore, "--url", practice.Archive.Url]);
        Assert.Contains($"Sign in: cloudarchive login --url {practice.Archive.Url}", refused.Expect(2).Error, StringComparison.Ordinal);

        Assert.Contains("Signed in as local-admin", await SignInAsync(practice.Archive, person, "--url", practice.Archive.Url), StringComparison.Ordinal);
        (await person.RunAsync("restores", "list", "--clinic", practice.Clinic)).Expect(0);
        refused = (await person.RunAsync(restore)).Expect((int)ExitCode.Refused);
        Assert.Contains("cloudarchive login --mfa", refused.Error, StringComparison.Ordinal);

        Assert.Contains("with a second factor", await SignInAsync(practice.Archive, person, "--mfa"), StringComparison.Ordinal);
        (await person.RunAsync(restore)).Expect(0);
        Assert.Equal(Practice.Contents(practice["images"]), Practice.Contents(practice["restored"]));

        // A LocalHost that was started again has forgotten whom it signed in, and its tokens are good until their hour is over.
        await practice.RestartArchiveAsync();
        (await person.RunAsync("restores", "list", "--clinic", practice.Clinic)).Expect(0);
    }

    /// <summary>Types <c>login --device</c>, and its code into the page that it names.</summary>
    private static async Task<string> SignInAsync(ArchiveProcess archive, Cli person, params string[] more)
    {
        using Process login = person.Start(["login", "--device", .. more]);
        Dictionary<string, string> told = [];
        while (!told.ContainsKey("Code") && await login.StandardError.ReadLineAsync(TestContext.Current.CancellationToken) is { } line)
        {
            told[line.Split(' ')[0]] = line.Split(' ')[^1];
        }

        await SendFormAsync(archive, new Uri(told["Open"]), new() { ["user_code"] = told["Code"] });
        string output = await login.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await login.WaitForExitAsync(TestContext.Current.CancellationToken);
        return output;
    }

    /// <summary>What a person does in the browser: types the sign-in code, presses the first button, and follows where that leads.</summary>
    private static async Task SendFormAsync(ArchiveProcess archive, Uri page, Dictionary<string, string> typed)
    {
        using HttpClient browser = new();
        string html = await browser.GetStringAsync(page);
        Dictionary<string, string> form = Hidden().Matches(html).ToDictionary(match => match.Groups["name"].Value, match => WebUtility.HtmlDecode(match.Groups["value"].Value), StringComparer.Ordinal);
        foreach ((string name, string value) in typed)
        {
            form[name] = value;
        }

        form["code"] = archive.PortalUrl.Split("code=")[1];
        form["identity"] = Chosen().Match(html).Groups["value"].Value;
        using FormUrlEncodedContent content = new(form);
        using HttpResponseMessage answer = await browser.PostAsync(page, content);
        answer.EnsureSuccessStatusCode();
    }

    [GeneratedRegex("<input type=\"hidden\" name=\"(?<name>[^\"]*)\" value=\"(?<value>[^\"]*)\">", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Hidden();

    [GeneratedRegex("name=\"identity\" value=\"(?<value>[^\"]*)\" checked", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Chosen();
}
