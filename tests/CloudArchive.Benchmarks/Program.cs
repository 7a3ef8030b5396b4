using CloudArchive.Benchmarks;

if (args is ["audit"])
{
    return await AuditAppends.RunAsync();
}

if (args is ["localhost", ..])
{
    return await LocalHostScale.RunAsync(Number(1, 10_000));
}

if (args is ["agent", ..])
{
    return await AgentScale.RunAsync(Number(1, 100_000), Number(2, 2000));
}

BenchmarkDotNet.Running.BenchmarkSwitcher.FromAssembly(System.Reflection.Assembly.GetExecutingAssembly()).Run(args);
return 0;

int Number(int place, int otherwise) => args.Length > place ? int.Parse(args[place], System.Globalization.CultureInfo.InvariantCulture) : otherwise;
