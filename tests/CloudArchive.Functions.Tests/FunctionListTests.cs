using System.Reflection;
using System.Text.Json;
using CloudArchive.Testing;
using Microsoft.Azure.Functions.Worker;

namespace CloudArchive.Functions.Tests;

public sealed class FunctionListTests
{
    [Fact]
    public void Every_function_is_some_apps_and_every_apps_function_is_there()
    {
        string[] there = [.. typeof(AppSettings).Assembly.GetTypes().SelectMany(t => t.GetMethods()).Select(m => m.GetCustomAttribute<FunctionAttribute>()?.Name).OfType<string>().Order(StringComparer.Ordinal)];
        using JsonDocument listed = JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.Root, "infra", "functions.json")));
        Assert.Equal(listed.RootElement.EnumerateObject().SelectMany(r => r.Value.EnumerateArray()).Select(f => f.GetString()!).Distinct().Order(StringComparer.Ordinal), there);
    }

    [Fact]
    public void The_roots_host_json_is_beside_the_app() =>
        Assert.Equal(File.ReadAllText(Path.Combine(Repository.Root, "host.json")), File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "host.json")));
}
