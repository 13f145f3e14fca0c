"""`rlm trace`: what happens inside a model on one text."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import UsageError
from data.wording import counted
from models.analysis.trace_tables import ablation_table, pass_table, setting_table, tokens_by_passes
from models.depth import DEFAULT_MODE, depth_of
from models.generation.prompt import unknown_note
from models.generation.run_defaults import resolve_mode
from rlm_cli.generation_options import check_threads, load_model, open_run, read_piped_text
from rlm_cli.options import (
    DeviceOption,
    ForceOption,
    HtmlOption,
    JsonOption,
    ModeOption,
    QuietOption,
    RunArgument,
    RunsDirOption,
    ThreadsOption,
)
from rlm_cli.output import Output
from rlm_cli.output_file import require_free

if TYPE_CHECKING:
    from models.analysis.trace import TextTrace
    from models.runs.run import Run

_STYLES = ("blue", "cyan", "green", "yellow", "magenta", "red")
"""Of a token, by the passes it took: cold to warm."""


def trace(
    context: typer.Context,
    run_name: RunArgument = None,
    prompt: Annotated[
        str | None,
        typer.Option("--prompt", "-p", metavar="TEXT", help="The text. Without it: standard input."),
    ] = None,
    mode: ModeOption = None,
    html: HtmlOption = None,
    force: ForceOption = False,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    runs_dir: RunsDirOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show what happens inside a model on one text.

    Every pass with its state and its guesses, the text at other depths, and
    what each part of the recursion is worth: the loss without it. Of a
    puzzle: the grid as it forms.

    Examples:
      rlm trace book -p "The owl said that"
      rlm trace book -p "The owl said that" --mode deep
      rlm trace book -p "The owl said that" --mode auto --html trace.html
      rlm trace book -p "The owl said that" --json
    """
    output = Output.of(json=json, quiet=quiet)
    check_threads(threads)
    if html is not None:
        require_free(html, force=force)
    run = open_run(run_name, runs_dir)
    if run.config().solves_puzzles:
        if getattr(context.get_parameter_source("mode"), "name", None) == "COMMANDLINE":
            raise UsageError(
                f"Run '{run.name}' solves puzzles, and decides by itself how many steps it takes.",
                hint="Leave out --mode.",
            )
        _trace_puzzle(run, "-" if prompt is None else prompt, html, (device, threads), output)
        return
    mode = resolve_mode(run, mode or DEFAULT_MODE)
    text = read_piped_text()[0] if prompt is None else prompt
    if not text:
        raise UsageError("There is no text to trace.", hint="Give some with -p.")
    loaded = load_model(run, device, threads, output)

    from models.analysis.trace import trace_text
    from models.generation.prompt import unknown_characters

    for note in loaded.notes:
        output.warn(note)
    if unknown := unknown_characters(loaded.tokenizer, text):
        output.say(unknown_note(unknown), style="dim")
    found = trace_text(loaded, text, depth_of(mode))
    if found.cut_tokens:
        output.warn(f"The first {found.cut_tokens:,} tokens do not fit the model's context and are left out.")
    output.json({"run": run.name, "path": str(run.path), "mode": mode, **_as_json(found, mode)})
    _show_passes(found, output)
    _show_tokens(found, output)
    _show_settings(found, output)
    _show_ablations(found, output)
    if html is not None:
        from rlm_cli.trace_page import trace_page

        output.write_file(html, trace_page(found, run.name, mode))


def _as_json(found: "TextTrace", mode: str) -> dict[str, Any]:
    """Plain values. Depths are cycles x steps for every model, as in the JSON of other commands."""
    content = {**dataclasses.asdict(found), "depth": str(depth_of(mode))}
    for one in content["settings"]:
        one["depth"] = one["depth"] if one["mode"] is None else str(depth_of(one["mode"]))
    return content


def _trace_puzzle(
    run: "Run", puzzle: str, html: Path | None, machine: tuple[str | None, int | None], output: Output
) -> None:
    """The grid as it forms, step by step."""
    from rlm_cli.commands.solve import read_puzzles, solve_and_show

    solutions = solve_and_show(run, read_puzzles(puzzle, run), output, machine=machine, trace=True)
    if html is not None:
        from models.runs.puzzles import puzzle_kind
        from rlm_cli.puzzle_page import puzzle_page

        output.write_file(html, puzzle_page(solutions, run.name, puzzle_kind(run.config())))


def _show_passes(found: "TextTrace", output: Output) -> None:
    output.paragraph(f"Passes at depth {found.depth}, in the order they run:")
    output.text_table(pass_table(found))


def _show_tokens(found: "TextTrace", output: Output) -> None:
    """The text coloured by the passes of each token, or how many all of them take."""
    if not found.routed:
        output.paragraph(f"\nEvery token takes {counted(found.tokens[0].passes, 'pass')}.")
        return
    least, most = (limit(one.passes for one in found.tokens) for limit in (min, max))
    output.result("\nPasses of each token:")
    for token in found.tokens:
        share = (token.passes - least) / max(1e-9, most - least)
        output.result(token.text, style=_STYLES[round(share * (len(_STYLES) - 1))], end="")
    output.result()
    for passes, count in tokens_by_passes(found).items():
        share = (passes - least) / max(1e-9, most - least)
        style = _STYLES[round(share * (len(_STYLES) - 1))]
        output.result(f"  {counted(passes, 'pass')}: {count} of {len(found.tokens)} tokens", style=style)


def _show_settings(found: "TextTrace", output: Output) -> None:
    output.result("\nThe same text at other depths:")
    output.text_table(setting_table(found))


def _show_ablations(found: "TextTrace", output: Output) -> None:
    if not found.ablations:
        return
    output.paragraph(f"\nWhat each part is worth at depth {found.depth}, in nats per token of this text:")
    output.text_table(ablation_table(found))
