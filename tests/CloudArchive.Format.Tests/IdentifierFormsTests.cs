using System.Text.Json;
using CloudArchive.Testing;

namespace CloudArchive.Format.Tests;

public sealed class IdentifierFormsTests
{
    /// <summary>tests/vectors/identifiers-1.json was computed with Python's hmac module.</summary>
    [Fact]
    public void Every_form_is_as_another_implementation_makes_it()
    {
        Vectors vectors = JsonSerializer.Deserialize<Vectors>(File.ReadAllBytes(Path.Combine(Repository.Vectors, "identifiers-1.json")), FormatJson.Options)!;
        using IdentifierSecret secret = IdentifierSecret.FromBytes(Convert.FromHexString(vectors.Secret));
        Assert.True(vectors.Identifiers.Count > 5);
        Assert.All(vectors.Identifiers, vector => Assert.Equal(new IdentifierForms(vector.Spelling, vector.Zeros), secret.Forms(vector.Identifier)));
        Assert.All(vectors.Identifiers, vector => Assert.Equal(vector.Exact, secret.Hmac(vector.Identifier)));
    }

    [Theory]
    [InlineData("ab 12", "AB12", true, true)]
    [InlineData("MÜLLER\u30001", "müller1", true, true)]
    [InlineData("0012", "12", false, true)]
    [InlineData("0 012", "12", false, true)]
    [InlineData("000", "0", false, true)]
    [InlineData("012A", "12a", false, true)]
    [InlineData("12", "120", false, false)]
    [InlineData("A012", "A12", false, false)] // zeros at the beginning alone
    [InlineData("AB-12", "AB12", false, false)]
    [InlineData("Müller", "Muller", false, false)]
    public void Spellings_share_what_they_must_and_no_more(string one, string other, bool spelling, bool zeros)
    {
        using IdentifierSecret secret = IdentifierSecret.Create();
        (IdentifierForms first, IdentifierForms second) = (secret.Forms(one)!, secret.Forms(other)!);
        Assert.Equal((spelling, zeros), (first.Spelling == second.Spelling, first.Zeros == second.Zeros));
        Assert.NotEqual(first.Spelling, first.Zeros);
        Assert.NotEqual(secret.Hmac(one), first.Spelling);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("  \0")]
    [InlineData("\u3000")]
    public void Nothing_has_no_form(string? nothing)
    {
        using IdentifierSecret secret = IdentifierSecret.Create();
        Assert.Null(secret.Forms(nothing));
        Assert.Null(secret.Form("PID-7", IdentifierMatch.Exact));
    }

    [Fact]
    public void Likely_spellings_are_few_and_none_is_another_patient_s()
    {
        Assert.Equal(["PID-7"], IdentifierForms.LikelySpellings("PID-7", IdentifierMatch.Exact));
        Assert.Equal(["Pid 7", "PID 7", "pid 7", "Pid7", "PID7", "pid7"], IdentifierForms.LikelySpellings("Pid 7", IdentifierMatch.Spelling));
        IReadOnlyList<string> numbers = IdentifierForms.LikelySpellings("0012", IdentifierMatch.Zeros);
        Assert.Equal((11, "0012", "000000000012"), (numbers.Count, numbers[0], numbers[^1]));
        using IdentifierSecret secret = IdentifierSecret.Create();
        foreach (string identifier in (string[])["0012", "0a 1", "000", "ab", "123456789012345"])
        {
            Assert.All(IdentifierForms.LikelySpellings(identifier, IdentifierMatch.Zeros), likely => Assert.Equal(secret.Forms(identifier)!.Zeros, secret.Forms(likely)!.Zeros));
        }
    }

    private sealed record Vector(string Identifier, Sha256Digest Exact, Sha256Digest Spelling, Sha256Digest Zeros);

    private sealed record Vectors(string Secret, IReadOnlyList<Vector> Identifiers);
}
