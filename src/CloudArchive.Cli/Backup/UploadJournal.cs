using System.Security.Cryptography;
using CloudArchive.Cli.State;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Cli.Backup;

/// <summary>A file of a pack under way, as it was when the pack was begun: sealing it again must make the same bytes.</summary>
public sealed record UploadFile(string Path, string Folder, long Length, long ModifiedTicks, SidecarInstance Instance);

/// <summary>All that decides a pack's sealed bytes but the files' contents and the key, and what its commit will say.</summary>
/// <param name="Header">Clinic, pack, study, and the time that stands in the manifest.</param>
/// <param name="Study">What the files share.</param>
/// <param name="Wrapped">The content key, for the clinic's key.</param>
/// <param name="Escrow">The content key, for the escrow key.</param>
/// <param name="Retention">The policy when the pack was opened; null where the service has none.</param>
/// <param name="Files">In order.</param>
public sealed record UploadPlan(PackHeader Header, StudyKey Study, WrappedContentKey Wrapped, WrappedContentKey Escrow, RetentionPolicy? Retention, IReadOnlyList<UploadFile> Files)
{
    /// <summary>Bytes of the files.</summary>
    public long Bytes => Files.Sum(f => f.Length);
}

/// <summary>A block of a pack's sealed bytes, as it was sent or about to be.</summary>
public sealed record SealedBlock(int Length, Sha256Digest Sha256, bool IsStaged);

/// <summary>Sealing a pack again did not make the bytes that were sent before: it is made anew, under a new key.</summary>
public sealed class SealedDifferentlyException(PackId pack) : Exception($"Pack {pack} no longer seals to the same bytes.");

/// <summary>
/// What of a pack has left this computer, so that a run that was cut off goes on in mid-pack. A block's hash is durable in the state before its
/// first byte leaves, and from then on nothing else goes in its place: sealing again runs over the same files with the same key, and stops at
/// the first difference, before a byte of it is sent. So no nonce ever meets two plaintexts outside of this computer (docs/decisions/0050).
/// </summary>
public sealed class UploadJournal
{
    private readonly AgentState _state;
    private readonly UploadPlan _plan;
    private readonly ContentKey? _unsaved;
    private readonly IReadOnlyList<SealedBlock> _known;
    private bool _begun;

    private UploadJournal(AgentState state, UploadPlan plan, ContentKey? unsaved, IReadOnlyList<SealedBlock> known)
    {
        (_state, _plan, _unsaved, _known) = (state, plan, unsaved, known);
        _begun = unsaved is null;
    }

    /// <summary>Of a pack that begins. Nothing is written before its first full block.</summary>
    public static UploadJournal Begin(AgentState state, UploadPlan plan, ContentKey key) => new(state, plan, key, []);

    /// <summary>Of a pack that was begun by an earlier run.</summary>
    public static UploadJournal Resume(AgentState state, UploadPlan plan) => new(state, plan, null, state.BlocksOf(plan.Header.Pack));

    /// <summary>How long the block is that was sealed before; null: none was.</summary>
    public int? LengthOf(int index) => index < _known.Count ? _known[index].Length : null;

    /// <summary>Notes a block that is about to be sent. Durable on return.</summary>
    /// <returns>Whether storage has it already.</returns>
    /// <exception cref="SealedDifferentlyException">Other bytes were sealed in its place before.</exception>
    public bool NoteSealed(int index, ReadOnlySpan<byte> block)
    {
        Sha256Digest sha256 = Sha256Digest.FromBytes(SHA256.HashData(block));
        if (index < _known.Count)
        {
            return _known[index].Length == block.Length && _known[index].Sha256 == sha256 ? _known[index].IsStaged : throw new SealedDifferentlyException(_plan.Header.Pack);
        }

        if (!_begun)
        {
            _state.BeginUpload(_plan, _unsaved!);
            _begun = true;
        }

        _state.NoteBlock(_plan.Header.Pack, index, block.Length, sha256);
        return false;
    }

    /// <summary>Notes that storage has a block. Need not be durable: it would be sent again, the same.</summary>
    public void NoteStaged(int index)
    {
        if (_begun)
        {
            _state.NoteStaged(_plan.Header.Pack, index);
        }
    }
}
