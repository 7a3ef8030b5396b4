using CloudArchive.Cli;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Watch;
using CloudArchive.Testing;
using Microsoft.Data.Sqlite;

namespace CloudArchive.EndToEnd.Transport;

/// <summary>A watch ends on nothing but being stopped.</summary>
[Collection(BadlyConnected.Name)]
public sealed class PatientWatchTests(BadlyConnectedPractice practice)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Neither_connect_timeouts_nor_a_state_that_cannot_be_written_end_it()
    {
        string folder = Directory.CreateDirectory(practice.Practice["watched"]).FullName;
        SampleStudies.WriteNoise(Path.Combine(folder, "first.dcm"), "watched first", 50_000);
        using StringWriter said = new();
        CliEnvironment environment = practice.Environment(TextWriter.Synchronized(said), TextWriter.Null, BadlyConnectedPractice.Hurried with { WatchPatience = TimeSpan.FromSeconds(2) });
        using AgentSession session = AgentSession.Open(environment, environment.Network.WatchPatience);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        WatchOptions options = new(TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(2)) { FirstRetry = TimeSpan.FromMilliseconds(500) };
        practice.Set(new NetworkFaults { BlackHole = true });
        using WatchRun run = new(session, environment, [folder], options);
        Task watch = run.RunAsync(stop.Token);

        await UntilAsync(() => Count(said, "Trying again") >= 2, watch, said);
        practice.Set(new NetworkFaults());
        await UntilAsync(() => BackedUp(folder) == 1, watch, said);

        Execute("ALTER TABLE runs RENAME TO runs_gone");
        int before = Count(said, "state cannot be used");
        SampleStudies.WriteNoise(Path.Combine(folder, "second.dcm"), "watched second", 50_000);
        await UntilAsync(() => Count(said, "state cannot be used") >= before + 2, watch, said);
        Execute("ALTER TABLE runs_gone RENAME TO runs");
        await UntilAsync(() => BackedUp(folder) == 2, watch, said);

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watch);
    }

    private static int Count(StringWriter said, string text)
    {
        lock (said)
        {
            return said.ToString().Split(text).Length - 1;
        }
    }

    private static async Task UntilAsync(Func<bool> reached, Task watch, StringWriter said)
    {
        for (long began = TimeProvider.System.GetTimestamp(); !reached(); await Task.Delay(100, Cancel))
        {
            Assert.False(watch.IsCompleted, $"The watch ended: {watch.Exception}\n{said}");
            Assert.True(TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromMinutes(3), said.ToString());
        }
    }

    private static long Scalar(SqliteConnection connection, string sql, string folder)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        command.Parameters.AddWithValue("$folder", folder);
        return (long)command.ExecuteScalar()!;
    }

    private long BackedUp(string folder)
    {
        using SqliteConnection connection = Open();
        return Scalar(connection, "SELECT count(*) FROM files f JOIN directories r ON r.id = f.directory JOIN folders d ON d.id = r.folder JOIN contents c ON c.sha256 = f.sha256 WHERE c.pack IS NOT NULL AND d.path = $folder", folder);
    }

    private void Execute(string sql)
    {
        using SqliteConnection connection = Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private SqliteConnection Open()
    {
        SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = Path.Combine(practice.Practice.Agent.Home, practice.Practice.Clinic + ".db"), Pooling = false }.ConnectionString);
        connection.Open();
        return connection;
    }
}
