using System.CommandLine;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Service;

/// <summary>How a staff command was called, and the service that it asks.</summary>
internal sealed record StaffCall(ParseResult Parsed, StaffConnection Connection, CliEnvironment Environment, ArchiveClient Client, CancellationToken CancellationToken)
{
    /// <summary>The path of the clinic that the command line names.</summary>
    public string Clinic => $"v1/clinics/{Connection.Clinic(Parsed)}";

    public T? Value<T>(Option<T> option) => Parsed.GetValue(option);

    /// <summary>What a person typed, as a part of a path.</summary>
    public string Id(Argument<string> argument) => Uri.EscapeDataString(Parsed.GetValue(argument)!);

    public Task<T> GetAsync<T>(string path) => Client.GetAsync<T>(path, CancellationToken);

    public Task<T> PostAsync<T>(string path, object? body = null, bool repeatable = true) => Client.PostAsync<T>(path, body, repeatable, CancellationToken);

    public Task<T> PutAsync<T>(string path, object body) => Client.PutAsync<T>(path, body, CancellationToken);
}

/// <summary>Commands of one shape: somebody with a token asks the service for one thing, and is told what came of it, or gets it as JSON.</summary>
internal static class StaffCommand
{
    /// <summary>A command that asks for one answer.</summary>
    /// <param name="environment">Where it runs.</param>
    /// <param name="name">What it is called.</param>
    /// <param name="description">For <c>--help</c>.</param>
    /// <param name="symbols">Its own arguments and options; how the service is found and <c>--json</c> come on top.</param>
    /// <param name="ask">Asks.</param>
    /// <param name="tell">Tells people.</param>
    /// <param name="document">What <c>--json</c> prints [the answer].</param>
    /// <param name="code">How it ends [well].</param>
    /// <param name="clinic">Whether it is about one clinic.</param>
    public static Command Act<T>(
        CliEnvironment environment, string name, string description, IReadOnlyList<Symbol> symbols, Func<StaffCall, Task<T>> ask, Action<TextWriter, T> tell,
        Func<T, object>? document = null, Func<T, ExitCode>? code = null, bool clinic = true)
    {
        Option<bool> json = CommonOptions.Json();
        return Create(environment, name, description, [.. symbols, json], clinic, async call =>
        {
            T answer = await ask(call);
            if (call.Value(json))
            {
                environment.WriteJson(document is null ? (object)answer! : document(answer));
            }
            else
            {
                tell(environment.Out, answer);
            }

            return code?.Invoke(answer) ?? ExitCode.Ok;
        });
    }

    /// <summary>
    /// A command that lists something which comes page by page: a table of all of it; with <c>--json</c> so much as one document holds, and where the rest
    /// begins.
    /// </summary>
    /// <param name="environment">Where it runs.</param>
    /// <param name="name">What it is called.</param>
    /// <param name="description">For <c>--help</c>.</param>
    /// <param name="symbols">Its own arguments and options.</param>
    /// <param name="path">What to ask for.</param>
    /// <param name="columns">The table's columns.</param>
    /// <param name="row">A row of it.</param>
    /// <param name="nothing">What is said of an empty list.</param>
    /// <param name="where">Which items [all].</param>
    /// <param name="document">What <c>--json</c> prints of an item [the item].</param>
    public static Command List<T>(
        CliEnvironment environment, string name, string description, IReadOnlyList<Symbol> symbols, Func<StaffCall, string> path, string[] columns, Func<T, string[]> row, string nothing,
        Func<StaffCall, T, bool>? where = null, Func<T, object>? document = null)
        where T : class
    {
        Option<bool> json = CommonOptions.Json();
        Option<string?> after = CommonOptions.After();
        return Create(environment, name, description, [.. symbols, after, json], clinic: true, async call =>
        {
            List<T> items = [];
            string? next = null;
            await foreach (Page<T> page in call.Client.GetEachPageAsync<T>(path(call), call.Value(after), call.CancellationToken))
            {
                items.AddRange(page.Items.Where(item => where?.Invoke(call, item) ?? true));
                next = page.Next;
                if (call.Value(json) && items.Count >= CommonOptions.MostListed)
                {
                    break;
                }
            }

            if (!call.Value(json))
            {
                environment.WriteTable(columns, items.Select(row), nothing);
                return ExitCode.Ok;
            }

            environment.WriteJson(items.Select(item => document is null ? item : document(item)));
            await environment.TellRestAsync(next);
            return ExitCode.Ok;
        });
    }

    private static Command Create(CliEnvironment environment, string name, string description, IEnumerable<Symbol> symbols, bool clinic, Func<StaffCall, Task<ExitCode>> run)
    {
        StaffConnection connection = new(environment);
        Command command = new(name, description);
        foreach (Symbol symbol in symbols)
        {
            if (symbol is Argument argument)
            {
                command.Add(argument);
            }
            else
            {
                command.Add((Option)symbol);
            }
        }

        connection.AddTo(command, clinic);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            return (int)await run(new StaffCall(parsed, connection, environment, client, cancellationToken));
        });
        return command;
    }
}
