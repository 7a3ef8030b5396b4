using CloudArchive.Api;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Functions.Http;

/// <summary>Every HTTP request. Which endpoints there are depends on the app's role.</summary>
public sealed partial class ApiFunction(ApiPipeline pipeline, ILogger<ApiFunction> logger)
{
    /// <summary>Hands the request to Api.</summary>
    [Function("Api")]
    public async Task<IResult> RunAsync([HttpTrigger(AuthorizationLevel.Anonymous, "get", "head", "post", "put", "patch", "delete", "options", Route = "{*path}")] HttpRequest request)
    {
        try
        {
            await pipeline.AnswerAsync(request.HttpContext);
        }
        catch (Exception e)
        {
            // Api maps every error of its own; this is for what fails around it. What leaves a function is answered with 200 and nothing.
            LogEscaped(logger, e);
            if (request.HttpContext.Response.HasStarted)
            {
                request.HttpContext.Abort();
            }
            else
            {
                request.HttpContext.Response.Clear();
                request.HttpContext.Response.StatusCode = StatusCodes.Status500InternalServerError;
            }
        }

        return Results.Empty;
    }

    [LoggerMessage(Level = LogLevel.Critical, EventName = "ErrorEscaped", Message = "An error came past the place that maps errors.")]
    private static partial void LogEscaped(ILogger logger, Exception exception);
}
