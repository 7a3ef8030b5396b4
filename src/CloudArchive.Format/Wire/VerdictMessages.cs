using CloudArchive.Format.Verdicts;

namespace CloudArchive.Format.Wire;

/// <summary><c>GET /v1/clinics/{clinic}/verdict</c>, for staff: whether the clinic is safe, and why not. By <see cref="ClinicRule"/>.</summary>
/// <param name="Clinic">The clinic.</param>
/// <param name="State">In a word.</param>
/// <param name="At">When it was worked out.</param>
/// <param name="Findings">What is about the clinic as a whole; the grave ones first.</param>
/// <param name="Computers">Its computers, without those that were revoked.</param>
/// <param name="Objectives">Whether its objectives (RTO, RPO) are met; absent where the service is older than they are.</param>
public sealed record ClinicVerdictResponse(
    ClinicId Clinic,
    VerdictState State,
    DateTimeOffset At,
    IReadOnlyList<VerdictFinding> Findings,
    IReadOnlyList<ComputerVerdictResponse> Computers,
    MeasuredObjectives? Objectives = null);

/// <summary>What a computer reported last, as it counts now.</summary>
/// <param name="AgentId">Which.</param>
/// <param name="Name">The computer's name.</param>
/// <param name="State">In a word.</param>
/// <param name="ReceivedAt">When the report arrived, by the service's clock; null where there is none yet.</param>
/// <param name="Since">Since when its reports have said the same.</param>
/// <param name="ClockOffSeconds">How far the computer's clock is ahead (or behind, where negative); null where it is right.</param>
/// <param name="Findings">What is about the computer as a whole.</param>
/// <param name="Folders">Folder by folder. "Folder 1" is the first of these.</param>
public sealed record ComputerVerdictResponse(
    string AgentId,
    string Name,
    VerdictState State,
    DateTimeOffset? ReceivedAt,
    DateTimeOffset? Since,
    long? ClockOffSeconds,
    IReadOnlyList<VerdictFinding> Findings,
    IReadOnlyList<FolderVerdict> Folders);

/// <summary><c>GET /v1/clinics/{clinic}/agents/{agent}/verdicts</c>: a page of these, a day each, the oldest first; the last ninety days with a report.</summary>
/// <param name="Day">The day (UTC), <c>yyyy-MM-dd</c>.</param>
/// <param name="Safe">Whether every report of that day said safe.</param>
/// <param name="Causes">What the reports of that day gave as grounds, such as <c>files-pending</c>.</param>
/// <param name="Files">Files found, by the last report of that day.</param>
/// <param name="Archived">Of them, those that are in the archive.</param>
/// <param name="Reports">How many reports there were.</param>
public sealed record VerdictDayResponse(string Day, bool Safe, IReadOnlyList<string> Causes, long Files, long Archived, int Reports);
