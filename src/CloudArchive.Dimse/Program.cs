using System.CommandLine;
using CloudArchive.Dimse;

return await new RootCommand("DICOM network for CloudArchive.") { ReceiveCommand.Create(), SendCommand.Create() }.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null }).InvokeAsync();
