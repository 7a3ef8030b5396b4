using System.Security.Cryptography;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Storage;
using CloudArchive.Format.Access;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.Api.Tests.Access;

/// <summary>One person never counts as two, whatever token they come with (docs/design.md, invariant 10).</summary>
public sealed class OnePersonTests(SharedStorage shared)
{
    private const string List = "/v1/clinics";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_token_without_oid_approves_nothing_of_its_own_persons_and_does_not_get_round_a_block()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string who = New(), restores = $"{List}/{agent.Enrolled.Clinic}/restores";
        (Sidecar one, _) = await agent.BackUpAsync(await agent.TokenAsync());
        (Sidecar two, _) = await agent.BackUpAsync(await agent.TokenAsync());
        using RSA mine = RSA.Create(2048);
        RestoreResponse asked = (await host.PostAsync(
            restores, host.Staff("admin", subject: who), new RestoreRequest(JwkKeys.FromRsa(mine), "Moves away", "Dr. Weber", Studies: [one.Study, two.Study]))).As<RestoreResponse>();
        Assert.Equal(RestoreStatus.PendingApproval, asked.Status);
        string[] others =
        [
            host.SignIn("admin", subject: who),
            host.Staff("admin", subject: who, claims: claims => claims.Remove("oid")),
            host.Staff("admin", subject: who, claims: claims => claims.Remove("tid")),
            host.Staff("admin", subject: who, claims: claims =>
            {
                claims.Remove("oid");
                claims.Remove("scp");
            }),
        ];
        foreach (string token in others)
        {
            Answer answer = await host.PostAsync($"{restores}/{asked.Id}/approve", token);
            Assert.Equal((401, "token-invalid"), (answer.Status, answer.Problem));
        }

        // The same person by another application of the tenant, whose sub is another; and in another spelling.
        foreach (string token in new[] { host.Staff("admin", subject: who, claims: claims => claims["sub"] = "of-the-portal"), host.Staff("admin", subject: who.ToUpperInvariant()) })
        {
            Answer answer = await host.PostAsync($"{restores}/{asked.Id}/approve", token);
            Assert.Equal((403, "approval-by-requester"), (answer.Status, answer.Problem));
        }

        (await host.PostAsync("/v1/access/block", host.Staff("admin"), new StaffSubjectRequest(who))).As<StaffAccessResponse>();
        foreach (string token in others.Append(host.Staff("admin", subject: who)).Append(host.Staff("admin", subject: who, claims: claims => claims["sub"] = "of-the-portal")))
        {
            Assert.Equal(401, (await host.GetAsync(List, token)).Status);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_block_from_before_by_oid_or_by_sub_alone_stands_until_it_is_taken_off(bool bySub)
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        string who = New(), token = host.Staff("admin", subject: who), former = bySub ? who + "-pairwise" : who;
        await WriteFormerAsync(host, former, blocked: true);
        Assert.Equal(401, (await host.GetAsync(List, token)).Status);
        Assert.Null((await host.PostAsync("/v1/access/unblock", host.Staff("admin"), new StaffSubjectRequest(former))).As<StaffAccessResponse>().Principal.EndedAt);
        Assert.Equal(200, (await host.GetAsync(List, token)).Status);
    }

    [Fact]
    public async Task A_list_has_each_person_once_also_who_was_known_by_oid_and_by_sub_before()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        string who = New();
        await WriteFormerAsync(host, who, blocked: false);
        await WriteFormerAsync(host, who + "-pairwise", blocked: false);
        Assert.Equal(200, (await host.GetAsync(List, host.Staff("admin", subject: who))).Status);
        AccessPrincipal once = Assert.Single((await host.GetAsync("/v1/access", host.Staff("admin"))).As<AccessListResponse>().Principals, principal => principal.Id.Contains(who, StringComparison.Ordinal));
        Assert.Equal((ApiHost.Id(who), DateTimeOffset.UnixEpoch), (once.Id, once.Since));
    }

    private static string New() => "s-" + Guid.NewGuid().ToString("N");

    /// <summary>A row as it was written before.</summary>
    private static async Task WriteFormerAsync(ApiHost host, string subject, bool blocked)
    {
        string key = "staff:" + Format.Sha256Digest.Of(System.Text.Encoding.UTF8.GetBytes(subject)).Hex;
        Dictionary<string, object> values = new() { ["subject"] = subject, ["roles"] = "admin", ["clinics"] = "*", ["firstAcceptedAt"] = DateTimeOffset.UnixEpoch, ["lastAcceptedAt"] = DateTimeOffset.UnixEpoch };
        if (blocked)
        {
            values["blockedAt"] = DateTimeOffset.UnixEpoch.AddDays(1);
            values["blockedBy"] = "ada";
        }

        await host.Services.GetRequiredService<IRowStore>().SubmitAsync(RowTable.Clinics, "$access", [new RowWrite.Insert(key, values)], Cancel);
    }
}
