using System.Runtime.InteropServices;

namespace CloudArchive.Cli.Backup;

/// <summary>Tells a file without bytes from what has none either and would keep a reader waiting: pipes, sockets, devices.</summary>
internal static class SpecialFiles
{
    private const int AtFdCwd = -100;
    private const int NoFollow = 0x100;
    private const uint TypeOnly = 1;
    private const int ModeOfStatx = 28;
    private const int ModeOfStat = 4;
    private const int TypeMask = 0xF000;
    private const int RegularFile = 0x8000;

    /// <summary>Whether it is a file. Where the system does not say, it is taken for none: nothing is opened that might wait for ever.</summary>
    public static bool IsRegular(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return true; // its pipes and devices are in no folder
        }

        byte[] answer = new byte[512];
        int mode = OperatingSystem.IsLinux() ? ModeOfStatx : ModeOfStat;
        int failed = OperatingSystem.IsLinux() ? Statx(AtFdCwd, path, NoFollow, TypeOnly, answer) : Lstat(path, answer);
        return failed == 0 && (BitConverter.ToUInt16(answer, mode) & TypeMask) == RegularFile;
    }

    [DllImport("libc", EntryPoint = "statx")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Statx(int directory, [MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags, uint mask, [Out] byte[] answer);

    [DllImport("libc", EntryPoint = "lstat")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Lstat([MarshalAs(UnmanagedType.LPUTF8Str)] string path, [Out] byte[] answer);
}
