using System.Xml.Linq;

namespace CloudArchive.LocalHost.Worm;

/// <summary>A refusal in the words of the Blob service: status, error code, message.</summary>
internal sealed class WormException(int status, string code, string message) : Exception(message)
{
    public int Status { get; } = status;

    public string Code { get; } = code;

    public static WormException ImmutableByPolicy() => new(409, "BlobImmutableDueToPolicy", "This operation is not permitted as the blob is immutable due to a policy.");

    public static WormException ImmutableByHold() => new(409, "BlobImmutableDueToLegalHold", "This operation is not permitted as the blob is immutable due to one or more legal holds.");

    public static WormException PolicyLocked() => new(409, "BlobImmutableDueToPolicy", "A locked immutability policy can be extended, and neither shortened nor unlocked.");

    public static WormException PolicyNotDeletable() => new(409, "ImmutabilityPolicyDeleteOnLockedPolicy", "A locked immutability policy cannot be deleted.");

    public static WormException CurrentVersion() => new(403, "OperationNotAllowedOnRootBlob", "The specified operation is not allowed on root blob.");

    public static WormException Exists() => new(409, "BlobAlreadyExists", "The specified blob already exists.");

    public static WormException NotFound() => new(404, "BlobNotFound", "The specified blob does not exist.");

    public static WormException NotAuthenticated(string why) => new(403, "AuthenticationFailed", "Server failed to authenticate the request: " + why);

    public static WormException NotPermitted() => new(403, "AuthorizationPermissionMismatch", "This request is not authorized to perform this operation using this permission.");

    public static WormException Expired() => new(403, "AuthorizationFailure", "The shared access signature is not valid at this time.");

    public static WormException BadHeader(string name) => new(400, "InvalidHeaderValue", $"The value of {name} is missing, unusable, or one that does not go with this operation.");

    public static WormException UnknownHeader(string name) => new(400, "UnsupportedHeader", $"{name} is not among the headers that the local WORM layer lets through.");

    public static WormException BadUri(string why) => new(400, "InvalidUri", "The requested URI is not one that the local WORM layer lets through: " + why);

    public static WormException BadQuery(string name) => new(400, "InvalidQueryParameterValue", $"The query parameter {name} is not one that the local WORM layer lets through, or not with this value.");

    // 501, which no client repeats.
    public static WormException NotOffered() => new(501, "NotImplemented", "The local WORM layer lets through what the archive uses, and nothing else.");

    public static WormException NoLength() => new(411, "MissingContentLengthHeader", "Content-Length header was not provided.");

    // 503, which clients repeat.
    public static WormException Unavailable() => new(503, "ServerBusy", "The local storage emulator did not answer.");

    /// <summary>Sends it, if it is not too late.</summary>
    public async Task WriteAsync(HttpContext context)
    {
        if (context.Response.HasStarted)
        {
            context.Abort();
            return;
        }

        context.Response.Clear();
        context.Response.StatusCode = Status;
        context.Response.Headers["x-ms-error-code"] = Code;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            context.Response.ContentType = "application/xml";
            XElement body = new("Error", new XElement("Code", Code), new XElement("Message", Message));
            await context.Response.WriteAsync("<?xml version=\"1.0\" encoding=\"utf-8\"?>" + body.ToString(SaveOptions.DisableFormatting), context.RequestAborted);
        }
    }
}
