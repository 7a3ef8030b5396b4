using System.Globalization;
using System.Net;
using CloudArchive.Api.Portal;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Format.Audit;
using Microsoft.AspNetCore.Routing;

namespace CloudArchive.Api.Tests.Portal;

/// <summary>
/// Every page and form with every kind of visitor, written down by hand; what the API's matrix is for tokens. An endpoint without a row fails.
/// </summary>
public sealed class PortalMatrixTests(SharedStorage shared)
{
    /// <summary>Columns: no session, a session that is none | compliance, admin without a second factor, admin of another clinic | admin. "ok" has passed the gate.</summary>
    private const string Table =
        """
        GET /portal/assets/portal.css                               | ok  ok  | ok  ok  ok  | ok
        GET /portal/assets/portal.js                                | ok  ok  | ok  ok  ok  | ok
        GET /portal/assets/restore.js                               | ok  ok  | ok  ok  ok  | ok
        GET /portal/assets/pack.js                                  | ok  ok  | ok  ok  ok  | ok
        GET /portal/assets/icon.svg                                 | ok  ok  | ok  ok  ok  | ok
        GET /portal/sign-in                                         | ok  ok  | ok  ok  ok  | ok
        GET /portal/sign-in/platform                                | 401 401 | 401 401 401 | 401
        POST /portal/sign-in                                        | 401 401 | 401 401 401 | 401
        POST /portal/stay                                           | 401 401 | ok  ok  ok  | ok
        GET /portal                                                 | 303 401 | ok  ok  ok  | ok
        GET /portal/clinics/{clinic}                                | 303 401 | ok  ok  403 | ok
        GET /portal/clinics/{clinic}/studies                        | 303 401 | ok  ok  403 | ok
        GET /portal/clinics/{clinic}/snapshots                      | 303 401 | ok  ok  403 | ok
        POST /portal/clinics/{clinic}/studies                       | 401 401 | 403 ok  403 | ok
        GET /portal/clinics/{clinic}/studies/{study}                | 303 401 | ok  ok  403 | ok
        POST /portal/clinics/{clinic}/restores                      | 401 401 | 403 403 403 | ok
        GET /portal/clinics/{clinic}/restores                       | 303 401 | ok  ok  403 | ok
        GET /portal/clinics/{clinic}/restores/{restore}             | 303 401 | ok  ok  403 | ok
        POST /portal/clinics/{clinic}/restores/{restore}/approve    | 401 401 | 403 403 403 | ok
        POST /portal/clinics/{clinic}/restores/{restore}/decline    | 401 401 | 403 403 403 | ok
        POST /portal/clinics/{clinic}/restores/{restore}/result     | 401 401 | 403 403 403 | ok
        POST /portal/clinics/{clinic}/restores/{restore}/report     | 401 401 | 403 ok  403 | ok
        GET /portal/clinics/{clinic}/restore-tests                  | 303 401 | ok  ok  403 | ok
        POST /portal/clinics/{clinic}/restore-tests                 | 401 401 | 403 ok  403 | ok
        GET /portal/clinics/{clinic}/restore-tests/{run}            | 303 401 | ok  ok  403 | ok
        GET /portal/clinics/{clinic}/restore-tests/{run}/{file}     | 303 401 | ok  ok  403 | ok
        GET /portal/clinics/{clinic}/reports                        | 303 401 | ok  ok  403 | ok
        GET /portal/clinics/{clinic}/reports/{period}.csv           | 303 401 | ok  ok  403 | ok
        GET /portal/clinics/{clinic}/reports/{period}.pdf           | 303 401 | ok  ok  403 | ok
        GET /portal/clinics/{clinic}/binder                         | 303 401 | ok  ok  403 | ok
        POST /portal/clinics/{clinic}/binder                        | 401 401 | ok  ok  403 | ok
        GET /portal/clinics/{clinic}/audit                          | 303 401 | ok  ok  403 | ok
        POST /portal/clinics/{clinic}/audit                         | 401 401 | ok  ok  403 | ok
        POST /portal/clinics/{clinic}/audit/verify                  | 401 401 | ok  ok  403 | ok
        GET /portal/clinics/{clinic}/agents                         | 303 401 | ok  ok  403 | ok
        POST /portal/clinics/{clinic}/enrollments                   | 401 401 | 403 403 403 | ok
        POST /portal/clinics/{clinic}/agents/{agent}/revoke         | 401 401 | 403 403 403 | ok
        GET /portal/clinics/{clinic}/access                         | 303 401 | ok  ok  403 | ok
        POST /portal/clinics/{clinic}/access/reviews                | 401 401 | 403 403 403 | ok
        GET /portal/clinics/{clinic}/access/reviews/{review}/{file} | 303 401 | ok  ok  403 | ok
        GET /portal/access                                          | 303 401 | ok  ok  403 | ok
        POST /portal/access/reviews                                 | 401 401 | 403 403 403 | ok
        GET /portal/access/reviews/{review}/{file}                  | 303 401 | ok  ok  403 | ok
        POST /portal/access/block                                   | 401 401 | 403 403 403 | ok
        POST /portal/access/unblock                                 | 401 401 | 403 403 403 | ok
        GET /portal/clinics/{clinic}/alerts                         | 303 401 | ok  ok  403 | ok
        POST /portal/clinics/{clinic}/alerts/{alert}/retry          | 401 401 | 403 ok  403 | ok
        POST /portal/clinics/{clinic}/alerts/{alert}/acknowledge    | 401 401 | 403 ok  403 | ok
        POST /portal/clinics/{clinic}/contact                       | 401 401 | 403 403 403 | ok
        POST /portal/clinics/{clinic}/objectives                    | 401 401 | 403 403 403 | ok
        GET /portal/alerts                                          | 303 401 | ok  ok  403 | ok
        POST /portal/alerts/{alert}/retry                           | 401 401 | 403 ok  403 | ok
        POST /portal/alerts/{alert}/acknowledge                     | 401 401 | 403 ok  403 | ok
        GET /portal/clinics/{clinic}/disclosures                    | 303 401 | 403 403 403 | ok
        POST /portal/clinics/{clinic}/disclosures                   | 401 401 | 403 403 403 | ok
        GET /portal/clinics/{clinic}/retention                      | 303 401 | ok  ok  403 | ok
        POST /portal/clinics/{clinic}/retention                     | 401 401 | 403 403 403 | ok
        POST /portal/clinics/{clinic}/holds                         | 401 401 | 403 403 403 | ok
        POST /portal/clinics/{clinic}/holds/{hold}/clear            | 401 401 | 403 403 403 | ok
        POST /portal/clinics/{clinic}/holds/{hold}/approve          | 401 401 | 403 403 403 | ok
        POST /portal/clinics/{clinic}/destructions/{destruction}/approve | 401 401 | 403 403 403 | ok
        POST /portal/clinics/{clinic}/destructions/{destruction}/reject | 401 401 | 403 403 403 | ok
        POST /portal/sign-out                                       | 401 401 | ok  ok  ok  | ok
        """;

    private const string Id = "01890a5d-ac96-774b-bcce-b302099a8057";
    private const string Alert = "20261126-0123456789abcdef0123456789abcdef";

    /// <summary>Those that are about all clinics, for who reaches all.</summary>
    private static readonly string[] _ofAll = ["/portal", "/portal/access", "/portal/alerts"];

    [Fact]
    public async Task Every_page_answers_every_visitor_as_the_table_says_and_logs_each_refusal_once()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Portal = new PortalOptions { Secure = false, Door = new TestDoor(_ => "") } });
        (string Method, string Path, string[] Expected)[] rows = [.. Table.Split('\n').Select(Parse)];
        string[] endpoints = [.. host.Endpoints.Where(endpoint => endpoint.Metadata.GetMetadata<PortalSurface>() is not null)
            .Select(endpoint => $"{endpoint.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods[0]} {endpoint.RoutePattern.RawText}")];
        Assert.Empty(endpoints.Except(rows.Select(row => $"{row.Method} {row.Path}")));
        Assert.Equal(endpoints.Length, rows.Length);

        string clinic = (await ApiAgent.CreateAsync(host)).Enrolled.Clinic.Value, other = (await ApiAgent.CreateAsync(host)).Enrolled.Clinic.Value;
        using PortalBrowser nobody = new(host), forged = new(host);
        using PortalBrowser compliance = await PortalBrowser.SignInAsync(host, host.Staff("compliance")), oneFactor = await PortalBrowser.SignInAsync(host, host.Staff("admin", mfa: false));
        using PortalBrowser elsewhere = await PortalBrowser.SignInAsync(host, host.Staff("admin", clinics: other)), admin = await PortalBrowser.SignInAsync(host, host.Staff("admin"));
        PortalBrowser[] visitors = [nobody, forged, compliance, oneFactor, elsewhere, admin];
        List<string> wrong = [];
        List<(string What, string Correlation, bool Refused)> answers = [];
        foreach (PortalBrowser visitor in visitors.Skip(2))
        {
            await visitor.GetAsync("/portal");
        }

        foreach ((string method, string path, string[] expected) in rows)
        {
            string url = path.Replace("{clinic}", clinic, StringComparison.Ordinal).Replace("{study}", "1.2.3", StringComparison.Ordinal).Replace("{agent}", $"{clinic}.0000000000000000", StringComparison.Ordinal)
                .Replace("{restore}", Id, StringComparison.Ordinal).Replace("{hold}", Id, StringComparison.Ordinal).Replace("{destruction}", Id, StringComparison.Ordinal).Replace("{run}", Id, StringComparison.Ordinal).Replace("{review}", Id, StringComparison.Ordinal).Replace("{alert}", Alert, StringComparison.Ordinal).Replace("{file}", "evidence.json", StringComparison.Ordinal).Replace("{period}", $"{host.Clock.GetUtcNow():yyyy-MM}", StringComparison.Ordinal);
            for (int i = 0; i < visitors.Length; i++)
            {
                if (visitors[i] == forged)
                {
                    forged.Cookies.Add(host.Http.BaseAddress!, new Cookie("cloudarchive", "e30.e30.AAAA"));
                }

                PortalAnswer answer = await visitors[i].SendAsync(new HttpMethod(method), url, method == "POST" ? [] : null, []);
                string what = $"{method} {path} in column {i}: {(int)answer.Status} {answer.Location}";
                bool gate = answer.Status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden || answer.Location?.StartsWith("/portal/sign-in", StringComparison.Ordinal) == true;
                if (expected[i] == "ok" ? gate && path != "/portal/sign-out" || (int)answer.Status >= 500 : ((int)answer.Status).ToString(CultureInfo.InvariantCulture) != expected[i])
                {
                    wrong.Add($"not {expected[i]}: {what}");
                }

                if (answer.Html.Contains(other, StringComparison.Ordinal) && visitors[i] != elsewhere && !_ofAll.Contains(path))
                {
                    wrong.Add($"tells of another clinic: {what}");
                }

                answers.Add((what, answer.CorrelationId, (int)answer.Status is 401 or 403 or 409 or 422));
            }
        }

        ILookup<string, AuditEntry> refusals = (await host.LogAsync(clinic)).Concat(await host.LogAsync(AuditEntry.SystemLog)).Where(entry => entry.Outcome == AuditOutcome.Refused).ToLookup(entry => entry.Origin.CorrelationId);
        wrong.AddRange(answers.Where(answer => refusals[answer.Correlation].Count() != (answer.Refused ? 1 : 0)).Select(answer => $"{refusals[answer.Correlation].Count()} entries of a refusal: {answer.What}"));
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    private static (string Method, string Path, string[] Expected) Parse(string line)
    {
        string[] parts = [.. line.Split('|').Select(part => part.Trim())];
        string[] endpoint = parts[0].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return (endpoint[0], endpoint[1], [.. parts.Skip(1).SelectMany(part => part.Split(' ', StringSplitOptions.RemoveEmptyEntries))]);
    }
}
