"""From a corpus to token files: nothing is dropped, done twice or left half done."""

import errno
import itertools
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest

from data.bpe_tokenizer import train_bpe_tokenizer
from data.character_tokenizer import CharacterTokenizer, train_character_tokenizer
from data.corpus import Corpus, open_corpus
from data.errors import CorpusError, StorageError
from data.prepare import open_prepared, prepare
from data.progress import result_of
from data.tokenizer import Tokenizer

PROSE = "Once there was a crow — it lived by the sea.\n\nIt didn't mind.\n" * 60
BOS, EOS, USER, ASSISTANT = 2, 3, 5, 6


@pytest.fixture(params=["character", "bpe"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def tokenizer_for(corpus: Corpus, kind: str) -> Tokenizer:
    return train_character_tokenizer(corpus) if kind == "character" else train_bpe_tokenizer(corpus, 320)


@pytest.fixture
def prose(tmp_path: Path) -> Corpus:
    (tmp_path / "prose.txt").write_text(PROSE, encoding="utf-8")
    return open_corpus([tmp_path / "prose.txt"])


def test_the_tokens_of_a_text_are_its_encoding(prose: Corpus, kind: str) -> None:
    tokenizer = tokenizer_for(prose, kind)
    data = result_of(prepare(prose, tokenizer))
    cut = int(0.9 * len(PROSE))
    assert data.train.tolist() == tokenizer.encode(PROSE[:cut]).tolist()
    assert data.validation.tolist() == tokenizer.encode(PROSE[cut:]).tolist()
    assert (data.train_tokens, data.validation_tokens) == (len(data.train), len(data.validation))
    assert data.validation_bytes == len(PROSE[cut:].encode()) and data.unknown_characters == 0
    assert data.train.dtype == (np.uint8 if kind == "character" else np.uint16)
    assert isinstance(data.train, np.memmap) and not data.train.flags.writeable


def test_small_pieces_and_batches_change_nothing(
    prose: Corpus, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tokenizer = tokenizer_for(prose, kind)
    whole = result_of(prepare(prose, tokenizer))
    monkeypatch.setattr("data.text_reader._PIECE_BYTES", 101)
    monkeypatch.setattr("data.bpe_tokenizer._PIECE", 300)
    monkeypatch.setattr("data.prepare._BATCH_CHARACTERS", 500)
    again = result_of(prepare(prose, tokenizer, tmp_path / "elsewhere"))
    assert again.path != whole.path
    assert (again.train == whole.train).all() and (again.validation == whole.validation).all()


def test_one_token_separates_two_files(tmp_path: Path, kind: str) -> None:
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(f"text of {name}. " * 20)
    corpus = open_corpus([tmp_path])
    tokenizer = tokenizer_for(corpus, kind)
    data = result_of(prepare(corpus, tokenizer))
    for split in (data.train, data.validation):
        ids = split.tolist()
        assert ids.count(EOS) == 2 and BOS not in ids and ids[0] != EOS != ids[-1]
    texts = [tokenizer.decode(part) for part in np.split(data.train, np.flatnonzero(data.train == EOS))]
    assert texts == [(f"text of {name}. " * 20)[: int(0.9 * 11 * 20)] for name in "abc"]


def test_documents_and_conversations_are_encoded_with_their_control_tokens(tmp_path: Path, kind: str) -> None:
    lines: list[Any] = []
    for i in range(20):
        turns = [
            {"role": "user", "content": f"what is {i}? 🦉"},
            {"role": "assistant", "content": f"it is {i}"},
        ]
        lines.append({"messages": turns} if i % 2 else {"text": f"the number {i}"})
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    corpus = open_corpus([tmp_path / "x.jsonl"])
    tokenizer = tokenizer_for(corpus, kind)
    data = result_of(prepare(corpus, tokenizer))
    for split, ids in (("train", data.train), ("validation", data.validation)):
        expected: list[int] = []
        for document in corpus.documents_of(split):  # type: ignore[arg-type]
            if document.messages:
                expected += tokenizer.encode_chat(document.messages).tolist()
            else:
                expected += tokenizer.encode_document("".join(document.pieces or ())).tolist()
        assert ids.tolist() == expected
    assert {BOS, EOS, USER, ASSISTANT} <= set(data.train.tolist())
    assert data.validation_bytes == len("the number 18what is 19? 🦉it is 19".encode())


def test_unknown_characters_are_counted(prose: Corpus) -> None:
    data = result_of(prepare(prose, CharacterTokenizer("abcdefghijklmnopqrstuvwxyz ")))
    assert data.unknown_characters == sum(c not in "abcdefghijklmnopqrstuvwxyz " for c in PROSE)
    assert data.train_tokens + data.validation_tokens == len(PROSE)


def test_a_corpus_is_tokenised_once(prose: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = tokenizer_for(prose, "character")
    first = result_of(prepare(prose, tokenizer))
    monkeypatch.setattr("data.prepare._write_folder", None)
    assert list(prepare(prose, tokenizer)) == []
    assert result_of(prepare(prose, tokenizer)).path == first.path
    assert open_prepared(first.path).train.tolist() == first.train.tolist()
    assert open_prepared(first.path.name).path == first.path


def test_another_tokenizer_or_text_has_another_folder(prose: Corpus, tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text(PROSE + "!", encoding="utf-8")
    other = open_corpus([tmp_path / "b.txt"])
    tokenizer = tokenizer_for(other, "character")
    paths = {
        result_of(prepare(prose, tokenizer)).path,
        result_of(prepare(prose, tokenizer_for(prose, "bpe"))).path,
        result_of(prepare(other, tokenizer)).path,
    }
    assert len(paths) == 3


def test_progress_is_reported(prose: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.text_reader._PIECE_BYTES", 500)
    monkeypatch.setattr("data.prepare._BATCH_CHARACTERS", 500)
    reports = list(prepare(prose, tokenizer_for(prose, "character")))
    assert {(a.stage, a.total, a.unit) for a in reports} == {("tokenizing", len(PROSE), "characters")}
    done = [a.done for a in reports]
    assert done == sorted(done) and done[-1] == len(PROSE) and len(done) >= 4


@pytest.mark.parametrize("damage", ["truncated", "overwritten", "no meta", "torn meta", "foreign meta"])
def test_damaged_data_is_refused_and_made_again(prose: Corpus, damage: str) -> None:
    tokenizer = tokenizer_for(prose, "character")
    data = result_of(prepare(prose, tokenizer))
    expected = data.train.tolist()
    meta = data.path / "meta.json"
    if damage == "truncated":
        (data.path / "train.bin").write_bytes(b"123")
    elif damage == "overwritten":  # as long as before, with ids no tokenizer has
        (data.path / "train.bin").write_bytes(b"\xff" * data.train.nbytes)
    elif damage == "no meta":
        meta.unlink()
    else:
        meta.write_text(
            meta.read_text()[:40] if damage == "torn meta" else '{"format_version": 1, "dtype": "object"}'
        )
    with pytest.raises(CorpusError, match="gone or damaged"):
        open_prepared(data.path)
    assert result_of(prepare(prose, tokenizer)).train.tolist() == expected


def test_data_of_an_earlier_version_can_be_used(prose: Corpus) -> None:
    data = result_of(prepare(prose, tokenizer_for(prose, "character")))
    meta = json.loads((data.path / "meta.json").read_text())
    hashes = ("train_hash", "validation_hash", "checksum")
    old = {name: value for name, value in meta.items() if name not in hashes}
    assert len(old) == len(meta) - len(hashes)
    (data.path / "meta.json").write_text(json.dumps(old))
    assert open_prepared(data.path).train_tokens == data.train_tokens


def test_missing_data_is_an_error(cache_folder: Path) -> None:
    with pytest.raises(CorpusError, match="gone or damaged") as caught:
        open_prepared(cache_folder / "0123")
    assert caught.value.hint


def test_stopping_in_the_middle_leaves_nothing(
    prose: Corpus, monkeypatch: pytest.MonkeyPatch, cache_folder: Path
) -> None:
    monkeypatch.setattr("data.text_reader._PIECE_BYTES", 500)
    monkeypatch.setattr("data.prepare._BATCH_CHARACTERS", 500)
    tokenizer = tokenizer_for(prose, "character")
    work = prepare(prose, tokenizer)
    list(itertools.islice(work, 3))
    assert any(path.is_dir() for path in cache_folder.iterdir())
    work.close()
    assert not any(path.is_dir() for path in cache_folder.iterdir())
    assert result_of(prepare(prose, tokenizer)).train_tokens == int(0.9 * len(PROSE))


def test_files_of_a_killed_process_are_removed(prose: Corpus, cache_folder: Path) -> None:
    tokenizer = tokenizer_for(prose, "character")
    data = result_of(prepare(prose, tokenizer))
    (data.path / "meta.json").unlink()
    stale = cache_folder / f".tmp-{data.path.name}-abc"
    stale.mkdir()
    (stale / "train.bin").write_bytes(b"half")
    result_of(prepare(prose, tokenizer))
    assert not stale.exists()


def test_a_second_process_waits_for_the_first(prose: Corpus, cache_folder: Path) -> None:
    tokenizer = tokenizer_for(prose, "character")
    done = result_of(prepare(prose, tokenizer))
    busy = threading.Event()
    free = threading.Event()

    def hold() -> None:
        with filelock.FileLock(cache_folder / f"{done.path.name}.lock"):
            busy.set()
            free.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    assert busy.wait(20)
    work = prepare(prose, tokenizer)
    assert next(work).done == 0  # it waits, and can be interrupted while it does
    free.set()
    assert result_of(work).path == done.path
    holder.join()


def test_a_changed_file_leaves_nothing(prose: Corpus, cache_folder: Path) -> None:
    tokenizer = tokenizer_for(prose, "character")
    prose.sources[0].path.write_text(PROSE[:500])
    with pytest.raises(CorpusError, match="changed while"):
        result_of(prepare(prose, tokenizer))
    assert not any(path.is_dir() for path in cache_folder.iterdir())


def test_a_full_disk_is_an_error_before_and_during_the_work(
    prose: Corpus, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = tokenizer_for(prose, "character")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10}))
        with pytest.raises(StorageError, match="MB are needed for the tokens") as caught:
            result_of(prepare(prose, tokenizer))
        assert "RLM_CACHE_DIR" in (caught.value.hint or "")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(StorageError, match="disk is full: the tokens in") as caught:
            result_of(prepare(prose, tokenizer))
    assert not any(path.is_dir() for path in cache_folder.iterdir())
    assert result_of(prepare(prose, tokenizer)).train_tokens


def test_a_cache_folder_that_cannot_be_made_is_an_error(prose: Corpus, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made") as caught:
        result_of(prepare(prose, tokenizer_for(prose, "character"), tmp_path / "file" / "cache"))
    assert "RLM_CACHE_DIR" in (caught.value.hint or "")


def test_a_corpus_of_a_few_characters_has_an_empty_part(tmp_path: Path) -> None:
    (tmp_path / "tiny.txt").write_text("ab")
    corpus = open_corpus([tmp_path / "tiny.txt"])
    data = result_of(prepare(corpus, tokenizer_for(corpus, "character")))
    assert (data.train_tokens, data.validation_tokens) == (1, 1)


_MEASURED = """
import resource, sys
from data.corpus import open_corpus
from data.tokenizer import Tokenizer
from data.character_tokenizer import train_character_tokenizer
from data.bpe_tokenizer import train_bpe_tokenizer
from data.prepare import prepare
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
corpus = open_corpus([sys.argv[1]])
if sys.argv[2] == "character":
    tokenizer = train_character_tokenizer(corpus)
else:
    tokenizer = train_bpe_tokenizer(corpus, 512, sample_bytes=10**6)
for _ in prepare(corpus, tokenizer):
    pass
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is counted in kilobytes on Linux")
@pytest.mark.parametrize(("kind", "megabytes"), [("character", 300), ("bpe", 30)])
def test_memory_does_not_grow_with_the_corpus(tmp_path: Path, kind: str, megabytes: int) -> None:
    path = tmp_path / "big.txt"
    block = PROSE * (10**6 // len(PROSE))
    with path.open("w", encoding="utf-8") as file:
        for _ in range(megabytes):
            file.write(block)
    command = [sys.executable, "-c", _MEASURED, str(path), kind]
    grown_kb = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown_kb < 150 * 1024
