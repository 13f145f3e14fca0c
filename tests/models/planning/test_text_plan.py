"""From a plan to a run: the text is long enough, one starter per run, nothing half made left."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from data import storage
from data.character_tokenizer import CharacterTokenizer
from data.errors import CorpusError, StorageError, UsageError
from models import architectures
from models.cost import estimate as estimating
from models.cost.estimate import Estimate
from models.cost.number_format import NumberFormat
from models.errors import RunBusyError
from models.planning import create as creation
from models.planning import fit_to_machine
from models.planning.create import plan_creation
from models.planning.plan import plan
from models.planning.text_plan import TextPlan
from models.runs.events import NoticeGiven, RunFinished
from models.runs.run import Run
from models.training.trainer import train
from tests.requests import create_request, train_request

TINY = {
    "steps": 2, "d_model": 16, "n_heads": 1, "batch_size": 2, "number_format": "float32", "threads": 1,
    "settings": {"training.compile": "no", "training.samples": "0", "training.evaluations": "1"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Estimate(1, 1, 1, 1.0, NumberFormat("float32", ""))
    for module in (fit_to_machine, creation):
        monkeypatch.setattr(module, "expected_estimate", lambda *_: counted)


def planned(text: Path, runs: Path, **said: Any) -> tuple[TextPlan, list[str]]:
    planning = plan(train_request(paths=(str(text),), **{**TINY, **said}), runs)
    notices = []
    while True:
        try:
            event = next(planning)
        except StopIteration as end:
            assert isinstance(end.value, TextPlan)
            return end.value, notices
        if isinstance(event, NoticeGiven):
            notices.append(event.message)


def created(runs: Path) -> Run:
    request = create_request(name="owl", d_model=16, n_heads=1, context_length=16)
    return plan_creation(request, runs).start()


def documents(path: Path, *sizes: int) -> Path:
    words = "the owl sees the fox and calls " * 400
    path.write_text("".join(json.dumps({"text": words[:size]}) + "\n" for size in sizes), encoding="utf-8")
    return path


def test_a_training_part_of_few_tokens_gets_a_shorter_context(tmp_path: Path) -> None:
    text = documents(tmp_path / "unequal.jsonl", *[5] * 9, 3000)
    found, notices = planned(text, tmp_path / "runs")
    assert 8 <= found.model.context_length < found.data.train_tokens <= 2 * found.model.context_length
    assert any("sees" in notice for notice in notices)
    *_, last = train(found.start())
    assert isinstance(last, RunFinished) and last.validation_loss > 0


def test_byte_pairs_count_as_the_tokens_they_are(tmp_path: Path, corpus: Path) -> None:
    corpus.write_text("the owl sees the fox. " * 40, encoding="utf-8")
    found, _ = planned(corpus, tmp_path / "runs", vocab_size=400)
    assert found.model.context_length < found.data.train_tokens


@pytest.mark.parametrize("context", [32, 128, 600])
def test_a_typed_context_that_is_not_filled_is_an_error_with_a_shorter_one(
    tmp_path: Path, context: int
) -> None:
    text = documents(tmp_path / "unequal.jsonl", *[1] * 9, 3000)
    with pytest.raises(CorpusError, match=f"one context is {context}") as caught:
        planned(text, tmp_path / "runs", context_length=context)
    assert caught.value.hint is not None and f"{{model.context_length={context}}}" not in caught.value.hint


def test_too_little_to_measure_on_is_an_error(tmp_path: Path) -> None:
    text = documents(tmp_path / "unequal.jsonl", *[3000] * 9, 1)
    with pytest.raises(CorpusError, match="measure on"):
        planned(text, tmp_path / "runs")


def test_a_giant_batch_is_taken_in_pieces(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimating, "free_memory_bytes", lambda _: 5 * 10**7)
    found, notices = planned(corpus, tmp_path, batch_size=10_000, context_length=16)
    assert found.training.batch_size == 10_000
    assert found.training.micro_batch is not None and found.training.micro_batch < 2_000
    assert any("more than the whole text" in notice for notice in notices)
    assert any("pieces of" in notice for notice in notices)


@pytest.mark.usefixtures("impatient")
def test_a_created_run_is_started_by_one(tmp_path: Path, corpus: Path) -> None:
    run = created(tmp_path)
    first, second = (planned(corpus, tmp_path, name="owl", d_model=None, seed=seed)[0] for seed in (1, 2))
    with run.lock(), pytest.raises(RunBusyError):
        first.start()
    assert run.config().data is None
    first.start()
    before = run.config_path.read_bytes()
    with pytest.raises(UsageError, match="already"):
        second.start()
    assert run.config_path.read_bytes() == before
    assert not run.weights_path.exists()  # the fresh ones, of another vocabulary


def test_a_full_disk_leaves_no_half_made_run(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    run = created(runs)
    fresh, filling = planned(corpus, runs)[0], planned(corpus, runs, name="owl", d_model=None)[0]
    creating = plan_creation(create_request(name="elk", d_model=16, n_heads=1), runs)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(CharacterTokenizer, "save", full)
        for plan_of in (fresh, filling):
            with pytest.raises(StorageError, match="disk is full"):
                plan_of.start()
    with monkeypatch.context() as patch:
        patch.setattr("data.storage.write_file", full)
        with pytest.raises(StorageError, match="disk is full"):
            creating.start()
    assert [path.name for path in runs.iterdir()] == ["owl"]
    assert run.config().data is None and not run.tokenizer_path.exists()
    assert run.weights_path.exists()


def test_a_folder_that_a_kill_left_is_filled(tmp_path: Path, corpus: Path) -> None:
    left = tmp_path / "owl"
    left.mkdir()
    for name in (".lock", "tokenizer.json", ".tmp-config.json-1-ab"):
        (left / name).write_text("torn")
    run = planned(corpus, tmp_path, name="owl")[0].start()
    assert run.config().data is not None and not (left / ".tmp-config.json-1-ab").exists()


def test_two_trainings_of_one_text_get_a_name_each(tmp_path: Path, corpus: Path) -> None:
    plans = [planned(corpus, tmp_path / "runs")[0] for _ in range(2)]
    assert [found.name for found in plans] == ["meadow", "meadow"]
    assert [found.start().name for found in plans] == ["meadow", "meadow-2"]
    named = [planned(corpus, tmp_path / "runs", name="owl")[0] for _ in range(2)]
    named[0].start()
    before = (named[0].runs_dir / "owl" / "config.json").read_bytes()
    with pytest.raises(UsageError, match="already a run 'owl'"):
        named[1].start()
    assert (named[0].runs_dir / "owl" / "config.json").read_bytes() == before


@pytest.mark.usefixtures("impatient")
def test_a_run_that_is_being_made_is_left_alone(tmp_path: Path, corpus: Path) -> None:
    found, _ = planned(corpus, tmp_path, name="owl")
    run = Run.create("owl", tmp_path)
    with run.lock(), pytest.raises(RunBusyError):
        found.start()
    assert run.path.is_dir()


def test_text_the_tokenizer_cannot_read_is_said_and_then_refused(tmp_path: Path, corpus: Path) -> None:
    tokenizer = tmp_path / "english.json"
    CharacterTokenizer("abcdefghijklmnopqrstuvwxyz \n").save(tokenizer)
    corpus.write_text("the owl sees the fox. " * 40, encoding="utf-8")
    _, notices = planned(corpus, tmp_path / "runs", tokenizer=str(tokenizer))
    assert any("40 of 880 characters (5 %) are not in the tokenizer" in notice for notice in notices)
    corpus.write_text("сова видит лису. " * 40, encoding="utf-8")
    with pytest.raises(CorpusError, match=r"of 680 characters \(82 %\) are not in the tokenizer"):
        planned(corpus, tmp_path / "runs", tokenizer=str(tokenizer))


def test_unequal_documents_have_their_real_shares_said(tmp_path: Path, corpus: Path) -> None:
    found, notices = planned(documents(tmp_path / "unequal.jsonl", *[5] * 9, 3000), tmp_path / "runs")
    shares = (
        f"{found.data.train_tokens:,} tokens to learn from, {found.data.validation_tokens:,} to measure on"
    )
    assert shares in dict(found.rows())["text"]
    assert any("very unequal" in notice and shares in notice for notice in notices)
    assert "nine tenths to learn from" in dict(planned(corpus, tmp_path / "runs")[0].rows())["text"]


def test_one_layout_and_one_write_are_enough(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts: list[Any] = []
    files: list[str] = []
    laying_out, writing = architectures.build_model, storage.write_file

    def lay_out(config: Any) -> Any:
        layouts.append(config)
        return laying_out(config)

    def write(path: Path, *more: Any) -> Any:
        files.append(path.name)
        return writing(path, *more)

    monkeypatch.setattr(architectures, "build_model", lay_out)
    monkeypatch.setattr(storage, "write_file", write)
    found, _ = planned(corpus, tmp_path / "runs", n_heads=2, d_model=32)
    assert found.rows() and found.to_dict()
    assert layouts == [found.model]
    run = found.start()
    assert len(layouts) == 1 and sum("config.json" in name for name in files) == 1
    assert run.config().training_config() == found.training


def test_the_plan_gives_the_reason_of_the_tokenizer_and_the_use_of_the_blocks(
    tmp_path: Path, corpus: Path
) -> None:
    rows = dict(planned(corpus, tmp_path / "runs")[0].rows())
    assert rows["tokenizer"] == "character, 33 tokens (the text has 17 different characters)"
    assert rows["model"] == "looped, width 16, 1 head, 3 blocks, the middle one used 1 to 3 times"
    rows = dict(planned(corpus, tmp_path / "runs", architecture="hrm", tokenizer="character")[0].rows())
    assert rows["tokenizer"].endswith("(your choice)")
    assert "block passes a token" in rows["model"]


def test_a_tiny_text_is_a_warning(tmp_path: Path, corpus: Path) -> None:
    assert any("only 2," in notice for notice in planned(corpus, tmp_path / "runs")[1])
    corpus.write_text("the owl sees the fox.\n" * 1000, encoding="utf-8")
    assert not planned(corpus, tmp_path / "runs")[1]
