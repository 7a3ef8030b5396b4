using CloudArchive.Benchmarks;

if (args is ["audit"])
{
    return await AuditAppends.RunAsync();
}

BenchmarkDotNet.Running.BenchmarkSwitcher.FromAssembly(System.Reflection.Assembly.GetExecutingAssembly()).Run(args);
return 0;
