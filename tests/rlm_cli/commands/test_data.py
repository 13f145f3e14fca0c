"""`rlm data preview` and `rlm data tokenizer`: what a user sees, and what a script gets."""

import json
from pathlib import Path

import pytest

from data.cache import set_cache_dir
from data.tokenizer import load_tokenizer
from rlm_cli.app import main
from rlm_cli.exit_codes import ExitCode

LINES = [f"The {i}th crow sat on a tree, and a fox came by to look at it." for i in range(40)]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    set_cache_dir(tmp_path / "cache")
    mixed = [*LINES, *LINES[:8], *(f"see https://a.b/{i} \x1b[31m" for i in range(4))]
    Path("notes.txt").write_text("".join(f"{line}\n" for line in mixed))
    turns = [{"role": "user", "content": "Hello?\n"}, {"role": "assistant", "content": "It is 4."}]
    Path("chats.jsonl").write_text((json.dumps({"messages": turns}) + "\n") * 20)


def test_a_preview_shows_what_is_kept_and_what_is_dropped_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "preview", "notes.txt", "--filter", "url,duplicates,words:2"]) == 0
    shown, said = capsys.readouterr()
    rows = dict(line.split(maxsplit=1) for line in shown.splitlines() if len(line.split()) > 1)
    characters = sum(len(line) + 1 for line in LINES)
    assert rows["text"] == "notes: plain text in 1 file, utf-8"
    assert rows["size"].startswith(f"{characters:,} characters")
    assert rows["url"].startswith("4 lines, ") and "     with a web address\n" in shown
    assert "such as: see https://a.b/0 ␛[31m" in shown
    assert rows["duplicates"].startswith("8 lines, ") and rows["nothing"] == "by words:2"
    assert "1. to learn: the first 400 tokens" in shown and "2. held out: " in shown
    assert "The 0th crow sat" in shown and "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "dropped 12 lines" in said


def test_a_preview_of_conversations_shows_their_roles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "tokenizer", "notes.txt", "--vocab-size", "300", "--out", "t.json", "-q"]) == 0
    assert main(["data", "preview", "chats.jsonl", "--tokenizer", "t.json", "-d", "1"]) == 0
    shown = capsys.readouterr().out
    assert "user 20, assistant 20" in shown and "bpe, 300 tokens (that of t.json)" in shown
    lines = shown.splitlines()
    assert lines[-2].startswith("<|bos|><|user|>H|e") and lines[-2].endswith("?|⏎")
    assert lines[-1].startswith("<|eos|><|assistant|>") and lines[-1].endswith("<|eos|>")


def test_json_has_the_tokens_and_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "preview", "notes.txt", "chats.jsonl", "--filter", "url", "-d", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    total = sum(len(Path(name).read_text()) for name in ("notes.txt",)) + 20 * len("Hello?\nIt is 4.")
    dropped = sum(one["characters"] for one in found["dropped"])
    assert sum(one["characters"] for one in found["splits"].values()) + dropped == total
    assert found["filters"] == {"url": "with a web address"} and len(found["shown"]) == 2
    text = "".join(token["text"] for token in found["shown"][0]["tokens"] if not token["is_control"])
    assert "\n".join(LINES).startswith(text.rstrip("\n"))


def test_a_tokenizer_is_made_and_trained_with(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "tokenizer", "notes.txt", "--vocab-size", "300", "--out", "t.json", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    tokenizer = load_tokenizer("t.json")
    assert (tokenizer.vocab_size, tokenizer.hash) == (made["vocab_size"], made["hash"])
    assert made["characters_per_token"][0]["train"] > 1.5
    assert main(["data", "tokenizer", "notes.txt", "--vocab-size", "30000", "--out", "few.json"]) == 0
    assert "all that notes gives" in capsys.readouterr().out
    plan = ["train", "notes.txt", "--tokenizer", "t.json", "--steps", "1", "--d-model", "16", "--dry-run"]
    assert main(plan) == 0
    assert "bpe, 300 tokens (the one in t.json)" in capsys.readouterr().out


def test_a_technical_tokenizer_is_made_shown_and_trained_with(capsys: pytest.CaptureFixture[str]) -> None:
    options = "--kind technical:nfkc --vocab-size 300 --out t.json --json"
    assert main(["data", "tokenizer", "notes.txt", *options.split()]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == load_tokenizer("t.json").kind == "technical:nfkc"
    Path("page.md").write_text("See (https://a.b/0), or ask.\n" * 100)
    assert main(["data", "preview", "page.md", "--tokenizer", "technical", "-d", "1"]) == 0
    shown = capsys.readouterr().out
    assert "technical, " in shown and "(your choice)" in shown and "|https://|" in shown
    plan = ["train", "notes.txt", "--tokenizer", "t.json", "--steps", "1", "--d-model", "16", "--dry-run"]
    assert main(plan) == 0
    assert "technical:nfkc (lossy), 300 tokens (the one in t.json)" in capsys.readouterr().out


def test_the_sources_of_a_mix_are_shown_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    Path("more.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in LINES))
    assert main(["data", "preview", "more.jsonl:3", "chats.jsonl:1", "--filter", "url", "-d", "1"]) == 0
    shown = capsys.readouterr().out
    assert "75 % of the tokens" in shown and "25 % of the tokens" in shown
    assert "user 20, assistant 20" in shown and "40 texts in 1 file" in shown
    assert main(["data", "preview", "more.jsonl:3", "chats.jsonl:1", "-d", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["mix"]
    assert [one["share"] for one in found] == [0.75, 0.25]
    assert found[0]["characters"] == sum(map(len, LINES))
    made = ["data", "tokenizer", "more.jsonl:3", "chats.jsonl:1", "--vocab-size", "290", "--out", "t.json"]
    assert main(made) == 0
    assert "290 tokens" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("preview gone.txt", "no file or folder"),
        ("preview notes.txt --tokenizer gone", "no run 'gone'"),
        ("preview notes.txt --tokenizer chats.jsonl", "chats.jsonl"),
        ("preview notes.txt --filter nonsense", "no filter 'nonsense'"),
        ("preview", "Missing argument 'PATH'"),
        ("tokenizer notes.txt", "Missing option '--out'"),
        ("tokenizer notes.txt --out notes.txt", "already exists"),
        ("tokenizer notes.txt --out no/folder/t.json", "no folder"),
        ("tokenizer notes.txt --out t.json --vocab-size 3", "out of range"),
        ("tokenizer notes.txt --out t.json --kind technical --vocab-size 280", "from 281"),
        ("tokenizer notes.txt --out t.json --kind tecnical", "Did you mean technical?"),
        ("tokenizer notes.txt --out t.json --kind character", "no tokenizer of kind 'character'"),
    ],
)
def test_what_cannot_be_meant_is_told(command: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("notes.txt").read_text()
    assert main(["data", *command.split()]) in (ExitCode.USAGE, ExitCode.FAILED)
    shown, error = capsys.readouterr()
    assert said in " ".join(error.split()) and not shown and "Traceback" not in error
    assert Path("notes.txt").read_text() == before
