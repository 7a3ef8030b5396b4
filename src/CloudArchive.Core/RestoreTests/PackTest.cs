using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;
using System.Text.Json;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Dicom;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Core.RestoreTests;

/// <summary>
/// Restores one pack as an admin would, but for writing the files: fetch, hash, unwrap, open, unzip, compare each instance with what it
/// was when it was captured, read it as DICOM, or see that it begins as it did, compare with the catalogue, look at the lock. What must be there is what the signed
/// receipt says: the catalogue is an index, and is compared with it. No plaintext touches the disk.
/// </summary>
public sealed class PackTest(IBlobVault vault, CatalogReader catalog, ContentKeys keys, PackStatements statements, Holds? holds, TimeProvider clock)
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
        PackTrial trial = new(pack, clock);
        try
        {
            await RunAsync(clinic, pack, trial, either.Token);
            return trial.Result(PackTestOutcome.Recovered);
        }
        catch (PackFailedException e)
        {
            return trial.Result(PackTestOutcome.Failed, e.Cause, e.Detail);
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return trial.Result(PackTestOutcome.Failed, PackFailure.TimedOut);
        }
    }

    private async Task RunAsync(ClinicId clinic, PackId id, PackTrial trial, CancellationToken cancellationToken)
    {
        (Receipt receipt, string jws, Sidecar sidecar, BlobState state) = await trial.StepAsync(PackTestStepName.Find, () => FindAsync(clinic, id, cancellationToken));
        await trial.StepAsync(PackTestStepName.Immutability, () => CheckLocksAsync(receipt, state, sidecar, cancellationToken));
        await using FileStream ciphertext = new(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()), new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Options = FileOptions.Asynchronous | FileOptions.DeleteOnClose,
        });
        await trial.StepAsync(PackTestStepName.Fetch, () => FetchAsync(receipt, ciphertext, trial, cancellationToken));
        CatalogPack pack = await trial.StepAsync(PackTestStepName.Catalogue, () => CompareRecordsAsync(receipt, jws, sidecar, state, cancellationToken));
        using ContentKey key = await trial.StepAsync(PackTestStepName.Unwrap, () => keys.UnwrapAsync(pack.ContentKey, cancellationToken));

        // Length and hash were checked while fetching; what is left to check is that this is the pack that its name says.
        PackIdentity identity = new(clinic, id, pack.Study, InstancesRoot: pack.InstancesRoot);
        await using PackReader reader = await trial.StepAsync(PackTestStepName.Open, () => PackReader.OpenAsync(ciphertext, key, identity, cancellationToken));
        await ReadInstancesAsync(reader, sidecar, trial, cancellationToken);
    }

    /// <summary>The receipt, verified; the sidecar; the version that the receipt names.</summary>
    private async Task<(Receipt Receipt, string Jws, Sidecar Sidecar, BlobState State)> FindAsync(ClinicId clinic, PackId id, CancellationToken cancellationToken)
    {
        (string Jws, Receipt Receipt) issued = await statements.FindReceiptAsync(clinic, id, cancellationToken) ?? throw new PackFailedException(PackFailure.Missing, "receipt");
        if ((issued.Receipt.Clinic, issued.Receipt.Pack) != (clinic, id))
        {
            throw new PackFailedException(PackFailure.CatalogueMismatch, "receipt");
        }

        (_, byte[] json) = await _stored.ReadAsync(BlobName.Sidecar(clinic, id), MostSidecarBytes, cancellationToken) ?? throw new PackFailedException(PackFailure.Missing, "sidecar");
        Sidecar sidecar = Sidecars.Parse(json);

        // It was written in canonical form: any other bytes are not what was written, whatever they mean.
        Require("sidecar", Sidecars.Serialize(sidecar).AsSpan().SequenceEqual(json));
        BlobState state = await vault.FindAsync(BlobName.Pack(clinic, id), issued.Receipt.VersionId, cancellationToken) ?? throw new PackFailedException(PackFailure.Missing, "pack");
        return (issued.Receipt, issued.Jws, sidecar, state);
    }

    /// <summary>The locks of the pack and of what lies beside it: without its sidecar or receipt, a pack is a blob that nobody can vouch for.</summary>
    private async Task CheckLocksAsync(Receipt receipt, BlobState pack, Sidecar sidecar, CancellationToken cancellationToken)
    {
        await CheckHoldAsync(receipt, sidecar, cancellationToken);
        // Past its date a lock protects no longer and need not be there; before, it must.
        if (receipt.ImmutableUntil <= clock.GetUtcNow())
        {
            return;
        }

        CheckLock(receipt, pack, "");
        foreach ((BlobName name, string what) in ((BlobName, string)[])[(BlobName.Sidecar(receipt.Clinic, receipt.Pack), "sidecar: "), (BlobName.Receipt(receipt.Clinic, receipt.Pack), "receipt: ")])
        {
            CheckLock(receipt, await vault.FindAsync(name, cancellationToken) ?? throw new BlobMissingException(name), what);
        }
    }

    /// <summary>A legal hold that storage should have by now. Looked at anew: it may have been set since the pack was found.</summary>
    private async Task CheckHoldAsync(Receipt receipt, Sidecar sidecar, CancellationToken cancellationToken)
    {
        if (holds is not null && await holds.IsHeldInStorageAsync(receipt.Clinic, receipt.Study, sidecar.PatientHmac, cancellationToken)
            && await vault.FindAsync(BlobName.Pack(receipt.Clinic, receipt.Pack), receipt.VersionId, cancellationToken) is not { LegalHold: true })
        {
            throw new PackFailedException(PackFailure.ImmutabilityLost, "no legal hold");
        }
    }

    private static void CheckLock(Receipt receipt, BlobState state, string what)
    {
        if (!(state.Locked && state.ImmutableUntil >= receipt.ImmutableUntil))
        {
            throw new PackFailedException(PackFailure.ImmutabilityLost, what + (state.ImmutableUntil is null ? "no policy" : state.Locked ? "policy too short" : "policy not locked"));
        }
    }

    private async Task FetchAsync(Receipt receipt, FileStream destination, PackTrial trial, CancellationToken cancellationToken)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            await using Stream source = await vault.OpenReadAsync(BlobName.Pack(receipt.Clinic, receipt.Pack), receipt.VersionId, cancellationToken);
            int read;
            while (destination.Length <= receipt.Length && (read = await source.ReadAsync(buffer, cancellationToken)) > 0)
            {
                hash.AppendData(buffer, 0, read);
                await destination.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                trial.Fetched(read);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        if (destination.Length != receipt.Length || Sha256Digest.FromBytes(hash.GetCurrentHash()) != receipt.Sha256)
        {
            throw new PackFailedException(PackFailure.HashMismatch, destination.Length == receipt.Length ? "sha-256" : "length");
        }

        destination.Position = 0;
    }

    /// <summary>Receipt, sidecar, the blob's metadata and the catalogue must say the same.</summary>
    private async Task<CatalogPack> CompareRecordsAsync(Receipt receipt, string jws, Sidecar sidecar, BlobState state, CancellationToken cancellationToken)
    {
        Require("sidecar", (sidecar.Clinic, sidecar.Pack, sidecar.Study, sidecar.Length, sidecar.Sha256, sidecar.InstancesRoot, sidecar.Instances.Count)
            == (receipt.Clinic, receipt.Pack, receipt.Study, receipt.Length, receipt.Sha256, receipt.InstancesRoot, receipt.InstanceCount));
        StoredPacks.CheckMetadata(state, sidecar);
        CatalogPack? pack = await catalog.FindPackAsync(receipt.Clinic, receipt.Pack, cancellationToken);
        Require("catalogue", pack is not null);
        (WrappedContentKey wrapped, IntegrityException? damage) = await statements.FindWrapAsync(sidecar, cancellationToken);
        Require("rewrap", damage is null);
        CatalogPack expected = CatalogPack.For(sidecar, receipt.VersionId, pack!.ImmutableUntil, pack.CommittedAt, jws, receipt.AuditIndex) with { ContentKey = wrapped };
        Require("catalogue", await catalog.HasRowsOfAsync(expected, sidecar, receipt.ImmutableUntil, cancellationToken));
        return pack;
    }

    private static void Require(string what, bool holds)
    {
        if (!holds)
        {
            throw new PackFailedException(PackFailure.CatalogueMismatch, what);
        }
    }

    private static async Task ReadInstancesAsync(PackReader reader, Sidecar sidecar, PackTrial trial, CancellationToken cancellationToken)
    {
        PlainFileTest plainFiles = new(sidecar);
        await trial.StepAsync(PackTestStepName.Extract, () =>
        {
            RequireSame(reader.Manifest, sidecar);
            return Task.CompletedTask;
        });
        foreach ((ManifestInstance inside, SidecarInstance captured) in reader.Manifest.Instances.Zip(sidecar.Instances))
        {
            await trial.StepAsync(PackTestStepName.Extract, () =>
            {
                Require("manifest", inside.Instance == captured);
                return Task.CompletedTask;
            });
            if (captured.Kind is not null)
            {
                await ReadPlainAsync(reader, inside, captured, plainFiles, trial, cancellationToken);
                continue;
            }

            // The walk runs along with the extraction; what it says only counts where the bytes are those that were captured.
            Pipe pipe = new();
            Task<DicomSummary> walk = WalkAsync(pipe.Reader, cancellationToken);
            await trial.StepAsync(PackTestStepName.Extract, () => ExtractAsync(reader, inside, pipe.Writer, walk, cancellationToken));
            await trial.StepAsync(PackTestStepName.Parse, async () =>
            {
                DicomHeader header;
                try
                {
                    header = (await walk).Header;
                }
                catch (DicomException) when (inside.Captured == CaptureVerdict.Damaged)
                {
                    // It came back as it was archived, and that is what an archive owes: it is not the archive that damaged it.
                    trial.WasDamagedAtCapture();
                    return;
                }

                Require("uids", header.SopInstanceUid == captured.SopInstance.Value
                    && header.SopClassUid == captured.SopClass?.Value
                    && header.StudyInstanceUid == sidecar.Study.Value
                    && captured.Series == (Uid.TryParse(header.SeriesInstanceUid, null, out Uid series) ? series : null));
            });
            trial.Restored(captured.Length);
        }
    }

    private static async Task ReadPlainAsync(
        PackReader reader, ManifestInstance inside, SidecarInstance captured, PlainFileTest plainFiles, PackTrial trial, CancellationToken cancellationToken)
    {
        Pipe pipe = new();
        Task<byte[]> reading = plainFiles.ReadAsync(inside, pipe.Reader, cancellationToken);
        await trial.StepAsync(PackTestStepName.Extract, () => ExtractAsync(reader, inside, pipe.Writer, reading, cancellationToken));
        await trial.StepAsync(PackTestStepName.Parse, async () => PlainFileTest.CheckSignature(inside, await reading));
        trial.Restored(captured.Length);
    }

    /// <summary>What manifest and sidecar say of the pack itself; its files, which have the receipt's root, are compared one by one.</summary>
    private static void RequireSame(Manifest manifest, Sidecar sidecar)
    {
        Require("manifest", manifest.CreatedAt == sidecar.CreatedAt && manifest.Set == sidecar.Set);
        Require("roots", manifest.Roots is null || manifest.Roots.All(root => root is { Computer.Length: > 0, Label.Length: > 0 }));
    }

    /// <summary>Unzips, hashes and hands on an instance in one pass, in bounded memory.</summary>
    private static async Task ExtractAsync(PackReader reader, ManifestInstance instance, PipeWriter writer, Task walk, CancellationToken cancellationToken)
    {
        Exception? failure = null;
        try
        {
            await using Stream plaintext = writer.AsStream(leaveOpen: true);
            await reader.ExtractAsync(instance, plaintext, cancellationToken);
        }
        catch (Exception e)
        {
            failure = e;
            throw;
        }
        finally
        {
            await writer.CompleteAsync(failure);
            await Task.WhenAny(walk);
        }
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
}

/// <summary>Times the steps of a pack's test, and translates what can be wrong with a pack into causes.</summary>
internal sealed class PackTrial(PackId pack, TimeProvider clock)
{
    private readonly List<(PackTestStepName Name, double Milliseconds)> _steps = [];
    private readonly DateTimeOffset _startedAt = AuditLog.ToMilliseconds(clock.GetUtcNow());
    private long _read;
    private int _files;
    private int _damagedAtCapture;
    private long _fileBytes;

    /// <summary>Takes a step; a step that was taken before goes on.</summary>
    public async Task<T> StepAsync<T>(PackTestStepName name, Func<Task<T>> step)
    {
        long start = clock.GetTimestamp();
        try
        {
            return await step();
        }
        catch (BlobMissingException e)
        {
            throw new PackFailedException(PackFailure.Missing, e.Name.ToString());
        }
        catch (KeyUnavailableException e)
        {
            throw new PackFailedException(PackFailure.KeyUnavailable, e.KeyId);
        }
        catch (PackException e)
        {
            throw new PackFailedException(Cause(e.Fault), JsonNamingPolicy.KebabCaseLower.ConvertName(e.Fault.ToString()));
        }
        catch (DicomException)
        {
            throw new PackFailedException(PackFailure.DicomInvalid);
        }
        catch (IntegrityException)
        {
            throw new PackFailedException(PackFailure.CatalogueMismatch, name == PackTestStepName.Catalogue ? "catalogue" : "receipt");
        }
        finally
        {
            Add(name, clock.GetElapsedTime(start).TotalMilliseconds);
        }
    }

    public Task StepAsync(PackTestStepName name, Func<Task> step) => StepAsync(name, async () =>
    {
        await step();
        return true;
    });

    public void Fetched(int bytes) => _read += bytes;

    public void Restored(long bytes)
    {
        _files++;
        _fileBytes += bytes;
    }

    public void WasDamagedAtCapture() => _damagedAtCapture++;

    public PackTestResult Result(PackTestOutcome outcome, PackFailure? cause = null, string? detail = null) =>
        new(pack, outcome, _startedAt, _read, _files, _fileBytes, [.. _steps.Select(step => new PackTestStep(step.Name, (long)Math.Round(step.Milliseconds)))], cause, detail,
            _damagedAtCapture == 0 ? null : _damagedAtCapture);

    /// <summary>Which failure of a test a fault of a pack is.</summary>
    private static PackFailure Cause(PackFault fault) => fault switch
    {
        PackFault.LengthMismatch or PackFault.HashMismatch or PackFault.InstanceMismatch => PackFailure.HashMismatch,
        PackFault.ZipInvalid or PackFault.ManifestInvalid => PackFailure.ZipInvalid,
        PackFault.WrongBlob or PackFault.SidecarInvalid or PackFault.ReceiptInvalid or PackFault.EncryptionDataInvalid => PackFailure.CatalogueMismatch,
        _ => PackFailure.DecryptFailed,
    };

    private void Add(PackTestStepName name, double milliseconds)
    {
        int at = _steps.FindIndex(step => step.Name == name);
        double before = at < 0 ? 0 : _steps[at].Milliseconds;
        if (at >= 0)
        {
            _steps.RemoveAt(at);
        }

        // The last step is where it failed, also in the second of many files.
        _steps.Add((name, before + milliseconds));
    }
}

/// <summary>A pack failed its test: the one way out of a step.</summary>
internal sealed class PackFailedException(PackFailure cause, string? detail = null) : Exception($"The pack failed its restore test: {cause}.")
{
    public PackFailure Cause { get; } = cause;

    public string? Detail { get; } = detail;
}
