using System.Collections.Concurrent;
using Azure;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Sas;

namespace CloudArchive.Azure.Blobs;

/// <summary>Signs a SAS: with the account's key where there is one (LocalHost), else by user delegation, so that no account key need exist on Azure.</summary>
internal abstract class SasSigner
{
    /// <summary>Signs what <paramref name="sas"/> says; fills in the protocol.</summary>
    public abstract ValueTask<BlobSasQueryParameters> SignAsync(BlobSasBuilder sas, CancellationToken cancellationToken);

    /// <summary>Signs with the account's key. Over HTTP too: the one account that has a key here listens on loopback.</summary>
    public sealed class Shared(StorageSharedKeyCredential key) : SasSigner
    {
        public override ValueTask<BlobSasQueryParameters> SignAsync(BlobSasBuilder sas, CancellationToken cancellationToken)
        {
            sas.Protocol = SasProtocol.HttpsAndHttp;
            return ValueTask.FromResult(sas.ToSasQueryParameters(key));
        }
    }

    /// <summary>
    /// Signs with a user delegation key. A SAS cannot outlive its key, and a key lives 7 days at most: one is fetched for a day and
    /// replaced when what it is asked to sign would outlive it; or when the account's keys were revoked, which nothing tells this service: it
    /// never uses a SAS itself. Who holds one that storage refuses asks for another long before the first would have run out.
    /// </summary>
    public sealed class Delegated(BlobServiceClient service, TimeProvider clock) : SasSigner, IDisposable
    {
        private static readonly TimeSpan KeyLifetime = TimeSpan.FromDays(1);

        // Clocks differ: the key is valid from a little before now.
        private static readonly TimeSpan Skew = TimeSpan.FromMinutes(10);

        /// <summary>A key is not fetched more often than that because of what is asked for again: anyone may ask twice.</summary>
        private static readonly TimeSpan Pause = TimeSpan.FromMinutes(5);

        private const int MostRemembered = 10_000;

        private readonly ConcurrentDictionary<string, (DateTimeOffset At, DateTimeOffset Until)> _signed = new(StringComparer.Ordinal);
        private readonly SemaphoreSlim _fetching = new(1);
        private UserDelegationKey? _key;

        public override async ValueTask<BlobSasQueryParameters> SignAsync(BlobSasBuilder sas, CancellationToken cancellationToken)
        {
            sas.Protocol = SasProtocol.Https;
            string what = $"{sas.BlobContainerName}/{sas.BlobName}?{sas.BlobVersionId}";
            DropRefused(what);
            BlobSasQueryParameters signed = sas.ToSasQueryParameters(await KeyUntilAsync(sas.ExpiresOn, cancellationToken), service.AccountName);
            if (_signed.Count >= MostRemembered)
            {
                _signed.Clear(); // what was signed before is then asked for once more than needed
            }

            _signed[what] = (clock.GetUtcNow(), sas.ExpiresOn);
            return signed;
        }

        /// <summary>Forgets the key where it signed the same not long ago: that may have been refused.</summary>
        private void DropRefused(string what)
        {
            DateTimeOffset now = clock.GetUtcNow();
            if (_signed.TryGetValue(what, out (DateTimeOffset At, DateTimeOffset Until) last)
                && now - last.At < (last.Until - last.At) / 2
                && _key is { } key && key.SignedStartsOn + Skew + Pause <= now && key.SignedStartsOn + Skew <= last.At)
            {
                Interlocked.CompareExchange(ref _key, null, key);
            }
        }

        public void Dispose() => _fetching.Dispose();

        private async ValueTask<UserDelegationKey> KeyUntilAsync(DateTimeOffset until, CancellationToken cancellationToken)
        {
            if (_key is { } current && current.SignedExpiresOn >= until)
            {
                return current;
            }

            await _fetching.WaitAsync(cancellationToken);
            try
            {
                UserDelegationKey? key = _key;
                if (key is null || key.SignedExpiresOn < until)
                {
                    DateTimeOffset now = clock.GetUtcNow();
                    DateTimeOffset keyUntil = until > now + KeyLifetime ? until : now + KeyLifetime;
                    Response<UserDelegationKey> response = await service.GetUserDelegationKeyAsync(now - Skew, keyUntil, cancellationToken);
                    _key = key = response.Value;
                }

                return key;
            }
            finally
            {
                _fetching.Release();
            }
        }
    }
}
