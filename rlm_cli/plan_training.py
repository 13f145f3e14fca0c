"""From the flags of `rlm train` to its plan, with the questions that only the user can answer."""

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from rlm_cli.choose_encoding import read_in_chosen_encoding
from rlm_cli.choose_run import can_ask_user, choose_until_planned
from rlm_cli.dry_run import for_named_machine, places_here, require_dry_run
from rlm_cli.execution import Execution
from rlm_cli.output import Output

if TYPE_CHECKING:
    from pathlib import Path

    from data.corpus import Corpus
    from models.cost.machines import Machine
    from models.planning.candidates import Candidate
    from models.planning.plan import Plan
    from models.planning.request import TrainRequest


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


def request_and_machine(
    context: typer.Context, execution: Execution, *, dry_run: bool
) -> "tuple[TrainRequest, Machine | None]":
    """The request, and the absent machine that a dry run is for; None for this one. Raises UsageError."""
    request = replace(train_request(context), processes=execution.processes)
    if not dry_run:
        require_dry_run(request)
        return request, None
    here = min(request.processes.here, places_here(request))
    return for_named_machine(replace(request, processes=replace(request.processes, here=here)))


def plan_training(
    request: "TrainRequest", runs_dir: "Path | None", output: Output, progress: Output, *, may_ask: bool
) -> "Plan":
    """The plan of `request`. If it names no model, the user may choose a run to continue."""
    from data.mixes.mix_file import weighted_paths
    from models.planning.candidates import candidates
    from models.planning.plan import plan
    from rlm_cli.environment import runs_dir as find_runs_dir
    from rlm_cli.training_session import show_progress

    folder = find_runs_dir(runs_dir)
    makes_new = request.names_model or weighted_paths(request.paths) is not None
    if may_ask and not makes_new and can_ask_user(output):
        runs, damaged = candidates(folder)
        for one in damaged:
            output.warn(f"Run '{one.name}' is damaged and left out: {one.problem}")
        if runs:
            return _plan_of_chosen_run(request, runs, folder, output, progress)

    def plan_in(encoding: str | None, guess: bool) -> "Plan":
        return show_progress(
            plan(replace(request, encoding=encoding, guess_encoding=guess), folder), progress
        )

    return read_in_chosen_encoding(plan_in, request.encoding, output)


def _plan_of_chosen_run(
    request: "TrainRequest", runs: "list[Candidate]", folder: "Path", output: Output, progress: Output
) -> "Plan":
    """Read the text, let the user choose one of `runs` or a new one, and plan."""
    from models.planning.plan import plan
    from models.runs.progress import read_corpus
    from rlm_cli.training_session import show_progress

    def read(encoding: str | None, guess: bool) -> "Corpus":
        encodings = replace(request, encoding=encoding).encodings
        return show_progress(
            read_corpus(request.paths, encodings, request.filter_names, guess=guess), progress
        )

    def plan_for(run: str | None) -> "Plan":
        return show_progress(plan(replace(request, continue_run=run), folder, corpus), progress)

    corpus = read_in_chosen_encoding(read, request.encoding, output)
    return choose_until_planned(plan_for, runs, corpus, output)
