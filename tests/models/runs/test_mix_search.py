"""Finding the sources of a run's mix again."""

from pathlib import Path

import pytest

from data.character_tokenizer import train_character_tokenizer
from data.corpus import open_corpus
from data.errors import CorpusError
from data.progress import result_of
from models.runs.mix_search import open_mix
from models.runs.run_config import MixSection, MixSourceSection


def test_a_source_of_an_imported_run_is_known_by_its_name_only(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("some text of it\n" * 20)
    source = MixSourceSection(name="gsm", weight=1.0, parts=10_000, content_hash="0" * 64, kind="text")
    tokenizer = train_character_tokenizer(open_corpus([text]))
    with pytest.raises(CorpusError) as caught:
        result_of(open_mix(MixSection(name="mix", sources=(source,)), tokenizer))
    assert caught.value.message == "It is not known where source 'gsm' is: its run was imported."


def test_a_source_that_is_gone_can_be_given_at_another_place(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("some text of it\n" * 20)
    tokenizer = train_character_tokenizer(open_corpus([text]))
    gone = str(tmp_path / "gone.txt")
    source = MixSourceSection(
        name="gsm", path=gone, weight=1.0, parts=10_000, content_hash="0" * 64, kind="text"
    )
    with pytest.raises(CorpusError) as caught:
        result_of(open_mix(MixSection(name="mix", sources=(source,)), tokenizer))
    assert caught.value.message == f"There is no file or folder '{gone}', of source 'gsm'."
    assert caught.value.hint is not None and "{train mix=FILE continue_run=RUN}" in caught.value.hint
