using System.Text.Json.Nodes;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.OpenApi;

namespace CloudArchive.Api;

/// <summary>The OpenAPI document, made from the endpoint table.</summary>
internal static class OpenApi
{
    private const string Scheme = "bearer";
    private static readonly EndpointPolicy _anyone = new(Roles.None, Reach.Anonymous, ArchiveRole.Both, AuditActions.RequestRefused);

    private static readonly Dictionary<Type, string> _patterns = new()
    {
        [typeof(ClinicId)] = "^[a-z0-9-]{3,40}$",
        [typeof(PackId)] = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        [typeof(Uid)] = "^[0-9.]{1,64}$",
        [typeof(Sha256Digest)] = "^[0-9a-f]{64}$",
        [typeof(WorkId)] = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        [typeof(AlertId)] = "^[0-9]{8}-[0-9a-f]{32}$",
        [typeof(AgentId)] = @"^[a-z0-9-]{3,40}\.[0-9a-z]{16}$",
    };

    public static void AddArchiveOpenApi(this IServiceCollection services) => services.AddOpenApi("v1", options =>
    {
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo { Title = "CloudArchive", Version = "v1", Description = "Errors are problem details (RFC 9457) with a stable type; docs/api.md lists them." };
            document.Servers = [];
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
            {
                [Scheme] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", BearerFormat = "JWT" },
            };
            return Task.CompletedTask;
        });
        options.AddOperationTransformer((operation, context, _) =>
        {
            // What is parsed from a path or query is a bare string to ASP.NET Core: say what the string looks like.
            foreach (var parameter in context.Description.ParameterDescriptions)
            {
                if (Pattern(parameter.ParameterDescriptor?.ParameterType) is { } pattern
                    && operation.Parameters?.FirstOrDefault(p => p.Name == parameter.Name)?.Schema is OpenApiSchema schema)
                {
                    schema.Pattern = pattern;
                }
            }

            if (context.Description.ActionDescriptor.EndpointMetadata.OfType<EndpointPolicy>().FirstOrDefault() is { Reach: not Reach.Anonymous } policy)
            {
                operation.Description = $"Roles: {policy.Roles}.";
                operation.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference(Scheme, context.Document)] = [] }];
            }

            return Task.CompletedTask;
        });
        options.AddSchemaTransformer((schema, context, _) =>
        {
            if (Pattern(context.JsonTypeInfo.Type) is { } pattern)
            {
                schema.Type = JsonSchemaType.String;
                schema.Pattern = pattern;
            }

            return Task.CompletedTask;
        });
    });

    private static string? Pattern(Type? type) => type is null ? null : _patterns.GetValueOrDefault(Nullable.GetUnderlyingType(type) ?? type);

    public static void MapArchiveOpenApi(this IEndpointRouteBuilder routes) => routes.MapOpenApi("/openapi/{documentName}.json").WithMetadata(_anyone);
}
