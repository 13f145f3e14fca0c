"""A lost tokenizer put back, byte for byte, from wherever it can still be known."""

import json
from collections.abc import Callable

import pytest

from data.character_tokenizer import CharacterTokenizer
from data.errors import TokenizerError
from data.tokenizer import load_tokenizer
from models.errors import RunBusyError
from models.recovery.recover import Recovery, recover_tokenizer
from models.run import Run
from models.training.checkpoint import load_weights, save_weights

Trained = Callable[..., Run]
Strip = Callable[..., None]


def recovered(run: Run) -> Recovery:
    recovering = recover_tokenizer(run)
    while True:
        try:
            next(recovering)
        except StopIteration as end:
            found: Recovery = end.value
            return found


def damage(run: Run, how: str) -> bytes:
    """Break tokenizer.json, and return what it was."""
    original = run.tokenizer_path.read_bytes()
    content = bytearray(original)
    match how:
        case "delete":
            run.tokenizer_path.unlink()
        case "truncate":
            run.tokenizer_path.write_bytes(original[: len(original) // 2])
        case "flip":
            content[500] ^= 1
            run.tokenizer_path.write_bytes(content)
        case "shuffle":
            tokenizer = load_tokenizer(run.tokenizer_path)
            assert isinstance(tokenizer, CharacterTokenizer)
            CharacterTokenizer(tokenizer.characters[::-1]).save(run.tokenizer_path)
        case "swap":
            CharacterTokenizer("abc").save(run.tokenizer_path)
    return original


@pytest.mark.parametrize("how", ["delete", "truncate", "flip", "shuffle", "swap"])
@pytest.mark.parametrize("stripped", [(), ("text",), ("copies",), ("hash",), ("copies", "hash")])
def test_every_damage_is_repaired_byte_for_byte(
    trained: Trained, strip: Strip, how: str, stripped: tuple[str, ...]
) -> None:
    run = trained()
    strip(run, *stripped)
    original = damage(run, how)
    broken = run.tokenizer_path.read_bytes() if run.tokenizer_path.exists() else None
    others = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    found = recovered(run)
    assert run.tokenizer_path.read_bytes() == original
    assert found.source == ("corpus" if "copies" in stripped else "weights")
    assert found.verified == ("loss" if "hash" in stripped else "hash")
    if broken is None:
        assert found.backup is None
    else:
        assert found.backup == run.path / "tokenizer.json.1" and found.backup.read_bytes() == broken
    changed = {path for path, content in others.items() if path.read_bytes() != content}
    assert {path.name for path in changed} <= {"tokenizer.json"}  # and nothing else of the run
    assert recovered(run).source is None  # it is sound, and nothing is done


def test_backups_are_numbered(trained: Trained) -> None:
    run = trained()
    for number in (1, 2, 3):
        run.tokenizer_path.write_text(f"broken {number}")
        found = recovered(run)
        assert found.backup is not None and found.backup.name == f"tokenizer.json.{number}"
        assert found.backup.read_text() == f"broken {number}"


def test_the_copy_in_a_checkpoint(trained: Trained) -> None:
    run = trained()
    original = damage(run, "delete")
    weights, metadata = load_weights(run.weights_path)
    metadata.pop("tokenizer")
    save_weights(run, weights, metadata)
    kept = run.weights_path.read_bytes()
    assert recovered(run).source == "checkpoint"
    assert run.tokenizer_path.read_bytes() == original and run.weights_path.read_bytes() == kept


@pytest.mark.parametrize("by", ["hash", "lineage", "descent"])
def test_a_run_of_the_same_lineage(trained: Trained, strip: Strip, by: str) -> None:
    run, other = trained("owl"), trained("owl", "parent")
    strip(run, "copies", "text")
    if by != "hash":
        strip(run, "hash")
    heir, source = (other, run) if by == "descent" else (run, other)
    config = heir.read_config()
    if by != "hash":
        config["lineage"] = [{"run": source.name, "path": str(source.path)}]
        heir.write_config(config)
    original = damage(run, "delete")
    if by == "hash":
        found = recovered(run)
        assert found.source == "run" and run.tokenizer_path.read_bytes() == original
    else:  # nothing proves it: it is not guessed
        with pytest.raises(TokenizerError, match="parent"):
            recovered(run)
        assert not run.tokenizer_path.exists()


def test_byte_pairs_are_learned_from_their_text_again(trained: Trained, strip: Strip) -> None:
    run = trained("fox")
    strip(run, "copies")
    original = damage(run, "delete")
    assert recovered(run).source == "corpus" and run.tokenizer_path.read_bytes() == original


def test_a_text_that_has_changed_is_not_used(trained: Trained, strip: Strip) -> None:
    run = trained("owl")
    strip(run, "copies")
    config = run.read_config()
    config["data"]["content_hash"] = "0" * 64
    run.write_config(config)
    datasets = [{**entry, "content_hash": "0" * 64} for entry in run.read_json("datasets.json") or []]
    run.write_json("datasets.json", datasets)
    run.tokenizer_path.unlink()
    with pytest.raises(TokenizerError, match="No copy") as caught:
        recovered(run)
    assert caught.value.hint is not None and "--like" in caught.value.hint


def test_copies_that_disagree_where_nothing_decides(trained: Trained, strip: Strip) -> None:
    run = trained()
    strip(run, "text", "hash")
    weights, metadata = load_weights(run.weights_path)
    tokenizer = load_tokenizer(run.tokenizer_path)
    assert isinstance(tokenizer, CharacterTokenizer)
    metadata["tokenizer"] = CharacterTokenizer(tokenizer.characters[::-1]).to_json()
    save_weights(run, weights, metadata)
    run.tokenizer_path.unlink()
    with pytest.raises(TokenizerError, match="disagree"):
        recovered(run)
    assert not run.tokenizer_path.exists()


def test_the_loss_decides_between_copies_that_disagree(trained: Trained, strip: Strip) -> None:
    run = trained()
    original = run.tokenizer_path.read_bytes()
    strip(run, "hash")
    weights, metadata = load_weights(run.weights_path)
    tokenizer = load_tokenizer(run.tokenizer_path)
    assert isinstance(tokenizer, CharacterTokenizer)
    metadata["tokenizer"] = CharacterTokenizer(tokenizer.characters[::-1]).to_json()
    save_weights(run, weights, metadata)
    run.tokenizer_path.unlink()
    found = recovered(run)
    assert found.source == "checkpoint" and found.verified == "loss"
    assert run.tokenizer_path.read_bytes() == original


def test_the_only_copy_is_the_weights_own(trained: Trained, strip: Strip) -> None:
    run = trained()
    original = damage(run, "truncate")
    strip(run, "text", "hash")
    assert recovered(run).verified == "travels-with-the-weights"
    assert run.tokenizer_path.read_bytes() == original


def test_byte_pairs_without_any_copy(trained: Trained, strip: Strip) -> None:
    run = trained("fox")
    strip(run, "copies", "text")
    run.tokenizer_path.unlink()
    with pytest.raises(TokenizerError, match="only character models"):
        recovered(run)


def test_a_run_that_is_being_written_to(trained: Trained) -> None:
    run = trained()
    run.tokenizer_path.unlink()
    with run.lock(), pytest.raises(RunBusyError):
        recovered(run)
    assert not run.tokenizer_path.exists()


def test_a_vocabulary_that_grew_is_learned_again(trained: Trained, strip: Strip) -> None:
    """Two texts, the second with characters of its own: the hash proves the order they came in."""
    run = trained()
    strip(run, "copies")
    second = run.path.parent / "second.txt"
    second.write_text("Ωμέγα και άλφα. " * 40, encoding="utf-8")
    from data.corpus import open_corpus

    tokenizer = load_tokenizer(run.tokenizer_path)
    assert isinstance(tokenizer, CharacterTokenizer)
    corpus = open_corpus([second])
    grown = tokenizer.grown(corpus.character_counts)
    config = run.read_config()
    config["model"]["vocab_size"] = grown.vocab_size
    config["data"] |= {"tokenizer_hash": grown.hash}
    run.write_config(config)
    growth = {"what": "vocabulary", "from": tokenizer.vocab_size, "to": grown.vocab_size}
    entry = {"name": "second", "content_hash": corpus.content_hash, "paths": [str(second)], "grown": [growth]}
    run.write_json("datasets.json", [*(run.read_json("datasets.json") or []), entry])
    run.tokenizer_path.unlink()
    assert recovered(run).source == "corpus"
    assert run.tokenizer_path.read_text(encoding="utf-8") == grown.to_json()
    assert (
        json.loads(run.tokenizer_path.read_text(encoding="utf-8"))["model"]["vocab"]["Ω"]
        >= tokenizer.vocab_size
    )
