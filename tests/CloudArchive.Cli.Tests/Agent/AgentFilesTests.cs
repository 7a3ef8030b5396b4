using CloudArchive.Cli.Agent;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Agent;

public sealed class AgentFilesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Two_runs_at_once_are_kept_apart_with_a_clear_message()
    {
        using (RunLock.Take(_folder["lock"], "backup"))
        {
            Assert.Contains("Another backup is at work", Assert.Throws<AlreadyRunningException>(() => RunLock.Take(_folder["lock"], "backup")).Message, StringComparison.Ordinal);
        }

        RunLock.Take(_folder["lock"], "backup").Dispose();
    }

    [Fact]
    public void A_folder_that_is_not_there_is_no_lock() => Assert.Throws<DirectoryNotFoundException>(() => RunLock.Take(_folder["nowhere/lock"], "backup"));

    [Fact]
    public void A_secret_comes_back_and_only_this_user_can_read_it()
    {
        ProtectedFile.Write(_folder["secret"], [1, 2, 3]);
        ProtectedFile.Write(_folder["secret"], [4, 5, 6]);
        Assert.Equal([4, 5, 6], ProtectedFile.Read(_folder["secret"]));
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder["secret"]));
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void An_identity_is_written_whole_for_this_user_alone()
    {
        AgentHome home = new(_folder.Path);
        Format.Signing.Jwk key = new("RSA", N: "AQAB", E: "AQAB");
        AgentIdentity identity = new(new Uri("https://archive.example/"), Format.ClinicId.Parse("c-1"), "Praxis", "c-1.0123456789abcdef", "a", key, key, new([key]), DateTimeOffset.UnixEpoch);
        File.WriteAllText(home.Identity + ".new", "what a crash left, and others could read");
        identity.Save(home);
        identity.Save(home);
        Assert.Equal("Praxis", AgentIdentity.Load(home).ClinicName);
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(home.Identity));
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void A_missing_secret_says_what_to_do() => Assert.Contains("enroll again", Assert.Throws<LocalFailureException>(() => ProtectedFile.Read(_folder["none"])).Message, StringComparison.Ordinal);

    [Fact]
    public void A_damaged_identity_says_what_to_do()
    {
        AgentHome home = new(_folder.Path);
        File.WriteAllText(home.Identity, "{");
        Assert.Contains("enroll again", Assert.Throws<LocalFailureException>(() => AgentIdentity.Load(home)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_data_folder_is_the_users_own()
    {
        using TestCli cli = new();
        AgentHome home = AgentHome.Of(cli.Environment());
        Assert.Equal(cli.Home, home.Path);
        home.Create();
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(home.Path));
    }
}
