using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;
using Microsoft.Data.Sqlite;

namespace CloudArchive.Cli.State;

/// <summary>A receipt that this agent verified and keeps.</summary>
public sealed record StoredReceipt(PackId Pack, string Jws, Uid Study, long Length, int Instances, DateTimeOffset IssuedAt, DateTimeOffset ImmutableUntil);

/// <summary>What the service told of a pack, as far as it is believed.</summary>
/// <param name="Index">Of the audit entry that states it.</param>
/// <param name="Pack">The pack.</param>
/// <param name="Archived">Its receipt and instances, where it is archived.</param>
/// <param name="Receipt">That receipt, verified.</param>
/// <param name="Lost">Why its receipt counts no more, where that is so.</param>
public sealed record LearnedChange(long Index, PackId Pack, ArchivedPack? Archived = null, Receipt? Receipt = null, PackLossCause? Lost = null);

/// <summary>A receipt whose entry in the audit log was not proven yet.</summary>
/// <param name="Receipt">The receipt.</param>
/// <param name="Reentered">Another entry that says that it is archived, where the service told of one: the log may have lost the first.</param>
public sealed record UnprovenReceipt(Receipt Receipt, long? Reentered);

public sealed partial class AgentState
{
    /// <summary>Notes a pack whose bytes are in storage and whose receipt is outstanding: after a crash only the commit is repeated.</summary>
    public void NoteUploaded(Sidecar sidecar, DateTimeOffset now)
    {
        lock (_gate)
        {
            CommitDurably(() =>
            {
                Execute(
                    "INSERT OR REPLACE INTO uploads(pack, sidecar, uploaded) VALUES ($pack, $sidecar, $now)",
                    ("$pack", sidecar.Pack.ToString()), ("$sidecar", Sidecars.Serialize(sidecar)), ("$now", Text(now)));
                Claim(sidecar.Pack, sidecar.Instances.Select(i => i.Sha256));
            });
        }
    }

    /// <summary>The packs whose commit must be repeated, and since when.</summary>
    public IReadOnlyList<(Sidecar Sidecar, DateTimeOffset UploadedAt)> Uploads()
    {
        lock (_gate)
        {
            using SqliteCommand command = Command("SELECT sidecar, uploaded, pack FROM uploads ORDER BY pack");
            using SqliteDataReader reader = command.ExecuteReader();
            List<(Sidecar, DateTimeOffset)> sidecars = [];
            List<PackId> damaged = [];
            while (reader.Read())
            {
                try
                {
                    sidecars.Add((Sidecars.Parse(reader.GetFieldValue<byte[]>(0)), Time(reader.GetString(1))));
                }
                catch (Exception error) when (error is PackException or FormatException)
                {
                    damaged.Add(PackId.Parse(reader.GetString(2))); // it can be committed by nobody any more; its files go again
                }
            }

            damaged.ForEach(ForgetUpload);
            return sidecars;
        }
    }

    /// <summary>There is no blob of a pack: where it was begun block by block, it can go on, else it is planned anew.</summary>
    public void DropUpload(PackId pack)
    {
        lock (_gate)
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            Execute("DELETE FROM uploads WHERE pack = $pack", ("$pack", pack.ToString()));
            Execute("DELETE FROM contents_under_way WHERE pack = $pack AND pack NOT IN (SELECT pack FROM packs_under_way)", ("$pack", pack.ToString()));
            transaction.Commit();
        }
    }

    /// <summary>Stores a verified receipt; in the same transaction the pack's instances become backed up.</summary>
    public void StoreReceipt(string jws, Receipt receipt, IReadOnlyList<SidecarInstance> instances)
    {
        lock (_gate) CommitDurably(() => WriteReceipt(jws, receipt, instances));
    }

    /// <summary>The receipt of a pack, as it was verified when it was stored; null: none is here.</summary>
    public string? FindReceipt(PackId pack)
    {
        lock (_gate) return (string?)Prepared("SELECT jws FROM receipts WHERE pack = $pack", ("$pack", pack.ToString())).ExecuteScalar();
    }

    /// <summary>Whether the receipt of a pack is here.</summary>
    public bool HasReceipt(PackId pack)
    {
        lock (_gate) return Scalar<long>("SELECT count(*) FROM receipts WHERE pack = $pack", ("$pack", pack.ToString())) > 0;
    }

    /// <summary>
    /// The receipt of a pack no longer counts. Its files are pending again; what has no file any more stays noted as lost, unless it was destroyed after its
    /// time.
    /// </summary>
    public void DropReceipt(PackId pack, PackLossCause cause)
    {
        lock (_gate)
        {
            CommitDurably(() => WriteLoss(pack, cause));
        }
    }

    /// <summary>A person knows of what the archive lost and the computer no longer has.</summary>
    public void AcceptLosses()
    {
        lock (_gate)
        {
            Execute(
                """
                DELETE FROM contents WHERE pack IS NULL AND lost IS NOT NULL AND lost <> 'destroyed'
                    AND NOT EXISTS (SELECT 1 FROM files WHERE files.sha256 = contents.sha256)
                """);
        }
    }

    /// <summary>The receipts, oldest pack first, a page at a time.</summary>
    /// <param name="after">Begin after this pack; null: with the first.</param>
    public IEnumerable<StoredReceipt> Receipts(PackId? after = null)
    {
        string last = after?.ToString() ?? "";
        while (true)
        {
            List<StoredReceipt> page = [];
            lock (_gate)
            {
                using SqliteCommand command = Command("SELECT pack, jws, study, length, instances, issued, immutable_until FROM receipts WHERE pack > $last ORDER BY pack LIMIT 200", ("$last", last));
                using SqliteDataReader row = command.ExecuteReader();
                while (row.Read()) page.Add(new StoredReceipt(PackId.Parse(row.GetString(0)), row.GetString(1), Uid.Parse(row.GetString(2)), row.GetInt64(3), row.GetInt32(4), Time(row.GetString(5)), Time(row.GetString(6))));
            }

            if (page.Count == 0) yield break;
            foreach (StoredReceipt receipt in page) yield return receipt;
            last = page[^1].Pack.ToString();
        }
    }

    /// <summary>The instances of a pack as this agent knows them: in the order in which agents write them.</summary>
    public IReadOnlyList<SidecarInstance> InstancesOf(PackId pack) => ReadInstances(pack);

    /// <summary>What a page of changes told, and how far the list is read: together, durably.</summary>
    /// <returns>Receipts that were not here; packs that were here and are lost; packs that were here and are destroyed.</returns>
    public (int Stored, int Lost, int Destroyed) Learn(IReadOnlyList<LearnedChange> changes, string cursorName, string cursor)
    {
        int stored = 0, lost = 0, destroyed = 0;
        lock (_gate)
        {
            CommitDurably(() =>
            {
                foreach (LearnedChange change in changes)
                {
                    bool known = HasReceipt(change.Pack);
                    if (change.Lost is { } cause)
                    {
                        lost += known && cause != PackLossCause.Destroyed ? 1 : 0;
                        destroyed += known && cause == PackLossCause.Destroyed ? 1 : 0;
                        WriteLoss(change.Pack, cause);
                        continue;
                    }

                    if (!known)
                    {
                        WriteReceipt(change.Archived!.Receipt, change.Receipt!, change.Archived.Instances);
                        stored++;
                    }

                    if (change.Index != change.Receipt!.AuditIndex)
                    {
                        Execute("UPDATE receipts SET reentered = $index WHERE pack = $pack", ("$index", change.Index), ("$pack", change.Pack.ToString()));
                    }
                }

                Set(cursorName, cursor);
            });
        }

        return (stored, lost, destroyed);
    }

    /// <summary>Receipts whose entry in the audit log was not proven yet, the newest first.</summary>
    public IReadOnlyList<UnprovenReceipt> UnprovenReceipts(int take)
    {
        lock (_gate)
        {
            using SqliteCommand command = Command("SELECT jws, reentered FROM receipts WHERE in_log = 0 AND audit_index IS NOT NULL ORDER BY audit_index DESC LIMIT $take", ("$take", take));
            using SqliteDataReader row = command.ExecuteReader();
            List<UnprovenReceipt> receipts = [];
            while (row.Read())
            {
                try
                {
                    receipts.Add(new UnprovenReceipt(Format.Packs.Receipts.ReadStored(row.GetString(0)), row.IsDBNull(1) ? null : row.GetInt64(1)));
                }
                catch (PackException)
                {
                    // Changed on this computer's disk: `receipts verify` tells of it.
                }
            }

            return receipts;
        }
    }

    /// <summary>Notes that the log has the entries of these packs' commits.</summary>
    public void NoteInLog(IReadOnlyCollection<PackId> packs)
    {
        lock (_gate)
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            foreach (PackId pack in packs)
            {
                Execute("UPDATE receipts SET in_log = 1 WHERE pack = $pack", ("$pack", pack.ToString()));
            }

            transaction.Commit();
        }
    }

    private void WriteLoss(PackId pack, PackLossCause cause)
    {
        Execute(
            "UPDATE contents SET pack = NULL, lost = $cause, lost_pack = pack WHERE pack = $pack",
            ("$pack", pack.ToString()), ("$cause", cause.ToString().ToLowerInvariant()));
        Execute("DELETE FROM receipts WHERE pack = $pack", ("$pack", pack.ToString()));
    }

    private void WriteReceipt(string jws, Receipt receipt, IReadOnlyList<SidecarInstance> instances)
    {
        string pack = receipt.Pack.ToString();
        Execute(
            """
            INSERT INTO receipts(pack, jws, study, length, instances, issued, immutable_until, audit_index)
            VALUES ($pack, $jws, $study, $length, $instances, $issued, $until, $index)
            ON CONFLICT(pack) DO UPDATE SET jws = excluded.jws, issued = excluded.issued, immutable_until = excluded.immutable_until, audit_index = excluded.audit_index
            """,
            ("$index", receipt.AuditIndex), ("$pack", pack), ("$jws", jws), ("$study", receipt.Study.Value), ("$length", receipt.Length), ("$instances", receipt.InstanceCount), ("$issued", Text(receipt.IssuedAt)), ("$until", Text(receipt.ImmutableUntil)));
        using SqliteCommand set = Command(
            """
            INSERT INTO contents(sha256, sop, sop_class, series, modality, transfer_syntax, length, study, pack, kind) VALUES ($sha256, $sop, $class, $series, $modality, $syntax, $length, $study, $pack, $kind)
            ON CONFLICT(sha256) DO UPDATE SET pack = excluded.pack, lost = NULL, lost_pack = NULL
            """,
            ("$sha256", null), ("$sop", ""), ("$class", ""), ("$series", null), ("$modality", null), ("$syntax", ""), ("$length", 0L), ("$study", receipt.Study.Value), ("$pack", pack), ("$kind", null));
        foreach (SidecarInstance instance in instances.Where(instance => instance.Kind != FileKind.Snapshot)) // whose parts are nobody's files
        {
            Bind(set, instance);
            set.ExecuteNonQuery();
        }

        RemoveUpload(pack);
    }

    private static void Bind(SqliteCommand command, SidecarInstance instance)
    {
        command.Parameters["$sha256"].Value = Bytes(instance.Sha256);
        command.Parameters["$sop"].Value = instance.SopInstance.Value;
        command.Parameters["$class"].Value = instance.SopClass?.Value ?? "";
        command.Parameters["$series"].Value = (object?)instance.Series?.Value ?? DBNull.Value;
        command.Parameters["$modality"].Value = (object?)instance.Modality ?? DBNull.Value;
        command.Parameters["$syntax"].Value = instance.TransferSyntax?.Value ?? "";
        command.Parameters["$length"].Value = instance.Length;
        command.Parameters["$kind"].Value = (object?)instance.Kind?.ToString() ?? DBNull.Value;
    }

    private List<SidecarInstance> ReadInstances(PackId pack)
    {
        lock (_gate)
        {
            // BINARY collation on ASCII text and memcmp on blobs: the ordinal order of InstanceOrder.
            using SqliteCommand command = Command("SELECT sop, sop_class, series, modality, transfer_syntax, length, sha256, kind FROM contents WHERE pack = $pack ORDER BY sop, sha256", ("$pack", pack.ToString()));
            using SqliteDataReader row = command.ExecuteReader();
            List<SidecarInstance> instances = [];
            while (row.Read())
                instances.Add(ReadInstance(row, 0, 7));
            return instances;
        }
    }
}
