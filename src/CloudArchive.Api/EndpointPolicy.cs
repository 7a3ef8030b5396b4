using CloudArchive.Api.Identity;
using CloudArchive.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.Api;

/// <summary>Which clinics a caller must reach for an endpoint.</summary>
public enum Reach
{
    /// <summary>None: the endpoint needs no token.</summary>
    Anonymous,

    /// <summary>The one in the route value <c>clinic</c>.</summary>
    Clinic,

    /// <summary>All of them: the token's <c>clinics</c> is <c>*</c>.</summary>
    AllClinics,

    /// <summary>Any: the handler answers for those in reach only.</summary>
    Own,
}

/// <summary>Who may call an endpoint. Every endpoint has one; <see cref="Gate"/> alone enforces it.</summary>
/// <param name="Roles">Any one of these; <see cref="Roles.None"/> only with <see cref="Reach.Anonymous"/>.</param>
/// <param name="Reach">Which clinics the caller must reach.</param>
/// <param name="Host">On which hosts the endpoint is.</param>
/// <param name="Action">Under which name of docs/audit.md a refusal is logged.</param>
/// <param name="Mfa">Whether more than one factor is asked for.</param>
/// <param name="MostBytes">The largest body.</param>
/// <param name="Look">Whether a person's request is recorded by <see cref="LookLog"/>, since the handler records none.</param>
/// <param name="Rate">Which allowance a request takes from; <see cref="RateGate"/> asks for it.</param>
public sealed record EndpointPolicy(Roles Roles, Reach Reach, ArchiveRole Host, string Action, bool Mfa = false, long MostBytes = 64 * 1024, bool Look = false, Rate Rate = Rate.None);

/// <summary>The one endpoint table: no endpoint without a policy, and none on a host that it is not for.</summary>
internal sealed class EndpointTable(IEndpointRouteBuilder routes, ArchiveRole host, OtherHost otherHost)
{
    private static readonly string[] _get = [HttpMethods.Get];
    private static readonly string[] _post = [HttpMethods.Post];
    private static readonly string[] _put = [HttpMethods.Put];

    /// <summary>Maps GET. Null on a host that the endpoint is not for.</summary>
    public RouteHandlerBuilder? Get(string path, Delegate handler, EndpointPolicy policy) => Map(_get, path, handler, policy);

    /// <summary>Maps POST. Null on a host that the endpoint is not for.</summary>
    public RouteHandlerBuilder? Post(string path, Delegate handler, EndpointPolicy policy) => Map(_post, path, handler, policy);

    /// <summary>Maps PUT. Null on a host that the endpoint is not for.</summary>
    public RouteHandlerBuilder? Put(string path, Delegate handler, EndpointPolicy policy) => Map(_put, path, handler, policy);

    private RouteHandlerBuilder? Map(string[] methods, string path, Delegate handler, EndpointPolicy policy)
    {
        if ((policy.Host & host) == default)
        {
            otherHost.Add(methods, path);
            return null;
        }

        bool anonymous = policy.Reach == Reach.Anonymous;
        if (anonymous != (policy.Roles == Roles.None) || (policy.Reach == Reach.Clinic && !path.Contains("/{clinic}", StringComparison.Ordinal)))
        {
            throw new InvalidOperationException($"The policy of {path} contradicts itself.");
        }

        RouteHandlerBuilder endpoint = routes.MapMethods(path, methods, handler).WithMetadata(policy);
        return !policy.Look ? endpoint
            : endpoint.AddEndpointFilter((context, next) => context.HttpContext.RequestServices.GetRequiredService<LookLog>().FilterAsync(context, next));
    }
}
