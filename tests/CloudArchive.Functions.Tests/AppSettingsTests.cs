using CloudArchive.Api;
using CloudArchive.Core;
using Microsoft.Extensions.Configuration;

namespace CloudArchive.Functions.Tests;

public sealed class AppSettingsTests
{
    private static readonly Dictionary<string, string?> Whole = new()
    {
        ["CloudArchive:Role"] = "recovery",
        ["CloudArchive:PublicUrl"] = "https://ingest.example/",
        ["CloudArchive:RecoveryUrl"] = "https://recovery.example/",
        ["CloudArchive:BlobEndpoint"] = "https://archive.blob.example/",
        ["CloudArchive:TableEndpoint"] = "https://archive.table.example/",
        ["AzureWebJobsStorage:queueServiceUri"] = "https://host.queue.example/",
        ["CloudArchive:VaultUri"] = "https://vault.example/",
        ["CloudArchive:ClinicVaults"] = "https://clinics0.example/ https://clinics1.example/",
        ["CloudArchive:StaffAuthority"] = "https://login.example/tenant/v2.0",
        ["CloudArchive:StaffAudience"] = "staff",
        ["AZURE_CLIENT_ID"] = "identity",
    };

    public static TheoryData<string> Names => [.. Whole.Keys];

    [Fact]
    public void All_of_them_are_read()
    {
        AppSettings settings = AppSettings.Read(Configuration(Whole));
        Assert.Equal(ArchiveRole.Recovery, settings.Role);
        Assert.Equal(("https://ingest.example/", "https://recovery.example/"), (settings.PublicUrl.AbsoluteUri, settings.RecoveryUrl.AbsoluteUri));
        Assert.Equal("https://vault.example/", settings.Vaults.Signing.AbsoluteUri);
        Assert.Equal(["https://clinics0.example/", "https://clinics1.example/"], settings.Vaults.Clinics.Select(v => v.AbsoluteUri));
        Assert.False(settings.Vaults.Hsm);
        Assert.Null(settings.TelemetryConnection);
        Assert.Null(settings.Webhook);
        Assert.Equal(TimeSpan.FromDays(4), settings.SilentAfter);
        Assert.Empty(settings.TrustedProxies);
    }

    [Fact]
    public void The_staffs_tenant_is_the_one_in_the_authority_unless_another_is_set()
    {
        Assert.Equal("tenant", AppSettings.Read(Configuration(Whole)).StaffTenant);
        Assert.Equal("other", AppSettings.Read(Configuration(new(Whole) { ["CloudArchive:StaffTenant"] = "other" })).StaffTenant);
        Dictionary<string, string?> none = new(Whole) { ["CloudArchive:StaffAuthority"] = "https://login.example/" };
        Assert.Contains("StaffTenant", Assert.Throws<InvalidOperationException>(() => AppSettings.Read(Configuration(none))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Commands_sign_in_with_the_client_that_is_set_for_the_scope_of_the_staffs_application()
    {
        Assert.Null(AppSettings.Read(Configuration(Whole)).StaffClient);
        Assert.Null(AppSettings.Read(Configuration(new(Whole) { ["CloudArchive:StaffCliClientId"] = "" })).StaffClient);
        Dictionary<string, string?> set = new(Whole) { ["CloudArchive:StaffCliClientId"] = "cli" };
        Assert.Equal(new StaffClient("cli", "api://staff/access"), AppSettings.Read(Configuration(set)).StaffClient);
        set["CloudArchive:StaffAudience"] = "api://staff";
        Assert.Equal(new StaffClient("cli", "api://staff/access"), AppSettings.Read(Configuration(set)).StaffClient);
    }

    [Fact]
    public void The_webhook_and_the_limit_of_silence_are_read_where_they_are_set()
    {
        AppSettings settings = AppSettings.Read(Configuration(new(Whole)
        {
            ["CloudArchive:WebhookUrl"] = "https://hooks.example/a",
            ["CloudArchive:WebhookSecret"] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            ["CloudArchive:SilentAfterDays"] = "2",
        }));
        Assert.Equal("https://hooks.example/a", settings.Webhook!.Address.AbsoluteUri);
        Assert.Equal(TimeSpan.FromDays(2), settings.SilentAfter);
    }

    [Fact]
    public void The_mail_server_is_read_and_its_password_is_in_no_text()
    {
        Dictionary<string, string?> mail = new(Whole)
        {
            ["CloudArchive:MailServer"] = "smtps://archive%40practice.example@mail.example",
            ["CloudArchive:MailPassword"] = "tell-nobody",
            ["CloudArchive:MailFrom"] = "archive@practice.example",
            ["CloudArchive:MailOperator"] = "ops@practice.example",
        };
        AppSettings settings = AppSettings.Read(Configuration(mail));
        Assert.Equal(("mail.example", 465, true, "archive@practice.example"), (settings.Mail!.Host, settings.Mail.Port, settings.Mail.ImplicitTls, settings.Mail.User));
        Assert.DoesNotContain("tell-nobody", settings.ToString(), StringComparison.Ordinal);
        InvalidOperationException e = Assert.Throws<InvalidOperationException>(() => AppSettings.Read(Configuration(new(mail) { ["CloudArchive:MailOperator"] = "everybody" })));
        Assert.Contains("CloudArchive__MailOperator", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("tell-nobody", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Infra_sets_every_one_that_is_needed()
    {
        foreach (string role in (string[])["ingest", "recovery"])
        {
            Assert.Empty(Whole.Keys.Select(name => name.Replace(":", "__", StringComparison.Ordinal)).Except(InfraSettings.NamesOf(role)));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void One_that_is_missing_is_named(string name)
    {
        InvalidOperationException e = Assert.Throws<InvalidOperationException>(() => AppSettings.Read(Configuration(new(Whole) { [name] = null })));
        Assert.Contains(name.Replace(":", "__", StringComparison.Ordinal) + " is not set", e.Message);
    }

    [Theory]
    [InlineData("CloudArchive:Role", "both")]
    [InlineData("CloudArchive:BlobEndpoint", "http://archive.blob.example/")]
    [InlineData("CloudArchive:StaffAuthority", "login.example")]
    [InlineData("CloudArchive:SilentAfterDays", "0")]
    [InlineData("CloudArchive:TrustedProxies", "everybody")]
    [InlineData("CloudArchive:TrustedProxies", "0.0.0.0/0")]
    public void One_that_is_wrong_is_named(string name, string value)
    {
        InvalidOperationException e = Assert.Throws<InvalidOperationException>(() => AppSettings.Read(Configuration(new(Whole) { [name] = value })));
        Assert.Contains(name.Replace(":", "__", StringComparison.Ordinal), e.Message);
    }

    [Fact]
    public void A_secret_that_the_platform_could_not_fetch_is_told_as_that()
    {
        InvalidOperationException e = Assert.Throws<InvalidOperationException>(() => AppSettings.Read(Configuration(new(Whole)
        {
            ["CloudArchive:WebhookUrl"] = "https://hooks.example/a",
            ["CloudArchive:WebhookSecret"] = "@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/webhook-secret)",
        })));
        Assert.StartsWith("The app setting CloudArchive__WebhookSecret could not be read from Key Vault (@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/webhook-secret)).", e.Message);
    }

    [Fact]
    public void What_bicep_writes_for_true_is_true()
    {
        Assert.True(AppSettings.Read(Configuration(new(Whole) { ["CloudArchive:HsmKeys"] = "True" })).Vaults.Hsm);
    }

    private static IConfiguration Configuration(Dictionary<string, string?> values) => new ConfigurationBuilder().AddInMemoryCollection(values).Build();
}
