using CloudArchive.Core.Limits;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Work;

namespace CloudArchive.Core.Clinics;

/// <summary>Deletes enrollment codes and used assertions that expired, and the allowances of minutes that are over.</summary>
public sealed class Sweeper(UsedAssertions assertions, Enrollments enrollments, SharedAllowances allowances) : IWork
{
    // Of each kind, 1000 at most at a time: ten thousand clinics use 40,000 assertions an hour.
    private const int Rounds = 100;

    /// <inheritdoc/>
    public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken)
    {
        for (int round = 0; round < Rounds; round++)
        {
            // What is the matter with one kind does not keep the other from it.
            int[] swept = await Task.WhenAll(assertions.SweepAsync(cancellationToken), enrollments.SweepAsync(cancellationToken), allowances.SweepAsync(cancellationToken));
            if (swept[0] < RowStoreExtensions.MostRows && swept[1] < Enrollments.SweptAtOnce && swept[2] < RowStoreExtensions.MostRows)
            {
                return SliceEnd.Finished();
            }
        }

        return SliceEnd.More(null);
    }
}
