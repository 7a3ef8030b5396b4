#!/usr/bin/env dotnet
#:include setup.lib.cs
// Prints the commands that register the archive's applications in Entra ID, for a name of yours. It runs none of them: read them, then paste them.
//   dotnet run scripts/entra.cs -- --name "CloudArchive"                       for bash; docs/operations.md shows these
//   dotnet run scripts/entra.cs -- --name "CloudArchive" --shell powershell    for PowerShell
//   dotnet run scripts/entra.cs -- --name "CloudArchive" --after               what wants `azd up` first

using System.Security.Cryptography;
using System.Text;

return await Setup.RunAsync(() =>
{
    const string usage = "Usage: dotnet run scripts/entra.cs -- --name <name> [--shell bash|powershell] [--after]";
    string? name = null;
    bool bash = true, after = false;
    for (int i = 0; i < args.Length; i++)
    {
        switch (args[i])
        {
            case "--name" when i + 1 < args.Length: name = args[++i]; break;
            case "--shell" when i + 1 < args.Length && args[i + 1] is "bash" or "powershell": bash = args[++i] == "bash"; break;
            case "--after": after = true; break;
            default: throw new SetupException($"'{args[i]}' is not an option, or lacks its value. {usage}");
        }
    }

    // It stands between quotes of three languages.
    if (name is null || name.Length is 0 or > 100 || !name.All(c => char.IsLetterOrDigit(c) || c is ' ' or '-' or '.' or '_') || name.Trim() != name)
    {
        throw new SetupException($"--name: how the application is called, of letters, digits, spaces, '-', '.' and '_'. {usage}");
    }

    foreach (string line in new Entra(name, bash).Lines(after))
    {
        Console.WriteLine(line);
    }

    return Task.FromResult(0);
});

/// <summary>The registration, step by step, in a shell's words.</summary>
sealed class Entra(string name, bool bash)
{
    private const string Graph = "https://graph.microsoft.com/v1.0";

    public IEnumerable<string> Lines(bool after) => after ? AfterDeployment() : BeforeDeployment();

    private IEnumerable<string> BeforeDeployment() =>
    [
        "# The staff's application: the API's tokens are for it, and the portal signs people in with it.",
        Set("app", $"az ad app create --display-name \"{name}\" --sign-in-audience AzureADMyOrg --query appId -o tsv"),
        "az ad sp create --id $app",
        "",
        "# Clinics: a directory extension, which a person's entry has, and which tokens carry as extn.clinics.",
        .. Body("extension", """{"name": "clinics", "dataType": "String", "targetObjects": ["User"]}"""),
        Set("extension", $"az rest --method POST --url \"{Graph}/applications(appId='$app')/extensionProperties\" --body \"@extension.json\" --query name -o tsv"),
        "",
        "# The API: a scope of its own, and tokens of version 2. The roles. What tokens carry besides, for the API and for the portal.",
        .. Body("app", $$"""
            {
              "identifierUris": ["api://$app"],
              "api": {
                "requestedAccessTokenVersion": 2,
                "oauth2PermissionScopes": [
                  {"id": "{{Id("scope")}}", "value": "access", "type": "Admin", "isEnabled": true, "adminConsentDisplayName": "Use the archive",
                   "adminConsentDescription": "Use the archive as the person who is signed in"}]
              },
              "appRoles": [
                {"id": "{{Id("admin")}}", "value": "admin", "displayName": "Admin", "description": "Administers clinics and restores",
                 "allowedMemberTypes": ["User"], "isEnabled": true},
                {"id": "{{Id("compliance")}}", "value": "compliance", "displayName": "Compliance", "description": "Reads logs and evidence",
                 "allowedMemberTypes": ["User"], "isEnabled": true}],
              "optionalClaims": {
                "accessToken": [{"name": "acrs"}, {"name": "$extension", "source": "user"}],
                "idToken": [{"name": "acrs"}, {"name": "$extension", "source": "user"}]
              }
            }
            """),
        $"az rest --method PATCH --url \"{Graph}/applications(appId='$app')\" --body \"@app.json\"",
        "",
        "# Only who was assigned gets in.",
        "az ad sp update --id $app --set appRoleAssignmentRequired=true",
        "",
        "# The command line: a public client, which has no secret. The browser comes back to it on a port of the person's computer, whichever is free;",
        "# device codes are allowed. It is let into the scope beforehand, so that nobody is asked for consent.",
        Set("cli", $"az ad app create --display-name \"{name} command line\" --sign-in-audience AzureADMyOrg --public-client-redirect-uris http://localhost --is-fallback-public-client true --query appId -o tsv"),
        "az ad sp create --id $cli",
        .. Body("cli", $$"""
            {
              "api": {"preAuthorizedApplications": [{"appId": "$cli", "delegatedPermissionIds": ["{{Id("scope")}}"]}]}
            }
            """),
        $"az rest --method PATCH --url \"{Graph}/applications(appId='$app')\" --body \"@cli.json\"",
        "",
        "azd env set CLOUDARCHIVE_STAFF_CLIENT_ID $app",
        "azd env set CLOUDARCHIVE_STAFF_CLI_CLIENT_ID $cli",
    ];

    private IEnumerable<string> AfterDeployment() =>
    [
        "# Where the sign-in comes back to, and that the recovery app's identity may ask for it. There is no secret to keep or renew.",
        Set("app", "azd env get-value CLOUDARCHIVE_STAFF_CLIENT_ID"),
        Set("recovery", "azd env get-value CLOUDARCHIVE_RECOVERY_URL"),
        Set("principal", "azd env get-value CLOUDARCHIVE_RECOVERY_PRINCIPAL"),
        Set("tenant", "az account show --query tenantId -o tsv"),
        $"az ad app update --id $app --web-redirect-uris \"{Joined("recovery")}.auth/login/aad/callback\" --enable-id-token-issuance true",
        .. Body("credential", """
            {"name": "recovery", "issuer": "https://login.microsoftonline.com/$tenant/v2.0", "subject": "$principal",
             "audiences": ["api://AzureADTokenExchange"]}
            """),
        "az ad app federated-credential create --id $app --parameters \"@credential.json\"",
    ];

    private string Set(string variable, string command) => bash ? $"{variable}=$({command})" : $"${variable} = {command}";

    /// <summary>A variable that text follows without a space.</summary>
    private static string Joined(string variable) => "${" + variable + "}";

    /// <summary>
    /// JSON in a file: on Windows <c>az</c> is a batch file, which no quote within quotes survives. Both shells put in the variables.
    /// </summary>
    private IEnumerable<string> Body(string file, string json) =>
        bash ? [$"cat > {file}.json <<JSON", json.ReplaceLineEndings("\n"), "JSON"] : ["@\"", json.ReplaceLineEndings("\n"), $"\"@ | Set-Content {file}.json"];

    /// <summary>The same for a name each time: who repeats a command makes no second role.</summary>
    private string Id(string what)
    {
        byte[] bytes = SHA256.HashData(Encoding.UTF8.GetBytes($"CloudArchive\n{name}\n{what}"))[..16];
        (bytes[6], bytes[8]) = ((byte)(0x80 | (bytes[6] & 0x0F)), (byte)(0x80 | (bytes[8] & 0x3F))); // RFC 9562, version 8
        return new Guid(bytes, bigEndian: true).ToString("D");
    }
}
