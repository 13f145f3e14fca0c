"""A lost tokenizer is restored byte for byte from whatever copy is left."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from data.bpe_growth import grow_bpe
from data.bpe_tokenizer import BpeTokenizer
from data.character_tokenizer import CharacterTokenizer
from data.corpus import open_corpus
from data.errors import TokenizerError
from data.progress import Progress, result_of
from data.tokenizer import load_tokenizer
from models.errors import RunBusyError
from models.recovery.reconstruct.vocabulary import ReconstructedCharacter, Reconstruction
from models.recovery.recover import Recovery, check_tokenizer, recover_tokenizer
from models.runs.checkpoint import load_weights, save_weights
from models.runs.datasets import Dataset, Growth
from models.runs.load import load_run
from models.runs.run import Run

Trained = Callable[..., Run]
Strip = Callable[..., None]


def put_a_wrong_copy_into(run: Run) -> CharacterTokenizer:
    """Store the reversed vocabulary in model.safetensors. Returns the right tokenizer."""
    weights, metadata = load_weights(run.weights_path)
    tokenizer = load_tokenizer(run.tokenizer_path)
    assert isinstance(tokenizer, CharacterTokenizer)
    metadata["tokenizer"] = CharacterTokenizer(tokenizer.characters[::-1]).to_json()
    save_weights(run, weights, metadata)
    return tokenizer


def change_data(run: Run, **values: object) -> None:
    """Change values of the data section of config.json."""
    config = run.config()
    run.save_config(replace(config, data=replace(config.data, **values)))


def change_vocab_size(run: Run, size: int) -> None:
    """Change the vocabulary size in config.json."""
    config = run.config()
    model = replace(config.model, foreign={**config.model.foreign, "vocab_size": size})
    run.save_config(replace(config, model=model))


def recovered(run: Run, like: Path | None = None) -> Recovery:
    return result_of(recover_tokenizer(run, like))


def damage(run: Run, how: str) -> bytes:
    """Damage tokenizer.json. Returns its former content."""
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
def test_every_damage_is_repaired_exactly(
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
    assert {path.name for path in changed} <= {"tokenizer.json"}
    assert recovered(run).source is None  # now it is sound


def test_backups_are_numbered(trained: Trained) -> None:
    run = trained()
    for number in (1, 2, 3):
        run.tokenizer_path.write_text(f"broken {number}")
        found = recovered(run)
        assert found.backup is not None and found.backup.name == f"tokenizer.json.{number}"
        assert found.backup.read_text() == f"broken {number}"


def test_a_folder_in_place_of_the_file_is_kept_whole(trained: Trained) -> None:
    run = trained()
    original = damage(run, "delete")
    run.tokenizer_path.mkdir()
    (run.tokenizer_path / "notes.txt").write_text("mine")
    (run.tokenizer_path / ".tmp-notes.txt").write_text("mine too")
    found = recovered(run)
    assert run.tokenizer_path.read_bytes() == original
    assert found.backup is not None
    assert {path.name for path in found.backup.iterdir()} == {"notes.txt", ".tmp-notes.txt"}


def test_a_copy_in_a_checkpoint_is_used(trained: Trained) -> None:
    run = trained()
    original = damage(run, "delete")
    weights, metadata = load_weights(run.weights_path)
    metadata.pop("tokenizer")
    save_weights(run, weights, metadata)
    kept = run.weights_path.read_bytes()
    assert recovered(run).source == "checkpoint"
    assert run.tokenizer_path.read_bytes() == original and run.weights_path.read_bytes() == kept


@pytest.mark.parametrize("by", ["hash", "lineage", "descent", "lineage elsewhere"])
def test_a_copy_in_a_related_run(trained: Trained, strip: Strip, by: str) -> None:
    run, other = trained("owl"), trained("owl", "parent")
    strip(run, "copies", "text")
    if by != "hash":
        strip(run, "hash")
    heir, source = (other, run) if by == "descent" else (run, other)
    if by != "hash":
        path = f"/elsewhere/{source.name}" if by == "lineage elsewhere" else str(source.path)
        lineage = ({"run": source.name, "path": path},)
        heir.save_config(replace(heir.config(), lineage=lineage))
    original = damage(run, "delete")
    if by == "hash":
        found = recovered(run)
        assert found.source == "run" and run.tokenizer_path.read_bytes() == original
    else:  # nothing proves that it is the right one
        with pytest.raises(TokenizerError, match="parent"):
            recovered(run)
        assert not run.tokenizer_path.exists()


def test_a_byte_pair_tokenizer_is_trained_again(trained: Trained, strip: Strip) -> None:
    run = trained("fox")
    strip(run, "copies")
    original = damage(run, "delete")
    assert recovered(run).source == "corpus" and run.tokenizer_path.read_bytes() == original


def test_a_changed_text_is_not_used(trained: Trained, strip: Strip) -> None:
    run = trained("owl")
    strip(run, "copies")
    datasets = [replace(entry, content_hash="0" * 64) for entry in run.datasets()]
    change_data(run, content_hash="0" * 64)
    run.save_datasets(datasets)
    run.tokenizer_path.unlink()
    with pytest.raises(TokenizerError, match="No copy") as caught:
        recovered(run)
    assert caught.value.hint is not None and "like=FILE" in caught.value.hint


def test_copies_that_differ_where_nothing_decides(trained: Trained, strip: Strip) -> None:
    run = trained()
    strip(run, "text", "hash")
    put_a_wrong_copy_into(run)
    run.tokenizer_path.unlink()
    with pytest.raises(TokenizerError, match="disagree"):
        recovered(run)
    assert not run.tokenizer_path.exists()


def test_the_loss_decides_between_copies_that_differ(trained: Trained, strip: Strip) -> None:
    run = trained()
    original = run.tokenizer_path.read_bytes()
    strip(run, "hash")
    put_a_wrong_copy_into(run)
    run.tokenizer_path.unlink()
    found = recovered(run)
    assert found.source == "checkpoint" and found.verified == "loss"
    assert run.tokenizer_path.read_bytes() == original


def test_a_single_copy_in_the_weights_is_used(trained: Trained, strip: Strip) -> None:
    run = trained()
    original = damage(run, "truncate")
    strip(run, "text", "hash")
    assert recovered(run).verified == "travels-with-the-weights"
    assert run.tokenizer_path.read_bytes() == original


def test_byte_pairs_cannot_be_reconstructed(trained: Trained, strip: Strip) -> None:
    run = trained("fox")
    strip(run, "copies", "text")
    run.tokenizer_path.unlink()
    with pytest.raises(TokenizerError, match="only character models"):
        recovered(run)


@pytest.mark.usefixtures("impatient")
def test_a_locked_run_is_refused(trained: Trained) -> None:
    run = trained()
    run.tokenizer_path.unlink()
    with run.lock(), pytest.raises(RunBusyError):
        recovered(run)
    assert not run.tokenizer_path.exists()


def test_a_grown_vocabulary_is_trained_again(trained: Trained, strip: Strip) -> None:
    """The second text added characters. The hash proves the order of the texts."""
    run = trained()
    strip(run, "copies")
    second = run.path.parent / "second.txt"
    second.write_text("Ωμέγα και άλφα. " * 40, encoding="utf-8")
    tokenizer = load_tokenizer(run.tokenizer_path)
    assert isinstance(tokenizer, CharacterTokenizer)
    corpus = open_corpus([second])
    grown = tokenizer.with_characters(corpus.character_counts)
    change_vocab_size(run, grown.vocab_size)
    change_data(run, tokenizer_hash=grown.hash)
    growth = Growth(what="vocabulary", before=tokenizer.vocab_size, after=grown.vocab_size)
    entry = Dataset(name="second", content_hash=corpus.content_hash, paths=(str(second),), grown=(growth,))
    run.save_datasets([*run.datasets(), entry])
    run.tokenizer_path.unlink()
    assert recovered(run).source == "corpus"
    assert run.tokenizer_path.read_text(encoding="utf-8") == grown.to_json()
    assert (
        json.loads(run.tokenizer_path.read_text(encoding="utf-8"))["model"]["vocab"]["Ω"]
        >= tokenizer.vocab_size
    )


def test_a_vocabulary_grown_by_two_texts_in_turn(trained: Trained, strip: Strip) -> None:
    """The first text made it grow before and after the second. The sizes give the order, not the list."""
    run = trained("fox")
    strip(run, "copies")
    (first,), (known,) = run.config().data.paths, run.datasets()
    second = run.path.parent / "second.txt"
    second.write_text("A heron wades through reeds by the quiet river. " * 60, encoding="utf-8")
    tokenizer = load_tokenizer(run.tokenizer_path)
    texts = [open_corpus([first]), open_corpus([second])]
    grown: list[list[Growth]] = [[], []]
    for which, more in ((0, 4), (1, 9), (0, 3)):
        assert isinstance(tokenizer, BpeTokenizer)
        before = tokenizer.vocab_size
        tokenizer, _ = grow_bpe(tokenizer, texts[which], more)
        grown[which].append(Growth(what="vocabulary", before=before, after=tokenizer.vocab_size))
    change_vocab_size(run, tokenizer.vocab_size)
    where = {"content_hash": texts[1].content_hash, "paths": (str(second),)}
    change_data(run, **where, tokenizer_hash=tokenizer.hash)
    entry = Dataset(name="second", **where, grown=tuple(grown[1]))
    run.save_datasets([replace(known, grown=tuple(grown[0])), entry])
    run.tokenizer_path.unlink()
    found = recovered(run)
    assert found.source == "corpus" and found.verified == "hash"
    assert run.tokenizer_path.read_text(encoding="utf-8") == tokenizer.to_json()


def test_the_first_text_may_have_grown_the_vocabulary(trained: Trained, strip: Strip) -> None:
    """As after `rlm expand --vocab` and a second text that added no tokens."""
    run = trained("fox")
    strip(run, "copies")
    second = run.path.parent / "second.txt"
    second.write_text("A heron wades through reeds by the quiet river. " * 60, encoding="utf-8")
    tokenizer = load_tokenizer(run.tokenizer_path)
    assert isinstance(tokenizer, BpeTokenizer)
    (known,) = run.datasets()
    grown, _ = grow_bpe(tokenizer, open_corpus(known.paths), 20)
    growth = Growth(what="vocabulary", before=tokenizer.vocab_size, after=grown.vocab_size)
    where = {"content_hash": open_corpus([second]).content_hash, "paths": (str(second),)}
    change_vocab_size(run, grown.vocab_size)
    change_data(run, **where, tokenizer_hash=grown.hash)
    run.save_datasets([replace(known, grown=(growth,)), Dataset(name="second", **where)])
    run.tokenizer_path.unlink()
    assert recovered(run).source == "corpus"
    assert run.tokenizer_path.read_text(encoding="utf-8") == grown.to_json()


def record_another_hash(run: Run, tokenizer_hash: str = "0" * 64) -> None:
    """Record in config.json a hash that no tokenizer has."""
    change_data(run, tokenizer_hash=tokenizer_hash)


def test_a_copy_elsewhere_without_the_recorded_hash_is_never_written(trained: Trained, strip: Strip) -> None:
    run, parent = trained("owl"), trained("owl", "parent")
    strip(run, "copies")
    record_another_hash(run)
    run.save_config(replace(run.config(), lineage=({"run": "parent", "path": str(parent.path)},)))
    run.tokenizer_path.unlink()
    with pytest.raises(TokenizerError, match=r"in run 'parent', is not that of run 'owl'"):
        recovered(run)
    assert not run.tokenizer_path.exists()


def test_a_wrong_recorded_hash_is_corrected(trained: Trained) -> None:
    run = trained()
    original = run.tokenizer_path.read_text(encoding="utf-8")
    right = run.config().data.tokenizer_hash
    for damaged in (False, True):
        record_another_hash(run)
        if damaged:
            run.tokenizer_path.unlink()
        with contextlib.suppress(TokenizerError):
            load_run(run)
            pytest.fail("it is loaded although config.json records another hash")
        found = recovered(run)
        assert found.source == "weights" and found.verified == "loss" and found.renamed
        assert found.backup is None  # a right file stays
        assert run.config().data.tokenizer_hash == right
        assert run.tokenizer_path.read_text(encoding="utf-8") == original
        assert load_run(run).notes == ()
        assert recovered(run).source is None


def test_a_wrong_copy_does_not_correct_the_hash(trained: Trained) -> None:
    run = trained()
    right = run.config().data.tokenizer_hash
    put_a_wrong_copy_into(run)
    shutil.rmtree(run.checkpoints_path)
    record_another_hash(run)
    with pytest.raises(TokenizerError, match=r"None of the tokenizers in model\.safetensors and the text"):
        recovered(run)
    assert run.config().data.tokenizer_hash == "0" * 64 != right


def test_a_reconstruction_is_replaced_by_the_lost_tokenizer(trained: Trained, strip: Strip) -> None:
    """config.json records the hash of the lost one, which proves it once its text is back."""
    run = trained()
    strip(run, "copies")
    original, config = run.tokenizer_path.read_text(encoding="utf-8"), run.config()
    right = config.data.tokenizer_hash
    tokenizer = load_tokenizer(run.tokenizer_path)
    assert isinstance(tokenizer, CharacterTokenizer)
    reconstruction = CharacterTokenizer(tokenizer.characters[:-1] + "\ue000")
    for lost in (False, True):
        reconstruction.save(run.tokenizer_path)
        change_data(run, tokenizer_hash=reconstruction.hash, reconstructed_from_hash=right)
        assert check_tokenizer(run).sound  # its hash is recorded
        if lost:
            run.tokenizer_path.unlink()
        found = recovered(run)
        assert found.source == "corpus" and found.verified == "hash" and found.renamed
        assert run.tokenizer_path.read_text(encoding="utf-8") == original
        assert run.config() == config
        assert recovered(run).source is None


def test_a_kill_between_config_and_tokenizer_is_repaired(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained()
    original = damage(run, "delete")
    record_another_hash(run)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("models.recovery.recover.replace_tokenizer", killed)
        with pytest.raises(KeyboardInterrupt):
            recovered(run)
    assert not run.tokenizer_path.exists()
    assert recovered(run).verified == "hash" and run.tokenizer_path.read_bytes() == original


def test_the_reason_why_nothing_decides_is_given(trained: Trained, strip: Strip) -> None:
    run = trained()
    record_another_hash(run)
    (entry,) = run.datasets()
    run.save_datasets([replace(entry, loss_now=9.0)])
    with pytest.raises(TokenizerError, match="learned too little"):
        recovered(run)
    run.save_datasets([replace(entry, loss_now=None)])
    (run.path / "evaluation.json").unlink()
    with pytest.raises(TokenizerError, match="no loss on the text 'meadow' is recorded"):
        recovered(run)
    content = bytearray(run.weights_path.read_bytes())
    content[-1] ^= 1
    run.weights_path.write_bytes(content)
    with pytest.raises(TokenizerError, match="its model cannot be used") as caught:
        recovered(run)
    assert caught.value.hint is not None and f"{{show {run.in_command}}}" in caught.value.hint
    strip(run, "text")
    with pytest.raises(TokenizerError, match=r"'meadow' is no longer at 'gone\.txt'") as caught:
        recovered(run)
    assert caught.value.hint is not None and "'meadow' back at 'gone.txt'" in caught.value.hint


@pytest.mark.parametrize("name", ["owl", "fox"])
def test_the_given_text_may_be_the_training_text(trained: Trained, strip: Strip, name: str) -> None:
    run = trained(name)
    (text,) = run.config().data.paths
    strip(run, "copies", "text")
    original = damage(run, "delete")
    with pytest.raises(TokenizerError) as caught:
        recovered(run)
    assert caught.value.hint is not None and "back at 'gone.txt'" in caught.value.hint
    found = recovered(run, like=Path(text))
    assert found.source == "corpus" and found.verified == "hash"
    assert run.tokenizer_path.read_bytes() == original


def test_the_given_text_is_read_in_the_encoding_that_is_named(trained: Trained, strip: Strip) -> None:
    run = trained()
    (text,) = run.config().data.paths
    like = run.path.parent / "like.txt"
    like.write_bytes(Path(text).read_text(encoding="utf-8").encode("cp037"))  # nothing shows this one
    strip(run, "copies", "text")
    original = damage(run, "delete")
    assert result_of(recover_tokenizer(run, like, "cp037")).source == "corpus"
    assert run.tokenizer_path.read_bytes() == original


def test_loading_does_not_choose_between_copies_that_differ(trained: Trained, strip: Strip) -> None:
    run = trained()
    tokenizer = put_a_wrong_copy_into(run)
    run.tokenizer_path.unlink()
    assert load_run(run).tokenizer.hash == tokenizer.hash  # the hash decides
    strip(run, "hash")
    with pytest.raises(TokenizerError, match="copies in its weights differ") as caught:
        load_run(run)
    assert caught.value.hint is not None and f"{{recover-tokenizer {run.in_command}}}" in caught.value.hint


def test_an_edited_size_is_not_blamed_on_the_tokenizer(trained: Trained) -> None:
    run = trained()
    original = run.tokenizer_path.read_bytes()
    change_vocab_size(run, load_tokenizer(run.tokenizer_path).vocab_size + 5)
    with pytest.raises(TokenizerError, match=r"the fault is not in it: config\.json says") as caught:
        recovered(run)
    assert caught.value.hint is not None and "config.json" in caught.value.hint
    assert run.tokenizer_path.read_bytes() == original


def test_a_backup_with_the_recorded_hash_is_used(trained: Trained, strip: Strip) -> None:
    run = trained()
    original = run.tokenizer_path.read_bytes()
    strip(run, "copies", "text")
    run.tokenizer_path.rename(run.path / "tokenizer.json.1")
    found = recovered(run)
    assert (found.source, found.where, found.verified) == ("file", "tokenizer.json.1", "hash")
    assert run.tokenizer_path.read_bytes() == original


@pytest.mark.parametrize("name", ["owl", "fox"])
def test_the_beginning_of_a_grown_vocabulary_is_used(trained: Trained, strip: Strip, name: str) -> None:
    run, child = trained(name), trained(name, "child")
    original = run.tokenizer_path.read_bytes()
    tokenizer = load_tokenizer(run.tokenizer_path)
    if isinstance(tokenizer, BpeTokenizer):
        grown, _ = grow_bpe(tokenizer, open_corpus(run.config().data.paths), 5)
        grown.save(child.tokenizer_path)
    else:
        assert isinstance(tokenizer, CharacterTokenizer)
        tokenizer.with_characters("Ωμ").save(child.tokenizer_path)
    strip(child, "copies")
    record_another_hash(child)
    child.save_config(replace(child.config(), lineage=({"run": name, "path": str(run.path)},)))
    strip(run, "copies", "text")
    run.tokenizer_path.unlink()
    found = recovered(run)
    assert found.where == "run 'child', shortened" and found.verified == "hash"
    assert run.tokenizer_path.read_bytes() == original


def test_a_second_reconstruction_keeps_the_hash_of_the_lost_tokenizer(
    trained: Trained, strip: Strip, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained()
    like = Path(run.path.parent / "like.txt")
    like.write_bytes("The hen hears the bée; is it là, près du café? ".encode("cp1252") * 200)
    strip(run, "copies", "text")
    right = run.config().data.tokenizer_hash
    tokenizer = load_tokenizer(run.tokenizer_path)
    assert isinstance(tokenizer, CharacterTokenizer)
    expected = []
    for last in "\ue000\ue001":
        found = tuple(
            ReconstructedCharacter(16 + i, c, c, 1.0, 1, False)
            for i, c in enumerate(tokenizer.characters[:-1] + last)
        )

        def made(
            *_: object, found: tuple[ReconstructedCharacter, ...] = found, **more: object
        ) -> Iterator[Progress]:
            expected.append(more["expected"])
            yield Progress("reading the text", 0, 1, "rounds")
            return Reconstruction(found, True, False, 1.0, 3.0, 2.0)

        monkeypatch.setattr("models.recovery.recover.reconstruct", made)
        run.tokenizer_path.unlink()
        recovery = recovered(run, like)
        assert recovery.source == "reconstruction" and recovery.reconstruction is not None
        assert "read as cp1252" in recovery.reconstruction.notes[0]
        data = run.config().data
        assert data.tokenizer_hash == load_run(run).tokenizer.hash != right
        assert data.reconstructed_from_hash == right
    assert expected == [right, right]
