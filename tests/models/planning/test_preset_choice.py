"""A preset that is one thing on a CPU and another on a GPU."""

from pathlib import Path
from typing import Any

import pytest
import torch

from data.bpe_tokenizer import train_bpe_tokenizer
from data.character_tokenizer import train_character_tokenizer
from data.corpus import scan_corpus
from data.errors import UsageError
from data.tokenizer import Tokenizer
from models.planning import preset_choice
from models.planning.create import plan_creation
from models.planning.preset_choice import preset_for, vocabulary_note
from models.planning.resolve import resolve_request
from models.presets import PRESETS, preset_named
from tests.requests import create_request, train_request


def test_names_stand_for_presets_that_exist() -> None:
    for preset in PRESETS.values():
        if preset.on_gpu is not None:
            other = PRESETS[preset.on_gpu]
            assert other.architecture == preset.architecture and other.on_gpu is None


@pytest.mark.parametrize(
    ("device", "name", "batch_size"), [("cpu", "ouroboros-lite", 4), ("cuda", "ouroboros-pro", 16)]
)
def test_ouroboros_is_chosen_by_the_device(
    monkeypatch: pytest.MonkeyPatch, device: str, name: str, batch_size: int
) -> None:
    asked: list[str] = []

    def choose(wanted: str) -> torch.device:
        asked.append(wanted)
        return torch.device(device)

    monkeypatch.setattr(preset_choice, "choose_device", choose)
    found = preset_for("ouroboros", {})
    assert found is not None
    assert (found.model, found.training) == (PRESETS[name].model, PRESETS[name].training)
    assert found.training["batch_size"] == batch_size
    assert found.training["weight_decay"] == 0.1 and found.training["target_loss"] == 2.1
    assert found.training.get("number_format", "auto") == "auto"  # mixed where that is measured faster
    assert preset_for("ouroboros-lite", {"device": "cuda:1"}) is PRESETS["ouroboros-lite"]
    assert asked == ["auto", "cuda:1"]


def test_a_device_that_was_asked_for_decides(tmp_path: Path) -> None:
    request = create_request(
        name="owl", preset="ouroboros", vocab_size=90, settings={"training.device": "cpu"}
    )
    planned = plan_creation(request, tmp_path)
    assert (planned.model.d_model, planned.training["batch_size"]) == (256, 4)


def test_what_there_is_not_is_refused() -> None:
    assert preset_for(None, {"device": "abacus"}) is None
    with pytest.raises(UsageError, match="no device 'abacus'"):
        preset_for("ouroboros", {"device": "abacus"})
    with pytest.raises(UsageError, match="no preset") as caught:
        preset_named("ouroborus", on_gpu=True)
    assert "ouroboros" in str(caught.value.hint)


def tokenizers(folder: Path) -> tuple[Tokenizer, Tokenizer]:
    """One of characters and one of byte pairs, for a small text."""
    (folder / "owl.txt").write_text("the owl saw the moon over the mill. " * 300)
    scanning = scan_corpus([folder / "owl.txt"])
    while True:
        try:
            next(scanning)
        except StopIteration as end:
            return train_character_tokenizer(end.value), train_bpe_tokenizer(end.value, 300)


def test_a_vocabulary_that_the_text_did_not_ask_for_is_told_of(tmp_path: Path) -> None:
    characters, pairs = tokenizers(tmp_path)
    technical, hrm = PRESETS["mor-technical"], PRESETS["hrm-4m"]
    note = vocabulary_note(technical, pairs, "character")
    assert note is not None
    assert "'mor-technical' cuts the text into byte pairs, where characters would suit it" in note
    assert "{tokenizer=character}" in note and "32,000 tokens" in note
    assert f"it has {pairs.vocab_size:,}" in note
    typed = vocabulary_note(technical, characters, "character")
    assert typed is not None and "byte pairs" not in typed and "32,000" in typed
    assert vocabulary_note(hrm, characters, "character") is None
    assert vocabulary_note(None, characters, "bpe") is None
    assert "characters, where byte pairs" in str(vocabulary_note(PRESETS["nanogpt-cpu"], characters, "bpe"))


def test_a_loss_to_stop_at_counts_only_the_tokens_it_was_meant_for(tmp_path: Path) -> None:
    """2.1 nats of a byte pair are a good model; 2.1 nats of a character are there in a minute."""

    def target(**said: Any) -> Any:
        request = train_request(paths=("text.txt",), device="cpu", **{"preset": "ouroboros-lite", **said})
        return resolve_request(request, tmp_path).training.target_loss

    assert PRESETS["ouroboros-lite"].tokenizer == "bpe"
    assert target() == 2.1
    assert target(vocab_size=400) == 2.1
    assert target(tokenizer="character") is None
    assert target(tokenizer="character", target_loss=1.9) == 1.9
    characters, pairs = tokenizers(tmp_path)
    for tokenizer, found in ((characters, None), (pairs, 2.1)):
        tokenizer.save(tmp_path / "tokenizer.json")
        file = str(tmp_path / "tokenizer.json")
        assert target(tokenizer=file) == found
        request = create_request(
            name="owl", preset="ouroboros-lite", tokenizer=file, settings={"training.device": "cpu"}
        )
        assert plan_creation(request, tmp_path).training.get("target_loss") == found
    open_yet = create_request(name="owl", preset="ouroboros-lite", settings={"training.device": "cpu"})
    assert plan_creation(open_yet, tmp_path).training.get("target_loss") is None


def test_only_the_published_presets_stop_at_a_loss() -> None:
    stopping = {name for name, preset in PRESETS.items() if preset.training.get("target_loss") is not None}
    assert stopping == {"ouroboros", "ouroboros-lite", "ouroboros-pro", "ouroboros-beast"}


@pytest.mark.parametrize("kind", ["character", "bpe"])
def test_a_kind_of_tokenizer_needs_a_text(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UsageError, match="made from a text") as caught:
        plan_creation(create_request(name="owl", tokenizer=kind), tmp_path)
    assert f"{{train FILE name=owl tokenizer={kind}}}" in str(caught.value.hint)


def test_creating_says_for_which_vocabulary_a_preset_has_its_size(tmp_path: Path) -> None:
    settings = {"training.device": "cpu"}
    planned = plan_creation(create_request(name="owl", preset="ouroboros-lite", settings=settings), tmp_path)
    assert "tokens; here it has" in planned.notes[0]
    assert not plan_creation(create_request(name="owl", architecture="looped"), tmp_path).notes
