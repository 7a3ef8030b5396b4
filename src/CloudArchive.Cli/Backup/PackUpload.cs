using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;
using CloudArchive.Dicom;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Backup;

/// <summary>A pack that the archive gave a receipt for.</summary>
public sealed record UploadedPack(Receipt Receipt, int Files, long Bytes);

/// <summary>
/// Makes one planned pack: read, hash, zip, seal, stage, commit, verify the receipt, store it. A file that is not what it was ends the
/// attempt; the pack is made anew without it, so that the others still go.
/// </summary>
/// <param name="session">Whose packs.</param>
/// <param name="context">The way to storage.</param>
/// <param name="buffers">The blocks' memory.</param>
/// <param name="uplink">Says whether compressing pays.</param>
/// <param name="step">Told of files' bytes as they go into packs.</param>
public sealed class PackUpload(AgentSession session, BlobUploadContext context, BlockBuffers buffers, Uplink uplink, IProgressStep step)
{
    /// <summary>Uploads a pack; null where no file of it was left, or where the archive did not find what was sent and it must be planned anew.</summary>
    public async Task<UploadedPack?> RunAsync(PlannedPack planned, CancellationToken cancellationToken)
    {
        List<PendingFile> files = [.. planned.Files.Select(f => f.File).Where(IsAsItWas)];
        while (files.Count > 0)
        {
            OpenPackResponse open = await session.Client.PostAsync<OpenPackResponse>(
                $"v1/clinics/{session.Identity.Clinic}/packs", new OpenPackRequest(planned.Study.Study, files.Sum(f => f.Length)), repeatable: true, cancellationToken);
            await session.FollowKeysAsync("a key-encryption key", identity => IsSame(identity.WrappingKey, open.WrappingKey), cancellationToken);

            // The way to the images without the service never changes, whoever asks.
            if (!IsSame(session.Identity.EscrowKey, open.EscrowKey))
                throw new IntegrityException("The service offers another escrow key than the one that this computer pinned when it enrolled; nothing was sealed with it. Tell your archive's operator.");
            try
            {
                if (await SealAndSendAsync(open, planned.Study, files, cancellationToken) is not { } sidecar) return null;
                return await CommitAsync(session, sidecar, context.Clock, cancellationToken) is { } receipt ? new UploadedPack(receipt, sidecar.Instances.Count, receipt.Length) : null;
            }
            catch (SourceLostException lost)
            {
                files.Remove(lost.File);
                step.Add(-lost.Told);
            }
        }

        return null;
    }

    /// <summary>
    /// Commits a pack whose bytes are in storage, and stores the receipt. Null: storage does not hold what was sent; its files are pending as before.
    /// </summary>
    public static async Task<Receipt?> CommitAsync(AgentSession session, Sidecar sidecar, TimeProvider clock, CancellationToken cancellationToken)
    {
        ReceiptResponse answer;
        try
        {
            answer = await session.Client.PostAsync<ReceiptResponse>($"v1/clinics/{sidecar.Clinic}/packs/{sidecar.Pack}/commit", new CommitPackRequest(sidecar), repeatable: true, cancellationToken);
        }
        catch (ServiceRefusedException refused) when (refused.Problem is "pack-not-uploaded" or "pack-mismatch" || refused.Status is 404 or 410)
        {
            session.State.DropUpload(sidecar.Pack);
            return null;
        }
        catch (ServiceRefusedException refused) when (refused.Problem == "sidecar-invalid")
        {
            // Sent again it would be refused again, and keep every backup from going on: told now, and made anew by the next.
            session.State.DropUpload(sidecar.Pack);
            throw;
        }

        Receipt receipt;
        try
        {
            receipt = ReceiptCheck.Verify(answer.Receipt, session.Identity.SigningKeys, sidecar, clock.GetUtcNow());
        }
        catch (IntegrityException error) when (error.InnerException is JwsException { Fault: JwsFault.UnknownKey })
        {
            JwkSet before = session.Identity.SigningKeys;
            await session.FollowKeysAsync("a signing key", identity => !ReferenceEquals(identity.SigningKeys, before), cancellationToken);
            receipt = ReceiptCheck.Verify(answer.Receipt, session.Identity.SigningKeys, sidecar, clock.GetUtcNow());
        }

        session.State.StoreReceipt(answer.Receipt, receipt, sidecar.Instances);
        return receipt;
    }

    private static bool IsSame(Jwk pinned, Jwk offered) => pinned.Kid == offered.Kid && JwkKeys.Thumbprint(pinned) == JwkKeys.Thumbprint(offered);

    private async Task<Sidecar?> SealAndSendAsync(OpenPackResponse open, StudyKey study, List<PendingFile> files, CancellationToken cancellationToken)
    {
        string packUrl = $"v1/clinics/{session.Identity.Clinic}/packs/{open.Pack}";
        PackHeader header = new(session.Identity.Clinic, open.Pack, study.Study, context.Clock.GetUtcNow());
        using ContentKey key = ContentKey.Create();
        WrappedContentKey wrapped = KeyWrapping.Wrap(key, open.WrappingKey);
        WrappedContentKey escrow = KeyWrapping.Wrap(key, open.EscrowKey);
        await using BlobUploadStream blob = new(
            new UploadUrlResponse(open.UploadUrl, open.UploadUrlExpiresAt),
            cancellation => session.Client.PostAsync<UploadUrlResponse>($"{packUrl}/upload-url", null, repeatable: true, cancellation),
            buffers, uplink, context);
        PackSummary? summary = await SealAsync(blob, header, key, files, cancellationToken);
        if (summary is null) return null;

        // Worked out here, so that the date of birth stays here. A service of before there were policies takes version 1 of the sidecar.
        SidecarRetention? retention = open.Retention is { } policy ? new SidecarRetention(policy.Version, policy.Until(study.Date, header.CreatedAt, study.BornIn), study.BornIn) : null;
        Sidecar sidecar = Sidecars.For(header, summary, wrapped, escrow, retention) with { StudyDate = study.Date, PatientHmac = study.Patient, AccessionHmac = study.Accession };

        // Noted before the blob is: were it the other way round, a crash in between would upload the pack a second time.
        session.State.NoteUploaded(sidecar, context.Clock.GetUtcNow());
        await blob.CommitAsync(
            new Dictionary<string, string>
            {
                [BlobEncryption.MetadataName] = BlobEncryption.ToMetadata(sidecar.Encryption),
                [BlobEncryption.EscrowMetadataName] = BlobEncryption.ToMetadata(BlobEncryption.For(escrow)),
            },
            cancellationToken);
        return sidecar;
    }

    private async Task<PackSummary?> SealAsync(BlobUploadStream blob, PackHeader header, ContentKey key, List<PendingFile> files, CancellationToken cancellationToken)
    {
        await using PackWriter writer = new(blob, header, key);
        long told = 0;
        bool empty = true;
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
                await AddAsync(writer, file, counted, cancellationToken);
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

    private async Task AddAsync(PackWriter writer, PendingFile file, Stream source, CancellationToken cancellationToken)
    {
        bool deflate = !TransferSyntaxes.IsCompressed(file.Instance.TransferSyntax.Value) && uplink.CompressionPays;
        await writer.AddAsync(new PackEntry(file.ManifestPath, new DateTimeOffset(file.ModifiedTicks, TimeSpan.Zero), file.Instance, deflate), source, cancellationToken);
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
            session.State.NoteGone(file.Id);
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
            session.State.NoteGone(file.Id);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            session.State.NoteSkipped(file.Id, SkipReason.Unreadable, FolderScan.WithoutPath(error.Message));
        }

        return null;
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
            session.State.NoteGone(file.Id);
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
