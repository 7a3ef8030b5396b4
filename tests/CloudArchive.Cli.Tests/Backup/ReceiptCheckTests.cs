using CloudArchive.Cli.Backup;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Backup;

public sealed class ReceiptCheckTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 2, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly TemporaryFolder _folder = new();
    private readonly Packs _packs = new();

    public void Dispose()
    {
        _packs.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_receipt_that_says_what_was_sent_is_taken()
    {
        Sidecar sent = await SendAsync();
        Receipt receipt = Packs.ReceiptFor(sent);
        Assert.Equal(receipt, ReceiptCheck.Verify(await _packs.SignAsync(receipt), _packs.Keys, sent, Now));
    }

    [Fact]
    public async Task A_lock_that_ends_before_the_study_may_go_is_no_receipt_for_it()
    {
        Sidecar sent = await SendAsync() with { Retention = new SidecarRetention(1, Now.AddYears(10)) };
        string enough = await _packs.SignAsync(Packs.ReceiptFor(sent, Now.AddYears(10))), day = await _packs.SignAsync(Packs.ReceiptFor(sent, Now.AddYears(10).AddDays(-1)));
        Assert.Equal(sent.Pack, ReceiptCheck.Verify(enough, _packs.Keys, sent, Now).Pack);
        Assert.Contains($"is to be kept until {Now.AddYears(10):yyyy-MM-dd}", Assert.Throws<LockTooShortException>(() => ReceiptCheck.Verify(day, _packs.Keys, sent, Now)).Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, Func<Receipt, Receipt>> Lies => new()
    {
        { "clinic", r => r with { Clinic = ClinicId.Parse("other") } },
        { "pack", r => r with { Pack = PackId.New(TimeProvider.System) } },
        { "study", r => r with { Study = Uid.Parse("9.9") } },
        { "length", r => r with { Length = r.Length + 1 } },
        { "SHA-256", r => r with { Sha256 = Sha256Digest.Of("other"u8) } },
        { "instances", r => r with { InstancesRoot = Sha256Digest.Of("other"u8) } },
        { "instances", r => r with { InstanceCount = r.InstanceCount + 1 } },
        { "immutable", r => r with { ImmutableUntil = Now } },
        { "version", r => r with { VersionId = "" } },
        { "audit log", r => r with { AuditLog = "other" } },
    };

    [Theory]
    [MemberData(nameof(Lies))]
    public async Task A_receipt_that_says_anything_else_is_refused_by_name(string what, Func<Receipt, Receipt> lie)
    {
        Sidecar sent = await SendAsync();
        string jws = await _packs.SignAsync(lie(Packs.ReceiptFor(sent)));
        Assert.Contains(what, Assert.Throws<IntegrityException>(() => ReceiptCheck.Verify(jws, _packs.Keys, sent, Now)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_receipt_by_a_key_that_was_not_pinned_is_refused()
    {
        using Packs impostor = new();
        Sidecar sent = await SendAsync();
        string jws = await impostor.SignAsync(Packs.ReceiptFor(sent));
        Assert.Contains("did not pin", Assert.Throws<IntegrityException>(() => ReceiptCheck.Verify(jws, _packs.Keys, sent, Now)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a.b.c")]
    [InlineData("rubbish")]
    public async Task What_is_no_receipt_is_refused(string jws)
    {
        Sidecar sent = await SendAsync();
        Assert.Throws<IntegrityException>(() => ReceiptCheck.Verify(jws, _packs.Keys, sent, Now));
    }

    private Task<Sidecar> SendAsync() => _packs.WriteAsync(_folder.Path, PackId.New(TimeProvider.System), ("a", Packs.Bytes("content")));
}
