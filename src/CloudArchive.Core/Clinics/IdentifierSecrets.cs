using System.Security.Cryptography;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Core.Clinics;

/// <summary>Unwraps clinics' identifier secrets. Only the recovery role can: without an <see cref="IKeyUnwrapper"/> every call is <see cref="Refusal.RecoveryOnly"/>.</summary>
public sealed class IdentifierSecrets(IKeyUnwrapper? unwrapper = null)
{
    /// <summary>The clinic's secret; the caller disposes it.</summary>
    public async Task<IdentifierSecret> UnwrapAsync(Clinic clinic, CancellationToken cancellationToken)
    {
        if (unwrapper is null)
        {
            throw new RefusedException(Refusal.RecoveryOnly, "This host cannot unwrap keys. Ask the recovery host.");
        }

        byte[] bytes;
        try
        {
            bytes = await unwrapper.UnwrapAsync(clinic.IdentifierSecret.KeyId, clinic.IdentifierSecret.Algorithm, clinic.IdentifierSecret.EncryptedKey, cancellationToken);
        }
        catch (PackException e)
        {
            throw new IntegrityException($"The identifier secret of clinic {clinic.Id} does not unwrap.", e);
        }

        try
        {
            return IdentifierSecret.FromBytes(bytes);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }
}
