using CloudArchive.Cli.State;

namespace CloudArchive.Cli.Backup;

/// <summary>Which folders a command means, against those that are remembered.</summary>
public static class FolderList
{
    /// <summary>
    /// The folders that a person named, or the remembered ones where none was. One inside a remembered folder is that folder's business; one around
    /// remembered folders takes them in. One that is not there and was never there is a mistake.
    /// </summary>
    /// <param name="state">What is remembered.</param>
    /// <param name="named">As typed.</param>
    /// <param name="keep">Whether what is taken in is to be written down.</param>
    public static IReadOnlyList<string> Resolve(AgentState state, IReadOnlyList<string> named, bool keep)
    {
        if (named.Count == 0)
        {
            return state.Folders() is { Count: > 0 } remembered
                ? remembered
                : throw new UsageException("No folder is remembered yet. Name those to back up: cloudarchive backup <folder>");
        }

        IReadOnlyList<string> resolved = FolderScan.ResolveAll(named, folder => state.FindFolder(folder) is not null);
        foreach (string folder in resolved)
        {
            foreach (FolderRecord known in state.FolderRecords())
            {
                if (FolderScan.IsBelow(folder, known.Path))
                {
                    throw new UsageException(
                        $"{folder} lies in {known.Path}, which is backed up as a whole. Back that up; or forget it first: cloudarchive folders remove {known.Path}");
                }

                if (keep && FolderScan.IsBelow(known.Path, folder))
                {
                    TakeIn(state, known, folder);
                }
            }
        }

        return resolved;
    }

    /// <summary>A remembered folder becomes part of one around it. Its rules and what is held back in it are a person's to carry over.</summary>
    private static void TakeIn(AgentState state, FolderRecord inner, string outer)
    {
        if (inner.Exclusions.Count > 0 || inner.HeldSince is not null)
        {
            throw new UsageException(
                $"{inner.Path} is backed up already, with {(inner.HeldSince is null ? "exclusions" : "changes that are held back")} of its own. "
                + $"To back up {outer} as a whole, forget it first: cloudarchive folders remove {inner.Path}");
        }

        state.Folder(outer);
        state.Absorb(inner, state.FindFolder(outer)!);
    }
}
