"""With `--loss-on assistant`, a model learns what the assistant says and reads the rest."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.errors import CorpusError, UsageError
from data.loader import IGNORED
from data.loss_marks import with_marks
from data.prepare import open_prepared
from data.progress import result_of
from models.analysis.soundness.verify import verify
from models.depth import Depth
from models.planning.continuation_plan import ContinuationPlan
from models.planning.plan import plan
from models.planning.text_plan import TextPlan
from models.recursive_lm import RecursiveLM
from models.runs.load import load_run
from models.runs.run import Run
from models.training.control import Control
from models.training.trainer import train
from tests.requests import train_request

SMALL: dict[str, Any] = {
    "d_model": 16, "n_heads": 2, "context_length": 16, "batch_size": 4, "steps": 4,
    "number_format": "float32", "threads": 1,
    "settings": {"training.compile": "no", "training.samples": "1", "training.evaluations": "2"},
}  # fmt: skip


NEXT: dict[str, Any] = {
    **dict.fromkeys(("d_model", "n_heads", "context_length", "batch_size", "number_format", "threads")),
    "steps": 2,
    "settings": {},
}
"""A run that goes on keeps its shape."""


def chats(path: Path, answer: str = "yes") -> Path:
    turns = (("system", "be brief"), ("user", "is it {i}?"), ("assistant", answer))
    lines = (
        json.dumps({"messages": [{"role": r, "content": c.format(i=i)} for r, c in turns]}) for i in range(80)
    )
    path.write_text("\n".join(lines))
    return path


def planned(runs: Path, **values: Any) -> Any:
    return result_of(plan(train_request(**{**SMALL, **values}), runs))


def with_setting(value: str) -> dict[str, Any]:
    return {"settings": {**SMALL["settings"], "training.loss_on": value}}


def trained(tmp_path: Path, **values: Any) -> Run:
    text = chats(tmp_path / "chats.jsonl")
    made = planned(tmp_path / "runs", paths=(str(text),), name="owl", **with_setting("assistant"), **values)
    assert isinstance(made, TextPlan) and dict(made.rows())["learns"].startswith("what the assistant says")
    run = made.start()
    list(train(run))
    return run


def test_the_targets_of_training_are_what_the_assistant_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    made = planned(tmp_path / "runs", paths=(str(chats(tmp_path / "chats.jsonl")),))
    owner = next(one for one in type(made.skeleton).__mro__ if "training_loss" in vars(one))
    original = owner.training_loss

    def training_loss(self: RecursiveLM, tokens: torch.Tensor, targets: torch.Tensor, depth: Depth) -> Any:
        seen.append((tokens.clone(), targets.clone()))
        return original(self, tokens, targets, depth)

    monkeypatch.setattr(owner, "training_loss", training_loss)
    run = trained(tmp_path, micro_batch=2)
    tokenizer = load_run(run).tokenizer
    seen = [(tokens, t) for tokens, t in seen if (t == IGNORED).any()]  # others are timed before the training
    learned = {tokenizer.decode(t[t != IGNORED].tolist()) for _, t in seen}
    assert set("".join(learned)) == set("yes") and len(seen) >= 8
    assert any("brief" in tokenizer.decode(tokens.ravel().tolist()) for tokens, _ in seen)


def test_the_loss_and_the_bits_per_byte_are_those_of_the_answers(tmp_path: Path) -> None:
    run = trained(tmp_path)
    loaded, evaluation = load_run(run), run.evaluation()
    data = run.config().data
    assert evaluation is not None and data is not None and data.prepared is not None
    tokens = open_prepared(data.prepared).validation
    marked = with_marks(tokens)
    ids = torch.from_numpy(tokens.astype(np.int64))
    losses = []
    for start in range(0, len(tokens) - 1, 16):
        part = ids[start : start + 17]
        with torch.inference_mode():
            logits = loaded.model(part[None, :-1], loaded.model.modes()["normal"]).logits[0].float()
        each = torch.nn.functional.cross_entropy(logits, part[1:], reduction="none").numpy()
        losses += list(each[marked[start + 1 : start + len(part)] < 2**31])
    assert evaluation.validation_loss == pytest.approx(np.mean(losses), abs=1e-4)
    asked = int((marked < 2**31).sum())  # "yes" and its eos
    assert asked == 4 * (len(tokens) // (len("be brief") + len("is it 79?") + 10))
    bits = evaluation.validation_loss / math.log(2) * asked / (asked * 3 / 4)
    assert evaluation.bits_per_byte == pytest.approx(bits, rel=1e-6)
    losses_checked = [one for one in verify(run) if "recorded" in one.found]
    assert losses_checked and all(one.verdict == "sound" for one in losses_checked)


def test_it_goes_on_with_another_text_and_pauses_as_any_other(tmp_path: Path) -> None:
    run = trained(tmp_path)
    other = chats(tmp_path / "other.jsonl", answer="no")
    made = planned(tmp_path / "runs", paths=(str(other),), continue_run="owl", **NEXT)
    assert isinstance(made, ContinuationPlan) and made.training.loss_on == "assistant"
    made.start()
    control = Control()
    events = []
    for event in train(run, control):
        events.append(event)
    assert all(math.isfinite(one.loss_now or 0.0) for one in run.datasets())
    assert len(run.datasets()) == 2


def test_a_batch_without_an_answer_changes_nothing_and_has_a_loss(tmp_path: Path) -> None:
    lines = [{"prompt": "is it late? " * 40, "completion": "no"} for _ in range(40)]
    text = tmp_path / "long.jsonl"
    text.write_text("\n".join(map(json.dumps, lines)))
    settings = with_setting("assistant")
    made = planned(tmp_path / "runs", paths=(str(text),), **{**settings, "batch_size": 1, "steps": 12})
    events = list(train(made.start()))
    losses = [event.loss for event in events if type(event).__name__ == "StepFinished"]
    assert losses and all(map(math.isfinite, losses))


def test_texts_without_conversations_and_other_values_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "meadow.txt"
    text.write_text("the owl sees the fox.\n" * 100)
    with pytest.raises(UsageError, match="meadow has none") as raised:
        planned(tmp_path / "runs", paths=(str(text),), **with_setting("assistant"))
    assert raised.value.field == "training.loss_on"
    with pytest.raises(UsageError, match="is for problems"):
        planned(tmp_path / "runs", paths=(str(text),), **with_setting("answers"))
    for task in ("sudoku:4x4", "compose:s3"):
        with pytest.raises(UsageError, match="is for conversations"):
            planned(tmp_path / "runs", paths=(), task=task, **with_setting("assistant"))
    assert isinstance(planned(tmp_path / "runs", paths=(str(text),), **with_setting("all")), TextPlan)


def test_conversations_that_hold_out_no_answer_make_no_run(tmp_path: Path) -> None:
    lines = []
    for i in range(80):
        turns = [{"role": "user", "content": f"is it {i}?"}]
        lines.append({"messages": turns + [{"role": "assistant", "content": "yes"}] * (i < 60)})
    path = tmp_path / "chats.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    planned(tmp_path / "runs", paths=(str(path),))  # all is learned
    with pytest.raises(CorpusError, match="says nothing in what is held out of the text"):
        planned(tmp_path / "runs", paths=(str(path),), **with_setting("assistant"))
