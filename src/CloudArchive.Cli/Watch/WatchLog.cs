using System.Text;

namespace CloudArchive.Cli.Watch;

/// <summary>Where a service without a journal writes: a file that begins anew at 1 MB, and the one before it. A disk that is full is no reason to stop.</summary>
internal sealed class WatchLog(string path) : TextWriter
{
    private const long Longest = 1_000_000;
    private readonly Lock _gate = new();

    public override Encoding Encoding => Encoding.UTF8;

    public override void Write(char value) => Append(value.ToString());

    public override void Write(string? value) => Append(value ?? "");

    public override void WriteLine(string? value) => Append(value + Environment.NewLine);

    public override Task WriteLineAsync(string? value)
    {
        WriteLine(value);
        return Task.CompletedTask;
    }

    private void Append(string text)
    {
        lock (_gate)
        {
            try
            {
                if (new FileInfo(path) is { Exists: true, Length: > Longest })
                {
                    File.Move(path, path + ".1", overwrite: true);
                }

                File.AppendAllText(path, text);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // status has from the state what matters.
            }
        }
    }
}
