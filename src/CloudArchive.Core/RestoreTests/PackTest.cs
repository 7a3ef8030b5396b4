using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Dicom;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.RestoreTests;

/// <summary>How a pack's test ended.</summary>
/// <param name="Cause">Null: everything came back.</param>
/// <param name="Instances">Instances that came back, byte for byte.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="Steps">The steps taken, the failed one last.</param>
public sealed record PackTestResult(RestoreTestCause? Cause, int Instances, long Bytes, IReadOnlyList<RestoreTestStep> Steps);

/// <summary>
/// Restores one pack as an admin would, but for writing the files: fetch, hash, unwrap, open, unzip, compare each instance with what it
/// was when it was captured, read it as DICOM, compare with the catalogue, look at the lock. No plaintext touches the disk.
/// </summary>
public sealed class PackTest(IBlobVault vault, CatalogReader catalog, ContentKeys keys, ReceiptIssuer receipts, TimeProvider clock)
{
    /// <summary>What one pack may take.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    private const int MostSidecarBytes = 16 * 1024 * 1024;
    private const int BufferBytes = 1024 * 1024;
    private readonly StoredPacks _stored = new(vault);

    /// <summary>Tests a pack. What is wrong with the pack is in the result; it throws only where the archive itself could not be asked.</summary>
    public async Task<PackTestResult> RunAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken)
    {
        using CancellationTokenSource patience = new(Patience, clock);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        Trial trial = new(clock);
        try
        {
            await RunAsync(clinic, pack, trial, either.Token);
            return trial.Result(null);
        }
        catch (TestFailedException e)
        {
            return trial.Result(e.Cause);
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return trial.Result(RestoreTestCause.TimedOut);
        }
    }

    /// <summary>Which failure of a test a fault of a pack is.</summary>
    internal static RestoreTestCause Cause(PackFault fault) => fault switch
    {
        PackFault.LengthMismatch or PackFault.HashMismatch or PackFault.InstanceMismatch => RestoreTestCause.HashMismatch,
        PackFault.ZipInvalid or PackFault.ManifestInvalid => RestoreTestCause.ZipInvalid,
        PackFault.WrongBlob or PackFault.SidecarInvalid or PackFault.ReceiptInvalid => RestoreTestCause.CatalogueMismatch,
        _ => RestoreTestCause.DecryptFailed,
    };

    private async Task RunAsync(ClinicId clinic, PackId id, Trial trial, CancellationToken cancellationToken)
    {
        (CatalogPack pack, Sidecar sidecar) = await trial.StepAsync("catalogue", () => CompareRecordsAsync(clinic, id, cancellationToken));
        await trial.StepAsync("immutability", () => CheckLockAsync(pack, cancellationToken));
        await using FileStream ciphertext = new(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()), new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Options = FileOptions.Asynchronous | FileOptions.DeleteOnClose,
        });
        await trial.StepAsync("fetch", () => FetchAsync(pack, ciphertext, cancellationToken));
        using ContentKey key = await trial.StepAsync("unwrap", () => keys.UnwrapAsync(pack.ContentKey, cancellationToken));

        // Length and hash were checked while fetching; what is left to check is that this is the pack that its name says.
        PackIdentity identity = new(clinic, id, pack.Study, InstancesRoot: pack.InstancesRoot);
        await using PackReader reader = await trial.StepAsync("open", () => PackReader.OpenAsync(ciphertext, key, identity, cancellationToken));
        await trial.StepAsync("instances", () => ReadInstancesAsync(reader, sidecar, trial, cancellationToken));
    }

    /// <summary>Receipt, sidecar and catalogue must say the same.</summary>
    private async Task<(CatalogPack Pack, Sidecar Sidecar)> CompareRecordsAsync(ClinicId clinic, PackId id, CancellationToken cancellationToken)
    {
        CatalogPack pack = await catalog.FindPackAsync(clinic, id, cancellationToken) ?? throw new TestFailedException(RestoreTestCause.CatalogueMismatch);
        if (await _stored.ReadAsync(BlobName.Sidecar(clinic, id), MostSidecarBytes, cancellationToken) is not { } stored
            || await receipts.FindAsync(BlobName.Receipt(clinic, id), cancellationToken) is not { } issued)
        {
            throw new TestFailedException(RestoreTestCause.Missing);
        }

        Sidecar sidecar = Sidecars.Parse(stored.Content);
        CatalogPack expected = CatalogPack.For(sidecar, issued.Receipt.VersionId, pack.ImmutableUntil, pack.CommittedAt, issued.Jws, issued.Receipt.AuditIndex);
        bool same = (sidecar.Clinic, sidecar.Pack, issued.Receipt.Pack, issued.Receipt.Sha256, issued.Receipt.InstancesRoot) == (clinic, id, id, pack.Sha256, pack.InstancesRoot)
            && CatalogRows.PackValues(expected).All(value => Same(value.Value, CatalogRows.PackValues(pack).GetValueOrDefault(value.Key)))
            && pack.ImmutableUntil >= issued.Receipt.ImmutableUntil
            && await CataloguedAsync(sidecar, cancellationToken);
        return same ? (pack, sidecar) : throw new TestFailedException(RestoreTestCause.CatalogueMismatch);
    }

    /// <summary>Whether the catalogue has each instance of the pack, and none more.</summary>
    private async Task<bool> CataloguedAsync(Sidecar sidecar, CancellationToken cancellationToken)
    {
        HashSet<InstanceResponse> there = [];
        string? after = null;
        do
        {
            Page<InstanceResponse> page = await catalog.ListInstancesAsync(sidecar.Clinic, sidecar.Study, after, RowStoreExtensions.MostRows, cancellationToken);
            there.UnionWith(page.Items.Where(instance => instance.Pack == sidecar.Pack));
            after = page.Next;
        }
        while (after is not null);
        return there.SetEquals(sidecar.Instances.Select(i => new InstanceResponse(i.SopInstance, i.Sha256, i.Length, sidecar.Study, i.SopClass, i.Series, i.Modality, i.TransferSyntax, sidecar.Pack)));
    }

    private static bool Same(object one, object? other) => one is byte[] bytes ? other is byte[] others && bytes.AsSpan().SequenceEqual(others) : one.Equals(other);

    private async Task CheckLockAsync(CatalogPack pack, CancellationToken cancellationToken)
    {
        BlobState state = await vault.FindAsync(BlobName.Pack(pack.Clinic, pack.Pack), pack.VersionId, cancellationToken) ?? throw new TestFailedException(RestoreTestCause.Missing);

        // Past its date a lock protects no longer and need not be there; before, it must.
        if (pack.ImmutableUntil > clock.GetUtcNow() && !(state.Locked && state.ImmutableUntil >= pack.ImmutableUntil))
        {
            throw new TestFailedException(RestoreTestCause.ImmutabilityLost);
        }
    }

    private async Task FetchAsync(CatalogPack pack, FileStream destination, CancellationToken cancellationToken)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            await using Stream source = await vault.OpenReadAsync(BlobName.Pack(pack.Clinic, pack.Pack), pack.VersionId, cancellationToken);
            int read;
            while (destination.Length <= pack.Length && (read = await source.ReadAsync(buffer, cancellationToken)) > 0)
            {
                hash.AppendData(buffer, 0, read);
                await destination.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        if (destination.Length != pack.Length || Sha256Digest.FromBytes(hash.GetCurrentHash()) != pack.Sha256)
        {
            throw new TestFailedException(RestoreTestCause.HashMismatch);
        }

        destination.Position = 0;
    }

    private static async Task ReadInstancesAsync(PackReader reader, Sidecar sidecar, Trial trial, CancellationToken cancellationToken)
    {
        foreach ((ManifestInstance inside, SidecarInstance captured) in reader.Manifest.Instances.Zip(sidecar.Instances))
        {
            if (inside.Instance != captured)
            {
                throw new TestFailedException(RestoreTestCause.CatalogueMismatch);
            }

            DicomHeader header = await ReadInstanceAsync(reader, inside, cancellationToken);
            bool same = header.SopInstanceUid == captured.SopInstance.Value
                && header.SopClassUid == captured.SopClass.Value
                && header.StudyInstanceUid == sidecar.Study.Value
                && captured.Series == (Uid.TryParse(header.SeriesInstanceUid, null, out Uid series) ? series : null);
            if (!same)
            {
                throw new TestFailedException(RestoreTestCause.CatalogueMismatch);
            }

            trial.Restored(captured.Length);
        }
    }

    /// <summary>Unzips, hashes and parses an instance in one pass, in bounded memory.</summary>
    private static async Task<DicomHeader> ReadInstanceAsync(PackReader reader, ManifestInstance instance, CancellationToken cancellationToken)
    {
        Pipe pipe = new();
        Task<DicomSummary> walk = WalkAsync(pipe.Reader, cancellationToken);
        Exception? failure = null;
        try
        {
            await using Stream plaintext = pipe.Writer.AsStream(leaveOpen: true);
            await reader.ExtractAsync(instance, plaintext, cancellationToken);
        }
        catch (Exception e)
        {
            failure = e;
            throw;
        }
        finally
        {
            await pipe.Writer.CompleteAsync(failure);
            await Task.WhenAny(walk); // its own failure only counts where the bytes are those that were captured
        }

        return (await walk).Header;
    }

    private static async Task<DicomSummary> WalkAsync(PipeReader plaintext, CancellationToken cancellationToken)
    {
        try
        {
            return await DicomReader.WalkAsync(plaintext.AsStream(leaveOpen: true), cancellationToken);
        }
        finally
        {
            // What comes after a parser's failure is discarded, so that the hash is computed to its end all the same.
            await plaintext.CompleteAsync();
        }
    }

    /// <summary>Times the steps, and translates what can be wrong with a pack into causes.</summary>
    private sealed class Trial(TimeProvider clock)
    {
        private readonly List<RestoreTestStep> _steps = [];
        private int _instances;
        private long _bytes;

        public async Task<T> StepAsync<T>(string name, Func<Task<T>> step)
        {
            long start = clock.GetTimestamp();
            try
            {
                return await step();
            }
            catch (BlobMissingException)
            {
                throw new TestFailedException(RestoreTestCause.Missing);
            }
            catch (KeyUnavailableException)
            {
                throw new TestFailedException(RestoreTestCause.KeyUnavailable);
            }
            catch (PackException e)
            {
                throw new TestFailedException(Cause(e.Fault));
            }
            catch (DicomException)
            {
                throw new TestFailedException(RestoreTestCause.DicomInvalid);
            }
            catch (IntegrityException)
            {
                throw new TestFailedException(RestoreTestCause.CatalogueMismatch);
            }
            finally
            {
                _steps.Add(new RestoreTestStep(name, Math.Round(clock.GetElapsedTime(start).TotalMilliseconds, 1)));
            }
        }

        public async Task StepAsync(string name, Func<Task> step) => await StepAsync(name, async () =>
        {
            await step();
            return true;
        });

        public void Restored(long bytes)
        {
            _instances++;
            _bytes += bytes;
        }

        public PackTestResult Result(RestoreTestCause? cause) => new(cause, _instances, _bytes, _steps);
    }

    private sealed class TestFailedException(RestoreTestCause cause) : Exception($"The pack failed its restore test: {cause}.")
    {
        public RestoreTestCause Cause { get; } = cause;
    }
}
