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
using FsCheck;
using FsCheck.Fluent;

namespace CloudArchive.Core.Tests.Retention;

/// <summary>
/// Thirty years of a clinic at random: studies, late packs, policies longer and shorter, holds set and cleared, destructions approved, rejected and
/// forgotten, packs leased, copied and written over, with the real Core on storage in memory. A model that knows nothing of the plan's code says what must be there and what must not.
/// </summary>
public sealed class RetentionPropertyTests(SharedStorage shared)
{
    private const int Steps = 50; // of 220 days on average: 30 years
    private const int Scripts = 40;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public void Nothing_is_destroyed_before_its_time_or_under_hold_everything_is_after_it_and_no_lock_becomes_shorter()
    {
        Gen<Step> step =
            from kind in Gen.Choose(0, 99)
            from days in Gen.Choose(1, 440)
            from a in Gen.Choose(0, 9999)
            from b in Gen.Choose(0, 9999)
            select new Step(kind, days, a, b);
        Arbitrary<Step[]> scripts = Arb.From(step.ArrayOf(Steps), Shorter);
        Prop.ForAll(scripts, Holds).Check(Config.QuickThrowOnFailure.WithMaxTest(Scripts));
    }

    /// <summary>Half of a script at a time: what fails is told as short as it can be.</summary>
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

    private void Holds(Step[] script) => Task.Run(() => RunAsync(script), Cancel).GetAwaiter().GetResult();

    private async Task RunAsync(Step[] script)
    {
        bool requireApproval = script.Length == 0 || script[0].A % 3 != 0;
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval);
        Model model = new(archive, requireApproval);
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

        public bool Gone { get; set; }
    }

    private sealed record Held(Study? Study, int? Patient, WorkId Id)
    {
        public bool Names(Study study) => Study == study || study.Images.Any(image => image.Patient == Patient);
    }

    private sealed class Model(MemoryArchive archive, bool requireApproval)
    {
        private readonly List<Study> _studies = [];
        private readonly List<Held> _holds = [];
        private readonly Dictionary<(BlobName, string), DateTimeOffset> _locks = [];
        private Terms _terms = new(10, 10, false, null, 0);

        private DateTimeOffset Now => archive.Clock.GetUtcNow();

        public Task StepAsync(Step step) => step.Kind switch
        {
            < 35 => ArchiveAsync(new Study(TestClinic.NewStudy()), step),
            < 45 when Pick(step.A) is { } study => ArchiveAsync(study, step),
            < 53 when Pick(step.A) is { } study => TamperAsync(study.Images[step.B % study.Images.Count], step),
            < 62 => ChangePolicyAsync(step),
            < 70 when Pick(step.A) is { } study => HoldAsync(study, null),
            < 75 => HoldAsync(null, step.A % 4),
            < 85 when _holds.Count > 0 => ClearAsync(_holds[step.A % _holds.Count]),
            < 95 => archive.ApproveAllAsync(),
            _ => RejectOneAsync(),
        };

        public async Task RunAndCheckAsync()
        {
            foreach (Study study in _studies.Where(study => !study.Gone))
            {
                DateTimeOffset now = study.Images.Max(image => Kept(image, LastTreatment(image.Patient)));
                study.Promised = now > study.Promised ? now : study.Promised;
            }

            RetentionResult run = await archive.RunAsync(alsoPlan: false);
            Assert.Equal((0, true), (run.Failed, run.Finished));
            IReadOnlyList<DestructionOrder> orders = await archive.Core.Destructions.ListAsync(archive.Clinic.Id, null, 1000, Cancel);
            ILookup<PackId, (BlobName Name, BlobState State)> blobs = archive.Vault.All(VaultArea.Packs)
                .GroupBy(blob => blob.Name).Select(versions => versions.MinBy(version => version.State.VersionId, StringComparer.Ordinal)) // what was committed
                .ToLookup(blob => PackId.Parse(blob.Name.Path.Split('/')[1][..36]));
            foreach (Study study in _studies.Where(study => !study.Gone))
            {
                Check(study, [.. study.Images.SelectMany(image => blobs[image.Pack])], [.. orders.Where(order => order.Study == study.Uid)]);
            }

            foreach ((BlobName name, BlobState state) in blobs.SelectMany(pack => pack))
            {
                Assert.True(!_locks.TryGetValue((name, state.VersionId), out DateTimeOffset before) || state.ImmutableUntil >= before, $"the lock of {name} became shorter");
                _locks[(name, state.VersionId)] = state.ImmutableUntil!.Value;
            }
        }

        /// <summary>In the end nothing is held, everything is over, and everything is gone, once and with a certificate.</summary>
        public async Task EndAsync(JwkSet keys)
        {
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
            if (blobs.Length == 0)
            {
                Assert.True(study.Promised <= Now, $"a study was destroyed at {Now:O} that was promised until {study.Promised:O}");
                Assert.False(held, "a study was destroyed under hold");
                Assert.Contains(orders, order => order.Status == DestructionStatus.Destroyed && (!requireApproval || order.DecidedBy is not null));
                Assert.DoesNotContain(archive.Vault.AllSnapshots(VaultArea.Packs), snapshot => study.Images.Any(image => snapshot.Name.Path.Contains(image.Pack.ToString(), StringComparison.Ordinal)));
                study.Gone = true;
                return;
            }

            Assert.Equal(3 * study.Images.Count, blobs.Length);
            Assert.All(blobs, blob => Assert.Equal(held, blob.State.LegalHold));
            Assert.All(blobs, blob => Assert.True(study.Promised <= Now || (blob.State.Locked && blob.State.ImmutableUntil >= study.Promised), $"{blob.Name} is locked until {blob.State.ImmutableUntil:O}, and promised until {study.Promised:O}"));
            Assert.True(orders.All(order => !order.IsOpen || (!held && study.Promised <= Now)), "somebody may still approve the destruction of a study that is to be kept");
            bool excused = held || study.Promised > Now || orders.Any(order =>
                order.Status == DestructionStatus.PendingApproval || (order.Why == DestructionDesk.ByAdmin && order.DecidedAt + DestructionDesk.NotAgainFor > Now));
            Assert.True(excused, $"a study that was promised until {study.Promised:O} is there at {Now:O}, and nothing says why");
        }

        private async Task ArchiveAsync(Study study, Step step)
        {
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
            _terms = new Terms(1 + (step.A % 15), 1 + (step.B % 12), step.A % 2 == 0, step.B % 2 == 0 ? 16 + (step.A % 6) : null, step.B % 2 == 0 ? step.B % 8 : 0);
            RetentionPolicy policy = new(0, _terms.Years, _terms.Minimum, _terms.LastTreatment ? RetentionBasis.LastTreatment : RetentionBasis.StudyDate, _terms.Age, _terms.More);
            await archive.Core.Policies.ChangeAsync(archive.Clinic.Id, policy, Archive.Admin, Cancel);
        }

        private async Task HoldAsync(Study? study, int? patient)
        {
            Sha256Digest[]? hmac = patient is { } p ? [archive.Clinic.Secret.Hmac($"P{p}")!.Value] : null;
            Hold hold = await archive.Core.Holds.SetAsync(archive.Clinic.Id, study?.Uid, hmac, "case", Archive.Admin, Cancel);
            if (_holds.All(there => there.Id != hold.Id))
            {
                _holds.Add(new Held(study, patient, hold.Id));
            }
        }

        private async Task ClearAsync(Held hold)
        {
            await archive.Core.Holds.ClearAsync(archive.Clinic.Id, hold.Id, Archive.Admin, Cancel);
            if (requireApproval)
            {
                await archive.Core.Holds.ApproveClearAsync(archive.Clinic.Id, hold.Id, Archive.OtherAdmin, Cancel);
            }

            _holds.Remove(hold);
        }

        private async Task RejectOneAsync()
        {
            if (await archive.Core.Destructions.OpenAsync(archive.Clinic.Id, Cancel) is [{ } order, ..])
            {
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
