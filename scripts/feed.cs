#!/usr/bin/env dotnet
#:include setup.lib.cs
// Fills local-feed/ where this machine's NuGet sources lack Azure.Security.KeyVault.Keys; does nothing where they have it.

return await Setup.RunAsync(async () =>
{
    Console.WriteLine($"Ready: dotnet build {await Feed.FillAsync()}");
    return 0;
});
