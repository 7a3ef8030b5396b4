using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using CloudArchive.Testing;

namespace CloudArchive.Dimse.Tests;

/// <summary>A C-STORE sender by PS3.8 §9 and PS3.7 §9, just big enough to put given bytes on the wire, whole or in part.</summary>
internal sealed class RawSender : IDisposable
{
    private readonly TcpClient _client = new();
    private NetworkStream? _stream;

    /// <summary>Asks for one presentation context; false when the association or the context is refused.</summary>
    public async Task<bool> AssociateAsync(int port, string calledTitle, string callingTitle, string sopClass, string transferSyntax)
    {
        await _client.ConnectAsync("127.0.0.1", port, TestContext.Current.CancellationToken);
        _stream = _client.GetStream();
        byte[] context = [1, 0, 0, 0, .. Item(0x30, Encoding.ASCII.GetBytes(sopClass)), .. Item(0x40, Encoding.ASCII.GetBytes(transferSyntax))];
        byte[] user = [.. Item(0x51, [0, 0, 0x40, 0]), .. Item(0x52, "1.2.3.4"u8)];
        byte[] body =
        [
            0, 1, 0, 0, .. Title(calledTitle), .. Title(callingTitle), .. new byte[32],
            .. Item(0x10, "1.2.840.10008.3.1.1.1"u8), .. Item(0x20, context), .. Item(0x50, user),
        ];
        await WriteAsync(Pdu(1, body));
        (byte type, byte[] answer) = await ReadAsync();
        if (type != 2)
        {
            return false;
        }

        // The result of the one presentation context item, 0 for acceptance.
        int at = 68;
        while (answer[at] != 0x21)
        {
            at += 4 + BinaryPrimitives.ReadUInt16BigEndian(answer.AsSpan(at + 2));
        }

        return answer[at + 6] == 0;
    }

    /// <summary>Sends the command and the first <paramref name="length"/> bytes of a data set, in fragments of 10,000.</summary>
    public async Task StoreAsync(string sopClass, string sopInstance, byte[] dataSet, int length)
    {
        using MemoryStream command = new();
        using (DicomWriter elements = new(command, "1.2.840.10008.1.2"))
        {
            elements.Text(0x0000_0002, "UI", sopClass);
            elements.UInt16(0x0000_0100, 1);
            elements.UInt16(0x0000_0110, 7);
            elements.UInt16(0x0000_0700, 0);
            elements.UInt16(0x0000_0800, 1);
            elements.Text(0x0000_1000, "UI", sopInstance);
        }

        using MemoryStream whole = new();
        using (DicomWriter group = new(whole, "1.2.840.10008.1.2"))
        {
            group.UInt32(0, (uint)command.Length);
        }

        whole.Write(command.ToArray());
        await WriteAsync(Data(whole.ToArray(), 3));
        for (int at = 0; at < length; at += 10_000)
        {
            int end = Math.Min(at + 10_000, length);
            await WriteAsync(Data(dataSet[at..end], end == dataSet.Length ? (byte)2 : (byte)0));
        }
    }

    /// <summary>The status (0000,0900) of the response.</summary>
    public async Task<int> StatusAsync()
    {
        (byte type, byte[] answer) = await ReadAsync();
        Assert.Equal(4, type);
        int at = answer.AsSpan().IndexOf((byte[])[0, 0, 0, 9, 2, 0, 0, 0]);
        return BinaryPrimitives.ReadUInt16LittleEndian(answer.AsSpan(at + 8));
    }

    public void Dispose() => _client.Dispose();

    private static byte[] Title(string title) => Encoding.ASCII.GetBytes(title.PadRight(16));

    private static byte[] Item(byte type, ReadOnlySpan<byte> content) => [type, 0, (byte)(content.Length >> 8), (byte)content.Length, .. content];

    private static byte[] Pdu(byte type, ReadOnlySpan<byte> body)
    {
        byte[] pdu = [type, 0, 0, 0, 0, 0, .. body];
        BinaryPrimitives.WriteInt32BigEndian(pdu.AsSpan(2), body.Length);
        return pdu;
    }

    private static byte[] Data(ReadOnlySpan<byte> fragment, byte flags)
    {
        byte[] item = [0, 0, 0, 0, 1, flags, .. fragment];
        BinaryPrimitives.WriteInt32BigEndian(item, fragment.Length + 2);
        return Pdu(4, item);
    }

    private async Task WriteAsync(byte[] pdu) => await _stream!.WriteAsync(pdu, TestContext.Current.CancellationToken);

    private async Task<(byte Type, byte[] Body)> ReadAsync()
    {
        byte[] header = new byte[6];
        await _stream!.ReadExactlyAsync(header, TestContext.Current.CancellationToken);
        byte[] body = new byte[BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(2))];
        await _stream.ReadExactlyAsync(body, TestContext.Current.CancellationToken);
        return (header[0], body);
    }
}
