"""Real text: the vocabulary of a Shakespeare model, reconstructed from Alice in Wonderland."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from data.progress import result_of
from models.planning.plan import plan
from models.planning.text_plan import TextPlan
from models.recovery.recover import Recovery, recover_tokenizer
from models.runs.run import Run
from models.training.trainer import train
from tests.requests import train_request

CORPORA = Path(__file__).parents[5] / "shared" / "corpora"


@pytest.mark.slow
def test_shakespeare_from_alice(tmp_path: Path, strip: Callable[..., None]) -> None:
    """After two minutes of training every copy, the text and the hash are removed."""
    text, like = CORPORA / "tiny_shakespeare.txt", CORPORA / "alice.txt"
    if not (text.is_file() and like.is_file()):
        pytest.skip("the corpora for measuring are not beside the project")
    planned = result_of(plan(train_request(paths=(str(text),), name="ts", minutes=2), tmp_path / "runs"))
    assert isinstance(planned, TextPlan)
    run: Run = planned.start()
    for _ in train(run):
        pass
    characters = planned.tokenizer.to_json()
    strip(run, "copies", "text", "hash")
    run.tokenizer_path.unlink()
    found: Recovery = result_of(recover_tokenizer(run, like))
    assert found.reconstruction is not None and found.reconstruction.in_order
    assert run.tokenizer_path.read_text(encoding="utf-8") != characters  # Alice has no $
    counts = Counter(text.read_text(encoding="utf-8"))
    tokenizer, characters_found = planned.tokenizer, found.reconstruction.characters
    pairs = [(tokenizer.token_text(one.id), one) for one in characters_found]
    right = sum(counts[true] for true, one in pairs if one.character == true)
    assert right >= 0.95 * counts.total()
    assert [true for true, one in pairs if not one.uncertain and one.character != true] == []
