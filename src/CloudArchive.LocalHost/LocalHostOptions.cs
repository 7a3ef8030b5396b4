using System.Net;
using CloudArchive.Api.Mail;
using CloudArchive.Core.Alerts;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.LocalHost;

/// <summary>How to run the archive on this machine.</summary>
/// <param name="Data">The folder with everything that it keeps; made where missing.</param>
public sealed record LocalHostOptions(string Data)
{
    /// <summary>The port where none is named and none was used before.</summary>
    public const int DefaultPort = 5280;

    /// <summary>The address to listen on: a loopback address, or it does not start.</summary>
    public IPAddress Address { get; init; } = IPAddress.Loopback;

    /// <summary>The port of the API; 0 for any; null for the one that this folder had before, or the default, or the next free one after it.</summary>
    public int? Port { get; init; }

    /// <summary>A port for the clinics' computers alone, as on Azure, where the ingest app has an address of its own; 0 for any; null for one address for all.</summary>
    public int? AgentPort { get; init; }

    /// <summary>The port of blob storage; 0 for any; null for the one that this folder had before, or any.</summary>
    public int? BlobPort { get; init; }

    /// <summary>Where Azurite is installed; null to look for it.</summary>
    public string? Azurite { get; init; }

    /// <summary>Where log lines go; null for the console.</summary>
    public string? LogFile { get; init; }

    /// <summary>Whether scheduled work runs.</summary>
    public bool Timers { get; init; } = true;

    /// <summary>Where alerts are sent; null to send none.</summary>
    public WebhookTarget? Webhook { get; init; }

    /// <summary>Where mail goes out; null to send none.</summary>
    public MailServer? Mail { get; init; }

    /// <summary>How long nothing may be heard of a clinic's agents before that is an alert.</summary>
    public TimeSpan SilentAfter { get; init; } = VerdictLimits.Default.Silent;

    /// <summary>Without a request for so long, a session of the portal is over.</summary>
    public TimeSpan PortalIdle { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>What time it is.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
