using System.Security.Cryptography;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;

namespace CloudArchive.Core.Tests.Clinics;

public sealed class EnrollmentsTests(SharedStorage shared)
{
    private static readonly AuditOrigin _origin = new("127.0.0.1", "test");
    private static readonly Jwk _escrow = JwkKeys.FromRsa(TestClinic.Escrow);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_code_enrolls_one_agent_and_no_second()
    {
        (Archive archive, ClinicId clinic) = await NewAsync();
        IssuedCode issued = await archive.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel);
        Assert.True(issued.MakesEscrowKey);
        Enrolled enrolled = await EnrollAsync(archive, issued.Code.Reveal());
        Assert.False((await archive.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel)).MakesEscrowKey);
        Assert.Equal((clinic, "reception", false), (enrolled.Agent.Id.Clinic, enrolled.Agent.Name, enrolled.Agent.Revoked));
        Assert.Equal(Refusal.CodeInvalid, (await Assert.ThrowsAsync<RefusedException>(() => EnrollAsync(archive, issued.Code.Reveal()))).Refusal);
        Assert.Single(await archive.Agents.ListAsync(clinic, null, 10, Cancel));
    }

    [Fact]
    public async Task The_same_key_with_the_same_code_gets_the_same_answer_as_long_as_the_code_lives_and_no_other_key_does()
    {
        (Archive archive, ClinicId clinic) = await NewAsync();
        string code = (await archive.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel)).Code.Reveal();
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Task<Enrolled> AskAsync() => archive.Enrollments.EnrollAsync(code, "reception", JwkKeys.FromEcdsa(key), _escrow, _origin, Cancel);
        Enrolled first = await AskAsync();
        archive.Clock.Advance(TimeSpan.FromHours(1));
        await archive.Enrollments.SweepAsync(Cancel);
        Enrolled again = await AskAsync(); // its answer got lost on the way
        Assert.Equal((first.Agent.Id, first.Clinic.EscrowKey, first.WrappingKey), (again.Agent.Id, again.Clinic.EscrowKey, again.WrappingKey));
        Assert.Equal(IdentifierSecret.Open(first.SealedIdentifierSecret, code).ToBytes(), IdentifierSecret.Open(again.SealedIdentifierSecret, code).ToBytes());
        Assert.Single(await archive.Agents.ListAsync(clinic, null, 10, Cancel));
        Assert.Single(await TestClinic.LogAsync(archive, clinic.Value), entry => entry.Action == AuditActions.AgentEnrolled);

        Assert.Equal(Refusal.CodeInvalid, (await Assert.ThrowsAsync<RefusedException>(() => EnrollAsync(archive, code))).Refusal);
        await archive.Agents.RevokeAsync(first.Agent.Id, Archive.Admin, Cancel);
        Assert.Equal(Refusal.CodeInvalid, (await Assert.ThrowsAsync<RefusedException>(AskAsync)).Refusal);
        archive.Clock.Advance(Enrollments.CodeLifetime);
        Assert.Equal(Refusal.CodeInvalid, (await Assert.ThrowsAsync<RefusedException>(AskAsync)).Refusal);
    }

    [Fact]
    public async Task Of_many_that_enroll_at_once_with_one_code_one_gets_in()
    {
        (Archive archive, ClinicId clinic) = await NewAsync();
        IssuedCode issued = await archive.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel);
        int enrolled = 0;
        await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(async () =>
        {
            try
            {
                await EnrollAsync(archive, issued.Code.Reveal());
                Interlocked.Increment(ref enrolled);
            }
            catch (RefusedException e) when (e.Refusal == Refusal.CodeInvalid)
            {
                // Another was first.
            }
        })));
        Assert.Equal(1, enrolled);
        Assert.Single(await archive.Agents.ListAsync(clinic, null, 10, Cancel));
        Assert.Single(await TestClinic.LogAsync(archive, clinic.Value), entry => entry.Action == AuditActions.AgentEnrolled);
    }

    [Fact]
    public async Task Two_first_agents_at_once_agree_on_one_escrow_key()
    {
        (Archive archive, ClinicId clinic) = await NewAsync();
        using RSA other = RSA.Create(2048);
        string[] codes = [(await archive.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel)).Code.Reveal(), (await archive.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel)).Code.Reveal()];
        Enrolled[] enrolled = await Task.WhenAll(Task.Run(() => EnrollAsync(archive, codes[0], _escrow)), Task.Run(() => EnrollAsync(archive, codes[1], JwkKeys.FromRsa(other))));
        Jwk pinned = (await archive.Clinics.GetAsync(clinic, Cancel)).EscrowKey!;
        Assert.All(enrolled, e => Assert.Equal(pinned, e.Clinic.EscrowKey));
        Assert.Single(await TestClinic.LogAsync(archive, clinic.Value), entry => entry.Action == AuditActions.AgentEnrolled && entry.Details!["escrowKeyPinned"] == "true");
    }

    [Fact]
    public async Task The_escrow_key_is_pinned_by_the_first_agent_for_good()
    {
        (Archive archive, ClinicId clinic) = await NewAsync();
        string code = (await archive.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel)).Code.Reveal();
        Assert.Equal(Refusal.EscrowKeyMissing, (await Assert.ThrowsAsync<RefusedException>(() => EnrollAsync(archive, code, null))).Refusal);
        await EnrollAsync(archive, code, _escrow);
        using RSA other = RSA.Create(2048);
        code = (await archive.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel)).Code.Reveal();
        Assert.Equal(_escrow, (await EnrollAsync(archive, code, JwkKeys.FromRsa(other))).Clinic.EscrowKey);
        code = (await archive.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel)).Code.Reveal();
        Assert.Equal(_escrow, (await EnrollAsync(archive, code, null)).Clinic.EscrowKey);
    }

    [Fact]
    public async Task A_code_that_is_too_old_unknown_or_no_code_is_refused_the_same_way()
    {
        (Archive archive, ClinicId clinic) = await NewAsync();
        IssuedCode issued = await archive.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel);
        archive.Clock.Advance(Enrollments.CodeLifetime);
        string[] codes = [issued.Code.Reveal(), EnrollmentCode.Create().Reveal(), "", "DROP TABLE", issued.Code.Hash.Hex];
        string[] answers = [.. await Task.WhenAll(codes.Select(async code => (await Assert.ThrowsAsync<RefusedException>(() => EnrollAsync(archive, code))).Message))];
        Assert.Single(answers.Distinct());
        Assert.Empty(await archive.Agents.ListAsync(clinic, null, 10, Cancel));
    }

    [Fact]
    public async Task The_identifier_secret_comes_sealed_under_the_code_and_is_the_same_for_every_agent()
    {
        (Archive archive, ClinicId clinic) = await NewAsync();
        IssuedCode one = await archive.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel);
        IssuedCode two = await archive.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel);

        // Enrolling works on a host that cannot unwrap: it hands out what it cannot read.
        Archive ingest = new(shared.Storage.Rows, shared.Storage.Vault, shared.Keys, null, shared.Keys, archive.Clock);
        byte[] first = (await EnrollAsync(ingest, one.Code.Reveal())).SealedIdentifierSecret;
        byte[] second = (await EnrollAsync(ingest, two.Code.Reveal())).SealedIdentifierSecret;
        Assert.Equal(IdentifierSecret.Open(first, one.Code.Reveal()).ToBytes(), IdentifierSecret.Open(second, two.Code.Reveal()).ToBytes());
        Assert.ThrowsAny<CryptographicException>(() => IdentifierSecret.Open(first, two.Code.Reveal()));
        Assert.Equal(Refusal.RecoveryOnly, (await Assert.ThrowsAsync<RefusedException>(() => ingest.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel))).Refusal);
    }

    [Fact]
    public async Task Neither_rows_nor_log_hold_a_code()
    {
        (Archive archive, ClinicId clinic) = await NewAsync();
        string code = (await archive.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel)).Code.Reveal();
        string bare = code.Replace("-", "", StringComparison.Ordinal);
        List<string> all = [];
        foreach (string partition in (string[])[clinic.Value, "$codes"])
        {
            await foreach (Row row in archive.Rows.ReadAllAsync(RowTable.Clinics, partition, new RowRange("0", "~"), Cancel))
            {
                all.Add(row.Key + string.Join(' ', row.Values.Values));
            }
        }

        all.AddRange((await TestClinic.LogAsync(archive, clinic.Value)).Select(entry => entry.ToString()));
        Assert.DoesNotContain(all, text => text.Contains(code, StringComparison.OrdinalIgnoreCase) || text.Contains(bare, StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task Keys_of_the_wrong_kind_are_refused_and_leave_the_code_usable()
    {
        (Archive archive, ClinicId clinic) = await NewAsync();
        string code = (await archive.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel)).Code.Reveal();
        using ECDsa p384 = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        ECParameters big = p384.ExportParameters(false);
        Jwk wrongCurve = new("EC", Crv: "P-384", X: Convert.ToBase64String(big.Q.X!), Y: Convert.ToBase64String(big.Q.Y!));
        Assert.Equal(Refusal.KeyInvalid, (await Assert.ThrowsAsync<RefusedException>(() => archive.Enrollments.EnrollAsync(code, "reception", wrongCurve, _escrow, _origin, Cancel))).Refusal);
        Assert.Equal(Refusal.KeyInvalid, (await Assert.ThrowsAsync<RefusedException>(() => archive.Enrollments.EnrollAsync(code, "reception", _escrow, _escrow, _origin, Cancel))).Refusal);
        Assert.Equal(Refusal.KeyInvalid, (await Assert.ThrowsAsync<RefusedException>(() => EnrollAsync(archive, code, new Jwk("RSA", N: "AQAB", E: "AQAB")))).Refusal);
        await EnrollAsync(archive, code);
    }

    [Fact]
    public async Task Expired_codes_are_swept_and_fresh_ones_stay()
    {
        (Archive archive, ClinicId clinic) = await NewAsync();
        IssuedCode old = await archive.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel);
        archive.Clock.Advance(Enrollments.CodeLifetime);
        IssuedCode fresh = await archive.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel);
        while (await archive.Rows.FindAsync(RowTable.Clinics, "$codes", old.Code.Hash.Hex, Cancel) is not null)
        {
            Assert.NotEqual(0, await archive.Enrollments.SweepAsync(Cancel));
        }

        Assert.Null(await archive.Rows.FindAsync(RowTable.Clinics, clinic.Value, "code:" + old.Code.Hash, Cancel));
        await EnrollAsync(archive, fresh.Code.Reveal());
    }

    [Fact]
    public async Task A_revoked_agent_stays_revoked_whatever_its_token_requests_write()
    {
        (Archive archive, ClinicId clinic) = await NewAsync();
        AgentId agent = (await EnrollAsync(archive, (await archive.Enrollments.CreateCodeAsync(clinic, Archive.Admin, Cancel)).Code.Reveal())).Agent.Id;
        await Task.WhenAll([.. Enumerable.Range(0, 5).Select(_ => Task.Run(() => archive.Agents.NoteSeenAsync(agent, Cancel))), Task.Run(() => archive.Agents.RevokeAsync(agent, Archive.Admin, Cancel))]);
        await archive.Agents.NoteSeenAsync(agent, Cancel);
        await archive.Agents.RevokeAsync(agent, Archive.Admin, Cancel);
        Assert.True((await archive.Agents.FindAsync(agent, Cancel))!.Revoked);
        Assert.Single(await TestClinic.LogAsync(archive, clinic.Value), entry => entry.Action == AuditActions.AgentRevoked);
    }

    [Fact]
    public async Task An_assertion_is_used_once_and_forgotten_long_after_it_expired()
    {
        Archive archive = Archive.On(shared);
        UsedAssertions used = new(archive.Rows, archive.Clock);
        AgentId agent = AgentId.New(TestClinic.NewId());
        DateTimeOffset expires = archive.Clock.GetUtcNow().AddMinutes(5);
        bool[] uses = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => Task.Run(() => used.TryUseAsync(agent, "one/two#three", expires, Cancel))));
        Assert.Single(uses, use => use);
        Assert.True(await used.TryUseAsync(agent, "another", expires, Cancel));
        Assert.True(await used.TryUseAsync(AgentId.New(agent.Clinic), "another", expires, Cancel));
        archive.Clock.Advance(TimeSpan.FromMinutes(14));
        await used.SweepAsync(Cancel);
        Assert.False(await used.TryUseAsync(agent, "another", expires, Cancel));
        archive.Clock.Advance(TimeSpan.FromMinutes(2));
        while (await used.SweepAsync(Cancel) > 0)
        {
            // Other tests' rows may come first.
        }

        Assert.True(await used.TryUseAsync(agent, "another", expires, Cancel));
    }

    [Theory]
    [InlineData("c-1.0123456789abcdef")]
    [InlineData("praxis.zzzzzzzzzzzzzzzz")]
    public void An_agent_id_reads_back(string text) => Assert.Equal(text, AgentId.Parse(text).ToString());

    [Theory]
    [InlineData("")]
    [InlineData("praxis")]
    [InlineData("praxis.short")]
    [InlineData("pr.0123456789abcdef")]
    [InlineData("praxis.0123456789abcdeu")]
    [InlineData("praxis.0123456789abcdef0")]
    [InlineData("a.b.0123456789abcdef")]
    public void What_is_no_agent_id_is_not_read(string text) => Assert.False(AgentId.TryParse(text, null, out _));

    private static Task<Enrolled> EnrollAsync(Archive archive, string code) => EnrollAsync(archive, code, _escrow);

    private static async Task<Enrolled> EnrollAsync(Archive archive, string code, Jwk? escrow)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return await archive.Enrollments.EnrollAsync(code, "reception", JwkKeys.FromEcdsa(key), escrow, _origin, Cancel);
    }

    private async Task<(Archive Archive, ClinicId Clinic)> NewAsync()
    {
        Archive archive = Archive.On(shared);
        ClinicId id = TestClinic.NewId();
        await archive.Clinics.CreateAsync(id, "Praxis", 10, true, Archive.Admin, Cancel);
        return (archive, id);
    }
}
