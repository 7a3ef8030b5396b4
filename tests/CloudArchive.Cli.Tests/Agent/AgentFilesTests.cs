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
    public async Task A_data_folder_that_is_moved_opens_where_it_is_now_and_nowhere_else()
    {
        using Computers computer = new();
        computer.Write("a.dcm");
        await computer.BackUpAsync();
        computer.Session.Dispose();
        AgentHome from = AgentHome.Of(computer.Environment);
        AgentHome to = new(computer["moved"]);
        from.MoveTo(to);
        using (AgentSession session = AgentSession.Open(computer.Environment with { Variable = name => name == "CLOUDARCHIVE_HOME" ? to.Path : null }))
        {
            Assert.Equal("agent-1", session.Identity.AgentId);
            Assert.Equal(1, session.State.Count()[session.State.FindFolder(computer.Images)!.Id].Archived.Files);
        }

        if (!OperatingSystem.IsWindows())
        {
            // In a lambda the analyzer does not see which system it is.
            foreach (string secret in (string[])[to.AgentKey, to.IdentifierSecret])
            {
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(secret));
            }
        }

        Assert.Throws<NotEnrolledException>(() => AgentSession.Open(computer.Environment));
        Assert.Empty(Directory.EnumerateFiles(from.Path).Except([from.BackupLock, from.WatchLock]));
    }

    [Fact]
    public void A_data_folder_whose_move_fails_is_the_data_folder_still()
    {
        using Computers computer = new();
        AgentHome from = AgentHome.Of(computer.Environment);
        AgentHome to = new(computer["moved"]);
        Directory.CreateDirectory(to.State(Packs.Clinic)); // it stands where the state is to go
        Assert.True(Record.Exception(() => from.MoveTo(to)) is IOException or UnauthorizedAccessException);
        Assert.Throws<NotEnrolledException>(() => AgentIdentity.Load(to));
        using AgentSession session = AgentSession.Open(computer.Environment);
        Assert.Equal("agent-1", session.Identity.AgentId);
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
