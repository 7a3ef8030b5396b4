using CloudArchive.Api.Portal;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Api.Tests.Portal;

/// <summary>The portal takes a computer's word for as long as the service is told to, and not by a number of its own.</summary>
public sealed class PortalSilenceTests(SharedStorage shared)
{
    [Theory]
    [InlineData(1, 2, "Not safe")]
    [InlineData(1, 0.5, "Safe")]
    [InlineData(24 * 30, 24 * 10, "Needs attention")]
    [InlineData(null, 24 * 5, "Not safe")]
    [InlineData(null, 24 * 3, "Needs attention")]
    [InlineData(null, 24, "Safe")]
    public async Task A_computer_is_silent_after_what_the_service_is_configured_with(int? silentAfterHours, double quietHours, string word)
    {
        ApiHostOptions options = new() { Portal = new PortalOptions { Secure = false, Door = new TestDoor(_ => "") }, SilentAfter = silentAfterHours is { } hours ? TimeSpan.FromHours(hours) : null };
        await using ApiHost host = await ApiHost.StartAsync(shared, options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string clinic = $"/portal/clinics/{agent.Enrolled.Clinic}";
        DateTimeOffset at = host.Clock.GetUtcNow();
        AgentVerdict good = new(AgentVerdict.CurrentVersion, at, true, [new FolderVerdict("f1", true, 1, 1, 0, 1, at, [])], []);
        Assert.Equal(204, (await host.PostAsync($"/v1/clinics/{agent.Enrolled.Clinic}/agents/{agent.Enrolled.AgentId}/verdict", await agent.TokenAsync(), good)).Status);
        host.Clock.Advance(TimeSpan.FromHours(quietHours));
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("compliance", agent.Enrolled.Clinic.Value));
        foreach (string page in new[] { clinic + "/agents", "/portal", clinic })
        {
            PortalAnswer answer = await browser.GetAsync(page);
            Assert.Contains($"</span>{word}</span>", answer.Html, StringComparison.Ordinal);
            Assert.Equal(word != "Safe", answer.Text.Contains("last reported", StringComparison.Ordinal));
        }
    }
}
