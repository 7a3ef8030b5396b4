using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Reports;

public sealed class ReportCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TestCli _cli = new();
    private readonly List<string> _asked = [];

    public ReportCommandTests()
    {
        _cli.Variables["CLOUDARCHIVE_URL"] = "https://archive.test";
        _cli.Variables["CLOUDARCHIVE_TOKEN"] = "token";
        _cli.Answer = (request, _) =>
        {
            _asked.Add($"{request.Method} {request.RequestUri!.PathAndQuery} {request.Headers.Authorization}");
            return Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes($"content of {request.RequestUri.Segments[^1]}\r\n")) });
        };
    }

    public void Dispose()
    {
        _folder.Dispose();
        _cli.Dispose();
    }

    [Theory]
    [InlineData("2026-11")]
    [InlineData("2026-Q4")]
    [InlineData("2026")]
    public async Task A_report_is_written_as_csv_and_pdf_byte_for_byte_into_a_folder_that_is_made(string period)
    {
        (ExitCode code, string output, string error) = await _cli.RunAsync("report", period, "--out", _folder["deep/reports"], "--clinic", "smith-dental");
        Assert.Equal((ExitCode.Ok, ""), (code, error));
        Assert.Equal([$"GET /v1/clinics/smith-dental/reports/{period}.csv Bearer token", $"GET /v1/clinics/smith-dental/reports/{period}.pdf Bearer token"], _asked);
        foreach (string form in new[] { "csv", "pdf" })
        {
            Assert.Equal($"content of {period}.{form}\r\n", await File.ReadAllTextAsync(Path.Combine(_folder["deep/reports"], $"smith-dental-{period}.{form}"), TestContext.Current.CancellationToken));
            Assert.Contains($"smith-dental-{period}.{form}", output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task With_json_it_names_the_files()
    {
        JsonNode document = await _cli.JsonAsync("report", "2026", "--out", _folder["reports"], "--clinic", "smith-dental");
        Assert.Equal(("smith-dental", "2026", _folder["reports"]), (document["clinic"]!.GetValue<string>(), document["period"]!.GetValue<string>(), document["folder"]!.GetValue<string>()));
        Assert.Equal(["smith-dental-2026.csv", "smith-dental-2026.pdf"], document["files"]!.AsArray().Select(file => file!.GetValue<string>()));
    }

    [Theory]
    [InlineData("2026-13")]
    [InlineData("2026-Q5")]
    [InlineData("../../etc")]
    [InlineData("2026\n")]
    [InlineData("november")]
    public async Task What_is_no_period_is_told_before_anything_is_asked(string period)
    {
        (ExitCode code, _, string error) = await _cli.RunAsync("report", period, "--out", _folder["reports"], "--clinic", "smith-dental");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("a month as 2026-11, a quarter as 2026-Q4 or a year as 2026", error, StringComparison.Ordinal);
        Assert.Empty(_asked);
        Assert.False(Directory.Exists(_folder["reports"]));
    }

    [Fact]
    public async Task A_refusal_is_told_and_leaves_no_half_report()
    {
        _cli.Answer = (request, _) => Task.FromResult(request.RequestUri!.AbsolutePath.EndsWith(".csv", StringComparison.Ordinal)
            ? new HttpResponseMessage(HttpStatusCode.OK) { Content = new ByteArrayContent([1]) }
            : new HttpResponseMessage(HttpStatusCode.NotFound) { Content = JsonContent.Create(new { type = "https://cloudarchive.example/problems/report-unknown", title = "No such report", status = 404, detail = "2030 has not begun." }) });
        (ExitCode code, _, string error) = await _cli.RunAsync("report", "2030", "--out", _folder["reports"], "--clinic", "smith-dental");
        Assert.Equal(ExitCode.Refused, code);
        Assert.Contains("2030 has not begun.", error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder["reports"]));
    }
}
