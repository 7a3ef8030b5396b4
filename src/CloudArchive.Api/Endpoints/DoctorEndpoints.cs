using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Doctor;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Endpoints;

/// <summary>What only the service can see of itself.</summary>
internal static class DoctorEndpoints
{
    private static readonly EndpointPolicy _admin = new(Roles.Admin, Reach.AllClinics, ArchiveRole.Both, AuditActions.RequestRefused);

    public static void Map(EndpointTable table) =>
        table.Get("/v1/doctor", ExamineAsync, _admin)?.WithSummary("Checks the deployment from inside: immutability, rights that must be refused, keys, checkpoints, restore tests.");

    private static async Task<Ok<DoctorResponse>> ExamineAsync(ServiceDoctor doctor, CloudArchiveOptions options, TimeProvider clock, CancellationToken cancellationToken)
    {
        HostDuties duties = new(options.Role.HasFlag(ArchiveRole.Ingest), options.Role.HasFlag(ArchiveRole.Recovery));
        IReadOnlyList<DoctorCheck> checks = await doctor.ExamineAsync(duties, cancellationToken);
        return TypedResults.Ok(new DoctorResponse(clock.GetUtcNow(), duties.Both ? "both" : duties.Ingest ? "ingest" : "recovery", checks));
    }
}
