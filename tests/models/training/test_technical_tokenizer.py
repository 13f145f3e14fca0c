"""A run with a technical tokenizer: trained, checked, repaired, and grown by another text."""

from pathlib import Path
from typing import Any

import pytest

from data.bpe_growth import grow_bpe
from data.bpe_tokenizer import BpeTokenizer
from data.corpus import open_corpus
from data.errors import TokenizerError
from data.progress import result_of
from models.analysis.soundness.files import check_round_trip
from models.analysis.soundness.held_out import open_held_out
from models.depth import MODES
from models.generation.generate import GenerationConfig, generate
from models.generation.prompt import prompt_of_text
from models.planning.plan import plan
from models.recovery.recover import check_tokenizer, recover_tokenizer
from models.runs.events import NoticeGiven
from models.runs.load import load_run
from models.runs.run import Run
from models.training.trainer import train
from tests.models.recovery.conftest import without_copies
from tests.requests import train_request

LINE = "Write to a.b@c.org or see https://a.org/b for x² = 1{0}4:\n\n```py\n    return {0}\n```\n"
DIALS: dict[str, Any] = {
    "d_model": 16, "n_heads": 2, "context_length": 16, "steps": 3, "batch_size": 4, "device": "cpu",
    "threads": 1, "settings": {"training.samples": 0, "training.compile": "no", "training.evaluations": 1},
}  # fmt: skip


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.md"
    path.write_text("".join(LINE.format(i) for i in range(120)), encoding="utf-8")
    return path


def trained(notes: Path, kind: str) -> tuple[Run, dict[str, str], str]:
    """A run, the rows of its plan, and what was said before it began."""
    request = train_request(paths=(str(notes),), name="owl", tokenizer=kind, vocab_size=320, **DIALS)
    planning = plan(request, notes.parent / "runs")
    said: list[str] = []
    while True:
        try:
            event = next(planning)
        except StopIteration as end:
            planned = end.value
            break
        said += [event.message] if isinstance(event, NoticeGiven) else []
    run = planned.start()
    for _ in train(run):
        pass
    return run, dict(planned.rows()), "\n".join(said)


@pytest.mark.parametrize("kind", ["technical", "technical:nfkc"])
def test_a_run_is_trained_and_sound_and_writes(kind: str, notes: Path) -> None:
    run, rows, said = trained(notes, kind)
    loses = kind == "technical:nfkc"
    assert rows["tokenizer"].startswith(kind) and ("lossy" in rows["tokenizer"]) is loses
    assert ("NFKC changes 120 of" in said and "'²' as '2'" in said) is loses
    config, loaded = run.config(), load_run(run)
    assert config.data is not None and config.data.tokenizer == loaded.tokenizer.kind == kind
    assert check_round_trip(loaded.tokenizer, open_held_out(run, config, loaded.tokenizer)).verdict == "sound"
    assert check_tokenizer(run).sound
    prompt = prompt_of_text(loaded.tokenizer, loaded.kind, "```py\n    return x²")
    settings = GenerationConfig(max_tokens=3)
    written = list(generate(loaded.model, loaded.tokenizer, [prompt.ids], MODES["fast"], settings))
    assert 1 <= len(written) <= 3


def test_a_lost_tokenizer_is_made_again_from_the_text(notes: Path) -> None:
    run, _, _ = trained(notes, "technical:nfkc")
    lost = run.tokenizer_path.read_bytes()
    without_copies(run)
    run.tokenizer_path.unlink()
    assert result_of(recover_tokenizer(run)).source == "corpus"
    assert run.tokenizer_path.read_bytes() == lost
    run.tokenizer_path.unlink()
    notes.unlink()
    with pytest.raises(TokenizerError, match="byte pairs: only character models can be reconstructed"):
        result_of(recover_tokenizer(run))


def test_another_text_adds_tokens_of_the_same_kind(notes: Path) -> None:
    run, _, _ = trained(notes, "technical")
    before, more = load_run(run).tokenizer, notes.parent / "more.md"
    more.write_text("A heron wades through reeds by the quiet river. " * 60, encoding="utf-8")
    request = train_request(
        paths=(str(more),),
        continue_run=str(run.path),
        grow_vocab=6,
        steps=2,
        settings={"training.samples": 0},
    )
    result_of(plan(request, notes.parent / "runs")).start()
    assert isinstance(before, BpeTokenizer)
    expected, _ = grow_bpe(before, open_corpus([more]), 6)
    after = load_run(run).tokenizer
    assert (after.kind, after.hash) == ("technical", expected.hash)
