using CloudArchive.Benchmarks;

if (args is ["audit"])
{
    return await AuditAppends.RunAsync();
}

if (args is ["localhost", ..])
{
    return await LocalHostScale.RunAsync(args.Length > 1 ? int.Parse(args[1], System.Globalization.CultureInfo.InvariantCulture) : 10_000);
}

BenchmarkDotNet.Running.BenchmarkSwitcher.FromAssembly(System.Reflection.Assembly.GetExecutingAssembly()).Run(args);
return 0;
