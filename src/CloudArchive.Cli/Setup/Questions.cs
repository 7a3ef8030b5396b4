using CloudArchive.Cli.Terminal;
using Spectre.Console;

namespace CloudArchive.Cli.Setup;

/// <summary>Asks a person at a terminal. Where nobody is to be asked, what is proposed is the answer, and what has no proposal is a mistake that names the option.</summary>
internal sealed class Questions(CliEnvironment environment, bool asks)
{
    private readonly bool _asks = asks && environment.Interactive;

    /// <summary>Whether somebody answers.</summary>
    public bool Asks => _asks;

    /// <summary>A line of text, asked for until it is one that will do.</summary>
    /// <param name="question">The question.</param>
    /// <param name="option">The option that answers it.</param>
    /// <param name="proposal">What Enter stands for; null: nothing.</param>
    /// <param name="parse">Makes of it what is wanted; a <see cref="UsageException"/> says why not.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task<T> AskAsync<T>(string question, string option, string? proposal, Func<string, T> parse, CancellationToken cancellationToken)
    {
        if (!_asks)
        {
            return parse(proposal ?? throw new UsageException($"There is nobody to ask: {question} Give {option}."));
        }

        while (true)
        {
            TextPrompt<string> prompt = new(Markup.Escape(question));
            if (proposal is not null)
            {
                prompt.DefaultValue(proposal);
            }

            string answer = await prompt.ShowAsync(environment.Console, cancellationToken);
            try
            {
                return parse(answer.Trim());
            }
            catch (UsageException error)
            {
                await environment.Out.WriteLineAsync($"  {Texts.Printable(error.Message)}");
            }
        }
    }

    /// <summary>Yes or no.</summary>
    public Task<bool> ConfirmAsync(string question, bool proposal, CancellationToken cancellationToken) =>
        !_asks ? Task.FromResult(proposal) : new ConfirmationPrompt(Markup.Escape(question)) { DefaultValue = proposal }.ShowAsync(environment.Console, cancellationToken);
}
