"""`rlm show`: one run in full."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from data.errors import RlmError
from models.recursion import DEFAULT_MODE, MODES
from models.runs.task import solves_puzzles
from models.wording import counted
from rlm_cli import figures
from rlm_cli.commands.ls import as_json
from rlm_cli.options import JsonOption, RunArgument, RunsDirOption
from rlm_cli.output import Output
from rlm_cli.run_reference import typed

if TYPE_CHECKING:
    from models.runs.run import Run


def show(run: RunArgument = None, runs_dir: RunsDirOption = None, json: JsonOption = False) -> None:
    """Show one run in full.

    What it is, what it was trained on, its loss at each mode, its
    checkpoints and sizes.

    Examples:
      rlm show
      rlm show book
      rlm show book --json
    """
    from models.runs.run import Run
    from rlm_cli.environment import runs_dir as find_runs_dir

    output = Output.of(json=json)
    opened = Run.open(run, find_runs_dir(runs_dir))
    report = describe_run(opened)
    for note in report["notes"]:
        output.warn(note)
    output.json(report)
    output.pairs(summary_rows(report))
    if len(report["datasets"] or []) > 1:
        output.result()
        output.table(
            ("corpus", "when learned", "now", "change", "grown"),
            list(loss_rows(report)),
            right=("when learned", "now", "change"),
            spare=("grown",),
        )
    if report["checkpoints"]:
        output.result()
        output.table(
            ("checkpoint", "step", "size", "pointers"),
            [
                (one["name"], f"{one['step']:,}", figures.size(one["bytes"]), ", ".join(one["pointers"]))
                for one in report["checkpoints"]
            ],
            right=("step", "size"),
            spare=("step", "size"),
        )
    output.say(f"\n{_next_step(report, typed(opened))}")


def describe_run(run: "Run") -> dict[str, Any]:
    """Everything about a run as plain data, with stable keys. Torch is not needed.

    Where one of its files is damaged, that part is null and a sentence in `notes` says so. Raises
    RunError where it has no sound configuration.
    """
    from models.runs.checkpoint_folder import complete_checkpoints, pointers_in
    from models.runs.listing import summarize

    pointers = pointers_in(run.checkpoints_path)
    checkpoints = complete_checkpoints(run.checkpoints_path)
    notes: list[str] = []
    datasets, evaluation = (_kept(run, name, notes) for name in ("datasets.json", "evaluation.json"))
    best = next((one.step for one in checkpoints if one.name == pointers.get("best")), None)
    if best is None and evaluation is not None and type(evaluation.get("step")) is int:
        best = evaluation["step"]
    return {
        **as_json(summarize(run.path)),
        "busy": run.is_busy(),
        "config": _finite(run.read_config()),
        "datasets": None if datasets is None else [_with_losses(_finite(one)) for one in datasets],
        "evaluation": _finite(evaluation),
        "best_step": best,
        "checkpoints": [
            {
                "name": checkpoint.name,
                "step": checkpoint.step,
                "bytes": checkpoint.size,
                "pointers": sorted(name for name, target in pointers.items() if target == checkpoint.name),
            }
            for checkpoint in checkpoints
        ],
        "bytes": {"run": _size_of_tree(run), "weights": _size_of_file(run.weights_path)},
        "notes": notes,
    }


def summary_rows(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The report as names and values for a person; what a run does not say is left out."""
    yield "run", report["name"]
    yield "folder", report["path"]
    progress = f", step {report['step']:,} of {report['total_steps']:,}" if report["total_steps"] else ""
    told = report["problem"] is None or any(report["problem"] in note for note in report["notes"])
    yield "status", report["status"] + progress + ("" if told else f" ({report['problem']})")
    yield "model", ", ".join(_model_words(report, report["config"]["model"]))
    if (text := _corpus_words(report)) is not None:
        yield "trained on" if report["step"] > 0 else "text", text
    if solves_puzzles(report["config"]):
        yield from _solving_rows(report["evaluation"] or {})
    elif report["validation_loss"] is not None:
        best = "" if report["best_step"] is None else f", best at step {report['best_step']:,}"
        yield "validation loss", f"{figures.loss(report['validation_loss'])} nats per token{best}"
    for mode, loss in _losses_by_mode(report["evaluation"]).items():
        beyond = ", deeper than it was trained" if mode in _extrapolated(report["evaluation"]) else ""
        yield f"  {mode}", f"{loss:.4f}" + (f"  ({MODES[mode]}{beyond})" if mode in MODES else "")
    passes = (report["evaluation"] or {}).get("passes_per_token")
    if isinstance(passes, float):
        yield "recursion", f"{counted(float(f'{passes:.3g}'), 'pass')} per token at mode {DEFAULT_MODE}"
    sizes = report["bytes"]
    yield "on disk", f"{figures.size(sizes['run'])}, weights {figures.size(sizes['weights'])}"
    yield "changed", figures.ago(report["modified"])


def loss_rows(report: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """What each corpus lost to those that came after it: nats per token on its held-out part."""
    from models.runs.datasets import labels

    names = labels(report["datasets"])
    for dataset in report["datasets"]:
        learned, now = dataset["loss_when_learned"], dataset["loss_now"]
        yield (
            names[str(dataset.get("content_hash"))],
            figures.loss(learned),
            figures.loss(now),
            "-" if learned is None or now is None else _change(learned, now),
            _growths(dataset.get("grown", [])) or "-",
        )


def _growths(steps: list[dict[str, Any]]) -> str:
    """In what it grew on a text, from where it first was to where it came: a model may grow many times."""
    ways: dict[str, tuple[int, int]] = {}
    for one in steps:
        first, _ = ways.get(one["what"], (one["from"], one["to"]))
        ways[one["what"]] = (first, one["to"])
    return ", ".join(f"{way} {first} to {last}" for way, (first, last) in ways.items())


def _change(before: float, now: float) -> str:
    return f"{100 * (now / before - 1):+.1f} %" if before > 0 else "-"


def _solving_rows(evaluation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """How well it solves puzzles, and what thinking longer buys. Nothing where it is not judged yet."""
    exact, cells, steps = map(evaluation.get, ("exact_accuracy", "cell_accuracy", "mean_exit_step"))
    if isinstance(exact, float) and isinstance(cells, float) and isinstance(steps, float):
        yield "solves", figures.solving(exact, cells, steps)
    by_steps = evaluation.get("exact_accuracy_by_steps")
    if isinstance(by_steps, dict) and all(isinstance(share, float) for share in by_steps.values()):
        yield "  by steps", "   ".join(f"{step}: {100 * share:.1f} %" for step, share in by_steps.items())


def _model_words(report: dict[str, Any], model: dict[str, Any]) -> Iterator[str]:
    yield report["architecture"] or "unknown architecture"
    if report["parameters"] is not None:
        embedding = report["config"].get("embedding_parameters")
        of_which = f" ({embedding:,} in embeddings)" if isinstance(embedding, int) else ""
        yield f"{report['parameters']:,} parameters{of_which}"
    for key, word in (("d_model", "width"), ("n_heads", "heads"), ("context_length", "context")):
        if isinstance(model.get(key), int):
            yield f"{word} {model[key]:,}"
    if report["vocab_size"] is not None:
        yield f"vocabulary {report['vocab_size']:,}"


def _corpus_words(report: dict[str, Any]) -> str | None:
    """The texts it knows, with their sizes."""
    texts = []
    for dataset in report["datasets"] or []:
        if not isinstance(dataset.get("name"), str):
            continue
        sizes = [
            f"{dataset[key]:,} {key}"
            for key in ("puzzles", "characters", "tokens")
            if isinstance(dataset.get(key), int)
        ]
        texts.append(dataset["name"] + (f" ({', '.join(sizes)})" if sizes else ""))
    return "; ".join(texts) or report["corpus"]


def _losses_by_mode(evaluation: Any) -> dict[str, float]:
    losses = (evaluation or {}).get("validation_loss_by_mode")
    if not isinstance(losses, dict):
        return {}
    return {str(mode): loss for mode, loss in losses.items() if isinstance(loss, float)}


def _extrapolated(evaluation: Any) -> list[Any]:
    modes = (evaluation or {}).get("extrapolated_modes")
    return modes if isinstance(modes, list) else []


def _next_step(report: dict[str, Any], name: str) -> str:
    match report["status"]:
        case "finished" if solves_puzzles(report["config"]):
            return f"Give it one:  rlm solve {name} PUZZLE"
        case "finished":
            return f"Talk to it:  rlm chat {name}"
        case "paused":
            return f"Go on:  rlm resume {name}"
        case "created":
            return f"Train it:  rlm train FILE --name {name}"
        case "training":
            return "It is being trained right now."
        case _:
            return "See the others:  rlm ls"


def _kept(run: "Run", name: str, notes: list[str]) -> Any:
    """What one of the run's files holds; None where it is missing or damaged, and then a note says so."""
    try:
        return run.read_json(name)
    except RlmError as error:
        notes.append(f"{error.message} {error.hint}" if error.hint else error.message)
        return None


def _with_losses(dataset: dict[str, Any]) -> dict[str, Any]:
    return {"loss_when_learned": None, "loss_now": None} | dataset


def _size_of_tree(run: "Run") -> int:
    files = (path for path in run.path.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(_size_of_file(path) for path in files)


def _size_of_file(path: Any) -> int:
    try:
        return int(path.stat().st_size)
    except OSError:  # it went while we looked: a training run prunes its checkpoints
        return 0


def _finite(value: Any) -> Any:
    """`value` with what JSON cannot hold replaced by null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return value
