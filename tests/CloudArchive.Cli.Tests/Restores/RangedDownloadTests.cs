using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using CloudArchive.Cli.Restores;
using CloudArchive.Cli.Transport;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Restores;

public sealed class RangedDownloadTests : IDisposable
{
    private const int Length = 9 * 1024 * 1024;
    private readonly TemporaryFolder _folder = new();
    private readonly TestCli _cli = new();
    private readonly byte[] _blob = RandomNumberGenerator.GetBytes(Length);
    private readonly List<(long From, long To)> _asked = [];
    private long _sent;

    public void Dispose()
    {
        _cli.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_download_that_is_reset_goes_on_at_the_byte_where_it_was()
    {
        const int CutAfter = 1024 * 1024;
        Answer(ranged: true, CutAfter);
        Assert.Equal(_blob, await DownloadAsync());
        Assert.Equal(Length, _sent); // no byte twice
        Assert.Equal(9, _asked.Count); // 8 MiB in pieces of 1 MiB, and the last MiB
    }

    [Fact]
    public async Task Storage_that_does_not_know_ranges_begins_anew_and_the_bytes_are_right()
    {
        Answer(ranged: false, cutAfter: 300_000, cuts: 2);
        Assert.Equal(_blob.AsSpan(0, 1_000_000).ToArray(), await DownloadAsync(1_000_000));
        Assert.Equal(1_600_000, _sent);
    }

    private void Answer(bool ranged, int cutAfter, int cuts = int.MaxValue) => _cli.Answer = (request, _) =>
    {
        RangeItemHeaderValue range = request.Headers.Range!.Ranges.Single();
        lock (_asked)
        {
            _asked.Add((range.From!.Value, range.To!.Value));
            (long from, long to) = ranged ? (range.From.Value, range.To.Value) : (0, range.To.Value);
            int whole = (int)(to - from + 1), now = cuts-- > 0 ? Math.Min(whole, cutAfter) : whole;
            _sent += now;
            StreamContent body = new(new CutStream(_blob.AsSpan((int)from, now).ToArray(), whole > now));
            body.Headers.ContentLength = whole;
            if (ranged)
            {
                body.Headers.ContentRange = new ContentRangeHeaderValue(from, to, Length);
            }

            HttpResponseMessage answer = new(ranged ? HttpStatusCode.PartialContent : HttpStatusCode.OK) { Content = body };
            answer.Headers.Add("x-ms-request-id", "1");
            answer.Headers.Add("x-ms-version", "2021-12-02");
            return Task.FromResult(answer);
        }
    };

    private async Task<byte[]> DownloadAsync(int length = Length)
    {
        using Network network = new(_cli.Environment());
        string path = _folder[Guid.NewGuid().ToString("N")];
        using (Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, FileOptions.Asynchronous))
        {
            await new RangedDownload(network).RunAsync((_, _) => Task.FromResult(new Uri("https://store.example/c/p?sig=secret")), length, file, TestContext.Current.CancellationToken);
        }

        return File.ReadAllBytes(path);
    }

    /// <summary>Some bytes, and then the connection is gone.</summary>
    private sealed class CutStream(byte[] bytes, bool cut) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer) is var read && read == 0 && cut ? throw new IOException("reset") : read;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            await base.ReadAsync(buffer, cancellationToken) is var read && read == 0 && cut ? throw new IOException("reset") : read;
    }
}
