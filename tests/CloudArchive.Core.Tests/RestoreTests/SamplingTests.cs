using System.Security.Cryptography;
using System.Text;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.RestoreTests;

public sealed class SamplingTests
{
    private static readonly Uid _study = Uid.Parse("1.2.3");
    private static readonly DateTimeOffset _day = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void The_rank_is_the_hash_that_the_design_states()
    {
        Sha256Digest root = Sha256Digest.Of("root"u8);
        PackId pack = PackId.Parse("01890a5d-ac96-774b-bcce-b302099a8057");
        byte[] expected = SHA256.HashData([.. root.ToBytes(), .. Encoding.ASCII.GetBytes("01890a5d-ac96-774b-bcce-b302099a8057")]);
        Assert.Equal(Convert.ToHexStringLower(expected), Sampling.Rank(root, pack).Hex);
    }

    [Theory]
    [InlineData(100, 10)]
    [InlineData(100, 11)]
    [InlineData(100, 1)]
    [InlineData(5, 10)]
    [InlineData(1, 10)]
    [InlineData(0, 10)]
    public void Half_is_random_and_half_longest_untested_without_repetition(int population, int most)
    {
        Candidate[] all = Population(population);
        IReadOnlyList<SampledPack> sample = Sampling.Choose(all, Sha256Digest.Of("x"u8), most);
        int count = Math.Min(population, most);
        Assert.Equal((count, (count + 1) / 2), (sample.Count, sample.Count(pack => pack.Pick == RestoreTestPick.Random)));
        Assert.Equal(count, sample.Select(pack => pack.Pack).Distinct().Count());
    }

    [Fact]
    public void The_random_half_is_the_first_by_rank_whatever_was_tested_and_in_whatever_order_they_come()
    {
        Candidate[] all = Population(200);
        Sha256Digest root = Sha256Digest.Of("y"u8);
        PackId[] expected = [.. all.Select(c => c.Pack).OrderBy(pack => Sampling.Rank(root, pack).Hex, StringComparer.Ordinal).Take(5)];
        foreach (Candidate[] order in (Candidate[][])[all, [.. all.Reverse()], [.. all.Select(c => c with { LastTestedAt = null })]])
        {
            Assert.Equal(expected, Sampling.Choose(order, root, 10).Where(pack => pack.Pick == RestoreTestPick.Random).Select(pack => pack.Pack));
        }

        Assert.NotEqual(expected, Sampling.Choose(all, Sha256Digest.Of("z"u8), 10).Take(5).Select(pack => pack.Pack));
    }

    [Fact]
    public void The_other_half_is_what_was_never_tested_then_what_was_tested_longest_ago()
    {
        Candidate[] all = Population(50, index => index switch { 7 => null, 8 => null, _ => _day.AddDays(index) });
        IReadOnlyList<SampledPack> sample = Sampling.Choose(all, Sha256Digest.Of("w"u8), 10);
        HashSet<PackId> random = [.. sample.Where(pack => pack.Pick == RestoreTestPick.Random).Select(pack => pack.Pack)];
        PackId[] expected = [.. all.Where(c => !random.Contains(c.Pack)).OrderBy(c => c.LastTestedAt ?? DateTimeOffset.MinValue).Take(5).Select(c => c.Pack)];
        Assert.Equal(expected.Order(Comparer<PackId>.Create((a, b) => string.CompareOrdinal(a.ToString(), b.ToString()))),
            sample.Where(pack => pack.Pick == RestoreTestPick.LongestUntested).Select(pack => pack.Pack).Order(Comparer<PackId>.Create((a, b) => string.CompareOrdinal(a.ToString(), b.ToString()))));
    }

    [Fact]
    public void Over_many_roots_every_pack_is_drawn_about_as_often_as_any_other()
    {
        Candidate[] all = Population(20);
        Dictionary<PackId, int> drawn = all.ToDictionary(c => c.Pack, _ => 0);
        for (int i = 0; i < 2000; i++)
        {
            foreach (SampledPack pack in Sampling.Choose(all, Sha256Digest.Of(BitConverter.GetBytes(i)), 4).Where(pack => pack.Pick == RestoreTestPick.Random))
            {
                drawn[pack.Pack]++;
            }
        }

        // 2 of 20 in 2000 draws: 200 each, standard deviation 13.4.
        Assert.All(drawn.Values, count => Assert.InRange(count, 130, 270));
    }

    private static Candidate[] Population(int count, Func<int, DateTimeOffset?>? tested = null) =>
        [.. Enumerable.Range(0, count).Select(i => new Candidate(PackId.Parse($"01890a5d-ac96-774b-bcce-{i:x12}"), _study, tested is null ? _day.AddDays(i % 17) : tested(i)))];
}
