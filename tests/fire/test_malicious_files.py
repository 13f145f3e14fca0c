"""Weights, tokenizers and configurations made to harm: refused in a sentence, in little time and memory."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fire.commands import Host, content_of
from tests.fire.damage import DEEP, ESCAPE
from tests.fire.test_damaged_folders import faults_of

pytestmark = pytest.mark.slow
PATIENCE_S = 30.0
HUGE = 1 << 62
Make = Callable[[bytes], bytes]


def with_header(change: Callable[[dict[str, Any]], object], data: bytes | None = None) -> Make:
    """A weights file whose header was changed."""

    def make(content: bytes) -> bytes:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        header["__metadata__"].pop("rlm_sha256", None)
        change(header)
        text = json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text + (content[8 + length :] if data is None else data)

    return make


def first(header: dict[str, Any]) -> dict[str, Any]:
    return next(entry for name, entry in header.items() if name != "__metadata__")


def every(header: dict[str, Any], **fields: Any) -> None:
    for name, entry in header.items():
        if name != "__metadata__":
            entry.update(fields)


def metadata(**texts: Any) -> Make:
    return with_header(lambda header: header["__metadata__"].update(texts))


WEIGHTS: list[Make] = [
    lambda content: (1 << 63).to_bytes(8, "little") + content[8:],
    lambda content: (100_000_000).to_bytes(8, "little") + content[8:],
    lambda content: b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93.",
    lambda content: b"PK\x03\x04" + content,
    lambda content: len(DEEP).to_bytes(8, "little") + DEEP.encode(),
    with_header(lambda header: first(header).update(data_offsets=[0, HUGE])),
    with_header(lambda header: first(header).update(data_offsets=[-8, 8])),
    with_header(lambda header: first(header).update(data_offsets=[8, 0])),
    with_header(lambda header: first(header).update(shape=[HUGE, HUGE])),
    with_header(lambda header: first(header).update(shape=[-1])),
    with_header(lambda header: first(header).update(dtype="OBJECT")),
    with_header(lambda header: every(header, data_offsets=[0, 0], shape=[0])),
    with_header(lambda header: header.update({f"t{i}": first(header) for i in range(20_000)})),
    with_header(lambda header: header.update({ESCAPE: first(header)})),
    with_header(lambda header: header["__metadata__"].update({"rlm_ties": '{"a": "a"}'})),
    metadata(rlm_ties=DEEP),
    metadata(rlm_ties="[1]"),
    metadata(tokenizer=DEEP, config=DEEP),
    metadata(format_version="9" * 400),
    metadata(tokenizer=1),
]


def with_tokenizer(change: Callable[[dict[str, Any]], object]) -> Make:
    def make(content: bytes) -> bytes:
        tokenizer = json.loads(content)
        change(tokenizer)
        return json.dumps(tokenizer).encode()

    return make


TOKENIZERS: list[Make] = [
    lambda content: DEEP.encode(),
    lambda content: b"{}",
    lambda content: b'{"model": {"type": "BPE", "vocab": {}, "merges": []}}',
    lambda content: b'{"model": {"type": "WordPiece"}}',
    lambda content: content[: len(content) // 2],
    lambda content: b"\xff\xfe" + content,
    with_tokenizer(lambda one: one["model"].update(vocab={f"{i}": i for i in range(300_000)})),
    with_tokenizer(lambda one: one["model"].update(vocab={"a": 2**63})),
    with_tokenizer(lambda one: one["model"].update(vocab={"a": -1, "b": 0})),
    with_tokenizer(lambda one: one["model"].update(vocab=dict.fromkeys("abcdef", 3))),
    with_tokenizer(lambda one: one["model"].update(vocab={ESCAPE: 0})),
    with_tokenizer(lambda one: one["model"].update(type="Unigram", vocab=[["a", 1e308]])),
    with_tokenizer(lambda one: one["model"].update(type="BPE", merges=[["a", "zzz"]] * 100)),
    with_tokenizer(lambda one: one["model"].update(unk_token=ESCAPE)),
    with_tokenizer(
        lambda one: one.update(normalizer={"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": ""})
    ),
    with_tokenizer(
        lambda one: one.update(
            pre_tokenizer={
                "type": "Split",
                "pattern": {"Regex": "(((a*)*)*)*b"},
                "behavior": "Isolated",
                "invert": False,
            }
        )
    ),
    with_tokenizer(lambda one: one.update(added_tokens=[{"id": 2**40, "content": "x"}])),
    with_tokenizer(lambda one: one.update(added_tokens=DEEP)),
    with_tokenizer(
        lambda one: one.update(decoder={"type": "Sequence", "decoders": [{"type": "Fuse"}] * 10_000})
    ),
    with_tokenizer(lambda one: one.update(version="\ud800")),
]


def with_dial(**dials: Any) -> Make:
    def make(content: bytes) -> bytes:
        config = json.loads(content)
        config["model"].update(dials)
        return json.dumps(config).encode()

    return make


def with_section(section: str, **values: Any) -> Make:
    def make(content: bytes) -> bytes:
        config = copy.deepcopy(json.loads(content))
        config[section].update(values)
        return json.dumps(config).encode()

    return make


CONFIGURATIONS: list[Make] = [
    with_dial(d_model=10**9),
    with_dial(d_model=1 << 40),
    with_dial(core=10**8),
    with_dial(vocab_size=10**12),
    with_dial(context_length=10**12),
    with_dial(n_heads=10**9),
    with_dial(ff_units=10**12),
    with_dial(d_model=float("nan")),
    with_dial(dropout=1e308),
    with_dial(architecture="os.system"),
    with_dial(architecture="../../x"),
    with_dial(**{ESCAPE: ESCAPE}),
    with_section("training", batch_size=10**9),
    with_section("training", optimizer=ESCAPE),
    with_section("training", threads=10**6),
    with_section("data", prepared="../../../etc"),
    with_section("data", paths=["/dev/zero"], content_hash="x"),
    with_section("data", paths=["/etc/shadow" * 1000]),
    with_section("calibration", micro_batch=2**48, shallow_step_s=1e-300),
    lambda content: content.replace(b'"format_version": ', b'"format_version": 99999'),
]
HARMFUL = {"model.safetensors": WEIGHTS, "tokenizer.json": TOKENIZERS, "config.json": CONFIGURATIONS}
CASES = [(name, number) for name, makes in HARMFUL.items() for number in range(len(makes))]
assert len(CASES) == 60
COMMANDS = [
    ["ls"],
    ["show", "pair"],
    ["generate", "pair", "-p", "The", "--max-tokens", "5"],
    ["resume", "pair", "--steps", "1"],
    ["expand", "pair", "--core", "2", "--name", "larger"],
]


@pytest.mark.parametrize("name", HARMFUL)
def test_a_malicious_file_is_refused(name: str, host: Host, fresh: Callable[[], Path]) -> None:
    faults = []
    for number, make in enumerate(HARMFUL[name]):
        folder = fresh()
        path = folder / "runs" / "pair" / name
        harmful = make(path.read_bytes())
        path.write_bytes(harmful)
        for command in COMMANDS:
            before = content_of(folder, with_logs=False)
            outcome = host.rlm(folder, *command, patience_s=PATIENCE_S)
            if found := faults_of(outcome, command, before, folder):
                faults.append((name, number, command, outcome.code, found))
                if os.environ.get("FIRE_TELL"):
                    print(*faults[-1], outcome.text[-1500:], sep="\n", flush=True)
            if path.is_file() and path.read_bytes() != harmful:  # mended by the command: harm it again
                path.write_bytes(harmful)
    assert not faults
