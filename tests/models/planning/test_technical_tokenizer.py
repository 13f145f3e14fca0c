"""The technical tokenizer in a plan: offered for a text of code fences, and a kind that is misspelled."""

from pathlib import Path

import pytest

from data.bpe_tokenizer import train_bpe_tokenizer
from data.corpus import open_corpus
from data.errors import TokenizerError, UsageError
from data.progress import Progress
from models.planning.plan import plan
from models.runs.events import Event, NoticeGiven
from tests.requests import train_request

CODE = "Take this, and then that.\n\n```py\nreturn {0}\n```\n"
QUOTES = "`It was much pleasanter at home,' thought poor Alice, `{0} times.'\n"


def notices(folder: Path, line: str, tokenizer: str, vocab_size: int | None = 300) -> str:
    text = folder / "notes.txt"
    text.write_text("".join(line.format(i) for i in range(200)), encoding="utf-8")
    request = train_request(
        paths=(str(text),), tokenizer=tokenizer, vocab_size=vocab_size, architecture="transformer",
        d_model=16, n_heads=2, context_length=16, steps=1, device="cpu", number_format="float32",
    )  # fmt: skip
    said: list[Event | Progress] = list(plan(request, folder / "runs"))
    return "\n".join(event.message for event in said if isinstance(event, NoticeGiven))


def test_a_text_of_code_fences_is_offered_the_technical_tokenizer(tmp_path: Path) -> None:
    offer = "{tokenizer=technical}"
    assert offer in notices(tmp_path, CODE, "bpe")
    assert offer not in notices(tmp_path, CODE, "technical")
    assert offer not in notices(tmp_path, QUOTES, "bpe")
    train_bpe_tokenizer(open_corpus([tmp_path / "notes.txt"]), 300).save(tmp_path / "own.json")
    assert offer not in notices(tmp_path, CODE, str(tmp_path / "own.json"), None)


def test_a_kind_that_is_misspelled_is_corrected(tmp_path: Path) -> None:
    for name, hint in (
        ("technical:nfc", "technical:nfkc?"),
        ("tecnical", "technical?"),
        ("words", "bpe, technical"),
    ):
        with pytest.raises(TokenizerError, match="no tokenizer at") as caught:
            notices(tmp_path, CODE, name, None)
        assert hint in str(caught.value.hint)


def test_a_vocabulary_without_room_for_the_fixed_tokens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="280 tokens is out of range for a technical"):
        notices(tmp_path, CODE, "technical", 280)
