using System.Reflection;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Storage;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Endpoints;

/// <summary>What anyone may ask: whether the service is up, which keys verify what it signed, and where staff sign in.</summary>
internal static class ServiceEndpoints
{
    private static readonly EndpointPolicy _anyone = new(Roles.None, Reach.Anonymous, ArchiveRole.Both, AuditActions.RequestRefused);

    /// <summary>This program's version.</summary>
    public static string Version { get; } =
        typeof(ServiceEndpoints).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0";

    public static void Map(EndpointTable table)
    {
        table.Get("/v1/health", HealthAsync, _anyone)?.WithSummary("Whether the service reaches its storage.");
        table.Get("/v1/keys", KeysAsync, _anyone)?.WithSummary("The public keys that receipts, checkpoints and evidence verify against, the current one first, and which of them are disabled.");
        table.Get("/v1/sign-in", SignIn, _anyone with { Host = ArchiveRole.Recovery })?.WithSummary("Where and as which application a command signs a person in.");
    }

    private static Ok<SignInResponse> SignIn(CloudArchiveOptions options) => options.Staff is { Client: { } client } staff
        ? TypedResults.Ok(new SignInResponse(staff.Issuer, client.Id, client.Scope, staff.SecondFactorClaims))
        : throw new DeniedException(Problems.SignInNotSetUp());

    private static async Task<Ok<HealthResponse>> HealthAsync(IRowStore rows, CancellationToken cancellationToken)
    {
        // One point read of a row that is never there: fails, as 500, where the tables cannot be reached.
        await rows.FindAsync(RowTable.Clinics, "$health", "probe", cancellationToken);
        return TypedResults.Ok(new HealthResponse("ok", Version));
    }

    private static async Task<Ok<KeysResponse>> KeysAsync(ISigner signer, HttpContext context, CancellationToken cancellationToken)
    {
        context.Response.Headers.CacheControl = "public, max-age=300";
        return TypedResults.Ok(new KeysResponse((await signer.GetPublicKeysAsync(cancellationToken)).Keys, await signer.GetDisabledAsync(cancellationToken)));
    }
}
