"""Control characters in names, texts, configurations, tokenizers and events never reach a terminal."""

import json
import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fire.commands import QUICK, Host, Outcome

pytestmark = pytest.mark.slow
PAYLOADS = 150
PARTS = 5
SEED = 14
MARK = "OWNED"
STARTS = (
    "\x1b]0;",
    "\x1b]52;c;",
    "\x1b[31m",
    "\x1b[2J",
    "\x1bP",
    "\x1b_",
    "\x1b^",
    "\x1b]8;;http://x/",
    "\x9b31m",
    "\x9d0;",
    "\x90",
    "\u202e",
    "\u2066",
    "\x07",
    "\x08\x08",
    "\x7f",
    "\r\r",
    "\x0e",
    "\x00",
    "\x1b[6n",
    "\x1b[?1049h",
    "\U000e0041",
)
ENDS = ("", "\x07", "\x1b\\", "\x9c", "\n", "\u2028")
PLACES = (
    "text",
    "file name",
    "folder name",
    "config",
    "datasets",
    "events",
    "tokenizer",
    "arguments",
    "setting",
    "chat message",
    "message in JSON Lines",
    "state",
    "conversation",
    "environment",
    "toml",
)
ALLOWED = re.compile(
    r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>78]|\x1b\][0-9;]*\x07"  # what the front ends themselves write
)


def payload(draw: random.Random) -> str:
    return draw.choice(STARTS) + MARK + draw.choice(ENDS)


def alive(text: str, sent: str) -> bool:
    """Whether the payload reached the terminal as it was sent: its start right before its mark."""
    start = sent.partition(MARK)[0]
    return start + MARK in text


def put_into_json(path: Path, keys: tuple[str | int, ...], value: str) -> None:
    content = json.loads(path.read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(content))


def place_it(place: str, sent: str, folder: Path) -> list[list[str]]:
    """Put the payload in its place, and give the commands that meet it."""
    run = folder / "runs" / "pair"
    name = sent.replace("\0", "").replace("/", "")
    train = ["--name", "new", "--steps", "2", *QUICK]
    looks = [["ls"], ["show", "pair"], ["generate", "pair", "-p", "The", "--max-tokens", "5"]]
    if place in ("text", "message in JSON Lines"):
        if place == "text":
            (folder / "p.txt").write_text((sent.replace("\0", "") + " crow\n") * 200, newline="")
        else:
            line = json.dumps(
                {"messages": [{"role": sent, "content": sent}, {"role": "user", "content": sent}]}
            )
            (folder / "p.txt").with_suffix(".jsonl").write_text((line + "\n") * 50)
        file = "p.txt" if place == "text" else "p.jsonl"
        return [["train", file, *train], ["show", "new"], ["generate", "new", "-p", sent.replace("\0", "")]]
    if place == "file name":
        (folder / f"{name}.txt").write_bytes((folder / "crow.txt").read_bytes())
        return [["train", f"{name}.txt", "--fresh", "--steps", "2", *QUICK], ["ls"], ["show"]]
    if place == "folder name":
        (folder / "runs" / name).mkdir()
        (folder / "runs" / name / "config.json").write_text("{}")
        return [["ls"], ["show", name], ["rm", name]]
    if place in ("config", "datasets", "state"):
        file, keys = {
            "config": ("config.json", ("corpus",)),
            "datasets": ("datasets.json", ("datasets", 0, "name")),
            "state": ("config.json", ("calibration", "device")),
        }[place]
        put_into_json(run / file, keys, sent)
        return [*looks[:2], ["resume", "pair", "--steps", "1"]]
    if place == "events":
        lines = (run / "events.jsonl").read_text().splitlines()
        notice = {"event": "notice_given", "time": 1.0, "message": sent}
        failed = {"event": "run_failed", "time": 2e9, "kind": sent, "message": sent, "hint": sent}
        (run / "events.jsonl").write_text("\n".join([*lines, json.dumps(notice), json.dumps(failed)]) + "\n")
        return [["ls"], ["show", "pair"], ["resume", "pair", "--steps", "1"]]
    if place == "tokenizer":
        text = (run / "tokenizer.json").read_text()
        (run / "tokenizer.json").write_text(text.replace('"e"', json.dumps(sent)))
        return [*looks, ["recover-tokenizer", "pair"]]
    if place == "chat message":
        return [["chat", "pair"], ["generate", "pair", "-p", sent.replace("\0", "")]]
    if place == "conversation":
        chats = run / "conversations"
        chats.mkdir(exist_ok=True)
        saved = {
            "format_version": 1,
            "name": sent,
            "run": sent,
            "kind": "text",
            "created": 1.0,
            "system": sent,
            "settings": {},
            "turns": [{"role": "user", "content": sent}, {"role": "assistant", "content": sent}],
        }
        (chats / "old.json").write_text(json.dumps(saved))
        return [["chat", "pair", "-c"]]
    if place == "toml":
        (folder / "p.toml").write_text(
            f"[model]\narchitecture = {json.dumps(sent)}\n{json.dumps(sent)} = 1\n"
        )
        return [["train", "crow.txt", "--config", "p.toml", *train]]
    word = sent.replace("\0", "")
    if place == "setting":
        return [
            ["train", "crow.txt", "--set", f"model.{word}=1", *train],
            ["train", "crow.txt", "--arch", word],
        ]
    return [
        [word],
        ["show", word],
        ["train", word],
        ["generate", word, "-p", "x"],
        ["solve", word, word],
        ["train", "crow.txt", "--name", word],
        ["expand", "pair", "--name", word, "--core", "2"],
    ]


@pytest.mark.parametrize("part", range(PARTS))
def test_a_payload_is_made_safe(part: int, host: Host, fresh: Callable[[], Path]) -> None:
    draw = random.Random(SEED + part)
    faults = []
    for number in range(PAYLOADS // PARTS):
        folder = fresh()
        sent, place = payload(draw), PLACES[(part + number * PARTS) % len(PLACES)]
        typed = sent.replace("\n", " ").replace("\r", " ") if place == "chat message" else "x"
        where = {"RLM_ARCH": sent.replace("\0", "")} if place == "environment" else {}
        for command in place_it(place, sent, folder):
            outcome = host.rlm(
                folder,
                *command,
                stdin=f"{typed}\n/history\n/quit\n",
                tty=True,
                environment=where,
                patience_s=30.0,
            )
            if found := faults_on_terminal(outcome, sent):
                faults.append((part, number, place, sent, command, outcome.code, found))
                if os.environ.get("FIRE_TELL"):
                    print(*map(repr, faults[-1]), repr(outcome.text[-1500:]), sep="\n", flush=True)
    assert not faults


def faults_on_terminal(outcome: Outcome, sent: str) -> list[str]:
    found = [fault for fault in outcome.faults() if fault != "control characters"]
    if alive(outcome.text, sent):
        found.append("the payload reached the terminal")
    rest = ALLOWED.sub("", outcome.text)
    if MARK in rest and re.search(r"[\x1b\x9b\x9d\x90\x00\x0e\x7f]", rest):
        found.append("raw control bytes")
    return found
