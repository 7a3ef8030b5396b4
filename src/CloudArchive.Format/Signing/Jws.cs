using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace CloudArchive.Format.Signing;

/// <summary>What a verified JWS says, and which key signed it.</summary>
public sealed record JwsContent(string Kid, byte[] Payload);

/// <summary>
/// JSON Web Signatures (RFC 7515), compact: ES256 and nothing else, always with <c>kid</c> and <c>typ</c>. The type is checked, so that a
/// statement of one kind never passes for another (RFC 8725 §3.11).
/// </summary>
public static class Jws
{
    private const string Algorithm = "ES256";
    private const int SignatureLength = 64;

    /// <summary>Signs with the key <paramref name="kid"/>. <paramref name="sign"/> answers ECDSA P-256 over SHA-256 as r || s, 64 bytes.</summary>
    public static async Task<string> SignAsync(
        string typ, ReadOnlyMemory<byte> payload, string kid, Func<ReadOnlyMemory<byte>, CancellationToken, Task<byte[]>> sign, CancellationToken cancellationToken)
    {
        byte[] header = CanonicalJson.Serialize(new { alg = Algorithm, kid, typ });
        byte[] input = SigningInput(header, payload.Span);
        byte[] signature = await sign(input, cancellationToken);
        return signature.Length == SignatureLength
            ? $"{Encoding.ASCII.GetString(input)}.{Base64Url.EncodeToString(signature)}"
            : throw new CryptographicException("An ES256 signature is r || s, 64 bytes.");
    }

    /// <summary>A detached signature (RFC 7515 appendix F): the payload lies beside it, as a file of its own.</summary>
    public static async Task<string> SignDetachedAsync(
        string typ, ReadOnlyMemory<byte> payload, string kid, Func<ReadOnlyMemory<byte>, CancellationToken, Task<byte[]>> sign, CancellationToken cancellationToken)
    {
        string[] parts = (await SignAsync(typ, payload, kid, sign, cancellationToken)).Split('.');
        return $"{parts[0]}..{parts[2]}";
    }

    /// <summary>Verifies and returns what was signed.</summary>
    /// <exception cref="JwsException">It does not verify; <see cref="JwsException.Fault"/> says why.</exception>
    public static JwsContent Verify(string compact, string expectedTyp, JwkSet keys)
    {
        string[] parts = Split(compact);
        return StrictBase64Url.TryDecode(parts[1], out byte[] payload)
            ? new JwsContent(Verify(parts[0], parts[2], payload, expectedTyp, keys), payload)
            : throw new JwsException(JwsFault.Malformed, "The payload is not base64url.");
    }

    /// <summary>Verifies a detached signature and returns the <c>kid</c>.</summary>
    /// <exception cref="JwsException">It does not verify; <see cref="JwsException.Fault"/> says why.</exception>
    public static string VerifyDetached(string detached, ReadOnlySpan<byte> payload, string expectedTyp, JwkSet keys)
    {
        string[] parts = Split(detached);
        return parts[1].Length == 0
            ? Verify(parts[0], parts[2], payload, expectedTyp, keys)
            : throw new JwsException(JwsFault.Malformed, "A detached JWS has no payload of its own.");
    }

    /// <summary>What is signed: <c>base64url(header) . base64url(payload)</c> in ASCII (RFC 7515 §5.1).</summary>
    public static byte[] SigningInput(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload) =>
        Encoding.ASCII.GetBytes($"{Base64Url.EncodeToString(header)}.{Base64Url.EncodeToString(payload)}");

    /// <summary>Whether <paramref name="signature"/> (r || s) over <paramref name="signingInput"/> is by <paramref name="key"/>.</summary>
    public static bool IsSignedBy(ReadOnlySpan<byte> signingInput, ReadOnlySpan<byte> signature, Jwk key)
    {
        using ECDsa ecdsa = JwkKeys.ToEcdsa(key);
        return signature.Length == SignatureLength
            && ecdsa.VerifyData(signingInput, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }

    private static string[] Split(string jws) =>
        jws.Split('.') is { Length: 3 } parts ? parts : throw new JwsException(JwsFault.Malformed, "A compact JWS has three parts.");

    private static string Verify(string header64, string signature64, ReadOnlySpan<byte> payload, string expectedTyp, JwkSet keys)
    {
        if (!StrictBase64Url.TryDecode(header64, out byte[] header) || !StrictBase64Url.TryDecode(signature64, out byte[] signature))
        {
            throw new JwsException(JwsFault.Malformed, "The header or the signature is not base64url.");
        }

        (string kid, string typ) = ReadHeader(header);
        if (typ != expectedTyp)
        {
            throw new JwsException(JwsFault.WrongType, $"This is not signed as {expectedTyp}.");
        }

        Jwk key = keys.Keys.FirstOrDefault(k => k is { Kty: "EC", Use: null or "sig" } && k.Kid == kid)
            ?? throw new JwsException(JwsFault.UnknownKey, "It is signed with a key that is not among the known ones.");
        return IsSignedBy(SigningInput(header, payload), signature, key)
            ? kid
            : throw new JwsException(JwsFault.BadSignature, "The signature does not fit.");
    }

    private static (string Kid, string Typ) ReadHeader(byte[] json)
    {
        Header? header;
        try
        {
            header = JsonSerializer.Deserialize<Header>(json, FormatJson.Options);
        }
        catch (JsonException e)
        {
            throw new JwsException(JwsFault.Malformed, "The header is not JSON as RFC 7515 §4 has it.", e);
        }

        // RFC 7515 §4.1.11: a critical extension that is not understood makes the JWS invalid, and none is.
        if (header is null or { Crit: not null })
        {
            throw new JwsException(JwsFault.Malformed, "The header is null or asks for an extension.");
        }

        return header.Alg != Algorithm ? throw new JwsException(JwsFault.WrongAlgorithm, "Only ES256 is accepted.")
            : header.Typ is null ? throw new JwsException(JwsFault.WrongType, "The header names no type.")
            : header.Kid is null ? throw new JwsException(JwsFault.UnknownKey, "The header names no key.")
            : (header.Kid, header.Typ);
    }

    private sealed record Header(string? Alg = null, string? Kid = null, string? Typ = null, JsonElement? Crit = null);
}

/// <summary>Why a JWS does not verify.</summary>
public enum JwsFault
{
    /// <summary>Not a compact JWS.</summary>
    Malformed,

    /// <summary>Signed with an algorithm other than ES256, or with none.</summary>
    WrongAlgorithm,

    /// <summary>A statement of another kind.</summary>
    WrongType,

    /// <summary>By a key that is not in the set.</summary>
    UnknownKey,

    /// <summary>Content or signature was altered.</summary>
    BadSignature,
}

/// <summary>A JWS that must not be believed.</summary>
public sealed class JwsException(JwsFault fault, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Why.</summary>
    public JwsFault Fault { get; } = fault;
}
