using CloudArchive.Contracts;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.LocalHost.Keys;
using CloudArchive.Testing;

namespace CloudArchive.LocalHost.Tests.Keys;

public sealed class LocalKeysTests : KeysContract, IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private LocalKeys _keys = null!;

    protected override IWrappingKeys Wrapping => _keys;

    protected override IKeyUnwrapper Unwrapper => _keys;

    protected override ISigner Signer => _keys;

    protected override ITokenSigner Tokens => _keys.Tokens;

    public async ValueTask InitializeAsync() => _keys = await LocalKeys.OpenAsync(_folder["keys"], Cancel);

    public ValueTask DisposeAsync()
    {
        _keys.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    protected override Task RotateAsync(ClinicId clinic) => _keys.RotateAsync(clinic, Cancel);

    protected override Task RotateSigningKeyAsync() => _keys.RotateSigningKeyAsync(Cancel);

    protected override Task RotateTokenKeyAsync() => _keys.RotateTokenKeyAsync(Cancel);

    protected override Task DisableAsync(string keyId) => _keys.DisableAsync(keyId, Cancel);

    private string FileOf(string keyId) => _folder["keys" + keyId[(LocalKeys.IdPrefix.Length - 1)..] + ".pem"];

    [Fact]
    public async Task Keys_outlive_the_process()
    {
        Jwk key = await _keys.EnsureAsync(Clinic, Cancel);
        string signing = await _keys.GetCurrentKeyIdAsync(Cancel);
        using LocalKeys again = await LocalKeys.OpenAsync(_folder["keys"], Cancel);
        Assert.Equal(key, await again.GetCurrentAsync(Clinic, Cancel));
        Assert.Equal(signing, await again.GetCurrentKeyIdAsync(Cancel));
    }

    [Fact]
    public async Task A_folder_with_the_one_key_of_before_gets_a_key_for_tokens_and_what_the_old_key_signed_verifies()
    {
        string old = await _keys.GetCurrentKeyIdAsync(Cancel);
        string receipt = await Jws.SignAsync("cloudarchive-receipt+jws", "{}"u8.ToArray(), old, (data, ct) => _keys.SignAsync(old, data, ct), Cancel);
        Directory.Delete(Path.Combine(_folder["keys"], "tokens"), recursive: true);
        using LocalKeys upgraded = await LocalKeys.OpenAsync(_folder["keys"], Cancel);
        Assert.Equal(old, await upgraded.GetCurrentKeyIdAsync(Cancel));
        Assert.Equal("{}"u8.ToArray(), Jws.Verify(receipt, "cloudarchive-receipt+jws", await upgraded.GetPublicKeysAsync(Cancel)).Payload);
        Assert.DoesNotContain(old, (await upgraded.Tokens.GetAcceptedKeysAsync(Cancel)).Keys.Select(key => key.Kid));
        Assert.NotEmpty((await upgraded.Tokens.GetAcceptedKeysAsync(Cancel)).Keys);
    }

    [Fact]
    public async Task Of_callers_that_race_to_make_a_key_all_get_the_same()
    {
        Jwk[] keys = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => _keys.EnsureAsync(Clinic, Cancel))));
        Assert.Single(keys.Distinct());
    }

    [Fact]
    public async Task Only_this_user_can_read_a_private_key()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Unix permissions.");
            return;
        }

        Jwk key = await _keys.EnsureAsync(Clinic, Cancel);
        const UnixFileMode others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(FileOf(key.Kid!)) & others);
        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(_folder["keys"]) & (others | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute));
    }
}
