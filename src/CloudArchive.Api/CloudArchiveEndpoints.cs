using CloudArchive.Api.Endpoints;
using CloudArchive.Api.Portal;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.Api;

/// <summary>The archive's HTTP surface, the same in every host.</summary>
public static class CloudArchiveEndpoints
{
    /// <summary>The middlewares, in their order. Behind routing: a pipeline that is not a WebApplication calls UseRouting first.</summary>
    public static IApplicationBuilder UseCloudArchive(this IApplicationBuilder app) => app
        .UseMiddleware<ErrorBoundary>()
        .UseMiddleware<Gate>()
        .UseMiddleware<RateGate>();

    /// <summary>The one endpoint table, as far as the host's role goes.</summary>
    public static IEndpointRouteBuilder MapCloudArchive(this IEndpointRouteBuilder routes)
    {
        IServiceProvider services = routes.ServiceProvider;
        EndpointTable table = new(routes, services.GetRequiredService<CloudArchiveOptions>().Role, services.GetRequiredService<OtherHost>());
        ServiceEndpoints.Map(table);
        DoctorEndpoints.Map(table);
        ClinicEndpoints.Map(table);
        EnrollmentEndpoints.Map(table);
        AgentKeyEndpoints.Map(table);
        VerdictEndpoints.Map(table);
        AccessEndpoints.Map(table);
        PackEndpoints.Map(table);
        ChangeEndpoints.Map(table);
        CatalogEndpoints.Map(table);
        KeyEndpoints.Map(table);
        AlertEndpoints.Map(table);
        AuditEndpoints.Map(table);
        RestoreEndpoints.Map(table);
        DisclosureEndpoints.Map(table);
        RestoreTestEndpoints.Map(table);
        ReportEndpoints.Map(table);
        BinderEndpoints.Map(table);
        RetentionEndpoints.Map(table);
        PortalEndpoints.Map(table);
        routes.MapArchiveOpenApi();
        return routes;
    }
}
