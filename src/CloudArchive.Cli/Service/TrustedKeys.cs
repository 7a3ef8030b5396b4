using System.Text.Json;
using CloudArchive.Cli.Agent;
using CloudArchive.Format;
using CloudArchive.Format.Signing;

namespace CloudArchive.Cli.Service;

/// <summary>The archive's public keys that a person trusts: a file that they name, else what this computer pinned.</summary>
internal static class TrustedKeys
{
    /// <summary>Reads them. <see cref="UsageException"/> where there are none.</summary>
    public static JwkSet Read(CliEnvironment environment, string? file)
    {
        if (file is null)
        {
            return AgentIdentity.TryLoad(AgentHome.Of(environment))?.SigningKeys
                ?? throw new UsageException("Whose signatures? Give the service's public keys with --key: a JWKS file that you saved from GET /v1/keys when you trusted the service.");
        }

        try
        {
            return JsonSerializer.Deserialize<JwkSet>(File.ReadAllBytes(file), FormatJson.Options) ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            throw new UsageException($"{file} is no JSON Web Key Set: {e.Message}");
        }
    }
}
