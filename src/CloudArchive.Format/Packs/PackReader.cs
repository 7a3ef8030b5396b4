using System.Buffers;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using CloudArchive.Format.Packs.Pixels;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Format.Packs;

/// <summary>What a pack must be, as far as the caller knows. Take it from a receipt or a sidecar: they know all.</summary>
/// <param name="Clinic">Whose it is.</param>
/// <param name="Pack">Its id: the name it was found under.</param>
/// <param name="Study">Its study.</param>
/// <param name="Length">Bytes of ciphertext.</param>
/// <param name="Sha256">SHA-256 of the ciphertext; with it the whole of the ciphertext is read before anything is opened.</param>
/// <param name="InstancesRoot">The root of its instances.</param>
public sealed record PackIdentity(ClinicId? Clinic = null, PackId? Pack = null, Uid? Study = null, long? Length = null, Sha256Digest? Sha256 = null, Sha256Digest? InstancesRoot = null)
{
    /// <summary>All that a sidecar says.</summary>
    public static PackIdentity Of(Sidecar sidecar) => new(sidecar.Clinic, sidecar.Pack, sidecar.Study, sidecar.Length, sidecar.Sha256, sidecar.InstancesRoot);

    /// <summary>All that a receipt says.</summary>
    public static PackIdentity Of(Receipt receipt) => new(receipt.Clinic, receipt.Pack, receipt.Study, receipt.Length, receipt.Sha256, receipt.InstancesRoot);
}

/// <summary>
/// Opens a pack and gives back its files. Whatever is wrong is a <see cref="PackException"/> whose <see cref="PackException.Fault"/> names
/// the cause. The agent that wrote a pack is not trusted: names, numbers and sizes are checked, and memory stays bounded. Not safe for
/// concurrent use.
/// </summary>
public sealed class PackReader : IAsyncDisposable
{
    private const int BufferLength = 128 * 1024;
    private readonly ZipArchive _zip;
    private readonly Dictionary<string, ZipArchiveEntry> _entries;

    private PackReader(ZipArchive zip, Manifest manifest)
    {
        _zip = zip;
        _entries = zip.Entries.ToDictionary(entry => entry.FullName, StringComparer.Ordinal);
        Manifest = manifest;
    }

    /// <summary>What is inside. Entry names are safe and unique; <see cref="ManifestInstance.Path"/> is as the agent found it: never write to it unchecked.</summary>
    public Manifest Manifest { get; }

    /// <summary>Opens a pack and checks its manifest. The files' own bytes are checked by <see cref="ExtractAsync"/>.</summary>
    /// <param name="ciphertext">Must read and seek; stays open.</param>
    /// <param name="key">The pack's key.</param>
    /// <param name="expected">What the pack must be. Null only for one that nothing is known of.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    public static async Task<PackReader> OpenAsync(Stream ciphertext, ContentKey key, PackIdentity? expected, CancellationToken cancellationToken)
    {
        expected ??= new PackIdentity();
        if (await PackDiagnosis.FindMismatchAsync(ciphertext, expected, cancellationToken) is { } mismatch)
        {
            throw await PackDiagnosis.ExplainAsync(mismatch, ciphertext, key, expected, cancellationToken);
        }

        try
        {
            return await OpenUncheckedAsync(ciphertext, key, expected, cancellationToken);
        }
        catch (PackException e) when (e.Fault == PackFault.Altered && expected.Sha256 is not null)
        {
            // The bytes are those that were committed, so it is not they that changed.
            throw new PackException(PackFault.WrongKey, "The pack is unaltered, but sealed under another content key.", e);
        }
    }

    /// <summary>Writes a file's bytes to <paramref name="destination"/>. Bytes may have been written when this fails: discard them.</summary>
    /// <exception cref="PackException">They are not, byte for byte, those that were archived.</exception>
    public async Task ExtractAsync(ManifestInstance instance, Stream destination, CancellationToken cancellationToken)
    {
        ZipArchiveEntry entry = _entries[instance.ZipEntry];
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferLength);
        try
        {
            await using CrcStream zipped = new(await TranslateAsync(() => entry.OpenAsync(cancellationToken)));
            await using Stream source = instance.Filter is { } filter ? new UnfilterStream(zipped, filter.Pixels, instance.Instance.Length) : zipped;
            long length = 0;
            int read;
            while ((read = await TranslateAsync(() => source.ReadAsync(buffer, cancellationToken).AsTask())) > 0)
            {
                length += read;
                if (length > instance.Instance.Length)
                {
                    throw Mismatch(instance, "has more bytes than the manifest says");
                }

                hash.AppendData(buffer, 0, read);
                await destination.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }

            if (length < instance.Instance.Length)
            {
                throw Mismatch(instance, "has fewer bytes than the manifest says");
            }

            if (Sha256Digest.FromBytes(hash.GetCurrentHash()) != instance.Instance.Sha256)
            {
                throw Mismatch(instance, "has another SHA-256 than when it was captured");
            }

            if (zipped.Crc != entry.Crc32)
            {
                throw new PackException(PackFault.ZipInvalid, $"The ZIP has a wrong CRC for instance {instance.Instance.SopInstance}.");
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await _zip.DisposeAsync();

    /// <summary>Opens without looking at the ciphertext's length and hash.</summary>
    internal static async Task<PackReader> OpenUncheckedAsync(Stream ciphertext, ContentKey key, PackIdentity expected, CancellationToken cancellationToken)
    {
        UnsealingStream plaintext = new(ciphertext, key);
        ZipArchive? zip = null;
        try
        {
            await ZipChecks.BoundDirectoryAsync(plaintext, cancellationToken);
            zip = await TranslateAsync(() => ZipArchive.CreateAsync(plaintext, ZipArchiveMode.Read, leaveOpen: false, entryNameEncoding: null, cancellationToken));
            Manifest manifest = await ReadManifestAsync(zip, cancellationToken);
            CheckManifest(manifest, zip, expected);
            return new PackReader(zip, manifest);
        }
        catch
        {
            zip?.Dispose();
            await plaintext.DisposeAsync();
            throw;
        }
    }

    private static async Task<Manifest> ReadManifestAsync(ZipArchive zip, CancellationToken cancellationToken)
    {
        ZipArchiveEntry[] entries = await TranslateAsync(() => Task.FromResult(zip.Entries.ToArray()));
        if (entries is not [.., { FullName: Manifest.EntryName, Length: <= PackLimits.ManifestLength } last])
        {
            throw Invalid("is not the last entry, or too large");
        }

        byte[] json = new byte[last.Length];
        await using Stream source = await TranslateAsync(() => last.OpenAsync(cancellationToken));
        int read = await TranslateAsync(() => source.ReadAtLeastAsync(json, json.Length, throwOnEndOfStream: false, cancellationToken).AsTask());
        if (read != json.Length || await TranslateAsync(() => source.ReadAsync(new byte[1], cancellationToken).AsTask()) != 0)
        {
            throw Invalid("is longer or shorter than the ZIP says");
        }

        if (ZipChecks.Crc32(0, json) != last.Crc32)
        {
            throw new PackException(PackFault.ZipInvalid, "The ZIP has a wrong CRC for the manifest.");
        }

        try
        {
            return JsonSerializer.Deserialize<Manifest>(json, FormatJson.Options) ?? throw Invalid("is null");
        }
        catch (JsonException e)
        {
            throw new PackException(PackFault.ManifestInvalid, "The manifest is not JSON of a manifest.", e);
        }
    }

    private static void CheckManifest(Manifest manifest, ZipArchive zip, PackIdentity expected)
    {
        if (manifest.Format is not (Manifest.CurrentFormat or Manifest.FormatWithoutFilters))
        {
            throw Invalid($"is not of the format {Manifest.CurrentFormat} or {Manifest.FormatWithoutFilters}");
        }

        // Before anything else that could be wrong with it: another pack is another pack.
        if ((expected.Clinic is { } clinic && clinic != manifest.Clinic) || (expected.Pack is { } pack && pack != manifest.Pack))
        {
            throw new PackException(PackFault.WrongBlob, $"This is pack {manifest.Pack} of clinic {manifest.Clinic}, not the one that its name says.");
        }

        if (expected.Study is { } study && study != manifest.Study)
        {
            throw Invalid("is of another study");
        }

        // The ZIP's entries are the manifest's, in order, and the manifest itself.
        if (manifest.Instances.Count is 0 or > PackLimits.Instances || manifest.Instances.Count != zip.Entries.Count - 1)
        {
            throw Invalid("lists another number of instances than the ZIP has, or too many");
        }

        EntryNames names = new();
        for (int i = 0; i < manifest.Instances.Count; i++)
        {
            if (manifest.Instances[i] is not { } instance || !IsEntryOf(instance, zip.Entries[i], manifest.Format))
            {
                throw Invalid($"differs from the ZIP in entry {i}");
            }

            if (instance.Root is { } of && !(of >= 0 && of < manifest.Roots?.Count))
            {
                throw Invalid($"names a root that it does not have in entry {i}");
            }

            if (!names.TryReserve(instance.Entry) || (instance.Filter is not null && !names.TryReserve(instance.ZipEntry)))
            {
                throw Invalid($"has an unsafe or repeated name in entry {i}");
            }
        }

        if (expected.InstancesRoot is { } root && root != InstancesRoot.Of(manifest.Instances.Select(i => i.Instance)))
        {
            throw Invalid("lists other instances than were committed");
        }
    }

    private static bool IsEntryOf(ManifestInstance instance, ZipArchiveEntry entry, string format) => instance.ZipEntry == entry.FullName && (instance.Filter is { } filter
        ? format == Manifest.CurrentFormat && filter.Name == PixelFilter.Name && PixelFilter.CanFilter(filter.Pixels, instance.Instance.Length)
        : instance.Instance.Length == entry.Length);

    /// <summary>What <see cref="ZipArchive"/> throws at bytes that it cannot read. I/O errors of the ciphertext itself pass through.</summary>
    private static async Task<T> TranslateAsync<T>(Func<Task<T>> read)
    {
        try
        {
            return await read();
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or NotSupportedException or ArgumentException or OverflowException)
        {
            throw new PackException(PackFault.ZipInvalid, "The content of the seal is no ZIP that can be read.", e);
        }
    }

    private static PackException Invalid(string problem) => new(PackFault.ManifestInvalid, $"The manifest {problem}.");

    private static PackException Mismatch(ManifestInstance instance, string problem) =>
        new(PackFault.InstanceMismatch, $"Instance {instance.Instance.SopInstance} {problem}.");
}
