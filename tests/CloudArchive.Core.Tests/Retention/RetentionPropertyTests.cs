using System.Globalization;
using System.Text;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.Retention;

/// <summary>
/// Thirty years of a clinic at random: studies, late packs, policies longer and shorter, holds set and cleared, destructions approved, rejected and
/// forgotten, packs leased, copied, written over and lost, storage that fails at one, with the real Core on storage in memory. A model that knows nothing of the plan's code says what must be there and what must not.
/// </summary>
public sealed class RetentionPropertyTests(SharedStorage shared)
{
    private const int Steps = 50; // of 220 days on average: 30 years

    /// <summary>So many scripts, each with a seed of its own; more where this variable says so.</summary>
    private const string SeedsVariable = "CLOUDARCHIVE_TEST_SEEDS";
    private const int Seeds = 30;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nothing_is_destroyed_before_its_time_or_under_hold_everything_is_after_it_and_no_lock_becomes_shorter()
    {
        int seeds = Environment.GetEnvironmentVariable(SeedsVariable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : Seeds;
        Dictionary<string, int> happened = [];
        await Parallel.ForEachAsync(Enumerable.Range(1, seeds), new ParallelOptions { MaxDegreeOfParallelism = 2, CancellationToken = Cancel }, async (seed, _) =>
        {
            Step[] script = ScriptOf(seed);
            if (await FailureOfAsync(script, happened) is { } failure)
            {
                // Minutes: for whoever asked for seeds by hand.
                Assert.Fail($"seed {seed}: {failure}{(seeds == Seeds ? "" : "\n" + await ShortestAsync(script))}");
            }
        });

        // What never happens is not tested.
        string[] all = ["archived", "late", "leased", "snapshot", "re-uploaded", "policy", "held", "cleared", "approved", "rejected", "fails", "mended", "lost", "destroyed"];
        Assert.Equal(all.Order(StringComparer.Ordinal), happened.Keys.Order(StringComparer.Ordinal));
        TestContext.Current.TestOutputHelper?.WriteLine(string.Join(", ", happened.Select(pair => $"{pair.Key} {pair.Value}")));
    }

    private static Step[] ScriptOf(int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, Steps).Select(_ => new Step(random.Next(100), random.Next(1, 441), random.Next(10_000), random.Next(10_000)))];
    }

    private async Task<string?> FailureOfAsync(Step[] script, Dictionary<string, int> happened)
    {
        try
        {
            await RunAsync(script, happened);
            return null;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return e.ToString();
        }
    }

    /// <summary>As short a script as still fails, half of it at a time: what is told can be read.</summary>
    private async Task<string> ShortestAsync(Step[] script)
    {
        for (int tries = 0; tries < 60; tries++)
        {
            Step[]? shorter = null;
            foreach (Step[] candidate in Shorter(script))
            {
                if (await FailureOfAsync(candidate, []) is not null)
                {
                    shorter = candidate;
                    break;
                }
            }

            if (shorter is null)
            {
                break;
            }

            script = shorter;
        }

        return string.Join('\n', script.Select(step => step.ToString()));
    }

    private static IEnumerable<Step[]> Shorter(Step[] script)
    {
        for (int part = script.Length / 2; part > 0; part /= 2)
        {
            for (int at = 0; at + part <= script.Length; at += part)
            {
                yield return [.. script[..at], .. script[(at + part)..]];
            }
        }
    }

    private async Task RunAsync(Step[] script, Dictionary<string, int> happened)
    {
        bool requireApproval = script.Length == 0 || script[0].A % 3 != 0;
        TroubledVault? storage = null;
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval, wrap: vault => storage = new TroubledVault(vault));
        Model model = new(archive, storage!, requireApproval, happened);
        foreach (Step step in script)
        {
            await model.StepAsync(step);
            archive.Clock.Advance(TimeSpan.FromDays(step.Days));
            await model.RunAndCheckAsync();
        }

        await model.EndAsync(await shared.Keys.GetPublicKeysAsync(Cancel));
    }

    internal sealed record Step(int Kind, int Days, int A, int B);

    private sealed record Terms(int Years, int Minimum, bool LastTreatment, int? Age, int More);

    private sealed record Image(PackId Pack, int Patient, DateOnly? Date, DateTimeOffset Archived, int? Born);

    private sealed class Study(Uid uid)
    {
        public Uid Uid => uid;

        public List<Image> Images { get; } = [];

        /// <summary>What was ever promised to be kept.</summary>
        public DateTimeOffset Promised { get; set; }

        /// <summary>Until when a part of it may be locked, since storage failed at the rest when it was to be.</summary>
        public DateTimeOffset Partly { get; set; }

        public bool Gone { get; set; }
    }

    private sealed record Held(Study? Study, int? Patient, WorkId Id)
    {
        public bool Names(Study study) => Study == study || study.Images.Any(image => image.Patient == Patient);
    }

    private sealed class Model(MemoryArchive archive, TroubledVault storage, bool requireApproval, Dictionary<string, int> happened)
    {
        private readonly HashSet<PackId> _lost = [];
        private readonly HashSet<WorkId> _certified = [];
        private readonly List<Study> _studies = [];
        private readonly List<Held> _holds = [];
        private readonly Dictionary<(BlobName, string), DateTimeOffset> _locks = [];
        private Terms _terms = new(10, 10, false, null, 0);

        private DateTimeOffset Now => archive.Clock.GetUtcNow();

        public Task StepAsync(Step step) => step.Kind switch
        {
            < 33 => ArchiveAsync(new Study(TestClinic.NewStudy()), step),
            < 41 when Pick(step.A) is { } study => ArchiveAsync(study, step),
            < 49 when Pick(step.A) is { } study => TamperAsync(study.Images[step.B % study.Images.Count], step),
            < 57 => ChangePolicyAsync(step),
            < 65 when Pick(step.A) is { } study => HoldAsync(study, null),
            < 70 => HoldAsync(null, step.A % 4),
            < 79 when _holds.Count > 0 => ClearAsync(_holds[step.A % _holds.Count]),
            < 89 => ApproveAsync(),
            < 92 when Pick(step.A) is { } study => FailAsync(study.Images[step.B % study.Images.Count]),
            < 95 => MendAsync(),
            < 97 when _lost.Count == 0 && Pick(step.A) is { } study => LoseAsync(study.Images[step.B % study.Images.Count]),
            _ => RejectOneAsync(),
        };

        public async Task RunAndCheckAsync()
        {
            HashSet<Uid> going = [.. (await archive.Core.Destructions.OpenAsync(archive.Clinic.Id, Cancel)).Where(order => order.Status == DestructionStatus.Destroying).Select(order => order.Study)];
            foreach (Study study in _studies.Where(study => !study.Gone && !going.Contains(study.Uid))) // what began in its time, no later policy stops
            {
                DateTimeOffset now = study.Images.Max(image => Kept(image, LastTreatment(image.Patient)));
                if (Fails(study))
                {
                    study.Partly = now > study.Partly ? now : study.Partly; // what cannot be locked is promised to nobody yet
                }
                else
                {
                    study.Promised = now > study.Promised ? now : study.Promised;
                }
            }

            RetentionResult run = await archive.RunAsync(alsoPlan: false);
            Assert.True(run.Finished);
            Assert.True(run.Failed == 0 || storage.Failing.Count > 0 || going.Count > 0 || _studies.Exists(study => !study.Gone && study.Partly > Now), $"{run.Failed} failed, and storage does not");
            IReadOnlyList<DestructionOrder> orders = await archive.Core.Destructions.ListAsync(archive.Clinic.Id, null, 1000, Cancel);
            ILookup<PackId, (BlobName Name, BlobState State)> blobs = archive.Vault.All(VaultArea.Packs)
                .GroupBy(blob => blob.Name).Select(versions => versions.MinBy(version => version.State.VersionId, StringComparer.Ordinal)) // what was committed
                .ToLookup(blob => PackId.Parse(blob.Name.Path.Split('/')[1][..36]));
            foreach (Study study in _studies.Where(study => !study.Gone))
            {
                Check(study, [.. study.Images.SelectMany(image => blobs[image.Pack])], [.. orders.Where(order => order.Study == study.Uid)]);
            }

            await CheckCertificatesAsync(orders);
            foreach ((BlobName name, BlobState state) in blobs.SelectMany(pack => pack))
            {
                Assert.True(!_locks.TryGetValue((name, state.VersionId), out DateTimeOffset before) || state.ImmutableUntil >= before, $"the lock of {name} became shorter");
                _locks[(name, state.VersionId)] = state.ImmutableUntil!.Value;
            }
        }

        /// <summary>What a certificate says is gone is gone at that moment: every version and every snapshot, by a listing of storage itself.</summary>
        private async Task CheckCertificatesAsync(IReadOnlyList<DestructionOrder> orders)
        {
            foreach (DestructionOrder order in orders.Where(order => order.Status == DestructionStatus.Destroyed && _certified.Add(order.Id)))
            {
                DestructionCertificate certificate = (await archive.Core.Certificates.FindAsync(order, Cancel))!;
                Assert.NotEmpty(certificate.Packs);
                foreach (DestroyedPack pack in certificate.Packs)
                {
                    string path = BlobName.Pack(archive.Clinic.Id, pack.Pack).Path;
                    Assert.Empty(await archive.Vault.ListVersionsAsync(VaultArea.Packs, path, Cancel).ToListAsync(Cancel));
                    Assert.Empty(await archive.Vault.ListSnapshotsAsync(VaultArea.Packs, path, Cancel).ToListAsync(Cancel));
                }

                Happened("destroyed");
            }
        }

        /// <summary>In the end nothing is held, everything is over, and everything is gone, once and with a certificate.</summary>
        public async Task EndAsync(JwkSet keys)
        {
            storage.Failing.Clear();
            foreach (Held hold in _holds.ToArray())
            {
                await ClearAsync(hold);
            }

            archive.Clock.Advance(TimeSpan.FromDays(366 * 120));
            await RunAndCheckAsync();
            await archive.ApproveAllAsync();
            archive.Clock.Advance(TimeSpan.FromDays(1));
            await RunAndCheckAsync();
            Assert.Empty(archive.Vault.All(VaultArea.Packs));
            Assert.Empty(archive.Vault.AllSnapshots(VaultArea.Packs));
            Assert.All(_studies, study => Assert.True(study.Gone));
            Assert.Empty(await archive.Core.Planner.PlanAsync(archive.Clinic.Id, Cancel));
            IReadOnlyList<AuditEntry> log = await archive.Clinic.LogAsync();
            Assert.Equal(
                _studies.Select(study => study.Uid.Value).Order(StringComparer.Ordinal),
                log.Where(entry => entry.Action == AuditActions.StudyDestroyed).Select(entry => entry.Subject.Study!).Order(StringComparer.Ordinal));
            foreach (DestructionOrder order in (await archive.Core.Destructions.ListAsync(archive.Clinic.Id, null, 1000, Cancel)).Where(order => order.Status == DestructionStatus.Destroyed))
            {
                CertificateResponse issued = await archive.Core.Certificates.ReadAsync(order, Cancel);
                CertificateVerification verification = DestructionCertificates.Verify(Encoding.UTF8.GetBytes(issued.Certificate), issued.Signature, keys);
                Assert.Empty(verification.Findings);
                Study study = _studies.Single(study => study.Uid == order.Study);
                Assert.Equal(study.Images.Select(image => image.Pack.ToString()).Order(StringComparer.Ordinal), verification.Certificate!.Packs.Select(pack => pack.Pack.ToString()));
                Assert.True(verification.Certificate.DestroyedAt >= study.Promised);
            }
        }

        private void Check(Study study, (BlobName Name, BlobState State)[] blobs, DestructionOrder[] orders)
        {
            bool held = _holds.Any(hold => hold.Names(study));
            bool fails = Fails(study);
            if (blobs.Length == 0)
            {
                Assert.True(study.Promised <= Now, $"a study was destroyed at {Now:O} that was promised until {study.Promised:O}");
                Assert.False(held, "a study was destroyed under hold");
                Assert.Contains(orders, order => order.Status == DestructionStatus.Destroyed && (!requireApproval || order.DecidedBy is not null));
                Assert.DoesNotContain(archive.Vault.AllSnapshots(VaultArea.Packs), snapshot => study.Images.Any(image => snapshot.Name.Path.Contains(image.Pack.ToString(), StringComparison.Ordinal)));
                study.Gone = true;
                return;
            }

            bool going = orders.Any(order => order.Status == DestructionStatus.Destroying);
            if (fails || going)
            {
                // What storage does not take is taken later. Early it must not go, and not be certified: a study that is being destroyed may have some of its packs left.
                Assert.True(going || blobs.Length == Whole(study), $"{blobs.Length} blobs of {Whole(study)}, and nobody is destroying them");
                Assert.True(blobs.Length == Whole(study) || study.Promised <= Now, "a part of a study was destroyed early");
                Assert.True(fails || held || study.Partly > Now, "a destruction that nothing holds up is not ended");
                Assert.DoesNotContain(orders, order => order.Status == DestructionStatus.Destroyed);
                return;
            }

            Assert.Equal(Whole(study), blobs.Length);
            Assert.All(blobs, blob => Assert.Equal(held, blob.State.LegalHold));
            Assert.All(blobs, blob => Assert.True(study.Promised <= Now || (blob.State.Locked && blob.State.ImmutableUntil >= study.Promised), $"{blob.Name} is locked until {blob.State.ImmutableUntil:O}, and promised until {study.Promised:O}"));
            Assert.True(orders.All(order => !order.IsOpen || (!held && study.Promised <= Now)), "somebody may still approve the destruction of a study that is to be kept");
            bool excused = held || study.Promised > Now || study.Partly > Now || orders.Any(order =>
                order.Status == DestructionStatus.PendingApproval || (order.Why == DestructionDesk.ByAdmin && order.DecidedAt + DestructionDesk.NotAgainFor > Now));
            Assert.True(excused, $"a study that was promised until {study.Promised:O} is there at {Now:O}, and nothing says why");
        }

        private bool Fails(Study study) => study.Images.Any(image => storage.Failing.Contains(BlobName.Pack(archive.Clinic.Id, image.Pack)));

        /// <summary>How many blobs there are of a study that nobody destroys.</summary>
        private int Whole(Study study) => study.Images.Sum(image => _lost.Contains(image.Pack) ? 2 : 3);

        private void Happened(string what)
        {
            lock (happened)
            {
                happened[what] = happened.GetValueOrDefault(what) + 1;
            }
        }

        private async Task ApproveAsync()
        {
            if ((await archive.Core.Destructions.OpenAsync(archive.Clinic.Id, Cancel)).Any(order => order.Status == DestructionStatus.PendingApproval))
            {
                Happened("approved");
                await archive.ApproveAllAsync();
            }
        }

        private Task FailAsync(Image image)
        {
            Happened("fails");
            storage.Failing.Clear();
            storage.Failing.Add(BlobName.Pack(archive.Clinic.Id, image.Pack));
            return Task.CompletedTask;
        }

        private Task MendAsync()
        {
            if (storage.Failing.Count > 0)
            {
                Happened("mended");
                storage.Failing.Clear();
            }

            return Task.CompletedTask;
        }

        /// <summary>A pack's blob is gone, with its versions and snapshots, as no storage should; sidecar and receipt are there.</summary>
        private Task LoseAsync(Image image)
        {
            Happened("lost");
            archive.Vault.Lose(BlobName.Pack(archive.Clinic.Id, image.Pack));
            _lost.Add(image.Pack);
            return Task.CompletedTask;
        }

        private async Task ArchiveAsync(Study study, Step step)
        {
            if (study.Images.Count > 0 && (await archive.Core.Destructions.OpenAsync(archive.Clinic.Id, Cancel)).Any(order => order.Study == study.Uid && order.Status == DestructionStatus.Destroying))
            {
                return; // What comes while it is being destroyed is another study's life, with a certificate that does not name it: StudyDestructionTests.
            }

            Happened(study.Images.Count == 0 ? "archived" : "late");
            int patient = study.Images.Count > 0 ? study.Images[0].Patient : step.B % 4;
            DateOnly today = DateOnly.FromDateTime(Now.UtcDateTime);
            DateOnly? date = (step.B % 7) switch
            {
                0 => null,
                1 => today.AddDays(200), // a clock that was wrong
                2 => today.AddDays(20),
                _ => today.AddDays(-(step.A % 9000)),
            };
            int? born = step.B % 3 == 0 ? (date is { } studied && studied < today ? studied : today).Year - (step.A % 20) : null;
            SealedPack pack = await archive.BackUpAsync(
                study.Uid, date?.ToString("yyyyMMdd", CultureInfo.InvariantCulture), $"P{patient}", born, knowsPolicy: born is not null || step.A % 2 == 0);
            Image image = new(pack.Opened.Pack, patient, date, Now, born);
            if (study.Images.Count == 0)
            {
                _studies.Add(study);
            }

            study.Images.Add(image);
            DateTimeOffset kept = Kept(image, null);
            study.Promised = kept > study.Promised ? kept : study.Promised;
        }

        /// <summary>What a thief does with an upload URL, or somebody with rights on storage.</summary>
        private Task TamperAsync(Image image, Step step)
        {
            BlobName blob = BlobName.Pack(archive.Clinic.Id, image.Pack);
            if (_lost.Contains(image.Pack))
            {
                return Task.CompletedTask;
            }

            Happened((step.Days % 3) switch { 0 => "leased", 1 => "snapshot", _ => "re-uploaded" });
            switch (step.Days % 3)
            {
                case 0:
                    archive.Vault.Lease(blob);
                    break;
                case 1:
                    archive.Vault.Snapshot(blob);
                    break;
                default:
                    archive.Vault.Overwrite(blob, "ransom"u8.ToArray());
                    break;
            }

            return Task.CompletedTask;
        }

        private async Task ChangePolicyAsync(Step step)
        {
            Happened("policy");
            _terms = new Terms(1 + (step.A % 15), 1 + (step.B % 12), step.A % 2 == 0, step.B % 2 == 0 ? 16 + (step.A % 6) : null, step.B % 2 == 0 ? step.B % 8 : 0);
            RetentionPolicy policy = new(0, _terms.Years, _terms.Minimum, _terms.LastTreatment ? RetentionBasis.LastTreatment : RetentionBasis.StudyDate, _terms.Age, _terms.More);
            await archive.Core.Policies.ChangeAsync(archive.Clinic.Id, policy, Archive.Admin, Cancel);
        }

        private async Task HoldAsync(Study? study, int? patient)
        {
            Happened("held");
            Sha256Digest[]? hmac = patient is { } p ? [archive.Clinic.Secret.Hmac($"P{p}")!.Value] : null;
            Hold hold = await archive.Core.Holds.SetAsync(archive.Clinic.Id, study?.Uid, hmac, "case", Archive.Admin, Cancel);
            if (_holds.All(there => there.Id != hold.Id))
            {
                _holds.Add(new Held(study, patient, hold.Id));
            }
        }

        private async Task ClearAsync(Held hold)
        {
            Happened("cleared");
            await archive.Core.Holds.ClearAsync(archive.Clinic.Id, hold.Id, Archive.Admin, Cancel);
            if (requireApproval)
            {
                await archive.Core.Holds.ApproveClearAsync(archive.Clinic.Id, hold.Id, Archive.OtherAdmin, Cancel);
            }

            _holds.Remove(hold);
        }

        private async Task RejectOneAsync()
        {
            // What is being destroyed, and waits for storage, is past that.
            if ((await archive.Core.Destructions.OpenAsync(archive.Clinic.Id, Cancel)).FirstOrDefault(order => order.Status != DestructionStatus.Destroying) is { } order)
            {
                Happened("rejected");
                await archive.Core.Destructions.RejectAsync(archive.Clinic.Id, order.Id, Archive.OtherAdmin, Cancel);
            }
        }

        private Study? Pick(int number)
        {
            Study[] there = [.. _studies.Where(study => !study.Gone)];
            return there.Length == 0 ? null : there[number % there.Length];
        }

        /// <summary>The law as a clinic would put it, in years and days of the calendar.</summary>
        private DateTimeOffset Kept(Image image, DateOnly? lastTreatment)
        {
            List<DateTimeOffset> ends = [image.Archived.AddYears(_terms.Minimum)];
            DateTimeOffset? studied = image.Date is { } date && Midnight(date.AddDays(1)) <= image.Archived.AddDays(31) ? Midnight(date.AddDays(1)) : null;
            if (studied is { } end)
            {
                ends.Add(end.AddYears(_terms.Years));
            }

            if (_terms.LastTreatment && lastTreatment is { } last)
            {
                ends.Add(Midnight(last.AddDays(1)).AddYears(_terms.Years));
            }

            if (_terms.Age is { } age && image.Born is { } born)
            {
                DateOnly ofAge = new(born + age + 1, 1, 1);
                if ((studied ?? image.Archived) < Midnight(ofAge))
                {
                    ends.Add(Midnight(ofAge.AddYears(_terms.More)));
                }
            }

            DateTimeOffset latest = ends.Max();
            return new DateTimeOffset((latest.UtcTicks + TimeSpan.TicksPerSecond - 1) / TimeSpan.TicksPerSecond * TimeSpan.TicksPerSecond, TimeSpan.Zero);
        }

        private DateOnly? LastTreatment(int patient) => _studies
            .Where(study => !study.Gone)
            .SelectMany(study => study.Images)
            .Where(image => image.Patient == patient && image.Date <= DateOnly.FromDateTime(Now.AddDays(31).UtcDateTime))
            .Max(image => image.Date);

        private static DateTimeOffset Midnight(DateOnly day) => new(day, TimeOnly.MinValue, TimeSpan.Zero);
    }
}
