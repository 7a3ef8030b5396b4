using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using CloudArchive.Azure.Blobs;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.LocalHost.Storage;
using CloudArchive.Testing;

namespace CloudArchive.LocalHost.Tests;

/// <summary>The program as a process: what it leaves behind, however it ends.</summary>
public sealed class ProgramTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    private sealed record Running(Process Process, JsonObject Ready, Task<string> Output)
    {
        public int[] Children => [.. Ready["processIds"]!.AsArray().Select(id => (int)id!).Where(id => id != Process.Id)];
    }

    private ProcessStartInfo Info(params string[] arguments)
    {
        ProcessStartInfo info = new("dotnet", [typeof(LocalArchive).Assembly.Location, "--data", _folder["data"], "--port", "0", .. arguments])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Repository.Root,
        };
        return info;
    }

    private async Task<Running> StartAsync(params string[] arguments)
    {
        string ready = _folder["ready.json"];
        File.Delete(ready);
        Process process = Process.Start(Info(["--ready-file", ready, "--log-file", _folder["log.txt"], .. arguments]))!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(Cancel);
        _ = process.StandardError.ReadToEndAsync(Cancel);
        while (!File.Exists(ready))
        {
            Assert.False(process.HasExited, $"exit code {(process.HasExited ? process.ExitCode : 0)}");
            await Task.Delay(50, Cancel);
        }

        return new Running(process, JsonNode.Parse(await File.ReadAllTextAsync(ready, Cancel))!.AsObject(), output);
    }

    private static async Task AssertGoneAsync(IEnumerable<int> processes)
    {
        foreach (int id in processes)
        {
            try
            {
                using Process process = Process.GetProcessById(id);
                await process.WaitForExitAsync(Cancel).WaitAsync(TimeSpan.FromSeconds(60), Cancel);
            }
            catch (ArgumentException)
            {
                // No such process.
            }
        }
    }

    private static BlobVault Vault(Running running) =>
        BlobVault.Connect(new Uri((string)running.Ready["blobUrl"]!), StorageAccount.Emulator.Name, StorageAccount.Emulator.Key, TimeProvider.System);

    [Fact]
    public async Task It_says_that_it_is_ready_and_ends_without_a_trace_when_its_input_does()
    {
        Running running = await StartAsync("--stop-with-stdin");
        Assert.Equal(["admin", "admin2", "compliance"], running.Ready["tokens"]!.AsObject().Select(t => t.Key));
        Assert.Equal(4, running.Ready["processIds"]!.AsArray().Count);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder["ready.json"]));
        }

        using (HttpClient client = new() { BaseAddress = new Uri((string)running.Ready["url"]!) })
        {
            client.DefaultRequestHeaders.Authorization = new("Bearer", (string)running.Ready["tokens"]!["admin"]!);
            using HttpResponseMessage clinics = await client.GetAsync("/v1/clinics", Cancel);
            Assert.True(clinics.IsSuccessStatusCode);
        }

        running.Process.StandardInput.Close();
        await running.Process.WaitForExitAsync(Cancel);
        Assert.Equal(0, running.Process.ExitCode);
        Assert.StartsWith($"CloudArchive is at {(string)running.Ready["url"]!}", await running.Output, StringComparison.Ordinal);
        await AssertGoneAsync(running.Children);
    }

    [Fact]
    public async Task A_locked_blob_is_locked_after_the_process_was_killed_and_its_children_went_with_it()
    {
        BlobName name = new(VaultArea.Records, "killed/x");
        Running first = await StartAsync();
        string version = await Vault(first).WriteNewAsync(name, new byte[] { 1, 2, 3 }, "text/plain", Cancel);
        await Vault(first).LockAsync(name, version, TimeProvider.System.GetUtcNow().AddDays(1), Cancel);

        // At once: what was answered for is on the disk.
        first.Process.Kill(entireProcessTree: false);
        await AssertGoneAsync(first.Children);

        Running second = await StartAsync();
        BlobState state = (await Vault(second).FindAsync(name, Cancel))!;
        Assert.Equal((version, true), (state.VersionId, state.Locked));
        await Assert.ThrowsAsync<BlobProtectedException>(() => Vault(second).DeleteAsync(name, version, Cancel));
        await TerminateAsync(second);
    }

    [Fact]
    public async Task An_Azurite_that_ends_by_itself_ends_it_with_an_error()
    {
        Running running = await StartAsync();
        using (Process azurite = Process.GetProcessById(running.Children[0]))
        {
            azurite.Kill();
        }

        await running.Process.WaitForExitAsync(Cancel);
        Assert.Equal(1, running.Process.ExitCode);
        await AssertGoneAsync(running.Children);
    }

    [Theory]
    [InlineData("is not a loopback address", "--address", "0.0.0.0")]
    [InlineData("is not an IP address", "--address", "example.org")]
    [InlineData("no Azurite", "--azurite", "nowhere")]
    public async Task What_it_cannot_do_it_says_in_one_line(string message, params string[] arguments)
    {
        using Process process = Process.Start(Info(arguments))!;
        string error = await process.StandardError.ReadToEndAsync(Cancel);
        await process.WaitForExitAsync(Cancel);
        Assert.Equal(1, process.ExitCode);
        Assert.Contains(message, Assert.Single(error.Trim().Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_Node_it_says_what_to_install()
    {
        ProcessStartInfo info = Info();
        info.Environment["CLOUDARCHIVE_NODE"] = _folder["no-node"];
        using Process process = Process.Start(info)!;
        string error = await process.StandardError.ReadToEndAsync(Cancel);
        await process.WaitForExitAsync(Cancel);
        Assert.Equal(1, process.ExitCode);
        Assert.Contains("Install Node.js", Assert.Single(error.Trim().Split('\n')), StringComparison.Ordinal);
    }

    private static async Task TerminateAsync(Running running)
    {
        if (OperatingSystem.IsWindows())
        {
            running.Process.Kill(entireProcessTree: true);
            return;
        }

        using Process kill = Process.Start("kill", ["-TERM", $"{running.Process.Id}"]) ?? throw new Win32Exception("kill");
        await running.Process.WaitForExitAsync(Cancel);
        Assert.Equal(0, running.Process.ExitCode);
        await AssertGoneAsync(running.Children);
    }
}
