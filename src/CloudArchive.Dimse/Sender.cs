using System.Net.Sockets;
using FellowOakDicom;
using FellowOakDicom.Network;
using FellowOakDicom.Network.Client;

namespace CloudArchive.Dimse;

/// <summary>A PACS, as DICOM names it.</summary>
/// <param name="Host">Name or address.</param>
/// <param name="Port">Its port.</param>
/// <param name="AeTitle">Its AE title.</param>
/// <param name="CallingAeTitle">Ours, as the PACS knows us.</param>
public sealed record Pacs(string Host, int Port, string AeTitle, string CallingAeTitle);

/// <summary>What became of one file.</summary>
/// <param name="Path">The file.</param>
/// <param name="Problem">Null when the PACS has taken it; else why not.</param>
public sealed record SentFile(string Path, string? Problem);

/// <summary>
/// Sends restored files to a PACS (C-STORE). Each is offered as it is, and where that loses nothing in implicit VR too, which any PACS must
/// take (PS3.5 §10.1); a lossy image is sent as it is or not at all.
/// </summary>
public static class Sender
{
    /// <summary>Files are parsed when they are sent, so many at a time.</summary>
    private const int BatchSize = 50;

    /// <summary>Sends the files, and says of each what became of it. Throws <see cref="IOException"/> where there is no PACS, or one that refuses us.</summary>
    public static async Task<IReadOnlyList<SentFile>> SendAsync(Pacs pacs, IReadOnlyList<string> paths, CancellationToken cancellationToken)
    {
        List<SentFile> sent = [];
        foreach (string[] batch in paths.Chunk(BatchSize))
        {
            IDicomClient client = DicomClientFactory.Create(pacs.Host, pacs.Port, useTls: false, pacs.CallingAeTitle, pacs.AeTitle);
            Dictionary<string, string?> problems = batch.ToDictionary(path => path, _ => (string?)"The PACS did not answer.");
            foreach (string path in batch)
            {
                try
                {
                    DicomCStoreRequest request = new(await DicomFile.OpenAsync(path));
                    request.OmitImplicitVrTransferSyntaxInAssociationRequest = request.TransferSyntax.IsLossy;
                    request.OnResponseReceived += (_, response) => problems[path] = response.Status.State is DicomState.Success or DicomState.Warning ? null : $"The PACS refused it: {response.Status.Description} ({response.Status.Code:X4}).";
                    await client.AddRequestAsync(request);
                }
                catch (Exception error) when (error is DicomDataException or IOException or UnauthorizedAccessException)
                {
                    problems[path] = $"Not a file that can be sent: {error.GetType().Name}.";
                }
            }

            try
            {
                await client.SendAsync(cancellationToken);
            }
            catch (Exception error) when (error is AggregateException or DicomNetworkException or SocketException or IOException)
            {
                throw new IOException($"{pacs.AeTitle} at {pacs.Host}:{pacs.Port} cannot be reached or refuses us: {(error.InnerException ?? error).Message}", error);
            }

            sent.AddRange(batch.Select(path => new SentFile(path, problems[path])));
        }

        return sent;
    }
}
