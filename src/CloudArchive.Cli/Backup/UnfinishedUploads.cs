using CloudArchive.Cli.Agent;
using CloudArchive.Format.Packs;

namespace CloudArchive.Cli.Backup;

/// <summary>
/// What earlier runs left: packs whose receipts are outstanding, and packs that were cut off in the middle. One that fails is told and left;
/// neither the others nor the scan waits for it.
/// </summary>
public sealed class UnfinishedUploads(AgentSession session)
{
    private const int AtOnce = 4;
    private const int MostInARow = 3;

    // A pack that the service still fails at after so long is made anew: what lies in storage of it, the service clears.
    private static readonly TimeSpan GiveUpAfter = TimeSpan.FromHours(24);

    /// <summary>Repeats the commits whose receipts are outstanding.</summary>
    public async Task CommitAsync(Action<UploadedPack> done, Action<FailedPack> failed, CancellationToken cancellationToken)
    {
        int inARow = 0;
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(session.State.Uploads().TakeWhile(_ => Volatile.Read(ref inARow) < MostInARow), parallel, async (upload, cancellation) =>
        {
            (Sidecar sidecar, DateTimeOffset uploadedAt) = upload;
            try
            {
                if (await PackUpload.CommitAsync(session, sidecar, cancellation) is { } receipt)
                {
                    done(new UploadedPack(receipt, sidecar.Instances.Count, receipt.Length));
                }

                Volatile.Write(ref inARow, 0);
            }
            catch (Exception error) when (FailedPack.IsOfOnePack(error, cancellation))
            {
                Interlocked.Add(ref inARow, FailedPack.IsOfAll(error) ? MostInARow : 1);
                if (session.Network.Clock.GetUtcNow() - uploadedAt > GiveUpAfter)
                {
                    session.State.ForgetUpload(sidecar.Pack);
                }

                failed(FailedPack.Of(sidecar, error));
            }
        });
    }

    /// <summary>The packs that were cut off in the middle and can go on now: not those with changes that are held back, which wait. Those whose files are no longer what they were are given up.</summary>
    public IEnumerable<BegunPack> ToResume()
    {
        foreach (UploadPlan plan in session.State.PacksUnderWay())
        {
            // Of a drive that is not connected nothing is known: the pack waits for it.
            if (plan.Files.Select(f => f.Folder).Distinct(StringComparer.Ordinal).Any(folder => !session.State.IsThere(folder)))
            {
                continue;
            }

            List<PendingFile> files = [];
            bool isRead = true;
            bool isSame = true;
            bool isHeld = false;
            foreach (UploadFile file in plan.Files)
            {
                (long id, bool read, bool same, bool held) = session.State.FindFor(file) ?? (0, true, false, false);
                isHeld |= held;
                isRead &= read;
                isSame &= same || !read;
                files.Add(new PendingFile(id, file.Path, file.Folder, file.Length, file.ModifiedTicks, file.Instance, plan.Study, HasOtherVersion: false));
            }

            if (!isSame)
            {
                session.State.ForgetUpload(plan.Header.Pack);
            }
            else if (isRead && !isHeld) // what a person has to look at first waits, begun or not
            {
                yield return new BegunPack(plan, files);
            }
        }
    }
}
