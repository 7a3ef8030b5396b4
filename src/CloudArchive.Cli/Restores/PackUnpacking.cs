using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Cli.Restores;

/// <summary>Opens one pack and puts its files into the target folder. Whatever is wrong becomes reports; nothing else is trusted or written.</summary>
public static class PackUnpacking
{
    /// <summary>Unpacks.</summary>
    /// <param name="ciphertext">The sealed bytes; must seek. Length and SHA-256 are checked here before anything is opened.</param>
    /// <param name="unwrap">Gives the content key; throws <see cref="PackException"/> where it does not unwrap.</param>
    /// <param name="expected">What the pack must be.</param>
    /// <param name="wanted">SHA-256 of the wanted instances; null for all.</param>
    /// <param name="target">Where to.</param>
    /// <param name="placement">Where in it.</param>
    /// <param name="tally">Takes the reports.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <returns>What became of each of its files.</returns>
    public static async Task<IReadOnlyList<FileReport>> RunAsync(
        Stream ciphertext, Func<ContentKey> unwrap, PackIdentity expected, IReadOnlyList<Sha256Digest>? wanted, TargetFolder target, Placement placement, RestoreTally tally, CancellationToken cancellationToken)
    {
        PackId pack = expected.Pack!.Value;
        try
        {
            using ContentKey key = unwrap();
            await using PackReader reader = await PackReader.OpenAsync(ciphertext, key, expected, cancellationToken);
            using StagedPack staged = target.Stage(pack);
            HashSet<Sha256Digest>? missing = wanted is null ? null : [.. wanted];
            foreach (ManifestInstance entry in reader.Manifest.Instances)
            {
                if ((missing is not null && !missing.Remove(entry.Instance.Sha256)) || entry.Instance.Kind == FileKind.Snapshot)
                {
                    continue;
                }

                foreach (Place place in placement.PlacesOf(reader.Manifest, entry))
                {
                    ManifestInstance placed = entry with { Entry = place.Path, ModifiedAt = place.ModifiedAt };
                    await staged.AddAsync(placed, (destination, cancellation) => reader.ExtractAsync(entry, destination, cancellation), cancellationToken);
                }
            }

            List<FileReport> reports = [.. await staged.PlaceAsync(cancellationToken)];
            reports.AddRange((missing ?? []).Select(_ => new FileReport(pack, FileOutcome.Failed, null, null, 0, "the catalogue lists an instance that its pack does not hold", Integrity: true)));
            tally.Add(reports);
            return reports;
        }
        catch (PackException error)
        {
            if (!placement.NoteFailed(pack, $"{error.Fault}: {error.Message}", integrity: true))
            {
                Fail(pack, wanted?.Count ?? 1, $"{error.Fault}: {error.Message}", tally);
            }

            return [new FileReport(pack, FileOutcome.Failed, null, null, 0, error.Message, Integrity: true)];
        }
    }

    /// <summary>Reports a pack that cannot be opened: once for each file that was wanted of it.</summary>
    public static void Fail(PackId pack, int files, string why, RestoreTally tally, bool integrity = true) =>
        tally.Add(Enumerable.Repeat(new FileReport(pack, FileOutcome.Failed, null, null, 0, why, integrity), files));
}
