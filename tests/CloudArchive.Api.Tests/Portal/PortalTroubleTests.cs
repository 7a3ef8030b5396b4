using CloudArchive.Api.Portal;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Api.Tests.Portal;

/// <summary>Pages over many clinics, one of which cannot be read: it is shown as such, and the others as they are.</summary>
public sealed class PortalTroubleTests(SharedStorage shared)
{
    [Fact]
    public async Task A_clinic_that_cannot_be_read_hides_no_other()
    {
        TroubledRows? rows = null;
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = new PortalOptions { Secure = false, Door = new TestDoor(_ => "") }, Rows = inner => rows = new TroubledRows(inner) });
        ClinicId good = (await ApiAgent.CreateAsync(host)).Enrolled.Clinic, bad = (await ApiAgent.CreateAsync(host)).Enrolled.Clinic;
        string both = $"{good} {bad}";
        using PortalBrowser browser = await PortalBrowser.SignInAsync(host, host.Staff("admin", both));
        Assert.DoesNotContain("Not checked", (await browser.GetAsync("/portal")).Html, StringComparison.Ordinal);
        rows!.Bad = bad;

        string overview = (await browser.GetAsync("/portal")).Html;
        Assert.Contains($"id=\"c-{good}\"", overview, StringComparison.Ordinal);
        Assert.Contains($"id=\"c-{bad}\"", overview, StringComparison.Ordinal);
        Assert.Contains("1 not checked", overview, StringComparison.Ordinal);
        Assert.Contains(host.Logged.Lines, line => line.Contains($"How clinic {bad} is could not be read", StringComparison.Ordinal));

        Page<ClinicResponse> list = (await host.GetAsync("/v1/clinics", host.Staff("admin", both))).As<Page<ClinicResponse>>();
        Assert.Equal(2, list.Items.Count);
        Assert.Null(list.Items.Single(clinic => clinic.Clinic == good).Problem);
        Assert.Contains("could not be read", list.Items.Single(clinic => clinic.Clinic == bad).Problem, StringComparison.Ordinal);

        // Just before it: other tests' clinics are many.
        using PortalBrowser all = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        PortalAnswer alerts = await all.GetAsync($"/portal/alerts?after={bad.Value[..^1]}");
        Assert.Equal(System.Net.HttpStatusCode.OK, alerts.Status);
        Assert.Contains("Could not be read", alerts.Text, StringComparison.Ordinal);
        Assert.Contains($"<code>{bad}</code>", alerts.Html, StringComparison.Ordinal);
        Assert.DoesNotContain($"<code>{good}</code>", alerts.Html, StringComparison.Ordinal);
    }

    /// <summary>Tables that fail at one clinic's rows.</summary>
    private sealed class TroubledRows(IRowStore inner) : IRowStore
    {
        public ClinicId? Bad { get; set; }

        public Task EnsureReadyAsync(CancellationToken cancellationToken) => inner.EnsureReadyAsync(cancellationToken);

        public Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken) =>
            IsBad(table, partition) ? throw new IOException("Tables answer HTTP 500.") : inner.FindAsync(table, partition, key, cancellationToken);

        public Task<IReadOnlyList<Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken) =>
            IsBad(table, partition) ? throw new IOException("Tables answer HTTP 500.") : inner.QueryAsync(table, partition, from, to, take, cancellationToken);

        public IAsyncEnumerable<string> PartitionsAsync(RowTable table, CancellationToken cancellationToken) => inner.PartitionsAsync(table, cancellationToken);

        public Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken) => inner.SubmitAsync(table, partition, writes, cancellationToken);

        private bool IsBad(RowTable table, string partition) => table is RowTable.Clinics or RowTable.Work && partition == Bad?.Value;
    }
}
