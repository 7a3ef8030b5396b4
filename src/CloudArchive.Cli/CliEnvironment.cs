using System.Net;
using CloudArchive.Cli.Transport;
using Spectre.Console;

namespace CloudArchive.Cli;

/// <summary>What a command may touch of the world around it, so that tests can run commands in their own process.</summary>
public sealed record CliEnvironment
{
    private const int WidthOfNoTerminal = 100_000;

    /// <summary>Where results go.</summary>
    public required TextWriter Out { get; init; }

    /// <summary>Where errors go, and everything but the document where <c>--json</c> is given.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>Where answers to prompts come from, when it is not the keyboard.</summary>
    public required TextReader In { get; init; }

    /// <summary>Whether a person sits at a terminal: bars instead of lines, prompts that hide what is typed.</summary>
    public bool Interactive { get; init; }

    /// <summary>Whether an administrator runs this: root, or elevated on Windows.</summary>
    public bool IsAdministrator { get; init; } = Environment.IsPrivilegedProcess;

    /// <summary>The time.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>An environment variable's value, or null.</summary>
    public Func<string, string?> Variable { get; init; } = static _ => null;

    /// <summary>The folder of whoever runs this.</summary>
    public string Profile => Variable("HOME") is { Length: > 0 } home ? home : Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

    /// <summary>What tests put between here and the network; null: nothing.</summary>
    public Func<HttpMessageHandler>? HttpHandler { get; init; }

    /// <summary>Where a connection goes in place of where it was to; null: there. Tests lead it through a bad network.</summary>
    public Func<DnsEndPoint, DnsEndPoint>? Route { get; init; }

    /// <summary>Opens an address in the browser of whoever sits here; false where that cannot be.</summary>
    public Func<Uri, bool> OpenBrowser { get; init; } = static _ => false;

    /// <summary>How patient to be with the network.</summary>
    public NetworkOptions Network { get; init; } = new();

    /// <summary>The volume that a folder lies on, or null; tests may exchange the disk.</summary>
    public Func<string, string?> VolumeOf { get; init; } = Backup.Volumes.IdOf;

    /// <summary>How many bytes are free at a folder; null where that cannot be found out, as on a share that is named by its network path.</summary>
    public Func<string, long?> FreeSpace { get; init; } = static folder =>
    {
        try
        {
            return new DriveInfo(folder).AvailableFreeSpace;
        }
        catch (Exception error) when (error is ArgumentException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    };

    /// <summary>How many characters fit in a line; null: as many as the terminal says. Where nobody looks, no line is ever broken.</summary>
    public int? Width { get; init; }

    /// <summary>The console that draws bars and tables on <see cref="Out"/>; without colour or motion where nobody looks.</summary>
    public IAnsiConsole Console => field ??= CreateConsole();

    private IAnsiConsole CreateConsole()
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(Out),
            Ansi = Interactive ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = Interactive && Variable("NO_COLOR") is null ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = Interactive ? InteractionSupport.Yes : InteractionSupport.No,
        });
        if (Width is { } width)
        {
            console.Profile.Width = width;
        }
        else if (!Interactive)
        {
            console.Profile.Width = WidthOfNoTerminal; // an id or a path that is broken in two is lost for who reads it from a pipe
        }

        return console;
    }

    /// <summary>The process's own.</summary>
    public static CliEnvironment ForProcess() => new()
    {
        Out = System.Console.Out,
        Error = System.Console.Error,
        In = System.Console.In,
        Interactive = !System.Console.IsOutputRedirected && !System.Console.IsInputRedirected && Environment.GetEnvironmentVariable("TERM") != "dumb",
        Variable = Environment.GetEnvironmentVariable,
        OpenBrowser = SignIn.BrowserSignIn.Open,
    };
}
