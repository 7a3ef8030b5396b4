using System.Text.Json.Nodes;
using CloudArchive.Format;

namespace CloudArchive.Cli.Tests.Enrollment;

public sealed class LostAnswerTests : IDisposable
{
    private readonly TestCli _cli = new();
    private readonly List<string> _keys = [];

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task A_code_whose_answer_got_lost_is_sent_again_with_the_same_key_and_another_code_with_another()
    {
        _cli.Answer = async (request, cancellation) =>
        {
            _keys.Add(JsonNode.Parse(await request.Content!.ReadAsStringAsync(cancellation))!["agentKey"]!["x"]!.GetValue<string>());
            throw new HttpRequestException(HttpRequestError.ResponseEnded, "the answer got lost");
        };
        string code = EnrollmentCode.Create().Reveal();
        Assert.Equal(ExitCode.Unreachable, await EnrollAsync(code));
        Assert.NotEmpty(_keys);
        Assert.Equal(ExitCode.Unreachable, await EnrollAsync(code));
        string first = Assert.Single(_keys.Distinct());
        string kept = Path.Combine(_cli.Home, "agent.key.enrolling");
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(kept));

        Assert.Equal(ExitCode.Unreachable, await EnrollAsync(EnrollmentCode.Create().Reveal()));
        Assert.Equal(2, _keys.Distinct().Count());
        Assert.NotEqual(first, _keys[^1]);

        File.WriteAllText(kept, "damaged");
        Assert.Equal(ExitCode.Unreachable, await EnrollAsync(code));
    }

    private async Task<ExitCode> EnrollAsync(string code) => (await _cli.RunAsync("enroll", "--url", "https://archive.example", "--code", code)).Code;
}
