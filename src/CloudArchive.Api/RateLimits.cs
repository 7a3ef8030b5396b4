using System.Threading.RateLimiting;
using CloudArchive.Api.Identity;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.Api;

/// <summary>How often one caller may ask for what costs: by address before there is a token, by agent after.</summary>
internal static class RateLimits
{
    public const string Token = "token";
    public const string Enroll = "enroll";
    public const string Open = "open";
    public const string Keys = "keys";
    public const string Verdicts = "verdicts";

    public static void AddTo(IServiceCollection services, RequestLimits limits) => services.AddRateLimiter(options =>
    {
        options.AddPolicy(Token, context => Bucket(context.Connection.RemoteIpAddress?.ToString(), limits.TokensPerAddress));
        options.AddPolicy(Enroll, context => Bucket(context.Connection.RemoteIpAddress?.ToString(), limits.EnrollmentsPerAddress));
        options.AddPolicy(Open, context => Bucket(context.Caller().Id, limits.OpensPerAgent));
        options.AddPolicy(Keys, context => Bucket(context.Caller().Id, limits.KeyRequestsPerAgent));
        options.AddPolicy(Verdicts, context => Bucket(context.Caller().Id, limits.ReportsPerAgent));
        options.OnRejected = async (rejected, _) => await Problems.WriteAsync(rejected.HttpContext, Problems.TooMany());
    });

    private static RateLimitPartition<string> Bucket(string? who, int perMinute) => RateLimitPartition.GetTokenBucketLimiter(who ?? "", _ => RefusalLog.Bucket(perMinute));
}
