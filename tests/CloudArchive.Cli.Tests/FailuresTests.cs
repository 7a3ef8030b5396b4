using CloudArchive.Format.Packs;
using CloudArchive.Format.Signing;
using Microsoft.Data.Sqlite;

namespace CloudArchive.Cli.Tests;

public class FailuresTests
{
    public static TheoryData<Exception, ExitCode> Mapping => new()
    {
        { new UsageException("x"), ExitCode.Usage },
        { new NotEnrolledException("x"), ExitCode.NotEnrolled },
        { new ServiceUnreachableException("x", "y"), ExitCode.Unreachable },
        { new ServiceRefusedException(403, "x", "y", null), ExitCode.Refused },
        { new IntegrityException("x"), ExitCode.Integrity },
        { new PackException(PackFault.Altered, "x"), ExitCode.Integrity },
        { new JwsException(JwsFault.BadSignature, "x"), ExitCode.Integrity },
        { new LogAlarmException("x"), ExitCode.LogAlarm },
        { new AlreadyRunningException("x"), ExitCode.Locked },
        { new LocalFailureException("x"), ExitCode.Local },
        { new IOException("x"), ExitCode.Local },
        { new UnauthorizedAccessException("x"), ExitCode.Local },
        { new SqliteException("x", 11), ExitCode.Local },
        { new OperationCanceledException(), ExitCode.Cancelled },
        { new InvalidOperationException("x"), ExitCode.Unexpected },
    };

    [Theory]
    [MemberData(nameof(Mapping))]
    public void Each_kind_of_failure_has_its_exit_code(Exception error, ExitCode expected) => Assert.Equal(expected, Failures.Describe(error).Code);

    [Fact]
    public void A_refusal_tells_the_correlation_id_for_whoever_looks_into_the_logs() =>
        Assert.Contains("abc-123", Failures.Describe(new ServiceRefusedException(409, "x", "No.", "abc-123")).Message, StringComparison.Ordinal);
}
