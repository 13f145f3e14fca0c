"""`rlm train`: from text to a model, in one command."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import UsageError
from rlm_cli.configuration import said_request, standing_among
from rlm_cli.continual_options import (
    ContinueOption,
    FreshOption,
    GrowByOption,
    GrowEveryOption,
    GrowVocabularyOption,
    ReplayOption,
)
from rlm_cli.options import (
    LENGTH_PANEL,
    TRAINING_PANEL,
    WHERE_PANEL,
    ArchitectureOption,
    ConfigOption,
    ContextOption,
    DeviceOption,
    HeadsOption,
    JsonOption,
    MinutesOption,
    PresetOption,
    QuietOption,
    RunsDirOption,
    SeedOption,
    SetOption,
    StepsOption,
    ThreadsOption,
    TokenizerOption,
    VocabularyOption,
    WidthOption,
    dial,
)
from rlm_cli.output import Output
from rlm_cli.which_model import ask_until_planned, is_anyone_there, models_in, require_said

if TYPE_CHECKING:
    from models.planning.plan import AnyPlan


def train(
    context: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Text to learn from: .txt, .md, .jsonl, .gz of these, folders, or - for standard input.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", "-n", metavar="NAME", help="Name of the run. Without it: the file's name."),
    ] = None,
    task: Annotated[
        str | None,
        dial(
            "--task",
            metavar="TASK",
            help="Puzzles instead of text: sudoku:4x4, :6x6, :9x9 or :9x9-hard are made; sudoku reads a CSV.",
        ),
    ] = None,
    count: Annotated[int | None, dial("--count", metavar="N", min=2, help="Puzzles to make or read.")] = None,
    minutes: MinutesOption = None,
    steps: StepsOption = None,
    epochs: Annotated[
        float | None, dial("--epochs", metavar="X", help="Times through the text.", panel=LENGTH_PANEL)
    ] = None,
    target_loss: Annotated[
        float | None,
        dial(
            "--target-loss",
            metavar="LOSS",
            help="Stop once the validation loss is this low.",
            panel=LENGTH_PANEL,
        ),
    ] = None,
    patience: Annotated[
        int | None,
        dial(
            "--patience",
            metavar="N",
            min=1,
            help="Stop after this many evaluations without a better one.",
            panel=LENGTH_PANEL,
        ),
    ] = None,
    preset: PresetOption = None,
    architecture: ArchitectureOption = None,
    d_model: WidthOption = None,
    n_heads: HeadsOption = None,
    context_length: ContextOption = None,
    tokenizer: TokenizerOption = None,
    vocab_size: VocabularyOption = None,
    batch_size: Annotated[
        int | None, dial("--batch-size", metavar="N", min=1, help="Sequences per step.", panel=TRAINING_PANEL)
    ] = None,
    optimizer: Annotated[
        str | None,
        dial(
            "--optimizer",
            metavar="NAME",
            help="muon (with AdamW for the rest) or adamw.",
            panel=TRAINING_PANEL,
        ),
    ] = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    number_format: Annotated[
        str | None,
        dial(
            "--number-format",
            metavar="NAME",
            help="float32, bfloat16 or float16; else what is fastest here.",
            panel=WHERE_PANEL,
        ),
    ] = None,
    threads: ThreadsOption = None,
    settings: SetOption = None,
    config: ConfigOption = None,  # its callback has put the file behind the other flags
    runs_dir: RunsDirOption = None,
    continue_run: ContinueOption = None,
    fresh: FreshOption = False,
    replay: ReplayOption = None,
    grow_vocab: GrowVocabularyOption = None,
    grow_every: GrowEveryOption = None,
    grow_by: GrowByOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and stop.", rich_help_panel=WHERE_PANEL)
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a model on your own text.

    With no flag at all, size, tokenizer, context, batch and length are
    chosen from the text and the machine, and the plan is printed first.
    Where models exist, it asks which is meant: --continue RUN gives the
    text to one of them, --fresh begins another.
    Ctrl-C pauses and saves; rlm resume goes on.

    Examples:
      rlm train book.txt
      rlm train book.txt --minutes 8 --name book
      rlm train notes/ letters.txt --preset hrm-4m --epochs 3
      rlm train book.txt --steps 2000 --set training.weight_decay=0.05
      rlm train second.txt --continue book
      zcat archive.gz | rlm train - --name archive
      rlm train --task sudoku:6x6 --minutes 5
      rlm train --task sudoku puzzles.csv --arch hrm
    """
    output = Output.of(json=json, quiet=quiet)
    if not paths and task is None:
        raise UsageError("Missing argument 'PATH'.", hint="See: rlm train --help")
    dials = {
        "name": name, "minutes": minutes, "steps": steps, "epochs": epochs, "target_loss": target_loss,
        "patience": patience, "preset": preset, "architecture": architecture, "d_model": d_model,
        "n_heads": n_heads, "context_length": context_length, "tokenizer": tokenizer,
        "vocab_size": vocab_size, "batch_size": batch_size, "optimizer": optimizer, "seed": seed,
        "device": device, "number_format": number_format, "threads": threads,
        "task": task, "count": count, "continue_run": continue_run, "replay": replay,
        "grow_vocab": grow_vocab, "grow_every": grow_every, "grow_by": grow_by,
    }  # fmt: skip
    said = said_request(context, dials, settings)

    if fresh and continue_run is not None:
        raise UsageError("--fresh and --continue exclude one another.", hint="Give one of them.")

    from rlm_cli.training_session import before_it_exists, before_it_goes_on, drain, follow_training

    with before_it_exists(output):
        from models.planning.continuation import Continuation, MoreOfTheSame
        from models.planning.plan import TrainRequest, plan_training
        from models.runs.progress import read_corpus
        from rlm_cli.environment import runs_dir as find_runs_dir

        folder = find_runs_dir(runs_dir)
        standing = standing_among(context, said, settings)
        request = TrainRequest(paths=tuple(paths or ()), **said, standing=standing)
        # A dry run's one result is the plan: how it came about goes to stderr.
        progress = Output.of(quiet=quiet) if dry_run else output
        if not fresh and request.leaves_model_open and (found := models_in(folder)):
            if not is_anyone_there(output):
                require_said(found)
            corpus = drain(read_corpus(request.paths), progress)

            def plan_for(run: str | None) -> "AnyPlan":
                return drain(plan_training(replace(request, continue_run=run), folder, corpus), progress)

            plan = ask_until_planned(plan_for, found, corpus, output)
        else:
            plan = drain(plan_training(request, folder), progress)
        if dry_run:
            output.pairs(plan.rows())
            output.json(plan.to_dict())
            return
        output.pairs(plan.rows(), to_stderr=True)
    goes_on = plan.run if isinstance(plan, (Continuation, MoreOfTheSame)) else None
    with before_it_exists(output) if goes_on is None else before_it_goes_on(output, goes_on):
        run = plan.start()
    raise typer.Exit(follow_training(run, output))
