"""Each defect of a tokenizer.json is found and named."""

import codecs
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from data.character_tokenizer import CharacterTokenizer
from data.corpus import open_corpus
from data.tokenizer import load_tokenizer
from models.errors import RunError
from models.recovery.held_out_text import held_out_text
from models.recovery.recover import check_tokenizer
from models.runs.load import load_run
from models.runs.run import Run

Trained = Callable[..., Run]
Strip = Callable[..., None]


def names(run: Run) -> list[str]:
    return [finding.name for finding in check_tokenizer(run).findings]


def change_data(run: Run, **values: object) -> None:
    """Change values of the data section of config.json."""
    config = run.config()
    run.save_config(replace(config, data=replace(config.data, **values)))


def change_vocab_size(run: Run, size: int) -> None:
    """Change the vocabulary size in config.json."""
    config = run.config()
    model = replace(config.model, foreign={**config.model.foreign, "vocab_size": size})
    run.save_config(replace(config, model=model))


def shuffled(run: Run) -> CharacterTokenizer:
    tokenizer = load_tokenizer(run.tokenizer_path)
    assert isinstance(tokenizer, CharacterTokenizer)
    return CharacterTokenizer(tokenizer.characters[::-1])


@pytest.mark.parametrize("name", ["owl", "fox"])
def test_a_sound_tokenizer_has_no_findings(trained: Trained, name: str) -> None:
    diagnosis = check_tokenizer(trained(name))
    assert diagnosis.sound and diagnosis.tokens == diagnosis.vocab_size
    assert diagnosis.loss is not None and diagnosis.recorded_loss is not None
    assert abs(diagnosis.loss - diagnosis.recorded_loss) < 0.2


@pytest.mark.parametrize("copies", [True, False])
def test_unusable_files(trained: Trained, strip: Strip, copies: bool) -> None:
    run = trained()
    if not copies:
        strip(run, "copies")
    content = run.tokenizer_path.read_bytes()
    run.tokenizer_path.unlink()
    assert names(run) == ["missing"]
    run.tokenizer_path.write_bytes(b"")
    assert names(run) == ["truncated"]
    run.tokenizer_path.write_bytes(content[:1000])
    assert names(run) == ["truncated"]
    run.tokenizer_path.write_bytes(b"It was a dark night.")
    assert names(run) == ["not-json"]
    run.tokenizer_path.write_bytes(b"\xff\xfe\x00")
    assert names(run) == ["not-json"]
    run.tokenizer_path.write_text('{"model": {"type": "WordPiece"}}')
    assert names(run) == ["not-a-tokenizer"]
    run.tokenizer_path.unlink()
    run.tokenizer_path.symlink_to("elsewhere.json")
    assert names(run) == ["unreadable"]


def test_flipped_bytes_that_break_the_file(trained: Trained) -> None:
    run = trained()
    content = bytearray(run.tokenizer_path.read_bytes())
    for place in (50, 700, 701):
        content[place] ^= 0xFF
    run.tokenizer_path.write_bytes(content)
    assert names(run) == ["bytes-flipped"]


def test_flipped_bytes_in_a_usable_tokenizer(trained: Trained, strip: Strip) -> None:
    run = trained()
    run.tokenizer_path.write_bytes(run.tokenizer_path.read_bytes().replace(b'"e":', b'"Q":'))
    found = check_tokenizer(run)
    assert found.findings[0].name == "bytes-flipped" and "One of the" in found.findings[0].sentence
    strip(run, "copies", "hash")  # now only the text shows it: its e is lost
    assert names(run)[0] == "no-round-trip"


def test_shuffled_ids(trained: Trained, strip: Strip) -> None:
    run = trained()
    shuffled(run).save(run.tokenizer_path)
    assert names(run) == ["shuffled-ids", "senseless-loss"]
    strip(run, "copies")  # the hash shows that it differs, its order how
    assert names(run) == ["shuffled-ids", "senseless-loss"]
    strip(run, "hash")  # now only the model's loss shows it
    assert names(run) == ["senseless-loss"]
    strip(run, "text")
    assert names(run) == []


def test_the_tokenizer_of_another_run(trained: Trained) -> None:
    run, other = trained("owl"), trained("fox")
    run.tokenizer_path.write_bytes(other.tokenizer_path.read_bytes())
    assert names(run)[:2] == ["wrong-size", "other-tokenizer"]


def test_a_tokenizer_of_the_same_size(trained: Trained) -> None:
    run = trained()
    size = load_tokenizer(run.tokenizer_path).vocab_size - 16
    CharacterTokenizer("".join(chr(0x3B1 + i) for i in range(size))).save(run.tokenizer_path)
    found = names(run)
    assert found[0] == "other-tokenizer" and "no-round-trip" in found and "senseless-loss" in found


def test_checking_changes_nothing(trained: Trained) -> None:
    run = trained()
    run.tokenizer_path.unlink()
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    check_tokenizer(run)
    assert before == {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}


def test_a_puzzle_run_is_refused(trained: Trained) -> None:
    run = trained()
    change_data(run, kind="puzzles")
    with pytest.raises(RunError, match="knows no text"):
        check_tokenizer(run)


def test_a_byte_order_mark_is_read_past(trained: Trained) -> None:
    run = trained()
    run.tokenizer_path.write_bytes(codecs.BOM_UTF8 + run.tokenizer_path.read_bytes())
    assert check_tokenizer(run).sound and load_run(run).notes == ()


@pytest.mark.parametrize("what", ["pipe", "folder", "link"])
def test_only_a_plain_file_is_read(trained: Trained, what: str) -> None:
    run = trained()
    moved = run.path / "moved.json"
    run.tokenizer_path.rename(moved)
    if what == "pipe":
        os.mkfifo(run.tokenizer_path)
    elif what == "folder":
        run.tokenizer_path.mkdir()
        moved.rename(run.tokenizer_path / "tokenizer.json")
    else:
        run.tokenizer_path.symlink_to(moved)
    assert names(run) == ["unreadable"]
    (note,) = load_run(run).notes
    assert "cannot be used" in note


def test_a_tokenizer_with_the_recorded_hash_is_sound(trained: Trained, strip: Strip) -> None:
    """Even if it cannot encode the text or the loss is bad: both may have other causes."""
    run = trained()
    text = run.path.parent / "more.txt"
    text.write_text("The Owl hears Ω and Ψ. " * 200, encoding="utf-8")
    where = {"content_hash": open_corpus([text]).content_hash, "paths": (str(text),)}
    (entry,) = run.datasets()
    change_data(run, **where)
    run.save_datasets([replace(entry, **where, loss_now=0.01)])
    diagnosis = check_tokenizer(run)
    assert diagnosis.sound and diagnosis.loss is not None and diagnosis.loss > 0.5
    strip(run, "hash")
    assert names(run) == ["senseless-loss"]  # the copy in the weights has the same unknown characters
    strip(run, "copies")
    assert names(run) == ["no-round-trip", "senseless-loss"]


def test_a_long_text_is_sampled_all_over(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("nothing but small letters\n" * 100_000)
    (tmp_path / "b.txt").write_text("AND THESE ARE LARGE ONES.\n" * 60_000)
    held_out = "".join(held_out_text(open_corpus([tmp_path])))
    large = sum(c.isupper() for c in held_out) / sum(c.isalpha() for c in held_out)
    assert 0.3 < large < 0.45 and 90_000 < len(held_out) <= 200_000


def test_a_short_text_is_read_completely(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(f"line {i}\n" for i in range(10_000)))
    corpus = open_corpus([tmp_path / "a.txt"])
    whole = "".join(piece for one in corpus.documents_of("validation") for piece in one.pieces or ())
    assert "".join(held_out_text(corpus)) == whole


def test_the_wrong_one_of_two_sizes_is_named(trained: Trained) -> None:
    run = trained()
    size = load_tokenizer(run.tokenizer_path).vocab_size
    change_vocab_size(run, size + 5)
    (found,) = check_tokenizer(run).findings
    assert found.name == "wrong-size" and f"config.json says that the model has {size + 5}" in found.sentence
    change_vocab_size(run, size)
    CharacterTokenizer("abc").save(run.tokenizer_path)
    found = check_tokenizer(run).findings[0]
    assert found.sentence == f"tokenizer.json has 19 tokens, but the model has {size}."
