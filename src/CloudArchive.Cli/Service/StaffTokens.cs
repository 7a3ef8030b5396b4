using CloudArchive.Cli.Terminal;

namespace CloudArchive.Cli.Service;

/// <summary>
/// A person's access token, from where it is each time: it lasts an hour, and a restore may last for days. Where one that was good is refused, whoever
/// renews the file is waited for.
/// </summary>
#pragma warning disable CA1001 // a SemaphoreSlim whose wait handle nobody asks for holds nothing to be released
public sealed class StaffTokens : IAccessTokens
#pragma warning restore CA1001
{
    private static readonly TimeSpan s_lookEvery = TimeSpan.FromSeconds(5);
    private readonly CliEnvironment _environment;
    private readonly Func<string?> _read;
    private readonly string? _file;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private int _asked;
    private bool _told;

    /// <param name="environment">The clock, and where waiting is told.</param>
    /// <param name="read">Reads the token; null where there is none now.</param>
    /// <param name="file">The file that it is read from; null where nobody can change it while the command runs.</param>
    public StaffTokens(CliEnvironment environment, Func<string?> read, string? file) => (_environment, _read, _file) = (environment, read, file);

    /// <summary>Whether there is one.</summary>
    public bool HasToken => Read() is not null;

    /// <inheritdoc/>
    public async Task<string> GetAsync(string? refused, CancellationToken cancellationToken)
    {
        if (refused is null)
        {
            Interlocked.Increment(ref _asked);
            return Read() ?? throw Missing();
        }

        // The very first was refused: it is wrong, and no waiting mends it.
        if (Volatile.Read(ref _asked) < 2 || Read() is { } other && other != refused)
        {
            return Read() ?? throw Missing();
        }

        return _file is null
            ? throw new ServiceRefusedException(
                401,
                "token-invalid",
                "The service refused the access token, which it took before: it has run out. What was done is kept: run the same command again with a new one; --token-file names a file that is read again each time, for work that outlasts a token.",
                null)
            : await WaitAsync(refused, cancellationToken);
    }

    private async Task<string> WaitAsync(string refused, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            long began = _environment.Clock.GetTimestamp();
            while (_environment.Clock.GetElapsedTime(began) < _environment.Network.RunPatience)
            {
                if (Read() is { } token && token != refused)
                {
                    _told = false;
                    return token;
                }

                if (!_told)
                {
                    _told = true;
                    await _environment.Error.WriteLineAsync(
                        $"The service refused the access token, which it took before: it has run out. Write a new one to {_file}; waiting up to {Texts.Duration(_environment.Network.RunPatience)}.");
                }

                await Task.Delay(s_lookEvery < _environment.Network.LongestDelay ? s_lookEvery : _environment.Network.LongestDelay, _environment.Clock, cancellationToken);
            }

            throw new ServiceRefusedException(
                401, "token-invalid", $"The access token in {_file} has run out, and no new one came. What was done is kept: write a new one, then run the same command again.", null);
        }
        finally
        {
            _gate.Release();
        }
    }

    private string? Read() => _read()?.Trim() is { Length: > 0 } token ? token : null;

    private UsageException Missing() => new(_file is null ? "There is no access token any more." : $"There is no access token in the first line of {_file} any more.");
}
