"""With `--attend-within document`, a model learns and is measured on each document as if it stood alone."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.document_borders import document_numbers
from data.errors import UsageError
from data.loader import IGNORED
from data.loss_marks import MARK, as_asked
from data.prepare import open_prepared
from data.progress import result_of
from models.analysis.likelihood import likelihood_by_mode
from models.analysis.soundness.verify import verify
from models.planning.plan import plan
from models.planning.text_plan import TextPlan
from models.recursive_lm import RecursiveLM
from models.runs.events import RunPaused, StepFinished
from models.runs.load import load_run
from models.runs.run import Run
from models.runs.run_config import Calibration
from models.training import text_data
from models.training.control import Control
from models.training.text_task import TextTask
from models.training.trainer import train
from tests.models.training.sessions import session_of
from tests.models.training.test_kill import assert_same_end
from tests.models.training.test_loss_on import NEXT, SMALL
from tests.requests import train_request


def chats(path: Path, answer: str = "yes") -> Path:
    """Conversations of different lengths, shorter and longer than a context."""
    lines = []
    for i in range(60):
        turns = [("user", "is it?" * (1 + i % 3)), ("assistant", answer * (1 + i % 5))] * (1 + i % 2)
        lines.append(json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]}))
    path.write_text("\n".join(lines))
    return path


def planned(runs: Path, *, within: str = "document", **values: Any) -> Any:
    settings = {**SMALL["settings"], "training.attend_within": within, **values.pop("settings", {})}
    return result_of(plan(train_request(**{**SMALL, "settings": settings, **values}), runs))


def with_calibration(run: Run) -> Run:
    """The run with a calibration of its own, so that nothing depends on the machine's time."""
    calibration = Calibration(
        device="cpu", number_format="float32", compiled=False, threads=1, micro_batch=2,
        shallow_step_s=0.01, deep_step_s=0.02,
    )  # fmt: skip
    run.save_config(replace(run.config(), calibration=calibration))
    return run


def go(run: Run, pause_at: int | None = None) -> None:
    control = Control()
    for event in run.record(train(run, control)):
        if isinstance(event, StepFinished) and event.step == pause_at:
            control.pause()
    assert isinstance(event, RunPaused) == (pause_at is not None)


@pytest.mark.parametrize("loss_on", ["all", "assistant"])
def test_the_loss_and_the_bits_per_byte_are_those_of_documents_alone(tmp_path: Path, loss_on: str) -> None:
    text = chats(tmp_path / "chats.jsonl")
    made = planned(tmp_path / "runs", paths=(str(text),), name="owl", settings={"training.loss_on": loss_on})
    assert dict(made.rows())["attention"] == "within each document or conversation"
    run = made.start()
    go(run)
    loaded, evaluation, data = load_run(run), run.evaluation(), run.config().data
    assert evaluation is not None and data is not None and data.prepared is not None
    tokens = open_prepared(data.prepared).validation
    marked = as_asked(tokens, loss_on).astype(np.int64)
    losses, depth = [], loaded.model.modes()["normal"]
    for start in range(0, len(tokens) - 1, 16):  # each part of a document in each window, alone
        window = marked[start : start + 17]
        numbers = document_numbers(window[None] & (MARK - 1))[0]
        for number in range(numbers[-1] + 1):
            part = torch.from_numpy(window[numbers == number])
            if len(part) > 1:
                with torch.inference_mode():
                    logits = loaded.model(part[None, :-1] & (MARK - 1), depth).logits[0]
                asked = part[1:] < MARK
                each = torch.nn.functional.cross_entropy(logits[asked], part[1:][asked], reduction="none")
                losses += each.tolist()
    assert evaluation.validation_loss == pytest.approx(np.mean(losses), abs=1e-5)
    ids = tokens[marked < MARK]
    ids = ids[ids != loaded.tokenizer.bos_id]
    assert len(ids) == pytest.approx(len(losses), abs=1)
    size = len(loaded.tokenizer.decode(ids.tolist()).encode())
    bits = evaluation.validation_loss / math.log(2) * len(ids) / size
    assert evaluation.bits_per_byte == pytest.approx(bits, rel=1e-6)
    checked = [one for one in verify(run) if "recorded" in one.found]
    assert checked and all(one.verdict == "sound" and (one.value or 0) < 1e-5 for one in checked)
    if loss_on == "all":
        read = tokens[: (len(tokens) - 1) // 16 * 16 + 1]
        likelihoods = result_of(likelihood_by_mode(loaded, read, {"normal": depth}))
        whole = np.mean(losses[: int((read[1:] != loaded.tokenizer.bos_id).sum())])
        assert likelihoods["normal"].loss == pytest.approx(whole, abs=1e-5)


def test_a_step_asks_for_no_token_across_a_border(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = chats(tmp_path / "chats.jsonl")
    run = planned(tmp_path / "runs", paths=(str(text),), batch_size=32, micro_batch=16).start()
    seen: list[tuple[torch.Tensor, ...]] = []
    session = session_of(run)
    original = type(session.model).training_loss

    def training_loss(self: RecursiveLM, *arguments: Any) -> Any:
        seen.append(arguments)
        return original(self, *arguments)

    monkeypatch.setattr(type(session.model), "training_loss", training_loss)
    losses = [session.task.backward(session, session.model.trained_depth).loss for _ in range(2)]
    assert losses[0] == losses[1] and all(map(math.isfinite, losses))
    assert len(seen) == 4
    begins = 0
    for tokens, targets, _, documents in seen:
        assert torch.equal(documents, torch.from_numpy(document_numbers(tokens.numpy())))
        crossing = documents.diff(dim=1) > 0
        assert (targets[:, :-1][crossing] == IGNORED).all()
        begins += int(crossing.sum())
    assert begins > 10
    monkeypatch.setattr(session.task, "within_documents", False)
    session.task.backward(session, session.model.trained_depth)
    assert all(len(arguments) == 3 and (arguments[1] != IGNORED).all() for arguments in seen[4:])


@pytest.mark.parametrize("mixed", [False, True])
def test_a_pause_changes_nothing(tmp_path: Path, mixed: bool) -> None:
    text, other = chats(tmp_path / "chats.jsonl"), tmp_path / "tale.txt"
    other.write_text("the owl sees the fox.\n" * 60)
    paths = (f"{text}:0.7", f"{other}:0.3") if mixed else (str(text),)
    whole, paused = (
        with_calibration(
            planned(
                tmp_path / "runs", paths=paths, name=name, steps=10, settings={"model.dropout": "0.1"}
            ).start()
        )
        for name in ("whole", "paused")
    )
    go(whole)
    go(paused, pause_at=5)
    go(paused)
    assert_same_end(paused, whole)
    evaluation = whole.evaluation()
    assert evaluation is not None and math.isfinite(evaluation.bits_per_byte)


def test_a_further_text_is_read_in_the_same_way_and_so_is_what_is_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = chats(tmp_path / "chats.jsonl"), chats(tmp_path / "other.jsonl", answer="no")
    run = planned(tmp_path / "runs", paths=(str(first),), name="owl").start()
    go(run)
    known = run.datasets()[0].loss_now
    request = train_request(
        **{**SMALL, **NEXT, "paths": (str(second),), "continue_run": "owl", "replay": 0.5}
    )
    made = result_of(plan(request, tmp_path / "runs"))
    assert made.training.attend_within == "document" and "attention" in dict(made.rows())
    run = made.start()
    task = session_of(run).task
    assert isinstance(task, TextTask) and task.within_documents and len(task.known.all) == 2
    assert all(one.within_documents for one in (*task.known.all, *task.held_out))
    with monkeypatch.context() as patch:
        patch.setattr(text_data, "with_borders", lambda tokens: np.append(tokens, tokens[:1]))
        longer = session_of(run).task
    assert isinstance(longer, TextTask)
    assert [len(one.tokens) for one in longer.known.all] == [len(one.tokens) + 1 for one in task.known.all]
    list(train(run))
    assert run.datasets()[0].loss_before == pytest.approx(known, abs=1e-5)


def test_a_text_of_one_document_puzzles_and_other_words_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "meadow.txt"
    text.write_text("the owl sees the fox.\n" * 100)
    runs = tmp_path / "runs"
    with pytest.raises(UsageError, match="changes nothing here: meadow is one document") as raised:
        planned(runs, paths=(str(text),))
    assert raised.value.field == "training.attend_within"
    other = tmp_path / "wood.txt"
    other.write_text("the fox hears the owl.\n" * 100)
    with pytest.raises(UsageError, match="sources of one document each"):
        planned(runs, paths=(f"{text}:0.5", f"{other}:0.5"))
    with pytest.raises(UsageError, match="is for text"):
        planned(runs, paths=(), task="compose:s3")
    with pytest.raises(UsageError, match="one of sequence, document"):
        planned(runs, paths=(str(text),), within="page")
    assert isinstance(planned(runs, paths=(str(text), str(other))), TextPlan)
    assert isinstance(planned(runs, paths=(str(text),), within="sequence"), TextPlan)
    ambient = frozenset({"training.attend_within"})
    preferred = planned(runs, paths=(str(text),), ambient=ambient)
    assert dict(preferred.rows())["attention"].endswith("this text is one")
