using CloudArchive.Api.Identity;
using CloudArchive.Api.Portal.Session;
using CloudArchive.Format;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.Api.Portal;

/// <summary>What every page knows beside its own model.</summary>
/// <param name="Title">The page's title.</param>
/// <param name="Now">The time of the request.</param>
/// <param name="Caller">Who is signed in; null on pages before that.</param>
/// <param name="ActingAs">The role in which they were let in.</param>
/// <param name="FormToken">What forms must send along; null without a session.</param>
/// <param name="Clinic">The clinic in the address, where the caller reaches it.</param>
/// <param name="Path">The page's path, for the navigation.</param>
/// <param name="Idle">How long the session lasts without a request.</param>
/// <param name="CommandUrl">Where the staff's commands reach this archive.</param>
public sealed record PortalView(
    string Title, DateTimeOffset Now, Caller? Caller, Roles ActingAs, string? FormToken, ClinicId? Clinic, string Path, TimeSpan Idle, string CommandUrl)
{
    /// <summary>The page's path and question: where its forms are.</summary>
    public string At { get; init; } = "";

    /// <summary>The form that was refused, where the page is shown again for it.</summary>
    public RefusedForm? Refused { get; init; }

    /// <summary>Whether the caller is an admin of what the page shows.</summary>
    public bool IsAdmin => Caller is not null && Caller.Roles.HasFlag(Roles.Admin);

    /// <summary>The path of a clinic's page.</summary>
    public static string ClinicPath(ClinicId clinic, string page = "") => $"{PortalTable.Root}/clinics/{clinic}{(page.Length == 0 ? "" : "/" + page)}";

    /// <summary>The path of a page of the clinic in the address.</summary>
    public string Here(string page = "") => ClinicPath(Clinic ?? throw new InvalidOperationException("The page has no clinic."), page);

    /// <summary>The refused form, where it is the one that is sent there.</summary>
    public RefusedForm? RefusedAt(string action, bool get = false) => Refused is { } refused && refused.Action == action && refused.IsGet == get ? refused : null;

    internal static PortalView Of(HttpContext context, string title)
    {
        IServiceProvider services = context.RequestServices;
        CloudArchiveOptions options = services.GetRequiredService<CloudArchiveOptions>();
        PortalSession? session = context.Session();
        RequestInfo info = context.Info();
        Caller? caller = session is null ? null : info.Caller;
        ClinicId? clinic = caller is not null && context.ClinicInPath() is { } id && caller.Reaches(id) ? id : null;
        return new(
            title,
            services.GetRequiredService<TimeProvider>().GetUtcNow(),
            caller,
            info.ActingAs,
            session?.FormToken,
            clinic,
            context.Request.Path,
            options.Portal.Idle,
            options.StaffUrl.AbsoluteUri.TrimEnd('/'))
        {
            At = context.Request.Path.ToUriComponent() + context.Request.QueryString.ToUriComponent(),
            Refused = context.Features.Get<RefusedForm>(),
        };
    }
}

/// <summary>A page: shows a model and asks nobody for anything.</summary>
/// <typeparam name="TModel">What it shows.</typeparam>
public abstract class PortalComponent<TModel> : ComponentBase
{
    /// <summary>What it shows.</summary>
    [Parameter, EditorRequired]
    public TModel Model { get; set; } = default!;

    /// <summary>What every page knows.</summary>
    [CascadingParameter]
    public PortalView View { get; set; } = null!;
}
