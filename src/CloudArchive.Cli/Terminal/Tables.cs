using Spectre.Console;

namespace CloudArchive.Cli.Terminal;

/// <summary>Tables for people; tab-separated lines where nobody looks, which tools can cut.</summary>
internal static class Tables
{
    public static void WriteTable(this CliEnvironment environment, IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows, string nothing)
    {
        List<IReadOnlyList<string>> all = [.. rows];
        if (!environment.Interactive)
        {
            environment.Out.WriteLine(string.Join('\t', columns));
            foreach (IReadOnlyList<string> row in all) environment.Out.WriteLine(string.Join('\t', row));
            return;
        }

        if (all.Count == 0)
        {
            environment.Out.WriteLine(nothing);
            return;
        }

        Table table = new() { Border = TableBorder.Simple };
        foreach ((int index, string column) in columns.Index())
        {
            // The first says which: broken in two it cannot be copied.
            table.AddColumn(new TableColumn(Markup.Escape(column)) { NoWrap = index == 0 });
        }

        foreach (IReadOnlyList<string> row in all) table.AddRow([.. row.Select(Markup.Escape)]);
        environment.Console.Write(table);
    }
}
