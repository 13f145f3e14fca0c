"""Runs a recipe in this process through the command line, and takes the numbers that must stay."""

import contextlib
import hashlib
import io
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from safetensors.torch import load_file

from rlm_cli.app import main
from tests.golden.recipes import TEXTS, Command, Recipe

CORPORA = Path(__file__).resolve().parents[2] / "sample_corpora"
PAUSED = 130

OF_EVENTS = {
    "corpus_begun": ("replay_share", "vocab_size"),
    "corpora_measured": ("step", "losses"),
    "model_expanded": ("step", "parameters", "largest_logit_change"),
    "evaluation_finished": ("step", "validation_loss", "cell_accuracy"),
}
"""Events on the way, and what of them must stay."""
OF_STEPS = ("step", "loss", "gradient_norm", "learning_rate")
OF_EVALUATION = (
    "validation_loss", "validation_loss_by_mode", "bits_per_byte",
    "exact_accuracy", "cell_accuracy", "mean_exit_step", "exact_accuracy_by_steps",
)  # fmt: skip
OF_RESULTS = ("text", "answer", "steps", "trace", "passes_per_token")
"""What must stay of a text that is written and of a puzzle that is solved."""
SHOWN_EVERY = 10
"""Of the losses of the steps, those at multiples of this are recorded as they are; a digest has all."""


def numbers_of(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Everything of `recipe` that must stay, as JSON would give it back. `folder` is empty before.

    Raises AssertionError, with what the program wrote on stderr, where a command fails.
    """
    with _clean_process(folder):
        _write_texts(folder)
        events = [event for command in recipe.training for event in _lines(command)]
        results = [result for command in recipe.using for result in _lines(command)[-1]["results"]]
        run = folder / "runs" / recipe.run
        evaluation = json.loads((run / "evaluation.json").read_text())
        weights = _digest_of_weights(run / "model.safetensors")
    steps = [[event[name] for name in OF_STEPS] for event in events if event.get("event") == "step_finished"]
    found = {
        "weights": weights,
        "evaluation": {name: evaluation[name] for name in OF_EVALUATION if name in evaluation},
        "on the way": [
            [event["event"], *(event[name] for name in OF_EVENTS[event["event"]])]
            for event in events
            if event.get("event") in OF_EVENTS
        ],
        "losses": [[step, loss] for step, loss, *_ in steps if step == 1 or step % SHOWN_EVERY == 0],
        "all steps": _digest(json.dumps(steps).encode()),
        "results": [{name: result[name] for name in OF_RESULTS if name in result} for result in results],
    }
    return json.loads(json.dumps(found))


@contextlib.contextmanager
def _clean_process(folder: Path) -> Iterator[None]:
    """The folder as the current one, and nothing from the environment or from earlier trainings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RLM_")}
    environment["RLM_CACHE_DIR"] = str(folder / "cache")
    threads = torch.get_num_threads()
    with mock.patch.dict(os.environ, environment, clear=True), contextlib.chdir(folder):
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_flush_denormal(False)


def _write_texts(folder: Path) -> None:
    for name, (corpus, first, last) in TEXTS.items():
        lines = (CORPORA / corpus).read_bytes()[first:last].splitlines(keepends=True)
        (folder / name).write_bytes(b"".join(lines[1 if first else 0 : -1]))


class _Stdout(io.StringIO):
    """Keeps what is written, and sends Ctrl-C when the step `pause_after` is written as finished."""

    def __init__(self, pause_after: int | None) -> None:
        super().__init__()
        self.pause_after = pause_after

    def write(self, text: str) -> int:
        written = super().write(text)
        is_step = self.pause_after is not None and '"step_finished"' in text
        if is_step and json.loads(text)["step"] == self.pause_after:
            signal.raise_signal(signal.SIGINT)
        return written


def _lines(command: Command) -> list[dict[str, Any]]:
    """What the command writes on stdout, each line read as JSON."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(False)  # a process of its own begins like this; training changes it
    out, err = _Stdout(command.pause_after), io.StringIO()
    # Without a terminal, Ctrl-C pauses and asks nothing.
    with (
        mock.patch.object(sys, "stdin", io.StringIO()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        status = main(list(command.arguments))
    expected = 0 if command.pause_after is None else PAUSED
    assert status == expected, f"rlm {' '.join(command.arguments)} ended with {status}:\n{err.getvalue()}"
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    if command.pause_after is not None:
        steps = [line["step"] for line in lines if line["event"] == "step_finished"]
        assert steps[-1] == command.pause_after, f"paused after step {steps[-1]}"
    return lines


def _digest_of_weights(path: Path) -> str:
    """One digest of all tensors. Names do not count, nor how often equal tensors are written."""
    return _digest("".join(sorted({_digest_of(tensor) for tensor in load_file(path).values()})).encode())


def _digest_of(tensor: torch.Tensor) -> str:
    content = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return _digest(f"{tuple(tensor.shape)} {tensor.dtype} ".encode() + content)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:24]
