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

    [Theory]
    [InlineData(13, "full")]
    [InlineData(5, "Another program holds")]
    [InlineData(6, "Another program holds")]
    [InlineData(8, "cannot be written")]
    [InlineData(14, "cannot be written")]
    [InlineData(10, "reports a fault")]
    [InlineData(1, "cannot be used")]
    public void A_state_that_is_only_in_trouble_is_not_to_be_deleted(int code, string says)
    {
        string told = Failures.Describe(new SqliteException("x", code)).Message;
        Assert.Contains(says, told, StringComparison.Ordinal);
        Assert.DoesNotContain("delete", told, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData(11)]
    [InlineData(26)]
    public void A_state_that_is_damaged_can_be_deleted(int code) => Assert.Contains("can be deleted", Failures.Describe(new SqliteException("x", code)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_refusal_tells_the_correlation_id_for_whoever_looks_into_the_logs() =>
        Assert.Contains("abc-123", Failures.Describe(new ServiceRefusedException(409, "x", "No.", "abc-123")).Message, StringComparison.Ordinal);
}
