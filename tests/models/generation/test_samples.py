"""What a model is given to go on from when it writes a passage while it trains."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from data.character_tokenizer import CharacterTokenizer
from data.progress import result_of
from models.depth import Depth
from models.generation import generate as generating
from models.generation.samples import sample_passage


def prompt_for(text: str, monkeypatch: pytest.MonkeyPatch, kind: str = "text", context: int = 64) -> str:
    """The prompt of the sample for the validation text `text`."""
    tokenizer = CharacterTokenizer(sorted(set(text.replace("\N{SNOWMAN}", ""))))
    given: list[list[int]] = []

    def nothing(model: Any, tokenizer: Any, prompts: list[list[int]], *_: Any) -> list[Any]:
        given.extend(prompts)
        return []

    monkeypatch.setattr(generating, "generate", nothing)
    model: Any = SimpleNamespace(
        config=SimpleNamespace(context_length=context), training=True, eval=int, train=int
    )
    passage = result_of(
        sample_passage(model, tokenizer, kind, np.asarray(tokenizer.encode(text)), Depth(1), 0)
    )
    assert tokenizer.decode(given[0]) == passage.prompt
    assert len(given[0]) <= max(1, context // 2)
    return passage.prompt


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("e end.\n\n          \n      The owl sees the fox.\n", "The owl sees"),
        ("e end.\n 1 2 3 4\n * * *\n\tif owl:\n", "if owl:"),
        ("e end.\n 1 2 3 4\n", "1 2 3"),
        ("one line without an end", "one line without"),
        ("a\n\N{SNOWMAN} snow is not in its vocabulary\nbut this is\n", "but this is"),
        ("a\n" + "w" * 100, "w" * 24),
        (" \n \n ", ""),
    ],
)
def test_sample_continues_the_first_words_of_the_text(
    monkeypatch: pytest.MonkeyPatch, text: str, prompt: str
) -> None:
    assert prompt_for(text, monkeypatch) == prompt


def test_the_words_leave_room_in_a_short_context(monkeypatch: pytest.MonkeyPatch) -> None:
    assert prompt_for("a\nthe owl sees the fox\n", monkeypatch, context=10) == "the o"
    assert prompt_for("a\nthe owl sees the fox\n", monkeypatch, context=1) == "t"
