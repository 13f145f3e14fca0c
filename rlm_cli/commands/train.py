"""`rlm train`: train a model on text or puzzles."""

import shlex
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import UsageError
from rlm_cli.choose_encoding import read_in_chosen_encoding
from rlm_cli.choose_run import can_ask_user, choose_until_planned
from rlm_cli.commands.tui import open_application, require_terminal_for_training
from rlm_cli.dry_run import for_named_machine, places_here, require_dry_run, show_plan
from rlm_cli.exit_codes import ExitCode
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
from rlm_cli.process_team import interrupted_run, join_others, note_launch
from rlm_cli.program import program
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
    from pathlib import Path

    from data.corpus import Corpus
    from models.planning.candidates import Candidate
    from models.planning.plan import Plan
    from models.planning.request import TrainRequest


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
      rlm train --task compose:s3
      rlm train book.txt --nproc 2
      rlm train book.txt --nproc 2 --shard
      rlm train book.txt --dry-run --nproc 64 --device h100 --batch-size 512
    """
    output = Output.of(json=json, quiet=quiet)
    team, together = join_others(context, processes, shard=shard, detach=detach, tui=tui)
    if not paths and task is None and mix is None:
        raise UsageError("Missing argument 'PATH'.", hint=f"See: {program()} train --help")
    if fresh and continue_run is not None:
        raise UsageError("--fresh and --continue exclude each other.", hint="Give one of them.")
    if tui:
        fields = (f"{key}={value}" for key, value in (("task", task), ("mix", mix)) if value is not None)
        words = shlex.join([*(paths or ()), *fields])
        require_terminal_for_training(
            f"train {words}", {"--json": json, "--quiet": quiet, "--dry-run": dry_run}
        )

    from rlm_cli.many_processes import train_in_processes
    from rlm_cli.training_session import follow_training, interruptible_continuation, interruptible_creation
    from rlm_cli.watching import train_detached

    if team is not None and (run := interrupted_run(runs_dir)) is not None:
        with run.hold():
            raise typer.Exit(follow_training(run, output, team=team))
    with interruptible_creation(output):
        import_torch(output)
        from models.planning.continuation_plan import ContinuationPlan
        from models.planning.resume_plan import ResumePlan
        from rlm_cli.environment import runs_dir as find_runs_dir

        request, machine = replace(train_request(context), processes=together), None
        if dry_run:
            together = replace(together, here=min(together.here, places_here(request)))
            request, machine = for_named_machine(replace(request, processes=together))
        else:
            require_dry_run(request)
        may_ask = not fresh and team is None and machine is None
        # The plan is the only result of a dry run, so progress goes to stderr.
        progress = Output.of(quiet=quiet) if dry_run else output
        plan = _plan(request, find_runs_dir(runs_dir), output, progress, may_ask=may_ask)
        if dry_run:
            show_plan(plan, request, machine, processes, output)
            return
        output.pairs(plan.rows(), to_stderr=True)
    continued_run = None
    if isinstance(plan, (ContinuationPlan, ResumePlan)) and plan.copy_name is None:
        continued_run = plan.run
    if isinstance(plan, ContinuationPlan) and plan.version is not None:
        output.say(
            f"Go back to it at any time:  "
            f"{program()} resume {quoted_reference(plan.run)} --from {plan.version}"
        )
    with ExitStack() as stack:
        if continued_run is None:
            interruptible = interruptible_creation(output)
        else:
            stack.enter_context(continued_run.hold())
            interruptible = interruptible_continuation(output, continued_run)
        with interruptible:
            run = plan.start()
        if team is not None:
            note_launch(run)
        if not (detach or tui or processes):
            raise typer.Exit(follow_training(run, output, plan.started_at, team))
    if processes and not (detach or tui):
        raise typer.Exit(train_in_processes(run, processes, output, plan.started_at, shard=shard))
    code = train_detached(run, output, plan.started_at, processes or 1, shard=shard)
    if tui and code == ExitCode.OK:
        open_application(run.path.parent, run=run.path)
    raise typer.Exit(code)


def train_request(context: typer.Context) -> "TrainRequest":
    """What the flags of a `rlm train`, its environment and its file ask for. Raises UsageError."""
    from models.planning.request import TrainRequest
    from rlm_cli.configuration import read_configuration

    configuration = read_configuration(context, context.params["settings"])
    return TrainRequest(
        paths=tuple(context.params["paths"] or ()),
        **configuration.fields,
        overrides=configuration.overrides,
        ambient=configuration.ambient,
    )


def _plan(
    request: "TrainRequest", folder: "Path", output: Output, progress: Output, *, may_ask: bool
) -> "Plan":
    """The plan of `request`. If it names no model, the user may choose a run to continue."""
    from data.mixes.mix_file import weighted_paths
    from models.planning.candidates import candidates
    from models.planning.plan import plan
    from models.runs.progress import read_corpus
    from rlm_cli.training_session import show_progress

    runs: list[Candidate] = []
    makes_new = request.names_model or weighted_paths(request.paths) is not None
    if may_ask and not makes_new and can_ask_user(output):
        runs, damaged = candidates(folder)
        for one in damaged:
            output.warn(f"Run '{one.name}' is damaged and left out: {one.problem}")

    def new_plan(encoding: str | None, guess: bool) -> "Plan":
        asked = replace(request, encoding=encoding, guess_encoding=guess)
        return show_progress(plan(asked, folder), progress)

    def text(encoding: str | None, guess: bool) -> "Corpus":
        asked = replace(request, encoding=encoding)
        return show_progress(
            read_corpus(asked.paths, asked.encodings, asked.filter_names, guess=guess), progress
        )

    def plan_for(run: str | None) -> "Plan":
        return show_progress(plan(replace(request, continue_run=run), folder, corpus), progress)

    if not runs:
        return read_in_chosen_encoding(new_plan, request.encoding, output)
    corpus = read_in_chosen_encoding(text, request.encoding, output)
    return choose_until_planned(plan_for, runs, corpus, output)
