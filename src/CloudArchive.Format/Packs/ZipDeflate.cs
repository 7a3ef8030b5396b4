using System.Buffers;
using System.IO.Compression;
using System.Security.Cryptography;

namespace CloudArchive.Format.Packs;

/// <summary>Deflates pieces of a ZIP's entries, each by itself, so that they can be deflated side by side and joined.</summary>
internal static class ZipDeflate
{
    /// <summary>
    /// What <paramref name="content"/> deflates to, flushed to a whole byte and without a last block; null where it would not get shorter.
    /// The array is of the shared pool, and the caller's to return.
    /// </summary>
    public static (byte[] Buffer, int Length)? Deflate(ReadOnlySpan<byte> content, CompressionLevel level)
    {
        using ShorterStream shorter = new(content.Length);
        using (DeflateStream deflate = new(shorter, level, leaveOpen: true))
        {
            deflate.Write(content);
            deflate.Flush();
            shorter.Stop(); // what disposing writes is the last block, which the ZIP's entry has once
        }

        return shorter.Take();
    }

    /// <summary>Keeps what is written as long as it is shorter than what it was made from.</summary>
    private sealed class ShorterStream(int most) : Stream
    {
        private byte[]? _buffer = ArrayPool<byte>.Shared.Rent(Math.Max(most, 16));
        private int _length;
        private bool _isStopped;
        private bool _isLonger;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => _length;

        public override long Position { get => _length; set => throw new NotSupportedException(); }

        public (byte[] Buffer, int Length)? Take()
        {
            if (_isLonger)
            {
                return null;
            }

            byte[] buffer = _buffer!;
            _buffer = null;
            return (buffer, _length);
        }

        public void Stop() => _isStopped = true;

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (_isStopped || _isLonger)
            {
                return;
            }

            if (_length + buffer.Length >= most)
            {
                _isLonger = true;
                return;
            }

            buffer.CopyTo(_buffer.AsSpan(_length));
            _length += buffer.Length;
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (_buffer is { } buffer)
            {
                _buffer = null;
                CryptographicOperations.ZeroMemory(buffer.AsSpan(0, _length));
                ArrayPool<byte>.Shared.Return(buffer);
            }

            base.Dispose(disposing);
        }
    }
}
