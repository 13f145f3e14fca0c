"""Each defect of a tokenizer.json by its name."""

from collections.abc import Callable

import pytest

from data.character_tokenizer import CharacterTokenizer
from data.tokenizer import load_tokenizer
from models.errors import RunError
from models.recovery.recover import check_tokenizer
from models.run import Run

Trained = Callable[..., Run]
Strip = Callable[..., None]


def names(run: Run) -> list[str]:
    return [finding.name for finding in check_tokenizer(run).findings]


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
def test_what_is_no_file(trained: Trained, strip: Strip, copies: bool) -> None:
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


def test_flipped_bytes_that_leave_a_tokenizer(trained: Trained, strip: Strip) -> None:
    run = trained()
    run.tokenizer_path.write_bytes(run.tokenizer_path.read_bytes().replace(b'"e":', b'"Q":'))
    found = check_tokenizer(run)
    assert found.findings[0].name == "bytes-flipped" and "One of the" in found.findings[0].sentence
    strip(run, "copies", "hash")  # then the text alone tells: its e is lost
    assert names(run)[0] == "no-round-trip"


def test_shuffled_ids(trained: Trained, strip: Strip) -> None:
    run = trained()
    shuffled(run).save(run.tokenizer_path)
    assert names(run) == ["shuffled-ids", "senseless-loss"]
    strip(run, "copies")  # the hash says that it is another, and its order in what way
    assert names(run) == ["shuffled-ids", "senseless-loss"]
    strip(run, "hash")  # then the model's loss alone tells
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


def test_nothing_is_changed(trained: Trained) -> None:
    run = trained()
    run.tokenizer_path.unlink()
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    check_tokenizer(run)
    assert before == {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}


def test_a_run_without_text(trained: Trained) -> None:
    run = trained()
    config = run.read_config()
    config["data"]["kind"] = "puzzles"
    run.write_config(config)
    with pytest.raises(RunError, match="knows no text"):
        check_tokenizer(run)
