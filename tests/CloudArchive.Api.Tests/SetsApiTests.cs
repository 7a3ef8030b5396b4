using System.Net;
using System.Text.Json;
using CloudArchive.Api.Portal;
using CloudArchive.Api.Tests.Portal;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Api.Tests;

/// <summary>Folders' plain files and computers' snapshots, over HTTP and in the portal.</summary>
public sealed class SetsApiTests(SharedStorage shared)
{
    private static readonly ApiHostOptions _options = new() { Portal = new PortalOptions { Secure = false, Door = new TestDoor(_ => "") } };

    [Fact]
    public async Task A_folder_and_snapshots_are_listed_asked_for_and_shown_and_no_name_is_in_any_answer_page_or_log()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, _options);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string token = await agent.TokenAsync(), clinic = $"/v1/clinics/{agent.Enrolled.Clinic}";
        Uid folder = Sets.FolderOf(agent.Secret, "Reception Lindqvist", @"C:\Imaging", "Lindqvist 19800417"), computer = Sets.SnapshotsOf(agent.Secret, "Reception Lindqvist");
        (Sidecar study, _) = await agent.BackUpAsync(token);
        Sidecar files = await agent.BackUpSetAsync(token, folder, SetKind.Folder, null, ApiAgent.Plain("Lindqvist 19800417/photo.jpg", "photo"), ApiAgent.Plain("Lindqvist 19800417/empty.stl", ""));
        DateTimeOffset at = new(2026, 5, 6, 7, 8, 9, TimeSpan.Zero);
        (string, byte[], FileKind) document = ApiAgent.Plain(Snapshot.DocumentName, "{\"path\":\"Lindqvist\"}", FileKind.Snapshot);
        Sidecar first = await agent.BackUpSetAsync(token, computer, SetKind.Snapshot, new SidecarSnapshot(at, [], [files.Pack, study.Pack], 2, 3, 1_500_000, true), document);
        Sidecar part = await agent.BackUpSetAsync(token, computer, SetKind.Snapshot, new SidecarSnapshot(at.AddDays(1), [first.Pack], [], 2, 3, 1_500_000, false), document);

        List<Answer> answers = [];
        Page<SnapshotResponse> snapshots = (await AskAsync("GET", "/snapshots", token)).As<Page<SnapshotResponse>>();
        Assert.Equal(
            [new SnapshotResponse(part.Pack, computer, at.AddDays(1), 2, 3, 1_500_000, false, 1), new SnapshotResponse(first.Pack, computer, at, 2, 3, 1_500_000, true, 0)],
            snapshots.Items);
        Page<SnapshotResponse> one = (await AskAsync("GET", $"/snapshots?take=1&set={computer}", host.Staff("compliance"))).As<Page<SnapshotResponse>>();
        Assert.Equal(first.Pack, Assert.Single((await AskAsync("GET", $"/snapshots?take=1&set={computer}&after={one.Next}", host.Staff("admin"))).As<Page<SnapshotResponse>>().Items).Pack);
        Assert.Equal("request-invalid", (await AskAsync("GET", "/snapshots?after=Lindqvist", token)).Problem);
        Assert.Contains(await host.LogAsync(agent.Enrolled.Clinic.Value), entry => entry.Action == AuditActions.RecordRead && entry.Details!["route"].EndsWith("/snapshots", StringComparison.Ordinal) && entry.Actor.Role == "compliance");

        StudyResponse[] sets = [.. (await AskAsync("GET", "/studies", host.Staff("compliance"))).As<Page<StudyResponse>>().Items];
        Assert.Equal([study.Study, folder], sets.OrderBy(set => set.Set.HasValue).Select(set => set.Study));
        StudyResponse listed = Assert.Single((await AskAsync("GET", "/studies?set=folder", host.Staff("admin"))).As<Page<StudyResponse>>().Items);
        Assert.Equal((SetKind.Folder, 2), (listed.Set!.Value, listed.Instances));
        Assert.Equal([FileKind.Photo, FileKind.Surface], listed.Kinds);
        Assert.Contains("\"kinds\":[\"photo\",\"surface\"]", answers[^1].Body, StringComparison.Ordinal);
        Assert.Equal(computer, Assert.Single((await AskAsync("GET", "/studies?set=snapshot", host.Staff("admin"))).As<Page<StudyResponse>>().Items).Study);
        Assert.Equal(400, (await AskAsync("GET", "/studies?set=everything", host.Staff("admin"))).Status);
        Assert.Contains(await host.LogAsync(agent.Enrolled.Clinic.Value), entry => entry.Action == AuditActions.StudiesQueried && entry.Details!["by"] == "folder");
        InstanceResponse file = (await AskAsync("GET", $"/instances?study={folder}", token)).As<Page<InstanceResponse>>().Items[0];
        Assert.Equal((FileKind.Photo, null, null), (file.Kind!.Value, file.SopClass, file.TransferSyntax));

        // In the portal, and asked for from there.
        string portal = $"/portal/clinics/{agent.Enrolled.Clinic}";
        using PortalBrowser admin = await PortalBrowser.SignInAsync(host, host.Staff("admin")), compliance = await PortalBrowser.SignInAsync(host, host.Staff("compliance"));
        string studies = await ShowAsync(admin, "/studies");
        Assert.Contains("Folder set", studies, StringComparison.Ordinal);
        Assert.Contains("photo, surface", studies, StringComparison.Ordinal);
        Assert.DoesNotContain(computer.Value, studies, StringComparison.Ordinal);
        Assert.DoesNotContain(study.Study.Value, await ShowAsync(admin, "/studies?set=folder"), StringComparison.Ordinal);

        // The latest first, and folders behind them; the earliest first, which has dates alone; by UID, which has all.
        Assert.Equal([study.Study.Value, folder.Value], Order(studies));
        Assert.Equal([study.Study.Value], Order(await ShowAsync(admin, "/studies?order=oldest")));
        Assert.Equal(new[] { study.Study.Value, folder.Value }.Order(StringComparer.Ordinal), Order(await ShowAsync(admin, "/studies?order=uid")));
        Assert.Equal(HttpStatusCode.BadRequest, (await admin.GetAsync(portal + "/studies?order=size")).Status);
        string[] Order(string html) => [.. new[] { study.Study.Value, folder.Value }.Where(id => html.Contains($"studies/{id}\"", StringComparison.Ordinal)).OrderBy(id => html.IndexOf($"studies/{id}\"", StringComparison.Ordinal))];
        Assert.Contains("<h1>Folder set</h1>", await ShowAsync(compliance, $"/studies/{folder}"), StringComparison.Ordinal);
        string page = await ShowAsync(admin, "/snapshots");
        Assert.Contains("2026-05-06 07:08 UTC", page, StringComparison.Ordinal);
        Assert.Contains("1.5 MB", page, StringComparison.Ordinal);
        Assert.Contains($"value=\"{first.Pack}\"", page, StringComparison.Ordinal);
        Assert.DoesNotContain($"value=\"{part.Pack}\"", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<form method=\"post\" action=\"" + portal, await ShowAsync(compliance, "/snapshots"), StringComparison.Ordinal);
        Assert.Contains(portal + "/snapshots", await ShowAsync(compliance, ""), StringComparison.Ordinal);

        using System.Security.Cryptography.RSA key = System.Security.Cryptography.RSA.Create(2048);
        PortalAnswer asked = await admin.PostAsync(portal + "/restores", ("snapshot", first.Pack.ToString()), ("purpose", "An attack"), ("recipient", "The practice"), ("publicKey", key.ExportSubjectPublicKeyInfoPem()));
        Assert.Equal(HttpStatusCode.SeeOther, asked.Status);
        RestoreResponse restore = (await AskAsync("GET", "/restores/" + asked.Location!.Split('/')[^1], host.Staff("admin"))).As<RestoreResponse>();
        Assert.Equal((RestoreStatus.PendingApproval, first.Pack, 3), (restore.Status, restore.Snapshot!.Value, restore.Packs));
        Assert.Contains("all folders of a computer as they were", await ShowAsync(compliance, "/restores/" + restore.Id), StringComparison.Ordinal);

        foreach (string name in (string[])["Lindqvist", "19800417", "Imaging"])
        {
            Assert.DoesNotContain(answers, answer => answer.Body.Contains(name, StringComparison.OrdinalIgnoreCase));
            Assert.DoesNotContain(host.Logged.Lines, line => line.Contains(name, StringComparison.OrdinalIgnoreCase) && !line.Contains("after=Lindqvist", StringComparison.Ordinal));
            Assert.DoesNotContain(await host.LogAsync(agent.Enrolled.Clinic.Value), entry => JsonSerializer.Serialize(entry, FormatJson.Options).Contains(name, StringComparison.OrdinalIgnoreCase));
        }

        async Task<Answer> AskAsync(string method, string path, string bearer)
        {
            Answer answer = await host.SendAsync(method, clinic + path, bearer);
            answers.Add(answer);
            return answer;
        }

        async Task<string> ShowAsync(PortalBrowser browser, string path)
        {
            PortalAnswer answer = await browser.GetAsync(portal + path);
            Assert.Equal(HttpStatusCode.OK, answer.Status);
            Assert.DoesNotContain("Lindqvist", answer.Html, StringComparison.OrdinalIgnoreCase);
            return answer.Html;
        }
    }

    [Fact]
    public async Task The_largest_sidecars_of_sets_go_through_a_request()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string token = await agent.TokenAsync();
        PackId[] needs = [.. Enumerable.Range(0, Snapshots.NeedsPerPack).Select(_ => PackId.New(TimeProvider.System))];
        SidecarSnapshot snapshot = new(host.Clock.GetUtcNow(), needs[..Snapshots.LongestChain], needs, 1, 1, 1, true);
        Sidecar largest = await agent.BackUpSetAsync(token, Sets.SnapshotsOf(agent.Secret, "reception"), SetKind.Snapshot, snapshot, ApiAgent.Plain(Snapshot.DocumentName, "{}", FileKind.Snapshot));
        Assert.Equal(Snapshots.LongestChain, Assert.Single((await host.GetAsync($"/v1/clinics/{agent.Enrolled.Clinic}/snapshots", token)).As<Page<SnapshotResponse>>().Items).Chain);

        // The service sees the sidecar and the ciphertext, and not how many files are in it.
        SidecarInstance[] many = [.. Enumerable.Range(0, PackLimits.Instances).Select(i => SidecarInstance.Plain(FileKind.Other, i, Sha256Digest.Of(BitConverter.GetBytes(i))))];
        Sidecar sidecar = await agent.UploadSetAsync(token, Sets.FolderOf(agent.Secret, "reception", "/images", "many"), SetKind.Folder, null, ApiAgent.Plain("a", ""));
        sidecar = sidecar with { Instances = many, InstancesRoot = InstancesRoot.Of(many) };
        (await agent.CommitAsync(token, sidecar)).As<ReceiptResponse>();
        Assert.NotEqual(largest.Pack, sidecar.Pack);
        Assert.Equal(PackLimits.Instances, Assert.Single((await host.GetAsync($"/v1/clinics/{agent.Enrolled.Clinic}/studies?set=folder", host.Staff("admin"))).As<Page<StudyResponse>>().Items).Instances);
    }
}
