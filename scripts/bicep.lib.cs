// Bicep files as syntax trees, and what the checks ask of them. tree-sitter-bicep parses; no Bicep compiler is needed.
// Included with `#:include bicep.lib.cs`.

using System.Diagnostics;
using System.Text.Json;

/// <summary>A node of a syntax tree.</summary>
sealed record Node(string Type, string Text, int Line, Node[] Children)
{
    public IEnumerable<Node> Descendants() => Children.SelectMany(c => c.Descendants().Prepend(c));

    public Node? Child(string type) => Children.FirstOrDefault(c => c.Type == type);

    /// <summary>The value of a literal string without interpolation; else null.</summary>
    public string? Literal => Type == "string" && Child("interpolation") is null ? string.Concat(Children.Where(c => c.Type is "string_content" or "escape_sequence").Select(c => c.Text)).Replace("\\'", "'") : null;

    /// <summary>The value at a path of object properties, or null. An <c>if</c> or <c>for</c> around an object is looked through.</summary>
    public Node? At(params string[] path)
    {
        Node? at = this;
        foreach (string name in path)
        {
            at = at?.Object?.Properties.FirstOrDefault(p => p.Name == name).Value;
        }

        return at;
    }

    public Node? Object => Type switch
    {
        "object" => this,
        "for_statement" or "if_statement" => Children.Select(c => c.Object).FirstOrDefault(c => c is not null),
        _ => null,
    };

    public IEnumerable<(string Name, Node Value)> Properties =>
        Children.Where(c => c.Type == "object_property" && c.Children.Length > 2).Select(c => (c.Children[0].Literal ?? c.Children[0].Text, c.Children[^1]));
}

/// <summary>A resource of a file; nested ones count as their own.</summary>
sealed record BicepResource(string Symbol, string Type, string? Version, bool Existing, Node Declaration, Node Body)
{
    public Node? At(params string[] path) => Body.At(path);
}

/// <summary>A module as a file calls it.</summary>
sealed record BicepModule(string Symbol, string Path, Node Declaration, Node Body);

/// <summary>A Bicep file, parsed.</summary>
sealed class BicepFile
{
    private BicepFile(string path, Node tree)
    {
        Path = path;
        Tree = tree;
        Errors = [.. tree.Descendants().Prepend(tree).Where(n => n.Type is "ERROR" or "MISSING")];
        Node[] top = tree.Children;
        Parameters = top.Where(n => n.Type == "parameter_declaration").ToDictionary(n => NameOf(n), n => n.Children.Any(c => c.Type == "=") || n.Child("type")?.Text.EndsWith('?') == true);
        Outputs = [.. top.Where(n => n.Type == "output_declaration").Select(NameOf)];
        Modules = [.. top.Where(n => n.Type == "module_declaration").Select(n => new BicepModule(NameOf(n), n.Child("string")?.Literal ?? "", n, n.Children[^1]))];
        List<BicepResource> resources = [];
        Collect(tree, "", resources);
        Resources = resources;
    }

    /// <summary>Relative to the folder that is checked, with '/'.</summary>
    public string Path { get; }

    public Node Tree { get; }

    public IReadOnlyList<Node> Errors { get; }

    /// <summary>Each parameter's name, and whether a caller may leave it out.</summary>
    public IReadOnlyDictionary<string, bool> Parameters { get; }

    public IReadOnlyList<string> Outputs { get; }

    public IReadOnlyList<BicepModule> Modules { get; }

    public IReadOnlyList<BicepResource> Resources { get; }

    /// <summary>Parses every *.bicep below each folder. A content that several share is parsed once.</summary>
    public static async Task<Dictionary<string, List<BicepFile>>> ParseAsync(IEnumerable<string> folders)
    {
        var files = folders.SelectMany(folder => Directory.EnumerateFiles(folder, "*.bicep", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal)
            .Select(file => (Folder: folder, Path: System.IO.Path.GetRelativePath(folder, file).Replace('\\', '/'), Source: File.ReadAllText(file)))).ToList();
        string[] sources = [.. files.Select(f => f.Source).Distinct()];
        Dictionary<string, Node> trees = sources.Zip(await TreesAsync(sources)).ToDictionary(p => p.First, p => p.Second);
        return files.GroupBy(f => f.Folder).ToDictionary(g => g.Key, g => g.Select(f => new BicepFile(f.Path, trees[f.Source])).ToList());
    }

    public static string NameOf(Node declaration) => declaration.Child("identifier")?.Text ?? "";

    private static async Task<Node[]> TreesAsync(string[] sources)
    {
        using Process node = Setup.Start("node", [System.IO.Path.Combine(Setup.Root, "scripts", "bicep-tree.mjs")], redirect: true, redirectInput: true);
        Task<string> output = node.StandardOutput.ReadToEndAsync();
        Task<string> errors = node.StandardError.ReadToEndAsync();
        await node.StandardInput.WriteAsync(JsonSerializer.Serialize(sources));
        node.StandardInput.Close();
        await node.WaitForExitAsync();
        if (node.ExitCode != 0)
        {
            throw new SetupException((await errors).Contains("ERR_MODULE_NOT_FOUND", StringComparison.Ordinal)
                ? "The Bicep grammar is not installed. Run npm ci and try again."
                : $"The Bicep parser failed: {await errors}");
        }

        using JsonDocument trees = JsonDocument.Parse(await output, new JsonDocumentOptions { MaxDepth = 512 });
        return [.. trees.RootElement.EnumerateArray().Zip(sources, ToNode)];
    }

    private static Node ToNode(JsonElement tree, string source) => new(
        tree[0].GetString()!,
        source[tree[1].GetInt32()..tree[2].GetInt32()],
        tree[3].GetInt32(),
        tree.GetArrayLength() < 5 ? [] : [.. tree[4].EnumerateArray().Select(c => ToNode(c, source))]);

    private static void Collect(Node within, string parentType, List<BicepResource> into)
    {
        foreach (Node child in within.Children)
        {
            string type = parentType;
            if (child.Type == "resource_declaration" && child.Child("string")?.Literal is { } literal)
            {
                string[] parts = literal.Split('@');
                type = parentType.Length == 0 ? parts[0] : $"{parentType}/{parts[0]}";
                into.Add(new BicepResource(NameOf(child), type, parts.ElementAtOrDefault(1), child.Child("existing") is not null, child, child.Children[^1]));
            }

            Collect(child, type, into);
        }
    }
}
