using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;

namespace CloudArchive.Core.Tests.Clinics;

public sealed class ClinicDirectoryTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Creating_a_clinic_twice_or_at_once_makes_one_with_one_entry()
    {
        Archive archive = Archive.On(shared);
        ClinicId id = TestClinic.NewId();
        Clinic[] made = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => archive.Clinics.CreateAsync(id, "Praxis", 10, true, Archive.Admin, Cancel))));
        Assert.All(made, clinic => Assert.Equal(made[0].IdentifierSecret.EncryptedKey, clinic.IdentifierSecret.EncryptedKey));
        Assert.Single(await TestClinic.LogAsync(archive, id.Value), entry => entry.Action == AuditActions.ClinicCreated);
        Assert.Equal(Refusal.ClinicExists, (await Assert.ThrowsAsync<RefusedException>(() => archive.Clinics.CreateAsync(id, "Other", 10, true, Archive.Admin, Cancel))).Refusal);
    }

    [Theory]
    [InlineData("", 10)]
    [InlineData("  ", 10)]
    [InlineData("line\nbreak", 10)]
    [InlineData("Praxis", 0)]
    [InlineData("Praxis", 101)]
    public async Task Settings_that_break_a_rule_are_refused(string name, int years)
    {
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => Archive.On(shared).Clinics.CreateAsync(TestClinic.NewId(), name, years, true, Archive.Admin, Cancel));
        Assert.Equal(Refusal.RequestInvalid, refused.Refusal);
    }

    [Fact]
    public async Task Retention_is_raised_and_never_lowered()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        ClinicDirectory clinics = clinic.Archive.Clinics;
        Assert.Equal(12, (await clinics.ChangeAsync(clinic.Id, 12, null, Archive.Admin, Cancel)).Retention.Years);
        Assert.Equal(Refusal.RetentionLowered, (await Assert.ThrowsAsync<RefusedException>(() => clinics.ChangeAsync(clinic.Id, 11, null, Archive.Admin, Cancel))).Refusal);
        Assert.False((await clinics.ChangeAsync(clinic.Id, null, false, Archive.Admin, Cancel)).RequireApproval);
        await clinics.ChangeAsync(clinic.Id, 12, false, Archive.Admin, Cancel);
        Assert.Equal(2, (await clinic.LogAsync()).Count(entry => entry.Action == AuditActions.ClinicSettingsChanged));
    }

    [Fact]
    public async Task Changes_at_the_same_time_all_take_effect_and_none_lowers()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await Task.WhenAll(Enumerable.Range(11, 5).Select(years => Task.Run(async () =>
        {
            try
            {
                await clinic.Archive.Clinics.ChangeAsync(clinic.Id, years, null, Archive.Admin, Cancel);
            }
            catch (RefusedException e) when (e.Refusal == Refusal.RetentionLowered)
            {
                // A higher one was first.
            }
        })));
        Assert.Equal(15, (await clinic.Archive.Clinics.GetAsync(clinic.Id, Cancel)).Retention.Years);
        int[] stated = [.. (await clinic.LogAsync()).Where(entry => entry.Action == AuditActions.ClinicSettingsChanged).Select(entry => int.Parse(entry.Details!["retentionYears"]))];
        Assert.Equal(15, stated.Max());
    }

    [Fact]
    public async Task A_clinic_appears_in_the_list_even_when_the_first_request_died_before_it_was_listed()
    {
        Archive archive = Archive.On(shared);
        for (int call = 1; ; call++)
        {
            ClinicId id = TestClinic.NewId();
            Doom doom = new(call);
            Archive doomed = new(new DoomedRows(shared.Storage.Rows, doom), shared.Storage.Vault, shared.Keys, shared.Keys, shared.Keys, archive.Clock);
            try
            {
                await doomed.Clinics.CreateAsync(id, "Praxis", 10, true, Archive.Admin, Cancel);
            }
            catch (DeadException)
            {
                // As it should.
            }

            await archive.Clinics.CreateAsync(id, "Praxis", 10, true, Archive.Admin, Cancel);
            await archive.Outbox.DrainAsync(RowTable.Clinics, id.Value, TimeSpan.FromSeconds(-1), Cancel);
            Assert.Single(await TestClinic.LogAsync(archive, id.Value), entry => entry.Action == AuditActions.ClinicCreated);
            Assert.Contains(id, await ListAsync(archive));
            if (!doom.Struck)
            {
                break;
            }
        }
    }

    [Fact]
    public async Task The_identifier_secret_is_kept_wrapped_and_needs_the_unwrapper()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        Row row = (await shared.Storage.Rows.FindAsync(RowTable.Clinics, clinic.Id.Value, "clinic", Cancel))!;
        string secret = Convert.ToBase64String(clinic.Secret.ToBytes());
        Assert.DoesNotContain(row.Values.Values, value => value is string text && text.Contains(secret, StringComparison.Ordinal));
        Archive ingest = new(shared.Storage.Rows, shared.Storage.Vault, shared.Keys, null, shared.Keys, clinic.Archive.Clock);
        Assert.Equal(Refusal.RecoveryOnly, (await Assert.ThrowsAsync<RefusedException>(() => ingest.Identifiers.HmacAsync(clinic.Id, "PID", null, Cancel))).Refusal);
        (IdentifierHmacs? patient, IdentifierHmacs? accession) = await clinic.Archive.Identifiers.HmacAsync(clinic.Id, "PID-7 ", null, Cancel);
        Assert.Equal([clinic.Secret.Hmac("PID-7")!.Value], patient!.All);
        Assert.Null(accession);
    }

    private static async Task<List<ClinicId>> ListAsync(Archive archive)
    {
        List<ClinicId> all = [];
        while (await archive.Clinics.ListAsync(all.Count == 0 ? null : all[^1], 10, Cancel) is { Count: > 0 } page)
        {
            all.AddRange(page);
        }

        return all;
    }
}
