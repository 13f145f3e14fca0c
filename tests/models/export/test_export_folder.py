"""What `rlm export` writes, where it writes it, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import jinja2
import pytest

from data.document import Message
from data.errors import RlmError, UsageError
from models.export.export_folder import export_run
from models.export.tokenizer_files import chat_template
from models.export.upload import push_folder
from models.generation.prompt import conversation_prompt
from models.runs.load import load_run
from models.runs.run import Run
from models.runs.run_config import DataSection, MixSection, MixSourceSection
from tests.models.export.conftest import DrawnRun


def test_the_config_names_what_transformers_asks_for(drawn_run: DrawnRun, tmp_path: Path) -> None:
    run = drawn_run("hrm")
    export_run(run, tmp_path / "out", mode="deep", command="rlm export owl")
    config = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "rlm" and config["use_cache"] is True and config["mode"] == "deep"
    assert config["num_hidden_layers"] == 3 * (2 + 1)  # three cycles of two low steps and a high one
    assert set(config["auto_map"]) == {"AutoConfig", "AutoModelForCausalLM"}
    generation = json.loads((tmp_path / "out" / "generation_config.json").read_text(encoding="utf-8"))
    assert generation["temperature"] == 0.8 and generation["suppress_tokens"][:4] == [0, 1, 2, 4]


def test_the_card_has_the_measured_figures(drawn_run: DrawnRun, tmp_path: Path) -> None:
    run = drawn_run("looped")
    export_run(run, tmp_path / "out", command="rlm export owl --to hf out")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    for line in (
        "| fast | 1x1 | 2.5000 |",
        "| extreme (deeper than it was trained) | 6x4 | 2.0000 |",
        "trained on meadow, in 7 steps",
        "    rlm export owl --to hf out",
        "3.400 bits per byte",
    ):
        assert line in card
    assert "mode where no other is given: thorough" in card  # the best of the trained ones


def test_a_hostile_name_is_no_markup(drawn_run: DrawnRun, tmp_path: Path) -> None:
    run = drawn_run("transformer")
    run.save_config(replace_corpus(run, "a`b\n# [x](y)\x1b]0;z\x07"))
    export_run(run, tmp_path / "out", command="rlm export owl")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "\x1b" not in card and "\n# \\[" not in card and "a\\`b \\# \\[x\\](y)" in card


def replace_corpus(run: Run, name: str):  # type: ignore[no-untyped-def]
    import dataclasses

    return dataclasses.replace(run.config(), corpus=name)


def test_an_export_replaces_nothing_but_an_export(drawn_run: DrawnRun, tmp_path: Path) -> None:
    run, out = drawn_run("looped"), tmp_path / "out"
    out.mkdir()
    export_run(run, out, command="c")  # an empty folder is free
    with pytest.raises(UsageError, match="already an export"):
        export_run(run, out, command="c")
    (out / "old.txt").write_text("old")
    export_run(run, out, force=True, command="c", mode="fast")
    assert json.loads((out / "config.json").read_text())["mode"] == "fast" and not (out / "old.txt").exists()
    other = tmp_path / "letters"
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="replaces nothing but an export"):
        export_run(run, other, force=True, command="c")
    with pytest.raises(UsageError, match="is not a folder"):
        export_run(run, other / "letter.txt", force=True, command="c")
    with pytest.raises(UsageError, match="no mode"):
        export_run(run, tmp_path / "new", mode="depe", command="c")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["letters", "out", "runs"]


def test_a_failure_leaves_the_earlier_export(
    drawn_run: DrawnRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, out = drawn_run("looped"), tmp_path / "out"
    export_run(run, out, command="c")
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("models.export.export_folder.move_into_place", fail)
    with pytest.raises(RlmError, match="disk is full"):
        export_run(run, out, force=True, command="c", mode="fast")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "runs"]


def test_a_model_of_puzzles_is_not_exported(drawn_run: DrawnRun, tmp_path: Path) -> None:
    import dataclasses

    run = drawn_run("trm")
    data = DataSection(paths=(), content_hash="x", kind="puzzles")
    run.save_config(dataclasses.replace(run.config(), data=data))
    with pytest.raises(RlmError, match="solves puzzles"):
        export_run(run, tmp_path / "out", command="c")
    assert not (tmp_path / "out").exists()


TALK = [
    Message("user", "a bee"),
    Message("assistant", " go on\n"),
    Message("user", "no\n"),
    Message("assistant", ""),
    Message("user", "mel"),
]


@pytest.mark.parametrize("kind", ["messages", "text", "documents", "problems"])
@pytest.mark.parametrize("system", ["", "be calm"])
def test_the_chat_template_makes_the_prompt_of_rlm(kind: str, system: str, drawn_run: DrawnRun) -> None:
    tokenizer = load_run(drawn_run("looped", kind=kind)).tokenizer
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(chat_template(kind))
    for count in range(1, len(TALK) + 1, 2):
        messages = [*([Message("system", system)] if system else []), *TALK[:count]]
        given = [{"role": one.role, "content": one.content} for one in messages]
        written = template.render(
            messages=given, bos_token="<|bos|>", eos_token="<|eos|>", add_generation_prompt=True
        )
        prompt = conversation_prompt(tokenizer, kind, system, TALK[:count], 10_000)
        assert written == tokenizer.decode(prompt.ids, with_special=True)
        parts = [{"role": one.role, "content": [{"type": "text", "text": one.content}]} for one in messages]
        assert written == template.render(
            messages=parts, bos_token="<|bos|>", eos_token="<|eos|>", add_generation_prompt=True
        )


def test_what_the_hub_says_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")

    def no_network(*_: object, **__: object) -> None:
        raise ConnectionError("no route to the hub\nsecond line")

    monkeypatch.setattr(hub.HfApi, "create_repo", no_network)
    with pytest.raises(RlmError, match=r"^The model could not be sent: no route to the hub\.?$"):
        push_folder(tmp_path)


def test_places_of_the_sources_of_a_mix_stay_here(drawn_run: DrawnRun, tmp_path: Path) -> None:
    run = drawn_run("transformer")
    config = run.config()
    places: list[dict[str, str]] = [
        {"path": "/home/somebody/a.txt"},
        {"dataset": "/home/somebody/set"},
        {"dataset": "some/set"},
    ]
    sources = tuple(
        MixSourceSection(name=f"s{n}", weight=1.0, parts=3000, content_hash=f"{n}", kind="text", **place)  # type: ignore[arg-type]
        for n, place in enumerate(places)
    )
    assert config.data is not None
    data = replace(config.data, mix=MixSection(name="mix", sources=sources))
    run.save_config(replace(config, data=data))
    export_run(run, tmp_path / "out", command="rlm export owl")
    record = (tmp_path / "out" / "rlm_run.json").read_text(encoding="utf-8")
    assert "/home/somebody" not in record and "some/set" in record
