using System.Text.Json.Nodes;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Status;
using CloudArchive.Format.Verdicts;
using CloudArchive.Testing.Verdicts;

namespace CloudArchive.Cli.Tests.Status;

/// <summary>What <c>status</c> says of each situation of the table: the rule's verdict, in the rule's words.</summary>
public sealed class StatusTextTests : IDisposable
{
    private readonly TestCli _cli = new();
    private readonly Packs _packs = new();

    public static TheoryData<string> Situations => [.. VerdictSituations.All.Select(s => s.Name)];

    public void Dispose()
    {
        _cli.Dispose();
        _packs.Dispose();
    }

    [Theory]
    [MemberData(nameof(Situations))]
    public void Status_says_of_each_situation_what_the_table_says(string name)
    {
        VerdictSituation situation = VerdictSituations.All.Single(s => s.Name == name);
        AgentVerdict verdict = VerdictRule.For(situation.Facts);
        StatusText status = new(Computers.Identity(_packs), LookOf(situation.Facts), verdict, null);
        using StringWriter output = new();
        status.Write(_cli.Environment(output, TextWriter.Null));
        string text = Unwrap(output.ToString());
        Assert.StartsWith(situation.Safe ? "SAFE Demo Dental" : "NOT SAFE Demo Dental", text, StringComparison.Ordinal);
        foreach (VerdictFinding finding in verdict.Folders.SelectMany(f => f.Findings).Concat(verdict.Findings))
        {
            Assert.Contains(Unwrap(VerdictTexts.Describe(finding, VerdictSituations.Now)), text, StringComparison.Ordinal);
        }

        using StringWriter json = new();
        status.WriteJson(_cli.Environment(json, TextWriter.Null), new AgentHome("/home"));
        JsonNode document = JsonNode.Parse(json.ToString())!;
        Assert.Equal(situation.Safe, (bool)document["safe"]!);
        JsonNode[] findings = [.. document["findings"]!.AsArray().Concat(document["folders"]!.AsArray().SelectMany(f => f!["findings"]!.AsArray()))!];
        Assert.Equal(
            situation.NotSafe.Select(VerdictTexts.Name).Order(StringComparer.Ordinal),
            findings.Where(f => (bool)f["notSafe"]!).Select(f => (string)f["cause"]!).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_folders_line_has_every_number_and_the_columns_stand_under_each_other()
    {
        AgentFacts facts = VerdictSituations.All[0].Facts;
        facts = facts with { Folders = [facts.Folders[0] with { Pending = new FileTally(1234, 5_000_000), NotArchived = new FileTally(2, 10) }] };
        using StringWriter output = new();
        new StatusText(Computers.Identity(_packs), LookOf(facts), VerdictRule.For(facts), null).Write(_cli.Environment(output, TextWriter.Null));
        Assert.Contains("1,336 files (15 MB), 90 archived, 10 excluded on purpose, 1,234 not yet, 2 not archived; complete 60 min ago", output.ToString(), StringComparison.Ordinal);
        string[] lines = [.. output.ToString().Split(Environment.NewLine).SkipWhile(line => line.Length > 0).Skip(1).Where(line => line.Length > 0)];
        Assert.All(lines, line => Assert.True(line.StartsWith("  ", StringComparison.Ordinal) && line[14] == ' ' && line[15] != ' ', line));
    }

    [Fact]
    public void A_folders_pseudonym_says_nothing_of_its_path_and_is_the_same_every_time()
    {
        using Format.IdentifierSecret secret = Format.IdentifierSecret.Create();
        AgentIdentity identity = Computers.Identity(_packs);
        string name = AgentLook.NameOf("/images/Doe_Jane", identity, secret);
        Assert.Matches("^[0-9a-f]{16}$", name);
        Assert.Equal(name, AgentLook.NameOf("/images/Doe_Jane", identity, secret));
        Assert.NotEqual(name, AgentLook.NameOf("/images/Doe_John", identity, secret));
        Assert.NotEqual(name, AgentLook.NameOf("/images/Doe_Jane", identity with { AgentId = "another" }, secret));
        using Format.IdentifierSecret other = Format.IdentifierSecret.Create();
        Assert.NotEqual(name, AgentLook.NameOf("/images/Doe_Jane", identity, other));
    }

    private static AgentLook LookOf(AgentFacts facts) => new(
        [.. facts.Folders.Select((folder, i) => new FolderLook(new FolderRecord { Id = i, Path = $"/images/{i}", CompleteAt = folder.LastCompleteAt }, folder, FileCounts.None))], facts);

    /// <summary>The console breaks lines where it likes.</summary>
    private static string Unwrap(string text) => string.Join(' ', text.Split((char[])[' ', '\r', '\n'], StringSplitOptions.RemoveEmptyEntries)) + " ";
}
