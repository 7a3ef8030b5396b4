namespace CloudArchive.LocalHost.Storage;

/// <summary>Where Azurite is installed.</summary>
internal static class AzuritePackage
{
    /// <summary>The package's folder; <see cref="LocalHostException"/> where it is not installed.</summary>
    public static string Find(string? configured)
    {
        IEnumerable<string> candidates = configured is not null
            ? [Path.GetFullPath(configured)]
            : Above(AppContext.BaseDirectory).Concat(Above(Environment.CurrentDirectory)).Select(folder => Path.Combine(folder, "node_modules", "azurite"));
        return candidates.FirstOrDefault(folder => File.Exists(Path.Combine(folder, "dist", "src", "blob", "main.js")))
            ?? throw new LocalHostException(configured is not null
                ? $"There is no Azurite in {configured}."
                : "Azurite is not installed. Run 'npm ci' in the repository's root, or name its folder with --azurite.");
    }

    private static IEnumerable<string> Above(string folder)
    {
        for (DirectoryInfo? at = new(folder); at is not null; at = at.Parent)
        {
            yield return at.FullName;
        }
    }
}
