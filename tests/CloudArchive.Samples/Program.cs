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
    case ["lifelike", string folder, string count] when int.TryParse(count, out int images) && images > 0:
        for (int i = 0; i < images; i++)
        {
            LifelikeImages.WriteCtSlice(Path.Combine(folder, "ct", $"{i:D4}.dcm"), "ct", i);
            LifelikeImages.WriteIntraOral(Path.Combine(folder, "intraoral", $"{i:D4}.dcm"), "intraoral", i);
            LifelikeImages.WritePhotograph(Path.Combine(folder, "photographs", $"{i:D4}.dcm"), "photographs", i);
        }

        LifelikeImages.WriteCbct(Path.Combine(folder, "cbct.dcm"), "cbct", frames: images);
        return Told(folder);
    default:
        Console.Error.WriteLine("Usage: studies <folder>           four studies of three patients, about 50 MB");
        Console.Error.WriteLine("       mixed <folder> <count>     many small instances of every kind");
        Console.Error.WriteLine("       lifelike <folder> <count>  CT, radiographs, photographs and a CBCT that compress as real ones do");
        return 2;
}

static int Told(string folder)
{
    FileInfo[] files = [.. new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories)];
    Console.WriteLine($"{files.Length} files, {files.Sum(f => f.Length) / 1048576.0:0.0} MiB");
    return 0;
}
