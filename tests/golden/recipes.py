"""The trainings whose numbers must stay, as command lines of `rlm`.

A recipe uses the program's outer interface only. Where a flag or a setting is renamed, FLAGS is the one
place to change.
"""

from dataclasses import dataclass
from typing import Any

FLAGS = {
    "name": "--name {}",
    "fresh": "--fresh",
    "continue": "--continue {}",
    "json": "--json",
    "quiet": "--quiet",
    "architecture": "--arch {}",
    "d_model": "--d-model {}",
    "heads": "--heads {}",
    "context": "--context {}",
    "tokenizer": "--tokenizer {}",
    "vocab_size": "--vocab-size {}",
    "dropout": "--set model.dropout={}",
    "ngram": "--set model.ngram={}",
    "tied": "--set model.tied={}",
    "d_feed_forward": "--set model.d_feed_forward={}",
    "n_layers": "--set model.n_layers={}",
    "low_layers": "--set model.l_layers={}",
    "high_layers": "--set model.h_layers={}",
    "passes": "--set model.passes={}",
    "task": "--task {}",
    "count": "--count {}",
    "steps": "--steps {}",
    "batch_size": "--batch-size {}",
    "micro_batch": "--set training.micro_batch={}",
    "optimizer": "--optimizer {}",
    "schedule": "--set training.schedule={}",
    "warmup_steps": "--set training.warmup_steps={}",
    "weight_decay": "--set training.weight_decay={}",
    "average_decay": "--set training.average_decay={}",
    "late_recursion": "--set training.shallow_fraction={}",
    "deepest_share": "--set training.full_depth_prob={}",
    "evaluations": "--set training.evaluations={}",
    "samples": "--set training.samples={}",
    "checkpoint_minutes": "--set training.checkpoint_minutes={}",
    "compile": "--set training.compile={}",
    "seed": "--seed {}",
    "device": "--device {}",
    "number_format": "--number-format {}",
    "threads": "--threads {}",
    "replay": "--replay {}",
    "grow_vocab": "--grow-vocab {}",
    "grow_every": "--grow-every {}",
    "grow_by": "--grow-by {}",
    "expand_core": "--core {}",
    "expand_feed_forward": "--ff {}",
    "prompt": "-p {}",
    "mode": "--mode {}",
    "max_tokens": "--max-tokens {}",
    "temperature": "--temp {}",
    "top_k": "--top-k {}",
    "top_p": "--top-p {}",
    "halt": "--halt",
    "trace": "--trace",
}
"""What a recipe calls a dial, and how it is typed."""

TEXTS = {
    "first.txt": ("fables.txt", 0, 16_000),
    "second.txt": ("fables.txt", 40_000, 48_000),
    "russian.txt": ("tales_russian.txt", 0, 6_000),
    "chat.jsonl": ("technical_chat.jsonl", 0, 16_000),
}
"""The texts by their file name: a sample corpus, and the first and last byte of the part that is used.
The part is cut at line ends, so that no character and no JSON object is broken."""

RUN = "golden"
PUZZLE = "1...|..3.|.4..|...2"


@dataclass(frozen=True, kw_only=True)
class Command:
    """One call of `rlm`; `pause_after` is the step after which Ctrl-C is sent."""

    arguments: tuple[str, ...]
    pause_after: int | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Commands that train, commands that use the model, and the name of the run that is looked at.

    `same_as` names the recipe that must give the same numbers. Only `fast` recipes are in the everyday
    suite.
    """

    name: str
    training: tuple[Command, ...]
    using: tuple[Command, ...]
    run: str = RUN
    same_as: str | None = None
    fast: bool = False


def command(*words: str, pause_after: int | None = None, **dials: Any) -> Command:
    """A command line: `words` as they are, then each dial by FLAGS; True is a flag without a value."""
    typed = [part.format(value) for dial, value in dials.items() for part in FLAGS[dial].split(" ")]
    return Command(arguments=(*words, *typed), pause_after=pause_after)


_MACHINE: dict[str, Any] = {
    "seed": 3,
    "device": "cpu",
    "threads": 1,
    "compile": "no",
    "checkpoint_minutes": 100_000,
}
_TRAINING: dict[str, Any] = {
    "fresh": True,
    "name": RUN,
    "steps": 40,
    "evaluations": 2,
    "samples": 1,
    "json": True,
}
_TEXT: dict[str, Any] = {**_TRAINING, "d_model": 32, "heads": 2, "context": 32, "batch_size": 4, **_MACHINE}
_SUDOKU: dict[str, Any] = {
    "task": "sudoku:4x4", "count": 200, **_TRAINING, "d_model": 32, "heads": 2, "batch_size": 4, **_MACHINE,
}  # fmt: skip

_SHAPES: dict[str, dict[str, Any]] = {
    "looped": {},
    "hrm": {"low_layers": 1, "high_layers": 1, "d_feed_forward": 48},
    "trm": {"d_feed_forward": 48},
    "ouroboros": {},
    "recursive-router": {"n_layers": 2},
    "mixture-of-recursions": {"n_layers": 2},
    "transformer": {"n_layers": 2},
}


def _train(text: str = "first.txt", *, pause_after: int | None = None, **dials: Any) -> Command:
    given: dict[str, Any] = {"number_format": "float32", **dials}
    return command("train", text, pause_after=pause_after, **{**_TEXT, **given})


def _continue(text: str, **dials: Any) -> Command:
    return command("train", text, **{"continue": RUN}, steps=20, json=True, **dials)


def _writing(run: str = RUN, prompt: str = "One") -> tuple[Command, ...]:
    common: dict[str, Any] = {
        "prompt": prompt,
        "max_tokens": 48,
        "seed": 7,
        "threads": 1,
        "device": "cpu",
        "json": True,
    }
    greedy = command("generate", run, temperature=0, mode="normal", **common)
    sampled = command("generate", run, temperature=0.9, top_k=20, mode="deep", halt=True, **common)
    return greedy, sampled


_SOLVING = (command("solve", RUN, PUZZLE, device="cpu", threads=1, trace=True, json=True),)
_RESUME = command("resume", RUN, json=True)


def _architectures() -> tuple[Recipe, ...]:
    return tuple(
        Recipe(
            name=f"{architecture}, {number_format}",
            training=(_train(architecture=architecture, number_format=number_format, **shape),),
            using=_writing(),
            fast=(architecture, number_format) == ("hrm", "bfloat16"),
        )
        for architecture, shape in _SHAPES.items()
        for number_format in ("float32", "bfloat16")
    )


def _puzzles() -> tuple[Recipe, ...]:
    def sudoku(pause_after: int | None = None, **dials: Any) -> Command:
        return command("train", pause_after=pause_after, **{**_SUDOKU, **dials})

    trm: dict[str, Any] = {"architecture": "trm"}
    return (
        Recipe(
            name="sudoku trm, float32",
            training=(sudoku(number_format="float32", **trm),),
            using=_SOLVING,
            fast=True,
        ),
        Recipe(
            name="sudoku trm, bfloat16", training=(sudoku(number_format="bfloat16", **trm),), using=_SOLVING
        ),
        Recipe(
            name="sudoku hrm, accumulated",
            training=(sudoku(number_format="float32", architecture="hrm", micro_batch=2, low_layers=1),),
            using=_SOLVING,
        ),
        Recipe(
            name="sudoku trm, paused and resumed",
            training=(sudoku(number_format="float32", pause_after=27, **trm), _RESUME),
            using=_SOLVING,
            same_as="sudoku trm, float32",
        ),
    )


_OFF_DEFAULT: dict[str, Any] = {
    "architecture": "looped", "dropout": 0.1, "late_recursion": 0.4, "deepest_share": 0.5, "tied": "yes",
    "micro_batch": 3, "average_decay": 0.9, "schedule": "cosine", "warmup_steps": 5,
}  # fmt: skip
_PAIRS: dict[str, Any] = {"architecture": "looped", "tokenizer": "bpe", "vocab_size": 300, "ngram": 2}


def _ways_to_train() -> tuple[Recipe, ...]:
    return (
        Recipe(
            name="off default: dropout, late recursion, tied, accumulated, averaged, cosine",
            training=(_train(**_OFF_DEFAULT),),
            using=_writing(),
            fast=True,
        ),
        Recipe(
            name="off default, paused and resumed",
            training=(_train(pause_after=27, **_OFF_DEFAULT), _RESUME),
            using=_writing(),
            same_as="off default: dropout, late recursion, tied, accumulated, averaged, cosine",
            fast=True,
        ),
        Recipe(
            name="adamw, weight decay, accumulated, bfloat16",
            training=(
                _train(
                    architecture="transformer",
                    n_layers=2,
                    optimizer="adamw",
                    weight_decay=0.1,
                    micro_batch=1,
                    number_format="bfloat16",
                ),
            ),
            using=_writing(),
        ),
        Recipe(
            name="finished, then twenty steps more",
            training=(
                _train(architecture="looped", average_decay=0.9, steps=20),
                command("resume", RUN, steps=20, json=True),
            ),
            using=_writing(),
        ),
        Recipe(
            name="conversations",
            training=(_train("chat.jsonl", architecture="looped", context=64),),
            using=_writing(prompt="What is a list?"),
        ),
        Recipe(
            name="byte pairs, continued with replay and more byte pairs",
            training=(
                _train(steps=20, **_PAIRS),
                _continue("second.txt", replay=0.3, grow_vocab=8),
            ),
            using=_writing(),
        ),
        Recipe(
            name="another alphabet, replay by its own choice",
            training=(
                _train(architecture="looped", steps=20),
                _continue("russian.txt"),
            ),
            using=_writing(),
        ),
        Recipe(
            name="expanded, then trained on",
            training=(
                _train(architecture="looped", steps=20),
                command("expand", RUN, name="larger", expand_core=2, expand_feed_forward=160, json=True),
                command("resume", "larger", steps=20, json=True),
            ),
            using=_writing("larger"),
            run="larger",
        ),
        Recipe(
            name="grown while it learns",
            training=(_train(architecture="transformer", n_layers=2, grow_every=2_000, grow_by=14_000),),
            using=_writing(),
        ),
    )  # fmt: skip


RECIPES = (*_architectures(), *_puzzles(), *_ways_to_train())
