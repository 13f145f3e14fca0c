"""What suits a corpus where nothing was chosen."""

import json
from pathlib import Path

import pytest

from data.corpus import open_corpus
from models.config import TrainingConfig
from models.planning.defaults import suggested_model


def conversations(path: Path, length: int, count: int = 200) -> Path:
    """Conversations of about `length` characters."""
    messages = [
        {"role": "user", "content": "a" * (length // 2)},
        {"role": "assistant", "content": "b" * (length // 2)},
    ]
    path.write_text("".join(json.dumps({"messages": messages}) + "\n" for _ in range(count)))
    return path


@pytest.mark.parametrize(
    ("length", "vocab_size", "context"),
    [(40, 60, 128), (200, 60, 512), (120, 60, 256), (5000, 60, 512), (300, 8000, 256)],
)
def test_context_holds_two_average_conversations(
    tmp_path: Path, length: int, vocab_size: int, context: int
) -> None:
    corpus = open_corpus([conversations(tmp_path / "talk.jsonl", length)])
    suggested = suggested_model(corpus, vocab_size, TrainingConfig(minutes=2.0), "looped")
    assert suggested["context_length"] == context


def test_context_of_plain_text_stays(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("Once upon a time there was a fox. " * 400)
    corpus = open_corpus([tmp_path / "book.txt"])
    assert suggested_model(corpus, 60, TrainingConfig(minutes=2.0), "looped")["context_length"] == 128
