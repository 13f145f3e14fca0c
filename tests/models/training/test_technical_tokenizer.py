"""A run with a technical tokenizer: trained, checked, repaired, and grown by another text."""

from pathlib import Path

import pytest

from data.bpe_growth import grow_bpe
from data.bpe_tokenizer import BpeTokenizer
from data.corpus import open_corpus
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
from models.training.trainer import train
from tests.models.recovery.conftest import without_copies
from tests.requests import train_request

LINE = "Write to a.b@c.org or see https://a.org/b for x² = 1{0}4:\n\n```py\n    return {0}\n```\n"
DIALS = {
    "d_model": 16, "n_heads": 2, "context_length": 16, "steps": 3, "batch_size": 4, "device": "cpu",
    "threads": 1, "settings": {"training.samples": 0, "training.compile": "no", "training.evaluations": 1},
}  # fmt: skip


@pytest.mark.parametrize("kind", ["technical", "technical:nfkc"])
def test_a_technical_tokenizer_stays_with_its_run(kind: str, tmp_path: Path) -> None:
    notes, more = tmp_path / "notes.md", tmp_path / "more.md"
    notes.write_text("".join(LINE.format(i) for i in range(120)), encoding="utf-8")
    more.write_text("A heron wades through reeds by the quiet river. " * 60, encoding="utf-8")
    request = train_request(paths=(str(notes),), name="owl", tokenizer=kind, vocab_size=320, **DIALS)
    planning = plan(request, tmp_path / "runs")
    said = []
    try:
        while True:
            said.append(next(planning))
    except StopIteration as end:
        planned = end.value
    rows = dict(planned.rows())
    loses = kind == "technical:nfkc"
    assert rows["tokenizer"].startswith(kind) and ("lossy" in rows["tokenizer"]) is loses
    notices = [event.message for event in said if isinstance(event, NoticeGiven)]
    assert any("'²' as '2'" in message and "120 of" in message for message in notices) is loses
    run = planned.start()
    for _ in train(run):
        pass
    config, loaded = run.config(), load_run(run)
    assert config.data is not None and config.data.tokenizer == loaded.tokenizer.kind == kind
    assert check_round_trip(loaded.tokenizer, open_held_out(run, config, loaded.tokenizer)).verdict == "sound"
    assert check_tokenizer(run).sound
    prompt = prompt_of_text(loaded.tokenizer, loaded.kind, "```py\n    return x²")
    written = list(
        generate(loaded.model, loaded.tokenizer, [prompt.ids], MODES["fast"], GenerationConfig(max_tokens=3))
    )
    assert 1 <= len(written) <= 3
    lost = run.tokenizer_path.read_bytes()
    without_copies(run)
    run.tokenizer_path.unlink()
    assert result_of(recover_tokenizer(run)).source == "corpus"
    assert run.tokenizer_path.read_bytes() == lost
    request = train_request(
        paths=(str(more),),
        continue_run=str(run.path),
        grow_vocab=6,
        steps=2,
        settings={"training.samples": 0},
    )
    grown = result_of(plan(request, tmp_path / "runs")).start()
    after = load_run(grown).tokenizer
    assert isinstance(loaded.tokenizer, BpeTokenizer)
    expected, _ = grow_bpe(loaded.tokenizer, open_corpus([more]), 6)
    assert (after.kind, after.hash) == (kind, expected.hash)
