// Writes the made-up studies of the tests to a folder, for the demo and for anyone who wants DICOM files to play with.

using CloudArchive.Testing;

switch (args)
{
    case ["studies", string folder]:
        SampleStudies.WriteClinic(folder);
        return Told(folder);
    case ["mixed", string folder, string count] when int.TryParse(count, out int files) && files > 0:
        SampleStudies.WriteMixed(folder, files);
        return Told(folder);
    default:
        Console.Error.WriteLine("Usage: studies <folder>           four studies of three patients, about 50 MB");
        Console.Error.WriteLine("       mixed <folder> <count>     many small instances of every kind");
        return 2;
}

static int Told(string folder)
{
    FileInfo[] files = [.. new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories)];
    Console.WriteLine($"{files.Length} files, {files.Sum(f => f.Length) / 1048576.0:0.0} MiB");
    return 0;
}
