using CloudArchive.Api;
using CloudArchive.Core.Verdicts;
using Microsoft.Azure.Functions.Worker;

namespace CloudArchive.Functions.Timers;

/// <summary>Writes the weekly letters to clinics and operator. <see cref="AlertDeliveryFunction"/> sends them.</summary>
public sealed class WeeklyLettersFunction(AppSettings settings, WeeklyLetters letters)
{
    /// <summary>On Mondays.</summary>
    [Function("WeeklyLetters")]
    public async Task RunAsync([TimerTrigger(WeeklyLetters.Ncrontab)] TimerInfo timer, CancellationToken cancellationToken)
    {
        settings.Require(ArchiveRole.Recovery);
        (_, int failed) = await letters.RunAsync(cancellationToken);
        if (failed > 0)
        {
            throw new TimerFailedException($"{failed} clinics have no weekly letter; the log names each.");
        }
    }
}
