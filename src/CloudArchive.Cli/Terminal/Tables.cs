using Spectre.Console;
using Spectre.Console.Rendering;

namespace CloudArchive.Cli.Terminal;

/// <summary>Tables for people, stacked where the terminal is too narrow for them; tab-separated lines where nobody looks, which tools can cut.</summary>
internal static class Tables
{
    // What the border puts around each cell and at both ends.
    private const int AroundCell = 3;
    private const int AtEnds = 1;

    public static void WriteTable(this CliEnvironment environment, IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows, string nothing)
    {
        List<IReadOnlyList<string>> all = [.. rows];
        if (!environment.Interactive)
        {
            environment.Out.WriteLine(string.Join('\t', columns));
            foreach (IReadOnlyList<string> row in all)
            {
                environment.Out.WriteLine(string.Join('\t', row));
            }

            return;
        }

        if (all.Count == 0)
        {
            environment.Out.WriteLine(nothing);
            return;
        }

        int width = AtEnds + columns.Index().Sum(column => AroundCell + Math.Max(Cells(column.Item), all.Max(row => Cells(row[column.Index]))));
        if (width > environment.Console.Profile.Width)
        {
            Stack(environment, columns, all);
            return;
        }

        Table table = new() { Border = TableBorder.Simple };
        foreach (string column in columns)
        {
            table.AddColumn(new TableColumn(Markup.Escape(column)) { NoWrap = true });
        }

        foreach (IReadOnlyList<string> row in all)
        {
            table.AddRow([.. row.Select(Markup.Escape)]);
        }

        environment.Console.Write(table);
    }

    /// <summary>A sentence behind a lead; where it is longer than a line of the terminal it goes on under itself, and no word is broken.</summary>
    /// <param name="environment">Where to.</param>
    /// <param name="lead">What stands before it, once.</param>
    /// <param name="text">The sentence.</param>
    /// <param name="style">Colours, as the console names them; null: none.</param>
    public static void WriteBehind(this CliEnvironment environment, string lead, string text, string? style = null)
    {
        int room = Math.Max(environment.Console.Profile.Width - Cells(lead), 1);
        List<string> lines = [""];
        foreach (string word in text.Split(' '))
        {
            if (lines[^1].Length > 0 && Cells(lines[^1]) + 1 + Cells(word) > room)
            {
                lines.Add(word);
            }
            else
            {
                lines[^1] = lines[^1].Length > 0 ? $"{lines[^1]} {word}" : word;
            }
        }

        foreach ((int number, string line) in lines.Index())
        {
            string whole = (number == 0 ? lead : new string(' ', Cells(lead))) + line;
            if (style is null || Cells(whole) > environment.Console.Profile.Width)
            {
                environment.Out.WriteLine(whole);
            }
            else
            {
                environment.Console.MarkupLine($"[{style}]{Markup.Escape(whole)}[/]");
            }
        }
    }

    /// <summary>One below the other: nothing is broken in two, and what is longer than a line can still be copied whole.</summary>
    private static void Stack(CliEnvironment environment, IReadOnlyList<string> columns, List<IReadOnlyList<string>> rows)
    {
        int name = columns.Max(Cells);
        foreach ((int number, IReadOnlyList<string> row) in rows.Index())
        {
            if (number > 0)
            {
                environment.Out.WriteLine();
            }

            foreach ((string column, string value) in columns.Zip(row))
            {
                environment.Out.WriteLine($"{column}{new string(' ', name - Cells(column))}  {value}".TrimEnd());
            }
        }
    }

    /// <summary>How many places a text takes; the East Asian wide ones take two.</summary>
    private static int Cells(string text) => new Segment(text).CellCount();
}
