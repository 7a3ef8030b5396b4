namespace CloudArchive.Testing;

/// <summary>A folder of a test's own, gone when the test ends.</summary>
public sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cloudarchive-test-");

    public string Path => _folder.FullName;

    public string this[string relative] => System.IO.Path.Combine(Path, relative);

    public void Dispose()
    {
        try
        {
            _folder.Delete(recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // The test deleted it.
        }
    }
}

/// <summary>Where things stand in a clone.</summary>
public static class Repository
{
    /// <summary>The folder with CloudArchive.sln.</summary>
    public static string Root { get; } = Find();

    /// <summary>tests/vectors.</summary>
    public static string Vectors => Path.Combine(Root, "tests", "vectors");

    /// <summary>Small real DICOM files, where a clone has them beside it; null elsewhere: tests may use them and must not need them.</summary>
    public static string? DicomSamples { get; } = Directory.Exists(Path.Combine(Root, "..", "shared", "dicom-samples")) ? Path.GetFullPath(Path.Combine(Root, "..", "shared", "dicom-samples")) : null;

    private static string Find()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "CloudArchive.sln")))
            {
                return at.FullName;
            }
        }

        throw new InvalidOperationException("No CloudArchive.sln above " + AppContext.BaseDirectory);
    }
}
