using CloudArchive.Api.Portal;
using CloudArchive.Api.Tests.Support;

namespace CloudArchive.Api.Tests.Portal;

/// <summary>The portal calls a clinic silent when the service is told to, and not by a number of its own.</summary>
public sealed class PortalSilenceTests(SharedStorage shared)
{
    [Theory]
    [InlineData(1, 2, true)]
    [InlineData(1, 0.5, false)]
    [InlineData(24 * 30, 24 * 10, false)]
    [InlineData(null, 24 * 5, true)]
    [InlineData(null, 24 * 3, false)]
    public async Task A_computer_is_silent_after_what_the_service_is_configured_with(int? silentAfterHours, double quietHours, bool silent)
    {
        ApiHostOptions options = new() { Portal = new PortalOptions { Secure = false, Door = new TestDoor(_ => "") }, SilentAfter = silentAfterHours is { } hours ? TimeSpan.FromHours(hours) : null };
        await using ApiHost host = await ApiHost.StartAsync(shared, options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        await agent.TokenAsync();
        host.Clock.Advance(TimeSpan.FromHours(quietHours));
        string clinic = $"/portal/clinics/{agent.Enrolled.Clinic}";
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("compliance", agent.Enrolled.Clinic.Value));
        Assert.Equal(silent, (await browser.GetAsync(clinic + "/agents")).Text.Contains("Silent", StringComparison.Ordinal));
        foreach (string page in new[] { "/portal", clinic })
        {
            Assert.Equal(silent, (await browser.GetAsync(page)).Text.Contains("None of its computers was heard of for", StringComparison.Ordinal));
        }
    }
}
