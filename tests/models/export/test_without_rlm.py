"""Exported folders compute what rlm computes, in a process that has transformers and no rlm."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from data.character_tokenizer import CharacterTokenizer
from data.document import Message
from models.architectures import ARCHITECTURES
from models.depth import MODES
from models.export.export_folder import export_run
from models.generation.generate import GenerationConfig, generate
from models.generation.prompt import conversation_prompt
from models.generation.run_defaults import resolve_mode
from models.runs.load import load_run
from models.runs.run import Run
from tests.models.export.conftest import DrawnRun

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="transformers is not installed"
)

DIALS: dict[str, dict[str, Any]] = {
    "looped": {"ngram": 3, "gated": True},
    "hrm": {"ngram": 1},
    "trm": {"output": "stablemax"},
    "ouroboros": {"passes": 4},
    "recursive_router": {"positions": "learned", "tied": True},
    "mixture_of_recursions": {"positions": "sinusoidal", "tied": True},
    "transformer": {"gpt2_weights": True, "norm": "layer", "tied": True, "positions": "learned"},
}
"""Settings that meet every kind of input, of tie and of position."""


def clean_process(*arguments: str, home: Path) -> str:
    """What a Python prints that finds nothing of the working tree. Raises where it fails."""
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def export_all(drawn_run: DrawnRun, folder: Path) -> list[str]:
    """Folders of every architecture, each with what rlm computes beside it."""
    folders = []
    for name in ARCHITECTURES:
        run = drawn_run(name, name=name, kind="messages", **DIALS[name])
        export_run(run, folder / name, command="rlm export")
        loaded = load_run(run)
        tokens = torch.randint(16, loaded.model.config.vocab_size, (3, 12))
        with torch.inference_mode():
            logits = {f"logits.{mode}": loaded.model(tokens, depth).logits for mode, depth in MODES.items()}
        save_file({"tokens": tokens, **logits}, folder / f"{name}.expected.safetensors")
        folders.append(str(folder / name))
    return folders


def expect_behaviour(drawn_run: DrawnRun, folder: Path) -> None:
    """Write what `behave` compares with: a conversation in ids, and prompts that go on beyond the context."""
    loaded = load_run(Run(folder / "runs" / "looped"))
    messages = [Message("system", "be calm."), Message("user", "a bee\n"), Message("assistant", " go. ")]
    chat = conversation_prompt(
        loaded.tokenizer, "messages", "be calm.", [*messages[1:], Message("user", "no")], sys.maxsize
    )
    settings = GenerationConfig(temperature=0, max_tokens=40)
    depth = MODES[resolve_mode(loaded.run, "auto")]
    prompts = [loaded.tokenizer.encode(text) for text in ("the bee", "a", "no one.")]
    rows: list[list[int]] = [[], [], []]
    for token in generate(loaded.model, NoEnd(loaded.tokenizer.characters), prompts, depth, settings):
        rows[token.row].append(token.id)
    content = {
        "messages": [
            {"role": one.role, "content": one.content} for one in [*messages, Message("user", "no")]
        ],
        "chat": chat.ids,
        "continued": rows,
    }
    (folder / "looped.expected.json").write_text(json.dumps(content), encoding="utf-8")


class NoEnd(CharacterTokenizer):
    """Its texts never end, as with `min_new_tokens`."""

    eos_id = -1


@pytest.mark.parametrize("everything", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_architecture_is_the_same_model_without_rlm(
    everything: bool, drawn_run: DrawnRun, tmp_path: Path
) -> None:
    folders = export_all(drawn_run, tmp_path)
    expect_behaviour(drawn_run, tmp_path)
    script = str(Path(__file__).with_name("use_without_rlm.py"))
    printed = clean_process(script, *(["--everything"] if everything else []), *folders, home=tmp_path)
    found = json.loads(printed)
    assert found["folders"].keys() == ARCHITECTURES.keys()
    for name, one in found["folders"].items():
        assert one["modes"].keys() == MODES.keys()
        assert max(one["modes"].values()) < 1e-5, name
        assert max(one["cached"].values()) < 1e-5, name
        assert all(one["same"].values()) and len(one["same"]) == (6 if everything else 2), (name, one["same"])
        assert one["layers"][0] == one["layers"][1]
        assert one["classes"] == ["RLMForCausalLM", "left"]
    if not everything:
        return
    behaviour = found["behaviour"]
    assert [name for name, is_right in behaviour["right"].items() if not is_right] == []
    told = behaviour["told"]
    assert told["mode"] == "There is no mode 'depe'. Did you mean deep?"
    assert "not both" in told["both"] and "hole" in told["hole"] and "counts positions" in told["positions"]
    assert "input_ids" in told["embeddings"] and "16 tokens at once" in told["length"]
