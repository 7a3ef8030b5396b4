using System.Runtime.Versioning;
using System.ServiceProcess;

namespace CloudArchive.Cli.Background;

/// <summary>A watch under Windows' service control manager: says in time that it has started, ends when it is told to, and ends with an error where the work did.</summary>
[SupportedOSPlatform("windows")]
internal sealed class WindowsHost : ServiceBase
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(25);
    private readonly Func<CancellationToken, Task<int>> _work;
    private readonly CancellationTokenSource _stop = new();
    private Task<int>? _running;

    private WindowsHost(Func<CancellationToken, Task<int>> work)
    {
        _work = work;
        ServiceName = ServicePlan.WindowsName;
        CanShutdown = true;
    }

    /// <summary>Runs until Windows stops it. To be called by a process that Windows started as a service, and by no other.</summary>
    /// <param name="work">Always answers with a code, and throws nothing.</param>
    public static int Run(Func<CancellationToken, Task<int>> work)
    {
        using WindowsHost host = new(work);
        Run(host);
        return host.ExitCode;
    }

    protected override void OnStart(string[] args)
    {
        _running = Task.Run(() => _work(_stop.Token));
        _ = EndAsync(_running);
    }

    protected override void OnStop()
    {
        _stop.Cancel();
        RequestAdditionalTime(s_patience);
        _running?.Wait(s_patience, CancellationToken.None);
    }

    protected override void OnShutdown() => OnStop();

    private async Task EndAsync(Task<int> running)
    {
        int code = await running;
        if (!_stop.IsCancellationRequested)
        {
            // It ended by itself: Windows starts it again only where it ends with an error.
            ExitCode = code == 0 ? (int)Cli.ExitCode.Unexpected : code;
            Stop();
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _stop.Dispose();
        }

        base.Dispose(disposing);
    }
}
