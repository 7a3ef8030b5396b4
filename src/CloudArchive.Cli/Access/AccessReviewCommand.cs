using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Access;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Access;

/// <summary><c>access review</c>.</summary>
internal static class AccessReviewCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Option<bool> all = new("--all") { Description = "Everyone, in all clinics, instead of one clinic" };
        Option<bool> attest = new("--attest") { Description = "Attest the list (admin, second factor): it is signed and kept for years" };
        Option<string?> seen = new("--seen") { Description = "Attest only if the list is still the one with this fingerprint, from a review that you went through", HelpName = "fingerprint" };
        Option<string?> save = new("--save") { Description = $"Where to write the attested list: {AccessReviewDocument.File} and {AccessReviewDocument.SignatureFile}", HelpName = "folder" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("review", "List everyone and every agent that can act: with what roles, since when, last when.") { all, attest, seen, save, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            bool attests = parsed.GetValue(attest) || parsed.GetValue(seen) is not null;
            if (parsed.GetValue(save) is not null && !attests) throw new UsageException("--save writes an attested list: add --attest.");
            string path = parsed.GetValue(all) ? "v1/access" : $"v1/clinics/{connection.Clinic(parsed)}/access";
            using ArchiveClient client = connection.Connect(parsed);
            AccessListResponse list = await client.GetAsync<AccessListResponse>(path, cancellationToken);
            if (parsed.GetValue(seen) is { } fingerprint && !string.Equals(fingerprint, list.Fingerprint.Hex, StringComparison.Ordinal))
                throw new UsageException($"The list is not the one that you saw: its fingerprint is {list.Fingerprint}. Go through it again; nothing was attested.");
            AccessReviewResponse? review = attests
                ? await client.PostAsync<AccessReviewResponse>(path + "/reviews", new AttestAccessRequest(list.Fingerprint), repeatable: false, cancellationToken)
                : null;
            if (review is not null && parsed.GetValue(save) is { } folder) Save(folder, review);
            if (parsed.GetValue(json)) environment.WriteJson(new { list.Scope, list.At, list.Fingerprint, list.Principals, review?.Review });
            else Write(environment, list, review);
            return (int)ExitCode.Ok;
        });
        return command;
    }

    /// <summary>A principal in a line, for people.</summary>
    public static string Describe(AccessPrincipal principal) => principal switch
    {
        { EndedAt: { } ended, LastAcceptedAt: { } last } => $"ended {Time(ended)} by {principal.EndedBy ?? "?"}; last let in {Time(last)}, {Between(last, ended)} before",
        { EndedAt: { } ended } => $"ended {Time(ended)} by {principal.EndedBy ?? "?"}; never let in",
        { LastAcceptedAt: { } last } => $"last let in {Time(last)}",
        _ => "never let in",
    };

    private static void Save(string folder, AccessReviewResponse review)
    {
        DirectoryInfo target = Directory.CreateDirectory(folder);
        File.WriteAllBytes(Path.Combine(target.FullName, AccessReviewDocument.File), review.Document);
        File.WriteAllText(Path.Combine(target.FullName, AccessReviewDocument.SignatureFile), review.Signature);
    }

    private static void Write(CliEnvironment environment, AccessListResponse list, AccessReviewResponse? review)
    {
        environment.WriteTable(
            ["Who", "Kind", "Roles", "Clinics", "Since", "Use"],
            list.Principals.Select(principal => (IReadOnlyList<string>)[
                principal.Id, principal.Kind == PrincipalKind.Agent ? "agent" : "person", string.Join(", ", principal.Roles),
                principal.Clinics is null ? "all" : string.Join(", ", principal.Clinics), principal.Since is { } since ? Time(since) : "", Describe(principal)]),
            "Nobody can act.");
        environment.Out.WriteLine($"{list.Principals.Count(p => p.EndedAt is null)} can act, {list.Principals.Count(p => p.EndedAt is not null)} no longer. Fingerprint: {list.Fingerprint}");
        environment.Out.WriteLine("People are those whom the service has seen; who could sign in and never did is in the directory of your sign-in.");
        environment.Out.WriteLine(review is null ? $"To attest this very list: add --seen {list.Fingerprint}" : $"Attested as review {review.Review}.");
    }

    private static string Time(DateTimeOffset time) => $"{time.UtcDateTime:yyyy-MM-dd HH:mm} UTC";

    private static string Between(DateTimeOffset from, DateTimeOffset to) =>
        to - from is { TotalMinutes: < 5 } ? "less than 5 minutes" : to - from is { TotalHours: < 48 } hours ? $"{hours.TotalHours:0.#} hours" : $"{(to - from).TotalDays:0} days";
}
