using CloudArchive.Cli;

return await CloudArchiveCli.RunAsync(args, CliEnvironment.ForProcess(), CancellationToken.None);
