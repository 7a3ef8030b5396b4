namespace CloudArchive.Api.Portal.Pages;

/// <summary>What went wrong, and what the operator can find it by.</summary>
public sealed record ErrorModel(Problem Problem, string CorrelationId);
