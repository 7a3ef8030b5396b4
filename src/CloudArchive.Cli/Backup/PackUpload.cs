using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;
using CloudArchive.Cli.Transport;
using CloudArchive.Dicom;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Backup;

/// <summary>A pack that the archive gave a receipt for.</summary>
public sealed record UploadedPack(Receipt Receipt, int Files, long Bytes);

/// <summary>
/// Makes one pack: read, hash, zip, seal, stage, commit, verify the receipt, store it; or goes on with one that an earlier run began. A file
/// that is not what it was ends the attempt; the pack is made anew without it, so that the others still go.
/// </summary>
/// <param name="session">Whose packs.</param>
/// <param name="buffers">The blocks' memory.</param>
/// <param name="uplink">Says how long blocks are, and how many are under way.</param>
/// <param name="step">Told of files' bytes as they go into packs.</param>
public sealed class PackUpload(AgentSession session, BlockBuffers buffers, Uplink uplink, IProgressStep step)
{
    /// <summary>Uploads a pack; null where no file of it was left, or where the archive did not find what was sent and it must be planned anew.</summary>
    public async Task<UploadedPack?> RunAsync(PlannedPack planned, CancellationToken cancellationToken)
    {
        List<PendingFile> files = [.. planned.Files.Select(f => f.File).Where(IsAsItWas)];
        while (files.Count > 0)
        {
            OpenPackResponse open = await OpenAsync(session, planned.Study.Study, files.Sum(f => f.Length), cancellationToken);
            using ContentKey key = ContentKey.Create();
            UploadPlan plan = new(
                new PackHeader(session.Identity.Clinic, open.Pack, planned.Study.Study, session.Network.Clock.GetUtcNow(), planned.Study.Set),
                planned.Study,
                KeyWrapping.Wrap(key, open.WrappingKey),
                KeyWrapping.Wrap(key, open.EscrowKey),
                open.Retention,
                [.. files.Select(f => new UploadFile(f.Path, f.Folder, f.Length, f.ModifiedTicks, f.Instance))]);
            try
            {
                return await SendAsync(plan, key, UploadJournal.Begin(session.State, plan, key), new UploadUrlResponse(open.UploadUrl, open.UploadUrlExpiresAt), files, cancellationToken);
            }
            catch (SourceLostException lost)
            {
                files.Remove(lost.File);
                step.Add(-lost.Told);
            }
        }

        return null;
    }

    /// <summary>Asks for a new pack, and checks that it is to be sealed with the pinned keys.</summary>
    public static async Task<OpenPackResponse> OpenAsync(AgentSession session, Uid set, long bytes, CancellationToken cancellationToken)
    {
        OpenPackResponse open = await session.Client.PostAsync<OpenPackResponse>(
            $"v1/clinics/{session.Identity.Clinic}/packs", new OpenPackRequest(set, bytes), repeatable: true, cancellationToken);
        await session.FollowKeysAsync("a key-encryption key", identity => IsSame(identity.WrappingKey, open.WrappingKey), cancellationToken);

        // The way to the images without the service never changes, whoever asks.
        return IsSame(session.Identity.EscrowKey, open.EscrowKey)
            ? open
            : throw new IntegrityException("The service offers another escrow key than the one that this computer pinned when it enrolled; nothing was sealed with it. Tell your archive's operator.");
    }

    /// <summary>Another URL for a pack that is open.</summary>
    /// <exception cref="UploadLostException">The service no longer takes it.</exception>
    public static async Task<UploadUrlResponse> RenewAsync(AgentSession session, PackId pack, CancellationToken cancellationToken)
    {
        try
        {
            return await session.Client.PostAsync<UploadUrlResponse>($"v1/clinics/{session.Identity.Clinic}/packs/{pack}/upload-url", null, repeatable: true, cancellationToken);
        }
        catch (ServiceRefusedException refused) when (refused.Problem is "pack-unknown" or "pack-not-open" or "pack-of-another-agent" || refused.Status is 404 or 410)
        {
            throw new UploadLostException("the service no longer takes it", refused); // it clears what was not committed within a day
        }
    }

    /// <summary>What goes with a pack's blob: its own keys, wrapped.</summary>
    public static IReadOnlyDictionary<string, string> MetadataOf(Sidecar sidecar) => new Dictionary<string, string>
    {
        [BlobEncryption.MetadataName] = BlobEncryption.ToMetadata(sidecar.Encryption),
        [BlobEncryption.EscrowMetadataName] = BlobEncryption.ToMetadata(BlobEncryption.For(sidecar.Escrow)),
    };

    /// <summary>Goes on with a pack that an earlier run began: seals it again, and sends what storage does not have. Null where it cannot be: it is planned anew.</summary>
    public async Task<UploadedPack?> ResumeAsync(UploadPlan plan, IReadOnlyList<PendingFile> files, CancellationToken cancellationToken)
    {
        using ContentKey? key = session.State.KeyOf(plan.Header.Pack);
        if (key is null || !files.All(IsAsItWas))
        {
            session.State.ForgetUpload(plan.Header.Pack);
            return null;
        }

        try
        {
            return await SendAsync(plan, key, UploadJournal.Resume(session.State, plan), null, files, cancellationToken);
        }
        catch (SourceLostException lost)
        {
            step.Add(-lost.Told);
            return null;
        }
    }

    /// <summary>
    /// Commits a pack whose bytes are in storage, and stores the receipt. Null: storage or the service does not hold what was sent, or holds it for
    /// nobody who is here; its files are pending as before.
    /// </summary>
    public static async Task<Receipt?> CommitAsync(AgentSession session, Sidecar sidecar, CancellationToken cancellationToken)
    {
        ReceiptResponse answer;
        try
        {
            answer = await session.Client.PostAsync<ReceiptResponse>($"v1/clinics/{sidecar.Clinic}/packs/{sidecar.Pack}/commit", new CommitPackRequest(sidecar), repeatable: true, cancellationToken);
        }
        catch (ServiceRefusedException refused) when (refused.Problem is "pack-not-uploaded")
        {
            session.State.DropUpload(sidecar.Pack);
            return null;
        }
        catch (ServiceRefusedException refused) when (refused.Problem is "pack-mismatch" or "pack-of-another-agent" or "pack-not-open" or "commit-differs" || refused.Status is 404 or 410)
        {
            session.State.ForgetUpload(sidecar.Pack);
            return null;
        }
        catch (ServiceRefusedException refused) when (refused.Problem == "sidecar-invalid")
        {
            // Sent again it would be refused again: told now, and made anew by the next run.
            session.State.ForgetUpload(sidecar.Pack);
            throw;
        }

        Receipt receipt;
        DateTimeOffset now = session.Network.Clock.GetUtcNow();
        try
        {
            receipt = ReceiptCheck.Verify(answer.Receipt, session.Identity.SigningKeys, sidecar, now);
        }
        catch (LockTooShortException)
        {
            // A policy that changed in this moment, or a fault of the service. A repeated commit has the same receipt for ever: made anew by the next run.
            session.State.ForgetUpload(sidecar.Pack);
            throw;
        }
        catch (IntegrityException error) when (error.InnerException is JwsException { Fault: JwsFault.UnknownKey })
        {
            JwkSet before = session.Identity.SigningKeys;
            await session.FollowKeysAsync("a signing key", identity => !ReferenceEquals(identity.SigningKeys, before), cancellationToken);
            receipt = ReceiptCheck.Verify(answer.Receipt, session.Identity.SigningKeys, sidecar, now);
        }

        session.State.StoreReceipt(answer.Receipt, receipt, sidecar.Instances);
        return receipt;
    }

    private static bool IsSame(Jwk pinned, Jwk offered) => pinned.Kid == offered.Kid && JwkKeys.Thumbprint(pinned) == JwkKeys.Thumbprint(offered);

    private async Task<UploadedPack?> SendAsync(UploadPlan plan, ContentKey key, UploadJournal journal, UploadUrlResponse? url, IReadOnlyList<PendingFile> files, CancellationToken cancellationToken)
    {
        try
        {
            using BlobUpload blob = new(session.Network, uplink, url, cancellation => RenewAsync(session, plan.Header.Pack, cancellation));
            if (await SealAndSendAsync(plan, key, journal, blob, files, cancellationToken) is not { } sidecar)
            {
                return null;
            }

            return await CommitAsync(session, sidecar, cancellationToken) is { } receipt ? new UploadedPack(receipt, sidecar.Instances.Count, receipt.Length) : null;
        }
        catch (Exception error) when (error is SourceLostException or SealedDifferentlyException or UploadLostException)
        {
            session.State.ForgetUpload(plan.Header.Pack);
            if (error is SourceLostException)
            {
                throw;
            }

            return null;
        }
    }

    private async Task<Sidecar?> SealAndSendAsync(UploadPlan plan, ContentKey key, UploadJournal journal, BlobUpload blob, IReadOnlyList<PendingFile> files, CancellationToken cancellationToken)
    {
        await using BlobUploadStream stream = new(blob, buffers, _ => uplink.BlockLength(plan.Bytes), journal, cancellationToken);
        PackSummary? summary = await SealAsync(stream, plan.Header, key, files, cancellationToken);
        if (summary is null)
        {
            return null;
        }

        // Worked out here, so that the date of birth stays here. A service of before there were policies takes version 1 of the sidecar.
        SidecarRetention? retention = plan.Retention is { } policy ? new SidecarRetention(policy.Version, policy.Until(plan.Study.Date, plan.Header.CreatedAt, plan.Study.BornIn), plan.Study.BornIn) : null;
        Sidecar sidecar = Sidecars.For(plan.Header, summary, plan.Wrapped, plan.Escrow, retention) with { StudyDate = plan.Study.Date, PatientHmac = plan.Study.Patient, AccessionHmac = plan.Study.Accession, PatientForms = plan.Study.PatientForms, AccessionForms = plan.Study.AccessionForms };
        await stream.CompleteAsync();

        // Noted before the blob is: were it the other way round, a crash in between would upload the pack a second time.
        session.State.NoteUploaded(sidecar, session.Network.Clock.GetUtcNow());
        await stream.CommitAsync(MetadataOf(sidecar), cancellationToken);
        return sidecar;
    }

    private async Task<PackSummary?> SealAsync(BlobUploadStream blob, PackHeader header, ContentKey key, IReadOnlyList<PendingFile> files, CancellationToken cancellationToken)
    {
        await using PackWriter writer = new(blob, header, key);
        long told = 0;
        bool empty = true;
        Dictionary<string, ManifestRoot> roots = files.Select(file => file.Folder).Distinct(StringComparer.Ordinal)
            .ToDictionary(folder => folder, folder => new ManifestRoot(session.Identity.Computer, session.State.FindFolder(folder)?.Label ?? ""), StringComparer.Ordinal);
        foreach (PendingFile file in files)
        {
            if (TryOpen(file) is not { } source) continue;
            await using CountingStream counted = new(source, count =>
            {
                told += count;
                step.Add(count);
            });
            try
            {
                await AddAsync(writer, file, roots[file.Folder], counted, cancellationToken);
                empty = false;
            }
            catch (Exception error) when (error is SourceChangedException or IOException or UnauthorizedAccessException)
            {
                // What reaches storage fails as ServiceUnreachableException: an IOException here is the file's.
                if (error is SourceChangedException) NoteChanged(file);
                else session.State.NoteSkipped(file.Id, SkipReason.Unreadable, FolderScan.WithoutPath(error.Message));
                throw new SourceLostException(file, told, error);
            }
        }

        return empty ? null : await writer.CompleteAsync(cancellationToken);
    }

    private static async Task AddAsync(PackWriter writer, PendingFile file, ManifestRoot root, Stream source, CancellationToken cancellationToken)
    {
        if (file.Instance.Kind is not null)
        {
            await writer.AddAsync(PackEntries.Of(file, root), source, cancellationToken);
            return;
        }

        await using CapturedStream captured = new(source);
        await writer.AddAsync(PackEntries.Of(file, root), captured, captured.VerdictAsync, cancellationToken);
    }

    /// <summary>Whether size and time are those of when the file was read: cheap, and spares a pack that would have to be given up.</summary>
    private bool IsAsItWas(PendingFile file)
    {
        try
        {
            if (FileInspection.Stat(file.Path) == (file.Length, file.ModifiedTicks)) return true;
            NoteChanged(file);
        }
        catch (FileNotFoundException)
        {
            NoteGone(file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            session.State.NoteSkipped(file.Id, SkipReason.Unreadable, FolderScan.WithoutPath(error.Message));
        }

        return false;
    }

    private FileStream? TryOpen(PendingFile file)
    {
        try
        {
            return FileInspection.Open(file.Path);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            NoteGone(file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            session.State.NoteSkipped(file.Id, SkipReason.Unreadable, FolderScan.WithoutPath(error.Message));
        }

        return null;
    }

    private void NoteGone(PendingFile file)
    {
        if (session.State.IsThere(file.Folder))
        {
            session.State.NoteGone(file.Id);
        }
    }

    private void NoteChanged(PendingFile file)
    {
        try
        {
            (long length, long modified) = FileInspection.Stat(file.Path);
            session.State.NoteChanged(file.Id, length, modified);
        }
        catch (FileNotFoundException)
        {
            NoteGone(file);
        }
    }

    /// <summary>A file that cannot go into this pack.</summary>
    private sealed class SourceLostException(PendingFile file, long told, Exception inner) : Exception(inner.Message, inner)
    {
        public PendingFile File { get; } = file;

        /// <summary>Bytes that were told as progress and are not.</summary>
        public long Told { get; } = told;
    }
}
