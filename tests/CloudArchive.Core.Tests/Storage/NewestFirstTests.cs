using System.Globalization;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Audit;

namespace CloudArchive.Core.Tests.Storage;

/// <summary>Lists from their end, whatever lies before it.</summary>
public sealed class NewestFirstTests
{
    private const string Clinic = "smith-dental";
    private static readonly DateTimeOffset _now = new(2026, 7, 31, 12, 0, 0, TimeSpan.Zero);

    private readonly MemoryRowStore _rows = new();

    [Theory]
    [InlineData(1, 700)] // a thing a day, for two years
    [InlineData(40, 90)] // more in a month than one query brings
    [InlineData(2500, 3)] // more in a day than one query brings
    [InlineData(0.02, 120)] // once in fifty days, from 2010 on
    public async Task Pages_from_the_end_hold_everything_once_and_in_order(double aDay, int days)
    {
        List<string> all = [];
        double step = 1 / aDay;
        for (int i = 0; i < days * Math.Max(1, aDay); i++)
        {
            all.Add(await AddAsync(_now - TimeSpan.FromDays(i * step)));
        }

        await _rows.SubmitAsync(RowTable.Work, Clinic, [new RowWrite.Insert("tesu", new Dictionary<string, object>()), new RowWrite.Insert("teste", new Dictionary<string, object>())], CancellationToken.None);
        List<string> seen = [];
        for (string? before = null; ;)
        {
            int reads = _rows.Reads;
            IReadOnlyList<string> page = await PageAsync(before, 100);
            Assert.InRange(_rows.Reads - reads, 1, 8); // whatever lies behind it
            seen.AddRange(page);
            if (page.Count < 100)
            {
                break;
            }

            before = page[^1];
        }

        Assert.Equal(all.OrderDescending(StringComparer.Ordinal), seen);
    }

    [Fact]
    public async Task An_empty_list_and_one_that_ended_long_ago_take_a_few_queries()
    {
        Assert.Empty(await PageAsync(null, 100));
        Assert.InRange(_rows.Reads, 1, 6);
        string old = await AddAsync(_now.AddYears(-6));
        int before = _rows.Reads;
        Assert.Equal([old], await PageAsync(null, 100));
        Assert.InRange(_rows.Reads - before, 1, 6);
    }

    [Fact]
    public async Task What_cannot_be_read_is_left_out_and_the_page_is_full_all_the_same()
    {
        List<string> whole = [];
        for (int i = 0; i < 150; i++)
        {
            string key = await AddAsync(_now - TimeSpan.FromDays(i), i % 3 == 0 ? "damaged" : "whole");
            if (i % 3 != 0)
            {
                whole.Add(key);
            }
        }

        Assert.Equal(whole, await PageAsync(null, 100));
        Assert.Equal(whole.Take(70), await PageAsync(null, 70));
    }

    [Fact]
    public async Task What_a_clock_that_is_ahead_made_is_there()
    {
        string ahead = await AddAsync(_now + TimeSpan.FromHours(2));
        Assert.Equal([ahead], await PageAsync(null, 10));
    }

    private Task<IReadOnlyList<string>> PageAsync(string? before, int take) => _rows.ReadNewestAsync(
        RowTable.Work, Clinic, "test:", WorkId.KeyAt, before, before is null ? _now : WorkId.Parse(before, CultureInfo.InvariantCulture).MadeAt, take,
        row => row.Text("is") == "whole" ? row.Key["test:".Length..] : throw new FormatException("damaged"), CancellationToken.None);

    private async Task<string> AddAsync(DateTimeOffset at, string what = "whole")
    {
        string id = Guid.CreateVersion7(at).ToString("D");
        await _rows.SubmitAsync(RowTable.Work, Clinic, [new RowWrite.Insert("test:" + id, new Dictionary<string, object> { ["is"] = what })], CancellationToken.None);
        return id;
    }
}
