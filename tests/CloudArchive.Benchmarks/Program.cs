using CloudArchive.Benchmarks;
using CloudArchive.Benchmarks.Tools;

if (args is ["audit"])
{
    return await AuditAppends.RunAsync();
}

if (args is ["pixels"])
{
    return PixelFilterSpeed.Run();
}

if (args is ["header"])
{
    return await HeaderSpeed.RunAsync();
}

if (args is ["localhost", ..])
{
    return await LocalHostScale.RunAsync(Number(1, 10_000));
}

if (args is ["agent", ..])
{
    return await AgentScale.RunAsync(Number(1, 100_000), Number(2, 2000));
}

if (args is ["tools", .. string[] options])
{
    return await Comparison.RunAsync(options);
}

// What the comparison starts as processes of their own.
if (args is ["raw", string what, string connection, string container, string folder])
{
    return await RawClient.RunAsync(what, connection, container, folder);
}

if (args is ["routed", string routes, .. string[] arguments])
{
    return await RoutedAgent.RunAsync(routes, arguments);
}

BenchmarkDotNet.Running.BenchmarkSwitcher.FromAssembly(System.Reflection.Assembly.GetExecutingAssembly()).Run(args);
return 0;

int Number(int place, int otherwise) => args.Length > place ? int.Parse(args[place], System.Globalization.CultureInfo.InvariantCulture) : otherwise;
