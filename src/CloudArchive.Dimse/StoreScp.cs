using System.Diagnostics;
using System.Text;
using CloudArchive.Dicom;
using FellowOakDicom;
using FellowOakDicom.Network;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Dimse;

/// <summary>
/// One association with a sender: C-ECHO and C-STORE (PS3.4 B). A data set is written as it comes off the wire, in the transfer syntax that was
/// agreed on, behind a meta header; it is never parsed into something else and written again.
/// </summary>
internal sealed class StoreScp(INetworkStream stream, Encoding fallbackEncoding, ILogger log, DicomServiceDependencies dependencies)
    : DicomService(stream, fallbackEncoding, log, dependencies), IDicomServiceProvider, IDicomCStoreProvider, IDicomCEchoProvider
{
    private FileStream? _arriving;

    private ReceiverSession Session => (ReceiverSession)UserState;

    public Task OnReceiveAssociationRequestAsync(DicomAssociation association)
    {
        ReceiverOptions options = Session.Options;
        if (association.CalledAE != options.AeTitle)
        {
            return SendAssociationRejectAsync(DicomRejectResult.Permanent, DicomRejectSource.ServiceUser, DicomRejectReason.CalledAENotRecognized);
        }

        if (options.Senders.Count > 0 && !options.Senders.Contains(association.CallingAE))
        {
            return SendAssociationRejectAsync(DicomRejectResult.Permanent, DicomRejectSource.ServiceUser, DicomRejectReason.CallingAENotRecognized);
        }

        foreach (DicomPresentationContext context in association.PresentationContexts)
        {
            // Whatever syntax the sender prefers: its bytes are kept. A storage class that is too new to be known here has no type.
            bool stores = context.AbstractSyntax.StorageCategory != DicomStorageCategory.None || context.AbstractSyntax.Type == DicomUidType.Unknown;
            if (context.AbstractSyntax == DicomUID.Verification || stores)
            {
                context.AcceptTransferSyntaxes([.. context.GetTransferSyntaxes().Where(syntax => TransferSyntaxes.IsKnown(syntax.UID.UID))]);
            }
            else
            {
                context.SetResult(DicomPresentationContextResult.RejectAbstractSyntaxNotSupported);
            }
        }

        return SendAssociationAcceptAsync(association);
    }

    public Task OnReceiveAssociationReleaseRequestAsync() => SendAssociationReleaseResponseAsync();

    public void OnReceiveAbort(DicomAbortSource source, DicomAbortReason reason) => Drop();

    public void OnConnectionClosed(Exception exception) => Drop();

    public Task<DicomCEchoResponse> OnCEchoRequestAsync(DicomCEchoRequest request) => Task.FromResult(new DicomCEchoResponse(request, DicomStatus.Success));

    /// <summary>The whole data set has arrived. Success is the sender's leave to forget it: it must be on disk and in its place by then.</summary>
    public async Task<DicomCStoreResponse> OnCStoreRequestAsync(DicomCStoreRequest request)
    {
        // From here on it is no business of the connection's, which may close meanwhile.
        FileStream file = Interlocked.Exchange(ref _arriving, null) ?? throw new UnreachableException("A request without data set came this far.");
        try
        {
            ReceivedInstance instance = await Session.Spool.KeepAsync(file, request.SOPInstanceUID.UID, CancellationToken.None);
            Session.Received(instance);
            return new(request, DicomStatus.Success);
        }
        catch (CloudArchive.Dicom.DicomException)
        {
            return new(request, DicomStatus.StorageCannotUnderstand);
        }
        catch (InvalidDataException)
        {
            return new(request, DicomStatus.StorageDataSetDoesNotMatchSOPClassError);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return new(request, DicomStatus.StorageStorageOutOfResources);
        }
        finally
        {
            // Gone from here when it was kept.
            Spool.Drop(file);
        }
    }

    public Task OnCStoreRequestExceptionAsync(string tempFileName, Exception e)
    {
        Drop();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    protected override void CreateCStoreReceiveStream(DicomFile file)
    {
        _arriving = Session.Spool.Begin();
        file.Save(_arriving);
        _arriving.Seek(0, SeekOrigin.End);
        _dimseStream = _arriving;
    }

    /// <summary>None: nothing is to be parsed. The file is taken up in <see cref="OnCStoreRequestAsync"/>.</summary>
    protected override DicomFile? GetCStoreDicomFile() => null;

    private void Drop()
    {
        if (Interlocked.Exchange(ref _arriving, null) is { } file)
        {
            Spool.Drop(file);
        }
    }
}
