using System.Text.RegularExpressions;
using CloudArchive.Testing;

namespace CloudArchive.Core.Tests.Retention;

public sealed partial class DestructionTests
{
    [Fact]
    public void No_other_code_asks_storage_to_delete_a_blob()
    {
        string source = Path.Combine(Repository.Root, "src");
        string[] deleting =
        [
            .. Directory.EnumerateFiles(source, "*.cs", SearchOption.AllDirectories)
                .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
                .Where(file => !Path.GetRelativePath(source, file).StartsWith("CloudArchive.Azure", StringComparison.Ordinal))
                .Where(file => DeletesBlobs().IsMatch(File.ReadAllText(file)))
                .Select(file => Path.GetRelativePath(source, file).Replace('\\', '/')),
        ];
        // The canaries' seam refuses it.
        Assert.Equal(["CloudArchive.Core/RestoreTests/CanaryShelf.cs", "CloudArchive.Core/Retention/Destruction.cs", "CloudArchive.Core/Storage/IBlobVault.cs"], deleting.Order(StringComparer.Ordinal));
    }

    // A call on anything named like a vault, whatever its field is called, and the declaration itself.
    [GeneratedRegex(@"vault\w*\s*[!?]?\.\s*DeleteAsync\s*\(|Task DeleteAsync\(BlobName", RegexOptions.IgnoreCase, matchTimeoutMilliseconds: 5000)]
    private static partial Regex DeletesBlobs();
}
