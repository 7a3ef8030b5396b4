using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Wire;
using CloudArchive.LocalHost.Keys;
using CloudArchive.Testing;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.Keys;

/// <summary>With keys of their own: what is rotated here is nobody else's.</summary>
public sealed class KeyRewrapTests(SharedStorage shared) : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private LocalKeys _keys = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _keys = await LocalKeys.OpenAsync(_folder["keys"], Cancel);

    public ValueTask DisposeAsync()
    {
        _keys.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task After_a_rotation_every_key_moves_once_and_what_it_opens_is_the_same()
    {
        TestClinic clinic = await TestClinic.CreateAsync(OnOwnKeys());
        List<SealedPack> packs = [];
        for (int i = 0; i < 5; i++)
        {
            packs.Add((await clinic.BackUpAsync()).Pack);
        }

        await AssertOpenAsync(clinic, packs);
        string old = packs[0].Opened.WrappingKey.Kid!;
        string current = (await _keys.RotateAsync(clinic.Id, Cancel)).Kid!;
        Assert.NotEqual(old, current);
        await AssertOpenAsync(clinic, packs); // Rotated and not rewrapped: everything opens.

        Assert.Equal((5, 5), await RewrapAllAsync(clinic, step: 2));
        foreach (SealedPack pack in packs)
        {
            Assert.Equal(current, (await WrapOfAsync(clinic, pack)).KeyId);
        }

        Assert.Equal(current, (await clinic.Archive.Clinics.GetAsync(clinic.Id, Cancel)).IdentifierSecret.KeyId);
        Assert.Equal((5, 0), await RewrapAllAsync(clinic, step: 2)); // Nothing is left.
        Assert.Equal(
            packs.Select(pack => pack.Opened.Pack.ToString()).Order(),
            (await clinic.LogAsync()).Where(entry => entry.Action == AuditActions.ContentKeyRewrapped).Select(entry => entry.Subject.Pack).Order());
        Assert.Single(await clinic.LogAsync(), entry => entry.Action == AuditActions.IdentifierSecretRewrapped);

        // What operations forbid happened: the old version is gone. What was rewrapped does not need it.
        string file = _folder[Path.Combine("keys", old[LocalKeys.IdPrefix.Length..] + ".pem")];
        Assert.True(File.Exists(file));
        File.Delete(file);
        await AssertOpenAsync(clinic, packs);
    }

    [Fact]
    public async Task A_rewrap_is_locked_for_as_long_as_its_pack_and_a_rebuilt_catalogue_takes_it()
    {
        TestClinic clinic = await TestClinic.CreateAsync(OnOwnKeys());
        (SealedPack pack, _) = await clinic.BackUpAsync();
        await _keys.RotateAsync(clinic.Id, Cancel);
        await RewrapAllAsync(clinic);
        string current = (await _keys.RotateAsync(clinic.Id, Cancel)).Kid!;
        await RewrapAllAsync(clinic);
        WrappedContentKey wrapped = await WrapOfAsync(clinic, pack);
        Assert.Equal(current, wrapped.KeyId);

        CatalogPack catalogued = (await clinic.Archive.Catalog.FindPackAsync(clinic.Id, pack.Opened.Pack, Cancel))!;
        foreach (int number in (int[])[1, 2])
        {
            BlobState state = (await shared.Storage.Vault.FindAsync(RewrapRecords.Name(clinic.Id, pack.Opened.Pack, number), Cancel))!;
            Assert.True(state.Locked && state.ImmutableUntil >= catalogued.ImmutableUntil);
        }

        await WipeAsync(clinic);
        RebuildResponse rebuilt = await clinic.Archive.Rebuild.RunAsync(clinic.Id, null, 10, Archive.Admin, Cancel);
        Assert.Empty(rebuilt.Problems);
        WrappedContentKey after = await WrapOfAsync(clinic, pack);
        Assert.Equal((wrapped.KeyId, Convert.ToHexString(wrapped.EncryptedKey)), (after.KeyId, Convert.ToHexString(after.EncryptedKey)));
    }

    [Fact]
    public async Task A_rewrap_that_dies_after_any_call_is_mended_by_the_next_with_one_entry_and_one_record()
    {
        Archive archive = OnOwnKeys();
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        int died = 0;
        PackId? before = (await clinic.BackUpAsync()).Pack.Opened.Pack;
        for (int call = 1; ; call++)
        {
            (SealedPack pack, _) = await clinic.BackUpAsync();
            await _keys.RotateAsync(clinic.Id, Cancel);
            Doom doom = new(call);
            Archive doomed = new(new DoomedRows(shared.Storage.Rows, doom), new DoomedVault(shared.Storage.Vault, doom), _keys, _keys, new DoomedSigner(_keys, doom), archive.Clock);
            try
            {
                await doomed.Rewrap.RunAsync(clinic.Id, before, 1, Archive.Admin, Cancel);
            }
            catch (DeadException)
            {
                // As it should, unless it was one item's failure to the run.
            }

            died += doom.Struck ? 1 : 0;

            await archive.Rewrap.RunAsync(clinic.Id, before, 1, Archive.Admin, Cancel);
            await AssertOpenAsync(clinic, [pack]);
            Assert.Equal((await _keys.GetCurrentAsync(clinic.Id, Cancel)).Kid, (await WrapOfAsync(clinic, pack)).KeyId);
            Assert.Single(await clinic.LogAsync(), entry => entry.Action == AuditActions.ContentKeyRewrapped && entry.Subject.Pack == pack.Opened.Pack.ToString());
            Assert.Null(await shared.Storage.Vault.FindAsync(RewrapRecords.Name(clinic.Id, pack.Opened.Pack, 2), Cancel));
            BlobState record = (await shared.Storage.Vault.FindAsync(RewrapRecords.Name(clinic.Id, pack.Opened.Pack, 1), Cancel))!;
            Assert.True(record.Locked, $"after call {call} the record is not locked");
            before = pack.Opened.Pack;
            if (!doom.Struck)
            {
                break;
            }
        }

        Assert.True(died >= 8, $"only {died} calls were found to die at");
    }

    [Fact]
    public async Task A_wrap_that_somebody_put_into_the_catalogue_is_never_signed()
    {
        TestClinic clinic = await TestClinic.CreateAsync(OnOwnKeys());
        (SealedPack pack, _) = await clinic.BackUpAsync();
        using ContentKey theirs = ContentKey.Create();
        WrappedContentKey planted = KeyWrapping.Wrap(theirs, pack.Opened.WrappingKey);
        Row row = (await clinic.Archive.Rows.FindAsync(RowTable.Catalog, clinic.Id.Value, "p:" + pack.Opened.Pack, Cancel))!;
        await clinic.Archive.Rows.SubmitAsync(
            RowTable.Catalog, clinic.Id.Value, [new RowWrite.Replace(row.Key, new Dictionary<string, object>(row.Values) { ["wrappedKey"] = planted.EncryptedKey }, row.ETag!)], Cancel);
        await _keys.RotateAsync(clinic.Id, Cancel);
        Assert.Equal((1, 1), await RewrapAllAsync(clinic));
        await AssertOpenAsync(clinic, [pack]); // with the pack's own key, from its locked metadata: the planted wrap is gone
    }

    [Fact]
    public async Task A_rewrap_that_the_archive_did_not_sign_is_told_and_the_first_wrap_stands()
    {
        TestClinic clinic = await TestClinic.CreateAsync(OnOwnKeys());
        (SealedPack pack, _) = await clinic.BackUpAsync();
        string rewrapped = """{"alg":"none"}.e30.""";
        await shared.Storage.Vault.WriteNewAsync(RewrapRecords.Name(clinic.Id, pack.Opened.Pack, 1), System.Text.Encoding.ASCII.GetBytes(rewrapped), "application/jose", Cancel);
        RebuildResponse rebuilt = await clinic.Archive.Rebuild.RunAsync(clinic.Id, null, 10, Archive.Admin, Cancel);
        Assert.StartsWith(pack.Opened.Pack.ToString(), Assert.Single(rebuilt.Problems));
        Assert.Equal(pack.Opened.WrappingKey.Kid, (await WrapOfAsync(clinic, pack)).KeyId);
        Assert.Equal(PackFailure.CatalogueMismatch, (await clinic.Archive.PackTest.RunAsync(clinic.Id, pack.Opened.Pack, Cancel)).Cause);
        await _keys.RotateAsync(clinic.Id, Cancel);
        RewrapResponse refused = await clinic.Archive.Rewrap.RunAsync(clinic.Id, null, 10, Archive.Admin, Cancel);
        Assert.Equal(0, refused.Rewrapped);
        Assert.Single(refused.Problems);
    }

    [Fact]
    public async Task Without_the_right_to_unwrap_nothing_is_rewrapped()
    {
        TestClinic clinic = await TestClinic.CreateAsync(OnOwnKeys());
        (SealedPack pack, _) = await clinic.BackUpAsync();
        await _keys.RotateAsync(clinic.Id, Cancel);
        Archive ingest = new(shared.Storage.Rows, shared.Storage.Vault, _keys, null, _keys, clinic.Archive.Clock);
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => ingest.Rewrap.RunAsync(clinic.Id, null, 10, Archive.Admin, Cancel));
        Assert.Equal(Refusal.RecoveryOnly, refused.Refusal);
        Assert.Equal(pack.Opened.WrappingKey.Kid, (await WrapOfAsync(clinic, pack)).KeyId);
    }

    [Fact]
    public async Task The_timer_goes_on_where_it_stopped_and_rests_when_late_packs_cannot_come_any_more()
    {
        Archive archive = OnOwnKeys();
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        SealedPack late = await clinic.SealAsync();
        SealedPack pack = (await clinic.BackUpAsync()).Pack;
        string current = (await _keys.RotateAsync(clinic.Id, Cancel)).Kid!;
        await RunTimerAsync(archive, clinic);
        Assert.Equal(current, (await WrapOfAsync(clinic, pack)).KeyId);
        Assert.False(await DoneAsync(clinic));

        // Opened before the rotation, committed after the pass: wrapped to the old version, behind where the pass has been.
        await TestClinic.UploadAsync(late);
        await clinic.CommitAsync(late);
        Assert.NotEqual(current, (await WrapOfAsync(clinic, late)).KeyId);
        archive.Clock.Advance(TimeSpan.FromDays(1));
        await RunTimerAsync(archive, clinic);
        Assert.Equal(current, (await WrapOfAsync(clinic, late)).KeyId);
        Assert.False(await DoneAsync(clinic));
        archive.Clock.Advance(TimeSpan.FromDays(1));
        await RunTimerAsync(archive, clinic);
        archive.Clock.Advance(TimeSpan.FromDays(1));
        await RunTimerAsync(archive, clinic);
        Assert.True(await DoneAsync(clinic));

        string next = (await _keys.RotateAsync(clinic.Id, Cancel)).Kid!;
        await RunTimerAsync(archive, clinic);
        Assert.Equal(next, (await WrapOfAsync(clinic, pack)).KeyId);
        Assert.False(await DoneAsync(clinic));
    }

    private Archive OnOwnKeys() => new(shared.Storage.Rows, shared.Storage.Vault, _keys, _keys, _keys, new FakeTimeProvider(DateTimeOffset.UtcNow));

    /// <summary>Fetches, unwraps, opens, and compares each instance with what was captured.</summary>
    private static async Task AssertOpenAsync(TestClinic clinic, IReadOnlyList<SealedPack> packs)
    {
        foreach (SealedPack pack in packs)
        {
            Assert.Null((await clinic.Archive.PackTest.RunAsync(clinic.Id, pack.Opened.Pack, Cancel)).Cause);
        }
    }

    private static async Task<WrappedContentKey> WrapOfAsync(TestClinic clinic, SealedPack pack) =>
        (await clinic.Archive.Catalog.FindPackAsync(clinic.Id, pack.Opened.Pack, Cancel))!.ContentKey;

    private static async Task<(int Packs, int Rewrapped)> RewrapAllAsync(TestClinic clinic, int step = 100)
    {
        int packs = 0;
        int rewrapped = 0;
        PackId? after = null;
        do
        {
            RewrapResponse part = await clinic.Archive.Rewrap.RunAsync(clinic.Id, after, step, Archive.Admin, Cancel);
            Assert.Empty(part.Problems);
            packs += part.Packs;
            rewrapped += part.Rewrapped;
            after = part.Next is null ? null : PackId.Parse(part.Next);
        }
        while (after is not null);
        return (packs, rewrapped);
    }

    /// <summary>The daily job.</summary>
    private static async Task RunTimerAsync(Archive archive, TestClinic clinic)
    {
        await archive.RewrapRun.RunAsync(clinic.Id, TimeSpan.FromHours(1), Requester.System("rewrap", "test"), Cancel);
        Assert.NotNull(await StateAsync(clinic));
    }

    private static Task<Row?> StateAsync(TestClinic clinic) => clinic.Archive.Rows.FindAsync(RowTable.Work, clinic.Id.Value, "rewrap", Cancel);

    private static async Task<bool> DoneAsync(TestClinic clinic) => (await StateAsync(clinic))!.Flag("done");

    private static async Task WipeAsync(TestClinic clinic)
    {
        while (await clinic.Archive.Rows.QueryAsync(RowTable.Catalog, clinic.Id.Value, "a", "~", 100, Cancel) is { Count: > 0 } some)
        {
            Assert.True(await clinic.Archive.Rows.TryDeleteAsync(RowTable.Catalog, clinic.Id.Value, some, Cancel));
        }
    }
}
