using Azure.Core;
using Azure.Identity;

namespace CloudArchive.Azure;

/// <summary>Who an app on Azure is.</summary>
public static class AzureIdentity
{
    /// <summary>A user-assigned managed identity, and nothing else: an app must not fall back on whatever else the machine knows.</summary>
    public static TokenCredential Managed(string clientId) => new ManagedIdentityCredential(ManagedIdentityId.FromUserAssignedClientId(clientId));
}
