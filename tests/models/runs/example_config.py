"""Small configurations, datasets and states of runs, for tests."""

from dataclasses import replace

from models.runs.datasets import Dataset, Growth
from models.runs.evaluation import Evaluation, PuzzleEvaluation
from models.runs.run_config import (
    Calibration,
    DataSection,
    Extension,
    ModelSection,
    ReplaySection,
    RunConfig,
)
from models.runs.run_state import Counters, RunState, Schedule

CREATED = RunConfig(
    model=ModelSection(architecture="looped", foreign={"vocab_size": 65}), parameters=99, corpus="alice"
)
"""A run without a text."""

WITH_TEXT = replace(
    CREATED,
    started_at=1.0,
    data=DataSection(paths=("alice.txt",), content_hash="ab", kind="text"),
)
"""A run that was given a text."""

COMPLETE_CONFIG = replace(
    WITH_TEXT,
    name="owl",
    parameters=99,
    embedding_parameters=9,
    training={"steps": 5, "learning_rate": 0.003, "minutes": None},
    data=DataSection(
        paths=("a.txt", "b.txt"),
        content_hash="ab",
        kind="text",
        tokenizer="bpe",
        tokenizer_hash="cd",
        reconstructed_from_hash="ef",
        prepared="0123",
        count=60,
        seed=0,
        held_out=6,
        foreign={"later": [1]},
    ),
    tokenizer_hash="cd",
    calibration=Calibration(
        device="cpu",
        number_format="float32",
        compiled=False,
        threads=1,
        micro_batch=4,
        shallow_step_s=0.5,
        deep_step_s=1.5,
        foreign={"later": 1},
    ),
    replay=ReplaySection(share=0.2, reason="new letters", corpora=("cd",)),
    extension=Extension(from_step=5, minutes=None, steps=3),
    revision=1,
    vocab_size_before=60,
    lineage=({"run": "parent"},),
    foreign={"later": {"a": None}},
)
"""Every field has a value."""

COMPLETE_STATE = RunState(
    counters=Counters(step=3, recent_losses=[1.5, 2.5], skipped_steps=[2], foreign={"later": 1}),
    schedule=Schedule(0, 9, 4, 0.25, 0.5),
    micro_batch=2,
    ended="steps",
    seconds_left=1.5,
    revision=1,
    is_initial=True,
    config={"model": {"architecture": "looped"}},
    datasets={"datasets": []},
    foreign={"later": 1},
)

COMPLETE_EVALUATION = Evaluation(
    step=3,
    after_steps=3,
    validation_loss=1.5,
    validation_loss_by_mode={"fast": 1.6},
    extrapolated_modes=("deep",),
    bits_per_byte=2.0,
    validation_tokens=9,
    tokens_read=8,
    passes_per_token=2.0,
    passes_histogram={"2": 8},
    number_format="float32",
    foreign={"later": 1},
)

COMPLETE_PUZZLE_EVALUATION = PuzzleEvaluation(
    step=3,
    after_steps=3,
    validation_loss=1.5,
    exact_accuracy=0.5,
    cell_accuracy=0.75,
    mean_exit_step=2.0,
    puzzles=6,
    chosen_by_others=False,
    max_steps=16,
    exit_steps={"2": 6},
    exit_and_difficulty=0.1,
    exact_accuracy_by_steps={"1": 0.0},
    puzzles_by_steps=6,
    number_format="float32",
)

COMPLETE_DATASET = Dataset(
    name="alice",
    content_hash="ab",
    kind="text",
    characters=9,
    documents=1,
    bytes=9,
    paths=("alice.txt",),
    prepared="0123",
    size=4,
    puzzles=54,
    tokens=8,
    steps=3,
    loss_when_learned=1.5,
    loss_before=2.5,
    loss_now=1.25,
    grown=(Growth(what="vocabulary", before=60, after=65),),
    foreign={"later": 1},
)
