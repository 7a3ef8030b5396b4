using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using CloudArchive.Dicom;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Core.RestoreTests;

/// <summary>The image in a canary: a small Secondary Capture of noise, of nobody (PS3.10 §7, explicit VR little endian).</summary>
internal static class CanaryImage
{
    private const string SecondaryCapture = "1.2.840.10008.5.1.4.1.1.7";
    private const int Side = 16;

    /// <summary>A file and what its sidecar says of it.</summary>
    public static (byte[] File, SidecarInstance Instance) Create(Uid study, Uid series, Uid sop)
    {
        using MemoryStream meta = new();
        Long(meta, 0x0002_0001, "OB", [0, 1]);
        Text(meta, 0x0002_0002, "UI", SecondaryCapture);
        Text(meta, 0x0002_0003, "UI", sop.Value);
        Text(meta, 0x0002_0010, "UI", TransferSyntaxes.ExplicitVrLittleEndian);
        Text(meta, 0x0002_0012, "UI", "1.2.826.0.1.3680043.8.498.1");

        using MemoryStream file = new();
        file.Write(new byte[128]);
        file.Write("DICM"u8);
        byte[] length = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(length, (uint)meta.Length);
        Short(file, 0x0002_0000, "UL", length);
        meta.WriteTo(file);

        Text(file, 0x0008_0016, "UI", SecondaryCapture);
        Text(file, 0x0008_0018, "UI", sop.Value);
        Text(file, 0x0008_0060, "CS", "OT");
        Text(file, 0x0010_0010, "PN", "CANARY");
        Text(file, 0x0020_000D, "UI", study.Value);
        Text(file, 0x0020_000E, "UI", series.Value);
        Number(file, 0x0028_0002, 1);
        Text(file, 0x0028_0004, "CS", "MONOCHROME2");
        Number(file, 0x0028_0010, Side);
        Number(file, 0x0028_0011, Side);
        Number(file, 0x0028_0100, 8);
        Number(file, 0x0028_0101, 8);
        Number(file, 0x0028_0102, 7);
        Number(file, 0x0028_0103, 0);
        Long(file, 0x7FE0_0010, "OB", RandomNumberGenerator.GetBytes(Side * Side));
        byte[] bytes = file.ToArray();
        return (bytes, Describe(bytes, series, sop));
    }

    /// <summary>What a sidecar says of these bytes.</summary>
    public static SidecarInstance Describe(byte[] file, Uid series, Uid sop) =>
        new(sop, Uid.Parse(SecondaryCapture), series, "OT", Uid.Parse(TransferSyntaxes.ExplicitVrLittleEndian), file.Length, Sha256Digest.Of(file));

    private static void Number(Stream file, uint tag, ushort value)
    {
        byte[] bytes = new byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, value);
        Short(file, tag, "US", bytes);
    }

    private static void Text(Stream file, uint tag, string vr, string value)
    {
        if (value.Length % 2 == 1)
        {
            value += vr == "UI" ? '\0' : ' '; // PS3.5 §6.2: even lengths
        }

        Short(file, tag, vr, Encoding.ASCII.GetBytes(value));
    }

    private static void Short(Stream file, uint tag, string vr, byte[] value)
    {
        Span<byte> head = stackalloc byte[8];
        Tag(head, tag, vr);
        BinaryPrimitives.WriteUInt16LittleEndian(head[6..], (ushort)value.Length);
        file.Write(head);
        file.Write(value);
    }

    /// <summary>An element of a VR with a 32-bit length (PS3.5 §7.1.2).</summary>
    private static void Long(Stream file, uint tag, string vr, byte[] value)
    {
        Span<byte> head = stackalloc byte[12];
        head.Clear();
        Tag(head, tag, vr);
        BinaryPrimitives.WriteUInt32LittleEndian(head[8..], (uint)value.Length);
        file.Write(head);
        file.Write(value);
    }

    private static void Tag(Span<byte> head, uint tag, string vr)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(head, (ushort)(tag >> 16));
        BinaryPrimitives.WriteUInt16LittleEndian(head[2..], (ushort)tag);
        Encoding.ASCII.GetBytes(vr, head[4..]);
    }
}
