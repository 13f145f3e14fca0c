"""`rlm train`: train a model on text or puzzles."""

import shlex
from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import UsageError
from rlm_cli.commands.tui import require_terminal_for_training
from rlm_cli.dry_run import show_plan
from rlm_cli.execution import Execution
from rlm_cli.options import (
    ArchitectureOption,
    ConfigOption,
    ContextOption,
    DetachOption,
    DeviceOption,
    HeadsOption,
    JsonOption,
    MinutesOption,
    PresetOption,
    ProcessesOption,
    QuietOption,
    RunsDirOption,
    SeedOption,
    SetOption,
    ShardOption,
    StepsOption,
    ThreadsOption,
    TokenizerOption,
    TuiOption,
    VocabularyOption,
    WidthOption,
)
from rlm_cli.output import Output
from rlm_cli.plan_training import plan_training, request_and_machine
from rlm_cli.program import program, seconds_since_start
from rlm_cli.run_reference import quoted_reference
from rlm_cli.text_options import EncodingOption, FilterOption
from rlm_cli.torch_import import import_torch
from rlm_cli.train_options import (
    AttendWithinOption,
    BatchSizeOption,
    ContinueOption,
    CountOption,
    DryRunOption,
    EpochsOption,
    FreshOption,
    GrowByOption,
    GrowEveryOption,
    GrowVocabularyOption,
    LinkBandwidthOption,
    LinkLatencyOption,
    LossOnOption,
    MixOption,
    NumberFormatOption,
    OptimizerOption,
    PatienceOption,
    ReplayOption,
    TargetLossOption,
    TaskOption,
)

if TYPE_CHECKING:
    from models.planning.plan import Plan


def train(
    # `read_configuration` reads the settings and request fields from the context.
    context: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Text files (.txt, .md, .jsonl, .csv, .parquet …), folders, or - for standard input. "
            "PATH:WEIGHT for a mix.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            "-n",
            metavar="NAME",
            help="Name of the run, or of a copy of --continue RUN. Without it: the file's name.",
        ),
    ] = None,
    task: TaskOption = None,
    mix: MixOption = None,
    encoding: EncodingOption = None,
    filters: FilterOption = None,
    count: CountOption = None,
    minutes: MinutesOption = None,
    steps: StepsOption = None,
    epochs: EpochsOption = None,
    target_loss: TargetLossOption = None,
    patience: PatienceOption = None,
    preset: PresetOption = None,
    architecture: ArchitectureOption = None,
    d_model: WidthOption = None,
    n_heads: HeadsOption = None,
    context_length: ContextOption = None,
    tokenizer: TokenizerOption = None,
    vocab_size: VocabularyOption = None,
    batch_size: BatchSizeOption = None,
    optimizer: OptimizerOption = None,
    loss_on: LossOnOption = None,
    attend_within: AttendWithinOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    number_format: NumberFormatOption = None,
    threads: ThreadsOption = None,
    processes: ProcessesOption = None,
    shard: ShardOption = False,
    settings: SetOption = None,
    config: ConfigOption = None,  # its callback has read the file
    runs_dir: RunsDirOption = None,
    continue_run: ContinueOption = None,
    fresh: FreshOption = False,
    replay: ReplayOption = None,
    grow_vocab: GrowVocabularyOption = None,
    grow_every: GrowEveryOption = None,
    grow_by: GrowByOption = None,
    dry_run: DryRunOption = False,
    link_bandwidth: LinkBandwidthOption = None,
    link_latency: LinkLatencyOption = None,
    detach: DetachOption = False,
    tui: TuiOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a model on your own text.

    Without flags, the size, tokenizer, context, batch and length are chosen
    for the text and the machine. The plan is printed first.
    Without --continue RUN it makes a new run. If models exist, it asks first on
    a terminal, unless --name, --preset or --fresh is given.
    Ctrl-C pauses and saves; rlm resume continues.

    Examples:
      rlm train book.txt
      rlm train book.txt --minutes 8 --name book
      rlm train book.txt --detach
      rlm train book.txt --tui
      rlm train notes/ letters.txt --preset hrm-4m --epochs 3
      rlm train notes.jsonl --filter technical
      rlm train notes.md --tokenizer technical
      rlm train chats.jsonl --loss-on assistant --attend-within document
      rlm train book.txt --steps 2000 --set training.weight_decay=0.05
      rlm train second.txt --continue book
      rlm train second.txt --continue book --name book-2
      zcat archive.gz | rlm train - --name archive
      rlm train books/:0.7 letters.txt:0.3
      rlm train --mix mix.toml --minutes 30
      rlm train --mix mix.toml --continue book
      rlm train --task sudoku:6x6 --minutes 5
      rlm train --task sudoku puzzles.csv --arch hrm
      rlm train --task maze:15x15
      rlm train --task grid pairs.csv
      rlm train --task chains
      rlm train book.txt --nproc 2
      rlm train book.txt --nproc 2 --shard
      rlm train book.txt --dry-run --nproc 64 --device h100 --batch-size 512
    """
    output = Output.of(json=json, quiet=quiet)
    execution = Execution.join(context, processes, shard=shard, detach=detach, tui=tui)
    if not paths and task is None and mix is None:
        raise UsageError("Missing argument 'PATH'.", hint=f"See: {program()} train --help")
    if fresh and continue_run is not None:
        raise UsageError("--fresh and --continue exclude each other.", hint="Give one of them.")
    if tui:
        command = _command_without_tui(paths or [], task, mix)
        require_terminal_for_training(command, {"--json": json, "--quiet": quiet, "--dry-run": dry_run})

    from rlm_cli.training_session import interruptible_creation

    if (run := execution.interrupted_run(runs_dir)) is not None:
        with run.hold():
            raise typer.Exit(execution.train_here(run, output))
    with interruptible_creation(output):
        import_torch(output)
        request, machine = request_and_machine(context, execution, dry_run=dry_run)
        may_ask = not fresh and execution.team is None and machine is None
        # The plan is the only result of a dry run, so progress goes to stderr.
        progress = Output.of(quiet=quiet) if dry_run else output
        import_module("models.planning.plan")  # this takes a while, and is part of the start
        loading_s = seconds_since_start()
        plan = plan_training(request, runs_dir, output, progress, may_ask=may_ask)
        if dry_run:
            show_plan(plan, request, machine, processes, output)
            return
        output.pairs(plan.rows(), to_stderr=True)
    _tell_way_back(plan, output)
    raise typer.Exit(_start_and_train(plan, execution, output, loading_s))


def _command_without_tui(paths: list[str], task: str | None, mix: str | None) -> str:
    """The command that trains on the same data, as hints have it."""
    fields = (f"{key}={value}" for key, value in (("task", task), ("mix", mix)) if value is not None)
    return f"train {shlex.join([*paths, *fields])}"


def _tell_way_back(plan: "Plan", output: Output) -> None:
    """Name the command that returns a run to what it was before the text of `plan`."""
    from models.planning.continuation_plan import ContinuationPlan

    if isinstance(plan, ContinuationPlan) and plan.version is not None:
        run = quoted_reference(plan.run)
        output.say(f"Go back to it at any time:  {program()} resume {run} --from {plan.version}")


def _start_and_train(plan: "Plan", execution: Execution, output: Output, loading_s: float) -> int:
    """Start `plan`, train its run, and return the exit code. A run that existed before is held from the
    start until it is trained, or until other processes take over.

    `loading_s` is how long the process took until it could plan. That belongs to the minutes of a training;
    the time in which the user was asked something does not."""
    from models.planning.continuation_plan import ContinuationPlan
    from models.planning.resume_plan import ResumePlan
    from rlm_cli.training_session import interruptible_continuation, interruptible_creation

    existing = None
    if isinstance(plan, ContinuationPlan | ResumePlan) and plan.copy_name is None:
        existing = plan.run
    began_at = None if plan.started_at is None else plan.started_at - loading_s
    with ExitStack() as stack:
        if existing is None:
            interruptible = interruptible_creation(output)
        else:
            stack.enter_context(existing.hold())
            interruptible = interruptible_continuation(output, existing)
        with interruptible:
            run = plan.start()
        execution.note_launch(run)
        if execution.is_in_this_process:
            return execution.train_here(run, output, began_at)
    return execution.train_elsewhere(run, output, began_at)
