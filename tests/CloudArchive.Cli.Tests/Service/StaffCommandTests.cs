using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Tests.Service;

/// <summary>Lists of any length, against a service that has as many items as a test says.</summary>
public sealed class StaffCommandTests : IDisposable
{
    private const int Page = 100, MostListed = 10_000;
    private readonly TestCli _cli = new();
    private readonly List<string> _asked = [];
    private int _holds;

    public StaffCommandTests()
    {
        _cli.Variables["CLOUDARCHIVE_URL"] = "https://archive.example.org";
        _cli.Variables["CLOUDARCHIVE_TOKEN"] = "token";
        _cli.Variables["CLOUDARCHIVE_CLINIC"] = "demo-dental";
        _cli.Answer = (request, _) =>
        {
            _asked.Add(request.RequestUri!.PathAndQuery);
            int from = request.RequestUri.Query is { Length: > 0 } query ? int.Parse(query.Split("after=")[1], CultureInfo.InvariantCulture) : 0;
            HoldResponse[] items = [.. Enumerable.Range(from + 1, Math.Min(Page, _holds - from)).Select(Hold)];
            return Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK)
            {
                Content = JsonContent.Create(new Page<HoldResponse>(items, from + Page < _holds ? items[^1].Hold : null), options: FormatJson.Options),
            });
        };
    }

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task A_list_of_json_ends_and_says_where_it_goes_on()
    {
        _holds = 25_000;
        (ExitCode code, string output, string error) = await _cli.RunAsync("hold", "list", "--json");
        JsonArray first = JsonNode.Parse(output)!.AsArray();
        Assert.Equal((ExitCode.Ok, MostListed), (code, first.Count));
        Assert.Equal(MostListed / Page, _asked.Count); // what is not printed is not asked for

        string after = error.Split("--after ")[1].Trim();
        Assert.Equal((string)first[^1]!["hold"]!, after);
        (_, string rest, string more) = await _cli.RunAsync("hold", "list", "--json", "--after", after);
        Assert.Equal($"{int.Parse(after, CultureInfo.InvariantCulture) + 1}", (string)JsonNode.Parse(rest)!.AsArray()[0]!["hold"]!);
        (_, string last, string end) = await _cli.RunAsync("hold", "list", "--json", "--after", more.Split("--after ")[1].Trim());
        Assert.Equal((5_000, ""), (JsonNode.Parse(last)!.AsArray().Count, end));
    }

    [Fact]
    public async Task A_table_has_all_of_it()
    {
        _holds = MostListed + 1;
        (_, string output, string error) = await _cli.RunAsync("hold", "list");
        Assert.Equal((_holds + 1, ""), (output.TrimEnd().Split('\n').Length, error));
        _holds = 0;
        Assert.Equal("Hold\tStatus\tKeeps\tWhy\tSince\tBy\tPacks\tClearing asked by", (await _cli.RunAsync("hold", "list")).Output.Trim());
    }

    private static HoldResponse Hold(int number) => new(
        $"{number}", Packs.Clinic, Packs.Study, OfPatient: false, "litigation", HoldStatus.Active, "admin-1", new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), null, 1, null, null, null, null);
}
