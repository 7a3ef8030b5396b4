using CloudArchive.Format.Evidence;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Losses;

/// <summary>What the result of a restore test says of whether the pack's receipt still counts.</summary>
internal static class TestedLosses
{
    /// <summary>
    /// The loss; null where the pack is whole, and also where uploading it again would not help: the lock, the key, the catalogue or the time is what is
    /// amiss then, or the file was never a readable image.
    /// </summary>
    public static PackLossCause? Loss(this PackTestResult result) => result.Outcome != PackTestOutcome.Failed ? null : result.Cause switch
    {
        PackFailure.Missing => PackLossCause.Missing,
        PackFailure.HashMismatch or PackFailure.DecryptFailed or PackFailure.ZipInvalid => PackLossCause.Damaged,

        // The receipt or the sidecar that lies beside the pack is not the one that was written, or what is sealed is not what they say.
        PackFailure.CatalogueMismatch when result.Detail is "sidecar" or "manifest" or "wrong-blob" or "sidecar-invalid" or "receipt-invalid" or "encryption-data-invalid"
            || (result.Detail == "receipt" && result.Steps is [.., { Step: PackTestStepName.Find }]) => PackLossCause.Damaged,
        _ => null,
    };
}
