using System.CommandLine;
using System.Text;
using System.Text.Json;
using CloudArchive.Format;

namespace CloudArchive.Cli;

/// <summary>What several commands share.</summary>
internal static class CommonOptions
{
    private static readonly JsonSerializerOptions Indented = new(FormatJson.Options) { WriteIndented = true };

    /// <summary>So many of a list are in a document of <c>--json</c>; beside it stands how many are not. Who has a million of something needs no list of them.</summary>
    public const int MostListed = 10_000;

    /// <summary>How many of a list of so many are not in the document.</summary>
    public static long NotListed(long count) => Math.Max(0, count - MostListed);

    /// <summary><c>--after</c>, of commands that are lists.</summary>
    public static Option<string?> After() => new("--after") { Description = $"Begin after this one: where a list of --json ended, which has {MostListed:N0} at a time", HelpName = "id" };

    /// <summary>Tells where a list of <c>--json</c> goes on; null: it is all there.</summary>
    public static Task TellRestAsync(this CliEnvironment environment, string? after) =>
        after is null ? Task.CompletedTask : environment.Error.WriteLineAsync($"The list goes on: the rest is there with --after {after}");

    /// <summary><c>--json</c>.</summary>
    public static Option<bool> Json() => new("--json") { Description = "Print one JSON document on standard output and nothing else there" };

    /// <summary>Prints the document of <c>--json</c>, piece by piece: a list in it may be as long as a clinic's folder.</summary>
    public static void WriteJson<T>(this CliEnvironment environment, T document)
    {
        using TextStream stream = new(environment.Out);
        JsonSerializer.Serialize(stream, document, Indented);
        environment.Out.WriteLine();
    }

    /// <summary>UTF-8 written to it becomes text.</summary>
    private sealed class TextStream(TextWriter output) : Stream
    {
        private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            char[] characters = new char[_decoder.GetCharCount(buffer, flush: false)];
            output.Write(characters, 0, _decoder.GetChars(buffer, characters, flush: false));
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush() => output.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
