"""A lost tokenizer put back, byte for byte, from wherever it can still be known."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data.bpe_growth import grow_bpe
from data.bpe_tokenizer import BpeTokenizer
from data.character_tokenizer import CharacterTokenizer
from data.corpus import open_corpus
from data.errors import TokenizerError
from data.progress import Progress
from data.tokenizer import load_tokenizer
from models.errors import RunBusyError
from models.recovery.reconstruct import Letter, Reconstruction
from models.recovery.recover import Recovery, check_tokenizer, recover_tokenizer
from models.runs.checkpoint import load_weights, save_weights
from models.runs.load import load_trained
from models.runs.run import Run

Trained = Callable[..., Run]
Strip = Callable[..., None]


def put_a_wrong_copy_into(run: Run) -> CharacterTokenizer:
    """Let the kept weights hold its vocabulary the other way round; the right one is handed back."""
    weights, metadata = load_weights(run.weights_path)
    tokenizer = load_tokenizer(run.tokenizer_path)
    assert isinstance(tokenizer, CharacterTokenizer)
    metadata["tokenizer"] = CharacterTokenizer(tokenizer.characters[::-1]).to_json()
    save_weights(run, weights, metadata)
    return tokenizer


def recovered(run: Run, like: Path | None = None) -> Recovery:
    recovering = recover_tokenizer(run, like)
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
    put_a_wrong_copy_into(run)
    run.tokenizer_path.unlink()
    with pytest.raises(TokenizerError, match="disagree"):
        recovered(run)
    assert not run.tokenizer_path.exists()


def test_the_loss_decides_between_copies_that_disagree(trained: Trained, strip: Strip) -> None:
    run = trained()
    original = run.tokenizer_path.read_bytes()
    strip(run, "hash")
    put_a_wrong_copy_into(run)
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
    tokenizer = load_tokenizer(run.tokenizer_path)
    assert isinstance(tokenizer, CharacterTokenizer)
    corpus = open_corpus([second])
    grown = tokenizer.with_characters(corpus.character_counts)
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


def test_a_vocabulary_that_two_texts_made_grow_in_turn(trained: Trained, strip: Strip) -> None:
    """The first text made it grow too, before and after the second: sizes tell the order, not the list."""
    run = trained("fox")
    strip(run, "copies")
    first = Path(run.read_config()["data"]["paths"][0])
    second = run.path.parent / "second.txt"
    second.write_text("A heron wades through reeds by the quiet river. " * 60, encoding="utf-8")
    tokenizer = load_tokenizer(run.tokenizer_path)
    texts = [open_corpus([first]), open_corpus([second])]
    grown: list[list[dict[str, object]]] = [[], []]
    for which, more in ((0, 4), (1, 9), (0, 3)):
        assert isinstance(tokenizer, BpeTokenizer)
        before = tokenizer.vocab_size
        tokenizer, _ = grow_bpe(tokenizer, texts[which], more)
        grown[which].append({"what": "vocabulary", "from": before, "to": tokenizer.vocab_size})
    config = run.read_config()
    config["model"]["vocab_size"] = tokenizer.vocab_size
    config["data"] |= {
        "tokenizer_hash": tokenizer.hash,
        "content_hash": texts[1].content_hash,
        "paths": [str(second)],
    }
    run.write_config(config)
    (known,) = run.read_json("datasets.json") or []
    entry = {"name": "second", "content_hash": texts[1].content_hash, "paths": [str(second)]}
    run.write_json("datasets.json", [{**known, "grown": grown[0]}, {**entry, "grown": grown[1]}])
    run.tokenizer_path.unlink()
    found = recovered(run)
    assert found.source == "corpus" and found.verified == "hash"
    assert run.tokenizer_path.read_text(encoding="utf-8") == tokenizer.to_json()


def test_the_first_text_may_be_the_one_that_the_vocabulary_grew_from(trained: Trained, strip: Strip) -> None:
    """As after `rlm expand --vocab` and a second text that brought no tokens."""
    run = trained("fox")
    strip(run, "copies")
    second = run.path.parent / "second.txt"
    second.write_text("A heron wades through reeds by the quiet river. " * 60, encoding="utf-8")
    tokenizer = load_tokenizer(run.tokenizer_path)
    assert isinstance(tokenizer, BpeTokenizer)
    config = run.read_config()
    grown, _ = grow_bpe(tokenizer, open_corpus(config["data"]["paths"]), 20)
    growth = {"what": "vocabulary", "from": tokenizer.vocab_size, "to": grown.vocab_size}
    (known,) = run.read_json("datasets.json") or []
    corpus = open_corpus([second])
    entry = {"name": "second", "content_hash": corpus.content_hash, "paths": [str(second)]}
    run.write_json("datasets.json", [{**known, "grown": [growth]}, entry])
    config["model"]["vocab_size"] = grown.vocab_size
    config["data"] |= {
        "tokenizer_hash": grown.hash,
        "content_hash": corpus.content_hash,
        "paths": [str(second)],
    }
    run.write_config(config)
    run.tokenizer_path.unlink()
    assert recovered(run).source == "corpus"
    assert run.tokenizer_path.read_text(encoding="utf-8") == grown.to_json()


def name_another(run: Run, tokenizer_hash: str = "0" * 64) -> None:
    """Let config.json record a hash that no tokenizer has."""
    config = run.read_config()
    config["data"]["tokenizer_hash"] = tokenizer_hash
    run.write_config(config)


def test_a_copy_from_elsewhere_that_has_not_the_recorded_hash_is_never_written(
    trained: Trained, strip: Strip
) -> None:
    run, parent = trained("owl"), trained("owl", "parent")
    strip(run, "copies")
    name_another(run)
    config = run.read_config()
    config["lineage"] = [{"run": "parent", "path": str(parent.path)}]
    run.write_config(config)
    run.tokenizer_path.unlink()
    with pytest.raises(TokenizerError, match=r"in run 'parent', is not that of run 'owl'"):
        recovered(run)
    assert not run.tokenizer_path.exists()


def test_a_hash_that_the_runs_own_copy_contradicts_is_corrected(trained: Trained) -> None:
    run = trained()
    original = run.tokenizer_path.read_text(encoding="utf-8")
    right = run.read_config()["data"]["tokenizer_hash"]
    for damaged in (False, True):
        name_another(run)
        if damaged:
            run.tokenizer_path.unlink()
        with contextlib.suppress(TokenizerError):
            load_trained(run)
            pytest.fail("it is used although config.json names another")
        found = recovered(run)
        assert found.source == "weights" and found.verified == "loss" and found.renamed
        assert found.backup is None  # where the file was the right one, it stays
        assert run.read_config()["data"]["tokenizer_hash"] == right
        assert run.tokenizer_path.read_text(encoding="utf-8") == original
        assert load_trained(run).notes == ()
        assert recovered(run).source is None


def test_a_wrong_copy_does_not_correct_the_hash(trained: Trained) -> None:
    run = trained()
    right = run.read_config()["data"]["tokenizer_hash"]
    put_a_wrong_copy_into(run)
    shutil.rmtree(run.checkpoints_path)
    name_another(run)
    with pytest.raises(TokenizerError, match=r"None of the tokenizers in model\.safetensors and the text"):
        recovered(run)
    assert run.read_config()["data"]["tokenizer_hash"] == "0" * 64 != right


def test_a_reconstruction_gives_way_to_what_it_stands_in_for(trained: Trained, strip: Strip) -> None:
    """config.json remembers the hash of the lost one, which proves it when its text is back."""
    run = trained()
    strip(run, "copies")
    original, config = run.tokenizer_path.read_text(encoding="utf-8"), run.read_config()
    right = config["data"]["tokenizer_hash"]
    tokenizer = load_tokenizer(run.tokenizer_path)
    assert isinstance(tokenizer, CharacterTokenizer)
    reconstruction = CharacterTokenizer(tokenizer.characters[:-1] + "\ue000")
    for lost in (False, True):
        reconstruction.save(run.tokenizer_path)
        data = {"tokenizer_hash": reconstruction.hash, "reconstructed_from_hash": right}
        run.write_config({**config, "data": {**config["data"], **data}})
        assert check_tokenizer(run).sound  # it is the one config.json names
        if lost:
            run.tokenizer_path.unlink()
        found = recovered(run)
        assert found.source == "corpus" and found.verified == "hash" and found.renamed
        assert run.tokenizer_path.read_text(encoding="utf-8") == original
        assert run.read_config()["data"] == config["data"]  # and nothing of the reconstruction stays
        assert recovered(run).source is None


def test_a_kill_between_config_and_tokenizer_is_mended(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained()
    original = damage(run, "delete")
    name_another(run)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("models.recovery.recover.put_back", killed)
        with pytest.raises(KeyboardInterrupt):
            recovered(run)
    assert not run.tokenizer_path.exists()
    assert recovered(run).verified == "hash" and run.tokenizer_path.read_bytes() == original


def test_the_reason_why_nothing_decides_is_the_true_one(trained: Trained, strip: Strip) -> None:
    run = trained()
    name_another(run)
    (entry,) = run.read_json("datasets.json") or []
    run.write_json("datasets.json", [{**entry, "loss_now": 9.0}])
    with pytest.raises(TokenizerError, match="learned too little"):
        recovered(run)
    run.write_json("datasets.json", [{**entry, "loss_now": None}])
    (run.path / "evaluation.json").unlink()
    with pytest.raises(TokenizerError, match="no loss on the text 'meadow' is recorded"):
        recovered(run)
    content = bytearray(run.weights_path.read_bytes())
    content[-1] ^= 1
    run.weights_path.write_bytes(content)
    with pytest.raises(TokenizerError, match="its model cannot be used") as caught:
        recovered(run)
    assert caught.value.hint is not None and "rlm show owl" in caught.value.hint
    strip(run, "text")
    with pytest.raises(TokenizerError, match=r"'meadow' is no longer at 'gone\.txt'") as caught:
        recovered(run)
    assert caught.value.hint is not None and "'meadow' back at 'gone.txt'" in caught.value.hint


@pytest.mark.parametrize("name", ["owl", "fox"])
def test_a_text_in_the_language_may_be_the_one_it_was_trained_on(
    trained: Trained, strip: Strip, name: str
) -> None:
    run = trained(name)
    (text,) = run.read_config()["data"]["paths"]
    strip(run, "copies", "text")
    original = damage(run, "delete")
    with pytest.raises(TokenizerError) as caught:
        recovered(run)
    assert caught.value.hint is not None and "back at 'gone.txt'" in caught.value.hint
    found = recovered(run, like=Path(text))
    assert found.source == "corpus" and found.verified == "hash"
    assert run.tokenizer_path.read_bytes() == original


def test_loading_does_not_choose_between_copies_that_disagree(trained: Trained, strip: Strip) -> None:
    run = trained()
    tokenizer = put_a_wrong_copy_into(run)
    run.tokenizer_path.unlink()
    assert load_trained(run).tokenizer.hash == tokenizer.hash  # the hash tells
    strip(run, "hash")
    with pytest.raises(TokenizerError, match="copies in its weights differ") as caught:
        load_trained(run)
    assert caught.value.hint is not None and "rlm recover-tokenizer owl" in caught.value.hint


def test_an_edited_size_is_no_fault_of_the_tokenizer(trained: Trained) -> None:
    run = trained()
    config, original = run.read_config(), run.tokenizer_path.read_bytes()
    config["model"]["vocab_size"] += 5
    run.write_config(config)
    with pytest.raises(TokenizerError, match=r"the fault is not in it: config\.json says") as caught:
        recovered(run)
    assert caught.value.hint is not None and "config.json" in caught.value.hint
    assert run.tokenizer_path.read_bytes() == original


def test_an_old_file_that_has_the_recorded_hash(trained: Trained, strip: Strip) -> None:
    run = trained()
    original = run.tokenizer_path.read_bytes()
    strip(run, "copies", "text")
    run.tokenizer_path.rename(run.path / "tokenizer.json.1")
    found = recovered(run)
    assert (found.source, found.where, found.verified) == ("file", "tokenizer.json.1", "hash")
    assert run.tokenizer_path.read_bytes() == original


@pytest.mark.parametrize("name", ["owl", "fox"])
def test_what_a_run_that_grew_from_it_began_with(trained: Trained, strip: Strip, name: str) -> None:
    run, child = trained(name), trained(name, "child")
    original = run.tokenizer_path.read_bytes()
    tokenizer = load_tokenizer(run.tokenizer_path)
    if isinstance(tokenizer, BpeTokenizer):
        grown, _ = grow_bpe(tokenizer, open_corpus(run.read_config()["data"]["paths"]), 5)
        grown.save(child.tokenizer_path)
    else:
        assert isinstance(tokenizer, CharacterTokenizer)
        tokenizer.with_characters("Ωμ").save(child.tokenizer_path)
    strip(child, "copies")
    name_another(child)
    child.write_config({**child.read_config(), "lineage": [{"run": name, "path": str(run.path)}]})
    strip(run, "copies", "text")
    run.tokenizer_path.unlink()
    found = recovered(run)
    assert found.where == "run 'child', shortened" and found.verified == "hash"
    assert run.tokenizer_path.read_bytes() == original


def test_a_second_reconstruction_remembers_what_the_first_stands_in_for(
    trained: Trained, strip: Strip, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained()
    like = Path(run.path.parent / "like.txt")
    like.write_text("The hen hears the bee; is it 7? " * 200)
    strip(run, "copies", "text")
    right = run.read_config()["data"]["tokenizer_hash"]
    tokenizer = load_tokenizer(run.tokenizer_path)
    assert isinstance(tokenizer, CharacterTokenizer)
    asked = []
    for last in "\ue000\ue001":
        characters = tokenizer.characters[:-1] + last
        letters = tuple(Letter(16 + i, c, c, 1.0, 1, False) for i, c in enumerate(characters))

        def made(*_: object, letters: tuple[Letter, ...] = letters, **known: object) -> Iterator[Progress]:
            asked.append(known["expected"])
            yield Progress("reading the text", 0, 1, "rounds")
            return Reconstruction(letters, True, False, 1.0, 3.0, 2.0)

        monkeypatch.setattr("models.recovery.recover.reconstruct", made)
        run.tokenizer_path.unlink()
        assert recovered(run, like).source == "reconstruction"
        data = run.read_config()["data"]
        assert data["tokenizer_hash"] == load_trained(run).tokenizer.hash != right
        assert data["reconstructed_from_hash"] == right
    assert asked == [right, right]
