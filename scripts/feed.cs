#!/usr/bin/env dotnet
#:include setup.lib.cs
// Fills local-feed/ where this machine's NuGet sources lack a pinned package; does nothing where they have them all.

return await Setup.RunAsync(async () =>
{
    foreach (string target in await Feed.FillAsync())
    {
        Console.WriteLine($"Ready: dotnet build {target}");
    }

    return 0;
});
