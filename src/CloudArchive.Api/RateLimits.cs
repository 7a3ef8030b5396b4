using System.Net;
using System.Net.Sockets;
using CloudArchive.Api.Identity;
using CloudArchive.Core.Limits;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Api;

/// <summary>What is bounded a minute.</summary>
public enum Rate
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Tokens, and signing in to the portal.</summary>
    Token,

    /// <summary>Enrollments.</summary>
    Enroll,

    /// <summary>Packs that are opened.</summary>
    Open,

    /// <summary>Upload URLs for packs that are open.</summary>
    UploadUrl,

    /// <summary>Packs that are committed.</summary>
    Commit,

    /// <summary>Key changes, and questions for keys.</summary>
    Keys,

    /// <summary>Verdicts.</summary>
    Verdict,
}

/// <summary>
/// How often one caller may ask for what costs, over all instances (<see cref="SharedAllowances"/>): by address before there is a token; after, by agent and by
/// clinic, since whoever may enroll agents can have many.
/// </summary>
public sealed class RateLimits(SharedAllowances allowances, CloudArchiveOptions options)
{
    private readonly RequestLimits _limits = options.Limits;

    /// <summary>Takes one of a request's allowances. Null where there was one; else how long to wait.</summary>
    internal async ValueTask<TimeSpan?> TakeAsync(Rate rate, HttpContext context)
    {
        int most = Of(rate);
        string kind = rate.ToString();
        CancellationToken cancellationToken = context.RequestAborted;
        if (rate is Rate.Token or Rate.Enroll)
        {
            return await allowances.TakeAsync(new Allowance(kind, AddressOf(context), most), cancellationToken);
        }

        Caller caller = context.Caller();
        return await allowances.TakeAsync(new Allowance(kind, caller.Id, most), cancellationToken)
            ?? (context.ClinicInPath() is { } clinic
                ? await allowances.TakeAsync(new Allowance(kind, "clinic " + clinic.Value, most * _limits.AgentsOfClinic), cancellationToken)
                : null);
    }

    /// <summary>Takes the allowance of a refusal, which writes an audit entry: the caller's, or the address's and everybody's without a token.</summary>
    internal async ValueTask<TimeSpan?> TakeRefusalAsync(HttpContext context, CancellationToken cancellationToken)
    {
        if (context.Info().Caller is { Roles: not Roles.None } caller)
        {
            return await allowances.TakeAsync(new Allowance("Refusal", caller.Id, _limits.RefusalsPerCaller), cancellationToken);
        }

        return await allowances.TakeAsync(new Allowance("Refusal", AddressOf(context), _limits.RefusalsPerAddress), cancellationToken)
            ?? await allowances.TakeAsync(new Allowance("Refusal", "anonymous", _limits.RefusalsOfAnonymous), cancellationToken);
    }

    /// <summary>Who counts as one address: of IPv6 the network of one site (/64), since whoever has one has all of its addresses.</summary>
    internal static string AddressOf(HttpContext context) => context.Connection.RemoteIpAddress switch
    {
        null => "address unknown",
        { IsIPv4MappedToIPv6: true } mapped => "address " + mapped.MapToIPv4(),
        { AddressFamily: AddressFamily.InterNetworkV6 } address => "address " + new IPNetwork(Network64(address), 64),
        var address => "address " + address,
    };

    private static IPAddress Network64(IPAddress address)
    {
        byte[] bytes = address.GetAddressBytes();
        bytes.AsSpan(8).Clear();
        return new IPAddress(bytes);
    }

    private int Of(Rate rate) => Math.Max(1, rate switch
    {
        Rate.Token => _limits.TokensPerAddress,
        Rate.Enroll => _limits.EnrollmentsPerAddress,
        Rate.Open => _limits.OpensPerAgent,
        Rate.UploadUrl => _limits.UploadUrlsPerAgent,
        Rate.Commit => _limits.CommitsPerAgent,
        Rate.Keys => _limits.KeyRequestsPerAgent,
        _ => _limits.ReportsPerAgent,
    });
}

/// <summary>Asks for the allowance of whatever the gate let in, before its body is read.</summary>
internal sealed class RateGate(RequestDelegate next, RateLimits limits)
{
    /// <summary>Runs behind the gate.</summary>
    public async Task InvokeAsync(HttpContext context)
    {
        Rate rate = context.GetEndpoint()?.Metadata.GetMetadata<EndpointPolicy>()?.Rate ?? Rate.None;
        if (rate != Rate.None && await limits.TakeAsync(rate, context) is { } wait)
        {
            throw new DeniedException(Problems.TooMany(wait));
        }

        await next(context);
    }
}
