using System.CommandLine;
using System.Globalization;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Restores;

/// <summary><c>snapshots</c>: which times the folders can be brought back as of.</summary>
internal static class SnapshotsCommand
{
    public static Command Create(CliEnvironment environment) => StaffCommand.List<SnapshotResponse>(
        environment, "snapshots", "List the times as of which a clinic's folders can be restored, newest first (admin, compliance).", [],
        call => $"{call.Clinic}/snapshots",
        ["Taken", "Computer", "Folders", "Files", "Size"],
        snapshot =>
        [
            snapshot.TakenAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture), snapshot.Set.Value, $"{snapshot.Roots:N0}", $"{snapshot.Files:N0}", Texts.Size(snapshot.Bytes),
        ],
        "There is no snapshot yet. The first backup that leaves nothing behind takes one.",
        where: static (_, snapshot) => snapshot.IsComplete);
}
