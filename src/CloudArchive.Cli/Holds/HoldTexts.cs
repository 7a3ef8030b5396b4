using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Holds;

/// <summary>Holds in words.</summary>
internal static class HoldTexts
{
    public static string Subject(HoldResponse hold) => hold.Study is { } study ? $"study {study}" : "a patient's studies";

    public static string Status(HoldResponse hold) => hold.Status switch
    {
        HoldStatus.Cleared => "cleared",
        HoldStatus.ClearRequested => "on; clearing waits for approval",
        _ => hold.EnforcedAt is null ? "on; storage follows within the hour" : "on",
    };
}
