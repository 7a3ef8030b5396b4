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
    /// replaced when what it is asked to sign would outlive it.
    /// </summary>
    public sealed class Delegated(BlobServiceClient service, TimeProvider clock) : SasSigner, IDisposable
    {
        private static readonly TimeSpan KeyLifetime = TimeSpan.FromDays(1);

        // Clocks differ: the key is valid from a little before now.
        private static readonly TimeSpan Skew = TimeSpan.FromMinutes(10);

        private readonly SemaphoreSlim _fetching = new(1);
        private UserDelegationKey? _key;

        public override async ValueTask<BlobSasQueryParameters> SignAsync(BlobSasBuilder sas, CancellationToken cancellationToken)
        {
            sas.Protocol = SasProtocol.Https;
            return sas.ToSasQueryParameters(await KeyUntilAsync(sas.ExpiresOn, cancellationToken), service.AccountName);
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
                if (_key is null || _key.SignedExpiresOn < until)
                {
                    DateTimeOffset now = clock.GetUtcNow();
                    DateTimeOffset keyUntil = until > now + KeyLifetime ? until : now + KeyLifetime;
                    Response<UserDelegationKey> response = await service.GetUserDelegationKeyAsync(now - Skew, keyUntil, cancellationToken);
                    _key = response.Value;
                }

                return _key;
            }
            finally
            {
                _fetching.Release();
            }
        }
    }
}
