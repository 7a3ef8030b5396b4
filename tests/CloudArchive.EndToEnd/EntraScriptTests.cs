using System.Diagnostics;
using System.Text.Json.Nodes;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>The commands that scripts/entra.cs prints: run against an <c>az</c> that writes down what it was asked.</summary>
public sealed class EntraScriptTests
{
    private const string App = "11111111-1111-1111-1111-111111111111", Cli = "22222222-2222-2222-2222-222222222222", Extension = "extension_111_clinics";

    [Fact]
    public async Task The_page_shows_what_the_program_prints()
    {
        string page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "operations.md")).ReplaceLineEndings("\n");
        Assert.Contains("```\n" + await PrintAsync() + "\n```", page, StringComparison.Ordinal);
        Assert.Contains("```\n" + await PrintAsync("--after") + "\n```", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_shell_makes_of_it_is_what_Graph_is_to_get()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "bash");
        using TemporaryFolder folder = new();
        string asked = folder["asked"];
        Directory.CreateDirectory(folder["bin"]);
        foreach (string tool in new[] { "az", "azd" })
        {
            await File.WriteAllTextAsync(folder["bin/" + tool], $$"""
                #!/bin/sh
                echo "{{tool}} $*" >> '{{asked}}'
                case "$*" in
                  *"command line"*) echo {{Cli}} ;;
                  *"app create"*|*STAFF_CLIENT_ID*) echo {{App}} ;;
                  *extensionProperties*) echo {{Extension}} ;;
                  *RECOVERY_URL*) echo https://recovery.example/ ;;
                  *PRINCIPAL*) echo the-principal ;;
                  *"account show"*) echo the-tenant ;;
                esac
                """.ReplaceLineEndings("\n"), TestContext.Current.CancellationToken);
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(folder["bin/" + tool], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }
        }

        await BashAsync(folder, await PrintAsync());
        JsonNode app = Read(folder, "app.json");
        Assert.Equal("api://" + App, (string)app["identifierUris"]![0]!);
        Assert.Equal(2, (int)app["api"]!["requestedAccessTokenVersion"]!);
        Assert.Equal(["admin", "compliance"], app["appRoles"]!.AsArray().Select(role => (string)role!["value"]!));
        foreach (string token in new[] { "accessToken", "idToken" })
        {
            Assert.Equal(["acrs", Extension], app["optionalClaims"]![token]!.AsArray().Select(claim => (string)claim!["name"]!));
        }

        JsonNode let = Read(folder, "cli.json")["api"]!["preAuthorizedApplications"]![0]!;
        Assert.Equal((Cli, (string)app["api"]!["oauth2PermissionScopes"]![0]!["id"]!), ((string)let["appId"]!, (string)let["delegatedPermissionIds"]![0]!));
        string[] ids = [(string)let["delegatedPermissionIds"]![0]!, .. app["appRoles"]!.AsArray().Select(role => (string)role!["id"]!)];
        Assert.Equal(3, ids.Select(Guid.Parse).Distinct().Count());
        string all = await File.ReadAllTextAsync(asked, TestContext.Current.CancellationToken);
        Assert.Contains($"azd env set CLOUDARCHIVE_STAFF_CLIENT_ID {App}\nazd env set CLOUDARCHIVE_STAFF_CLI_CLIENT_ID {Cli}\n", all, StringComparison.Ordinal);
        Assert.Contains($"applications(appId='{App}') --body @app.json", all, StringComparison.Ordinal);

        await BashAsync(folder, await PrintAsync("--after"));
        JsonNode credential = Read(folder, "credential.json");
        Assert.Equal(("the-principal", "https://login.microsoftonline.com/the-tenant/v2.0"), ((string)credential["subject"]!, (string)credential["issuer"]!));
        Assert.Contains($"az ad app update --id {App} --web-redirect-uris https://recovery.example/.auth/login/aad/callback", await File.ReadAllTextAsync(asked, TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Both_shells_get_the_same_documents_and_a_name_that_breaks_quotes_is_refused()
    {
        string bash = await PrintAsync(), powershell = await PrintAsync("--shell", "powershell");
        Assert.Equal(Documents(bash, "<<JSON\n", "\nJSON"), Documents(powershell, "@\"\n", "\n\"@"));
        Assert.Contains("$app = az ad app create", powershell, StringComparison.Ordinal);
        (int code, string output) = await RepositoryScript.RunAsync("entra.cs", "--name", "a\"b");
        Assert.True(code == 1 && output.Contains("--name: how the application is called", StringComparison.Ordinal), output);

        static string[] Documents(string printed, string begin, string end) => [.. printed.Split(begin).Skip(1).Select(part => part[..part.IndexOf(end, StringComparison.Ordinal)])];
    }

    private static async Task<string> PrintAsync(params string[] more)
    {
        (int code, string printed) = await RepositoryScript.RunAsync("entra.cs", ["--name", "CloudArchive", .. more]);
        Assert.True(code == 0, printed);
        return printed.ReplaceLineEndings("\n").Trim();
    }

    private static JsonNode Read(TemporaryFolder folder, string file) => JsonNode.Parse(File.ReadAllText(folder[file]))!;

    private static async Task BashAsync(TemporaryFolder folder, string commands)
    {
        await File.WriteAllTextAsync(folder["commands.sh"], "set -eu\n" + commands + "\n", TestContext.Current.CancellationToken);
        ProcessStartInfo info = new("bash", [folder["commands.sh"]]) { WorkingDirectory = folder.Path, RedirectStandardError = true, UseShellExecute = false };
        info.Environment["PATH"] = folder["bin"] + Path.PathSeparator + Environment.GetEnvironmentVariable("PATH");
        using Process bash = Process.Start(info)!;
        string errors = await bash.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await bash.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(bash.ExitCode == 0, errors);
    }
}
