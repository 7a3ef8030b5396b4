using System.Globalization;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using CloudArchive.LocalHost.Keys;
using CloudArchive.Testing;
using Microsoft.AspNetCore.Routing;

namespace CloudArchive.Api.Tests;

/// <summary>
/// Every endpoint with every kind of caller. What they get is written down here, by hand, and not worked out from the policies under test;
/// an endpoint without a row fails, and a row without an endpoint does.
/// </summary>
public sealed class AccessMatrixTests(SharedStorage shared)
{
    /// <summary>
    /// Columns: no token, expired, wrong audience, wrong issuer, alg none, ID token, without oid, of another tenant, app-only, by an expired key version | agent of another clinic, revoked agent, compliance (all clinics),
    /// admin without a second factor (all clinics), admin of another clinic | who is right: * is of all clinics. "ok" has passed the gate.
    /// </summary>
    private const string Table =
        """
        GET /v1/health                                            | ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  | ok  ok  ok  ok  ok  | anyone
        GET /v1/keys                                              | ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  | ok  ok  ok  ok  ok  | anyone
        GET /v1/sign-in                                           | ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  | ok  ok  ok  ok  ok  | anyone
        GET /openapi/{documentName}.json                          | ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  | ok  ok  ok  ok  ok  | anyone
        GET /v1/doctor                                            | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 ok  403 | admin*
        POST /v1/enrollments                                      | ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  | ok  ok  ok  ok  ok  | anyone
        POST /v1/token                                            | ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  | ok  ok  ok  ok  ok  | anyone
        POST /v1/clinics                                          | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 ok  403 | admin*
        GET /v1/clinics                                           | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  ok  | admin
        GET /v1/clinics/{clinic}                                  | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | admin
        PUT /v1/clinics/{clinic}/settings                         | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin*
        PUT /v1/clinics/{clinic}/contact                          | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin
        POST /v1/clinics/{clinic}/enrollments                     | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin
        GET /v1/clinics/{clinic}/agents                           | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        POST /v1/clinics/{clinic}/agents/{agent}/revoke           | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin
        POST /v1/clinics/{clinic}/agents/{agent}/key              | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | agent
        POST /v1/clinics/{clinic}/agents/{agent}/verdict          | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | agent
        GET /v1/clinics/{clinic}/agents/{agent}/verdicts          | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        GET /v1/clinics/{clinic}/verdict                          | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        GET /v1/clinics/{clinic}/keys                             | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | agent
        GET /v1/access                                            | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance*
        POST /v1/access/reviews                                   | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin*
        GET /v1/access/reviews                                    | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | admin*
        GET /v1/access/reviews/{review}                           | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance*
        POST /v1/access/block                                     | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin*
        POST /v1/access/unblock                                   | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin*
        GET /v1/clinics/{clinic}/access                           | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        POST /v1/clinics/{clinic}/access/reviews                  | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin
        GET /v1/clinics/{clinic}/access/reviews                   | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | admin
        GET /v1/clinics/{clinic}/access/reviews/{review}          | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        POST /v1/clinics/{clinic}/packs                           | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | agent
        POST /v1/clinics/{clinic}/packs/{pack}/upload-url         | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | agent
        POST /v1/clinics/{clinic}/packs/{pack}/commit             | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | agent
        GET /v1/clinics/{clinic}/packs                            | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | agent
        GET /v1/clinics/{clinic}/packs/{pack}                     | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        GET /v1/clinics/{clinic}/receipts                         | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | agent
        GET /v1/clinics/{clinic}/changes                          | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | agent
        GET /v1/clinics/{clinic}/studies                          | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        POST /v1/clinics/{clinic}/studies/search                  | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 ok  403 | admin
        GET /v1/clinics/{clinic}/studies/{study}                  | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | admin
        GET /v1/clinics/{clinic}/snapshots                        | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | agent
        GET /v1/clinics/{clinic}/instances                        | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 ok  403 | agent
        POST /v1/clinics/{clinic}/catalog/rebuild                 | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 ok  403 | admin
        POST /v1/clinics/{clinic}/keys/rewrap                     | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin
        POST /v1/clinics/{clinic}/restores                        | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin
        GET /v1/clinics/{clinic}/restores                         | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        GET /v1/clinics/{clinic}/restores/{restore}               | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | admin
        POST /v1/clinics/{clinic}/restores/{restore}/approve      | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin
        GET /v1/clinics/{clinic}/restores/{restore}/result        | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin
        POST /v1/clinics/{clinic}/restores/{restore}/report       | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 ok  403 | admin
        POST /v1/clinics/{clinic}/restore-tests                   | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 ok  403 | admin
        GET /v1/clinics/{clinic}/restore-tests                    | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        GET /v1/clinics/{clinic}/restore-tests/{run}              | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        GET /v1/clinics/{clinic}/restore-test-budget              | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        PUT /v1/clinics/{clinic}/restore-test-budget              | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 ok  403 | admin
        GET /v1/clinics/{clinic}/evidence                         | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        GET /v1/clinics/{clinic}/evidence/{run}/{file}            | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        GET /v1/clinics/{clinic}/reports/{period}.csv             | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        GET /v1/clinics/{clinic}/reports/{period}.pdf             | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | admin
        GET /v1/clinics/{clinic}/binder                           | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        GET /v1/clinics/{clinic}/retention                        | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        PUT /v1/clinics/{clinic}/retention                        | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin
        GET /v1/clinics/{clinic}/retention/plan                   | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        POST /v1/clinics/{clinic}/holds                           | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin
        GET /v1/clinics/{clinic}/holds                            | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        GET /v1/clinics/{clinic}/holds/{hold}                     | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        POST /v1/clinics/{clinic}/holds/{hold}/clear              | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin
        POST /v1/clinics/{clinic}/holds/{hold}/approve            | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin
        POST /v1/clinics/{clinic}/destructions                    | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin
        GET /v1/clinics/{clinic}/destructions                     | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        GET /v1/clinics/{clinic}/destructions/{destruction}       | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        POST /v1/clinics/{clinic}/destructions/{destruction}/approve | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin
        POST /v1/clinics/{clinic}/destructions/{destruction}/reject | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin
        GET /v1/clinics/{clinic}/destructions/{destruction}/certificate | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        POST /v1/clinics/{clinic}/disclosures/search              | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | admin
        GET /v1/clinics/{clinic}/alerts                           | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        POST /v1/clinics/{clinic}/alerts/{alert}/retry            | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 ok  403 | admin
        POST /v1/clinics/{clinic}/alerts/{alert}/acknowledge      | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 ok  403 | admin
        GET /v1/alerts                                            | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance*
        POST /v1/alerts/{alert}/retry                             | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 ok  403 | admin*
        POST /v1/alerts/{alert}/acknowledge                       | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 ok  403 | admin*
        GET /v1/clinics/{clinic}/audit/entries                    | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        POST /v1/clinics/{clinic}/audit/entries/search            | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        GET /v1/clinics/{clinic}/audit/leaves                     | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        GET /v1/clinics/{clinic}/audit/head                       | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        GET /v1/clinics/{clinic}/audit/proof                      | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance
        GET /v1/clinics/{clinic}/audit/checkpoints                | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | agent
        GET /v1/clinics/{clinic}/audit/checkpoints/latest         | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | agent
        GET /v1/clinics/{clinic}/audit/consistency                | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | agent
        GET /v1/clinics/{clinic}/audit/commits                    | 401 401 401 401 401 401 401 401 401 401 | 403 401 403 403 403 | agent
        GET /v1/system/audit/entries                              | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance*
        POST /v1/system/audit/entries/search                      | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance*
        GET /v1/system/audit/leaves                               | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance*
        GET /v1/system/audit/head                                 | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance*
        GET /v1/system/audit/proof                                | 401 401 401 401 401 401 401 401 401 401 | 403 401 ok  ok  403 | compliance*
        GET /v1/system/audit/checkpoints                          | 401 401 401 401 401 401 401 401 401 401 | ok  401 ok  ok  ok  | agent
        GET /v1/system/audit/checkpoints/latest                   | 401 401 401 401 401 401 401 401 401 401 | ok  401 ok  ok  ok  | agent
        GET /v1/system/audit/consistency                          | 401 401 401 401 401 401 401 401 401 401 | ok  401 ok  ok  ok  | agent
        """;

    /// <summary>Sent in queries and bodies: no answer may repeat it.</summary>
    private const string Marker = "tell-nobody-4711";

    private const string Id = "01890a5d-ac96-774b-bcce-b302099a8057";
    private static readonly string[] _gate = ["token-invalid", "forbidden", "mfa-needed", "too-many-requests", "internal", "integrity-failed"];
    private static readonly string[] _leaks = [Marker, "Exception", "   at ", "CloudArchive."];
    private static readonly RequestLimits _unlimited = new(100_000, 100_000, 100_000, 100_000, 100_000, 100_000, 100_000);

    [Fact]
    public async Task Every_endpoint_answers_every_caller_as_the_table_says_and_tells_nothing_and_logs_each_refusal_once()
    {
        using TemporaryFolder folder = new();
        using LocalKeys keys = await LocalKeys.OpenAsync(folder["keys"], TestContext.Current.CancellationToken);
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Limits = _unlimited, Keys = keys });
        Dictionary<string, Row> rows = Table.Split('\n').Select(Row.Parse).ToDictionary(row => row.Endpoint, StringComparer.Ordinal);
        // The portal's are in PortalMatrixTests: they take no token.
        string[] endpoints = [.. host.Endpoints.Where(endpoint => endpoint.Metadata.GetMetadata<CloudArchive.Api.Portal.PortalSurface>() is null).Select(Name)];
        Assert.Empty(endpoints.Except(rows.Keys));
        Assert.Empty(rows.Keys.Except(endpoints));

        Callers callers = await Callers.CreateAsync(host, keys);
        List<Sent> sent = [];
        await Parallel.ForEachAsync(rows.Values, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (row, _) =>
        {
            foreach ((string who, string? token, string expected) in callers.Of(row))
            {
                Sent answer = new(row, who, expected, await SendAsync(host, row, token, callers));
                lock (sent)
                {
                    sent.Add(answer);
                }
            }
        });

        // Once, at the end: the logs are read whole.
        ILookup<string, AuditEntry> refusals = (await host.LogAsync(callers.Clinic)).Concat(await host.LogAsync(callers.Other)).Concat(await host.LogAsync(AuditEntry.SystemLog))
            .Where(entry => entry.Outcome == AuditOutcome.Refused).ToLookup(entry => entry.Origin.CorrelationId);
        Assert.Equal(rows.Count * 16, sent.Count);
        Assert.Empty(sent.SelectMany(answer => Wrong(answer, refusals[answer.Answer.CorrelationId].Count(), callers)));
    }

    private static IEnumerable<string> Wrong(Sent sent, int entries, Callers callers)
    {
        Answer answer = sent.Answer;
        string what = $"{sent.Row.Endpoint} as {sent.Who}: {answer.Status} {answer.Body}";
        bool passed = answer.Status != 401 && !_gate.Contains(answer.Problem);
        if (sent.Expected == "ok" ? !passed : passed || answer.Status.ToString(CultureInfo.InvariantCulture) != sent.Expected)
        {
            yield return $"not {sent.Expected}: {what}";
        }

        if (entries != (answer.Status is 401 or 403 or 409 or 422 ? 1 : 0))
        {
            yield return $"{entries} entries of a refusal: {what}";
        }

        if (answer.Problem is not null && _leaks.Append(callers.Other).Append(callers.Revoked).Any(text => answer.Body.Contains(text, StringComparison.Ordinal)))
        {
            yield return $"tells too much: {what}";
        }
    }

    private static Task<Answer> SendAsync(ApiHost host, Row row, string? token, Callers callers)
    {
        string path = row.Path
            .Replace("{clinic}", callers.Clinic, StringComparison.Ordinal)
            .Replace("{documentName}", "v1", StringComparison.Ordinal)
            .Replace("{study}", "1.2.3", StringComparison.Ordinal)
            .Replace("{period}", $"{host.Clock.GetUtcNow():yyyy-MM}", StringComparison.Ordinal)
            .Replace("{agent}/key", callers.Agent + "/key", StringComparison.Ordinal)
            .Replace("{agent}/verdict", callers.Agent + "/verdict", StringComparison.Ordinal)
            .Replace("{agent}", $"{callers.Clinic}.0000000000000000", StringComparison.Ordinal);
        path = System.Text.RegularExpressions.Regex.Replace(path, @"\{\w+\}", Id, System.Text.RegularExpressions.RegexOptions.NonBacktracking);
        return host.SendAsync(row.Method, $"{path}?probe={Marker}", token, raw: row.Method == "GET" ? null : $$"""{"{{Marker}}":"{{Marker}}"}""");
    }

    private static string Name(RouteEndpoint endpoint) => $"{endpoint.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods[0]} {endpoint.RoutePattern.RawText}";

    private sealed record Sent(Row Row, string Who, string Expected, Answer Answer);

    private sealed record Row(string Method, string Path, string[] Expected, string Right)
    {
        public string Endpoint => $"{Method} {Path}";

        public static Row Parse(string line)
        {
            string[] parts = [.. line.Split('|').Select(part => part.Trim())];
            string[] endpoint = parts[0].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            string[] expected = [.. parts[1].Split(' ', StringSplitOptions.RemoveEmptyEntries), .. parts[2].Split(' ', StringSplitOptions.RemoveEmptyEntries)];
            return endpoint.Length == 2 && expected.Length == 15 && parts.Length == 4 ? new Row(endpoint[0], endpoint[1], expected, parts[3]) : throw new FormatException(line);
        }
    }

    /// <summary>One of each kind.</summary>
    private sealed class Callers(ApiAgent agent, ApiAgent other, ApiAgent revoked, string[] wrong, Dictionary<string, string> right)
    {
        private static readonly string[] _names =
            ["nobody", "an expired token", "a token for another audience", "a token of another issuer", "a token with alg none", "an ID token", "a token without oid", "a token of another tenant", "a token that an application got for itself", "an agent with a token by an expired version of the key", "an agent of another clinic", "a revoked agent", "compliance", "an admin without a second factor", "an admin of another clinic"];

        public string Clinic => agent.Enrolled.Clinic.Value;

        public string Other => other.Enrolled.Clinic.Value;

        public string Agent => agent.Enrolled.AgentId;

        public string Revoked => revoked.Enrolled.AgentId;

        public static async Task<Callers> CreateAsync(ApiHost host, LocalKeys keys)
        {
            ApiAgent agent = await ApiAgent.CreateAsync(host);
            ApiAgent other = await ApiAgent.CreateAsync(host);
            ApiAgent revoked = await ApiAgent.EnrollAsync(host, agent.Enrolled.Clinic);
            string clinic = agent.Enrolled.Clinic.Value;
            string byExpired = await agent.TokenAsync(), expired = await keys.Tokens.GetCurrentKeyIdAsync(CancellationToken.None);
            await keys.RotateTokenKeyAsync(CancellationToken.None);
            await keys.DisableAsync(expired, CancellationToken.None);
            string revokedToken = await revoked.TokenAsync();
            (await host.PostAsync($"/v1/clinics/{clinic}/agents/{revoked.Enrolled.AgentId}/revoke", host.Staff("admin"))).As<AgentResponse>();
            string admin = host.Staff("admin");
            string none = $"{Microsoft.IdentityModel.Tokens.Base64UrlEncoder.Encode("""{"alg":"none","kid":"staff-1"}""")}.{admin.Split('.')[1]}.";
            string[] wrong =
            [
                "",
                host.Staff("admin", lifetime: TimeSpan.FromMinutes(-2), notBefore: TimeSpan.FromMinutes(-10)),
                host.Staff("admin", audience: "api://other"),
                host.Staff("admin", issuer: "https://evil.test/"),
                none,
                host.SignIn("admin"),
                host.Staff("admin", claims: claims => claims.Remove("oid")),
                host.Staff("admin", claims: claims => claims["tid"] = "elsewhere.test"),
                host.Staff("admin", claims: claims =>
                {
                    claims.Remove("scp");
                    claims["idtyp"] = "app";
                }),
                byExpired,
                await other.TokenAsync(),
                revokedToken,
                host.Staff("compliance", subject: "carol"),
                host.Staff("admin", subject: "no-mfa", mfa: false),
                host.Staff("admin", other.Enrolled.Clinic.Value, subject: "foreign"),
            ];
            return new Callers(agent, other, revoked, wrong, new Dictionary<string, string>
            {
                ["anyone"] = "",
                ["agent"] = await agent.TokenAsync(),
                ["admin"] = host.Staff("admin", clinic, subject: "mine"),
                ["admin*"] = admin,
                ["compliance"] = host.Staff("compliance", clinic, subject: "auditor"),
                ["compliance*"] = host.Staff("compliance", subject: "carol"),
            });
        }

        public IEnumerable<(string Who, string? Token, string Expected)> Of(Row row) =>
            wrong.Zip(_names, row.Expected).Select(one => (one.Second, Token(one.First), one.Third)).Append(($"the right one, {row.Right}", Token(right[row.Right]), "ok"));

        private static string? Token(string token) => token.Length == 0 ? null : token;
    }
}
