#!/usr/bin/env dotnet
#:include setup.lib.cs
// Draws docs/pictures anew, out of a portal and evidence that are real. Wants Chromium or Chrome and pdftoppm (poppler-utils) on the PATH.
//   dotnet run scripts/pictures.cs

return await Setup.RunAsync(async () =>
{
    await Setup.PrepareAsync("tests/CloudArchive.EndToEnd");
    using var drawing = Setup.Start("dotnet", [Setup.Assembly("tests/CloudArchive.EndToEnd", "CloudArchive.EndToEnd"), "--filter-class", "*ReadmePictureTests", "--explicit", "on", "--no-ansi", "--no-progress"]);
    await drawing.WaitForExitAsync();
    return drawing.ExitCode;
});
