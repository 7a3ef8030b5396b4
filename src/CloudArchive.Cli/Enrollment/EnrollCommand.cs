using System.CommandLine;
using System.Security.Cryptography;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.State;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Enrollment;

/// <summary><c>enroll</c>.</summary>
internal static class EnrollCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Option<string> url = new("--url") { Description = "The service's URL", Required = true };
        Option<string> code = new("--code") { Description = "The one-time code from your archive's admin", Required = true };
        Option<string?> name = new("--name") { Description = "What to call this computer [its own name]" };
        Option<string?> escrowOut = new("--escrow-out") { Description = "For the clinic's first computer: where to write the escrow key, such as a USB stick", HelpName = "file.pem" };
        Option<string?> passphraseFile = new("--escrow-passphrase-file") { Description = "File with the escrow key's passphrase in its first line [asked for]", HelpName = "file" };
        Option<bool> again = new("--again") { Description = "Enroll although this computer is enrolled: after a key change, a move to another clinic, or a revocation" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("enroll", "Bind this computer to a clinic, with a one-time code.") { url, code, name, escrowOut, passphraseFile, again, json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            AgentHome home = AgentHome.Of(environment);
            if (!parsed.GetValue(again) && AgentIdentity.TryLoad(home) is { } known)
                throw new UsageException($"This computer is enrolled already, for {known.Clinic} ({known.ClinicName}). To enroll it anew, add --again; what is archived stays archived.");
            if (!EnrollmentCode.TryParse(parsed.GetValue(code), out EnrollmentCode? typed)) throw new UsageException("That is no enrollment code: check for a missing or mistyped character.");

            Uri service = ServiceUrl.Parse(parsed.GetValue(url)!);
            EscrowChoice? escrow = MakeEscrow(environment, parsed.GetValue(escrowOut), parsed.GetValue(passphraseFile));
            home.Create();
            using RunLock held = RunLock.Take(home.BackupLock, "backup");
            AgentIdentity identity = await EnrollAsync(environment, home, service, typed, parsed.GetValue(name) ?? Environment.MachineName, escrow, cancellationToken);
            Tell(environment, parsed.GetValue(json), home, identity, escrow);
            if (!parsed.GetValue(json))
            {
                await environment.Out.WriteLineAsync("Next: cloudarchive backup <folder>");
            }

            return (int)ExitCode.Ok;
        });
        return command;
    }

    internal static EscrowChoice? MakeEscrow(CliEnvironment environment, string? file, string? passphraseFile)
    {
        if (file is null) return passphraseFile is null ? null : throw new UsageException("--escrow-passphrase-file needs --escrow-out.");
        string path = Path.GetFullPath(file);
        if (Directory.Exists(path)) throw new UsageException($"{path} is a folder: name a file in it, such as escrow.pem.");
        (Jwk key, bool made) = EscrowKeyFile.CreateOrOpen(path, Passphrase.Read(environment, passphraseFile, isNew: !File.Exists(path)), environment.Clock.GetUtcNow());
        return new EscrowChoice(path, key, made);
    }

    internal static async Task<AgentIdentity> EnrollAsync(CliEnvironment environment, AgentHome home, Uri service, EnrollmentCode code, string name, EscrowChoice? escrow, CancellationToken cancellationToken)
    {
        using ECDsa agentKey = KeyFor(home, code);
        using ArchiveClient client = new(service, null, environment);
        EnrollResponse answer;
        try
        {
            answer = await client.PostAsync<EnrollResponse>("v1/enrollments", new EnrollRequest(code.Reveal(), name, JwkKeys.FromEcdsa(agentKey), escrow?.Key), repeatable: true, cancellationToken);
        }
        catch (ServiceRefusedException error)
        {
            if (escrow is { Made: true }) File.Delete(escrow.Path);
            if (error.Problem == "escrow-key-missing")
                throw new EscrowKeyNeededException();
            throw;
        }
        catch (ServiceUnreachableException error) when (escrow is not null)
        {
            // The request may have arrived, and the service pinned this very key: its private half must not be lost. The agent's own is kept beside.
            throw new ServiceUnreachableException(service.Authority, $"{error.Message.TrimEnd('.')}; keep {escrow.Path}, and repeat the command with it", error);
        }

        using IdentifierSecret secret = OpenSecret(answer.SealedIdentifierSecret, code);
        byte[] secretBytes = secret.ToBytes();
        byte[] keyBytes = agentKey.ExportPkcs8PrivateKey();
        try
        {
            ProtectedFile.Write(home.AgentKey, keyBytes);
            File.Delete(home.NextAgentKey); // of an identity that is given up
            ProtectedFile.Write(home.IdentifierSecret, secretBytes);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secretBytes);
            CryptographicOperations.ZeroMemory(keyBytes);
        }

        // Last: with an identity the computer is enrolled, and everything else is in place.
        AgentIdentity identity = new(service, answer.Clinic, answer.ClinicName, answer.AgentId, answer.Audience, answer.WrappingKey, answer.EscrowKey, answer.SigningKeys, environment.Clock.GetUtcNow(), AgentName: name);
        using (AgentState.Open(home.State(identity.Clinic)))
        {
            identity.Save(home);
        }

        File.Delete(home.EnrollingKey);
        if (escrow is { Made: true } && !IsPinned(identity, escrow))
        {
            File.Delete(escrow.Path); // made for nothing
        }

        return identity;
    }

    /// <summary>
    /// The key for a code: the one that an earlier try with it sent, where its answer never came, or a new one, which is on the disk before it is sent.
    /// The service gives the same key the same answer, and another none: a code is good for one.
    /// </summary>
    private static ECDsa KeyFor(AgentHome home, EnrollmentCode code)
    {
        byte[] hash = code.Hash.ToBytes();
        ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        if (TryReadEnrolling(home) is { } kept && kept.AsSpan().StartsWith(hash))
        {
            try
            {
                key.ImportPkcs8PrivateKey(kept.AsSpan(hash.Length), out _);
                return key;
            }
            catch (CryptographicException)
            {
                key.Dispose();
                key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            }
            finally
            {
                CryptographicOperations.ZeroMemory(kept);
            }
        }

        byte[] secret = key.ExportPkcs8PrivateKey();
        byte[] content = [.. hash, .. secret];
        ProtectedFile.Write(home.EnrollingKey, content);
        CryptographicOperations.ZeroMemory(secret);
        CryptographicOperations.ZeroMemory(content);
        return key;
    }

    private static byte[]? TryReadEnrolling(AgentHome home)
    {
        try
        {
            return ProtectedFile.Read(home.EnrollingKey);
        }
        catch (LocalFailureException)
        {
            return null; // none, or another user's
        }
    }

    private static IdentifierSecret OpenSecret(byte[] sealedSecret, EnrollmentCode code)
    {
        try
        {
            return IdentifierSecret.Open(sealedSecret, code.Reveal());
        }
        catch (CryptographicException error)
        {
            throw new IntegrityException("The service's answer does not fit the code: what it sent was sealed under another. This computer is not enrolled; ask your archive's admin for a new code.", error);
        }
    }

    internal static void Tell(CliEnvironment environment, bool json, AgentHome home, AgentIdentity identity, EscrowChoice? escrow)
    {
        bool pinned = IsPinned(identity, escrow);
        if (json)
        {
            environment.WriteJson(new
            {
                identity.Clinic,
                identity.ClinicName,
                identity.AgentId,
                service = identity.Service,
                dataFolder = home.Path,
                escrowKey = identity.EscrowKey.Kid,
                escrowKeyFile = pinned ? escrow!.Path : null,
            });
            return;
        }

        TextWriter output = environment.Out;
        output.WriteLine($"This computer is enrolled for {identity.ClinicName} ({identity.Clinic}) as {identity.AgentId}.");
        if (pinned)
        {
            output.WriteLine();
            output.WriteLine($"The clinic's escrow key is in {escrow!.Path}");
            output.WriteLine("  This file and its passphrase open every image without the service, for good and for anyone who has both.");
            output.WriteLine("  Move it off this computer, to a safe or a bank, and keep the passphrase apart from it.");
            output.WriteLine("  There is no other copy: the service has only the public half.");
            output.WriteLine();
        }
        else if (escrow is not null)
        {
            output.WriteLine(escrow.Made
                ? $"The clinic has its escrow key already ({identity.EscrowKey.Kid}); the one that was made now is not needed, and {escrow.Path} is gone again."
                : $"The clinic's escrow key is {identity.EscrowKey.Kid}: not the one in {escrow.Path}, which was left alone.");
        }
    }

    /// <summary>Whether the clinic's escrow key is the one that was brought.</summary>
    private static bool IsPinned(AgentIdentity identity, EscrowChoice? escrow) => escrow is not null && JwkKeys.Thumbprint(identity.EscrowKey) == JwkKeys.Thumbprint(escrow.Key);

    internal sealed record EscrowChoice(string Path, Jwk Key, bool Made);
}

/// <summary>The clinic has no computer yet: its first one makes the escrow key. The code is not used up.</summary>
public sealed class EscrowKeyNeededException()
    : CliException(
        ExitCode.Usage,
        "This is the clinic's first computer, which makes the clinic's escrow key: the way to the images without the service. Repeat the command, with the same code, and add --escrow-out <file.pem>, best on a USB stick.");
