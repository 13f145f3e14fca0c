"""Which of typed, environment and file a dial's value comes from."""

from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from rlm_cli.configuration import said_request
from rlm_cli.options import (
    ArchitectureOption,
    ConfigOption,
    MinutesOption,
    PresetOption,
    SeedOption,
    SetOption,
    StepsOption,
    TokenizerOption,
    VocabularyOption,
    dial,
)

LENGTHS = ("minutes", "steps", "epochs")


def said(*arguments: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What a command with a few dials makes of these arguments."""
    caught: list[tuple[dict[str, Any], dict[str, str]]] = []
    app = typer.Typer()

    @app.command()
    def command(
        context: typer.Context,
        minutes: MinutesOption = None,
        steps: StepsOption = None,
        epochs: Annotated[float | None, dial("--epochs", help="Times through.")] = None,
        seed: SeedOption = None,
        d_model: Annotated[int | None, dial("--d-model", help="Width.")] = None,
        architecture: ArchitectureOption = None,
        preset: PresetOption = None,
        tokenizer: TokenizerOption = None,
        vocab_size: VocabularyOption = None,
        settings: SetOption = None,
        config: ConfigOption = None,
    ) -> None:
        dials: dict[str, Any] = {
            "minutes": minutes,
            "steps": steps,
            "epochs": epochs,
            "seed": seed,
            "d_model": d_model,
        }
        dials |= {"tokenizer": tokenizer, "vocab_size": vocab_size}
        request = said_request(context, {**dials, "architecture": architecture, "preset": preset}, settings)
        caught.append((request, request.pop("settings")))

    app(args=list(arguments), standalone_mode=False)
    return caught[0]


def a_file(folder: Path, text: str) -> str:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_typed_wins_over_environment_wins_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = a_file(tmp_path, "seed = 1\nd_model = 1\nsteps = 1")
    monkeypatch.setenv("RLM_SEED", "2")
    monkeypatch.setenv("RLM_D_MODEL", "2")
    assert said("--config", file, "--seed", "3")[0] == {"seed": 3, "d_model": 2, "steps": 1}


def test_tables_are_settings_and_typed_ones_win(tmp_path: Path) -> None:
    file = a_file(tmp_path, "[training]\nweight_decay = 0.05\ntied = true\n[model]\nkind = 'x'")
    assert said("--set", "training.tied=false", "--config", file)[1] == {
        "training.weight_decay": "0.05",
        "training.tied": "false",
        "model.kind": "x",
    }


def test_the_file_may_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_CONFIG", a_file(tmp_path, "d-model = 7"))
    assert said()[0] == {"d_model": 7}


def test_a_stronger_length_displaces_a_weaker_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = a_file(tmp_path, "epochs = 2")
    monkeypatch.setenv("RLM_MINUTES", "5")
    assert said("--config", file)[0] == {"minutes": 5.0}
    assert said("--config", file, "--steps", "9")[0] == {"steps": 9}


@given(st.sets(st.sampled_from(LENGTHS), min_size=2))
def test_two_lengths_from_the_same_place_exclude_one_another(typed: set[str]) -> None:
    with pytest.raises(UsageError, match="exclude"):
        said(*(word for name in typed for word in (f"--{name}", "1")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sead = 1", "unknown key 'sead'"),
        ("config = 'other'", "unknown key 'config'"),
        ("seed = [1]", "number or a string"),
        ("seed = ", "not TOML"),
    ],
)
def test_a_bad_file_is_a_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        said("--config", a_file(tmp_path, text))


@pytest.mark.parametrize("text", ["seed = -1", "seed = 'many'", "minutes = 'long'"])
def test_values_of_the_file_are_checked_like_typed_ones(tmp_path: Path, text: str) -> None:
    with pytest.raises(typer.TyperException):
        said("--config", a_file(tmp_path, text))


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        said("--config", str(tmp_path / "none.toml"))


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        said("--config", a_file(tmp_path, "minuts = 1"))
    assert caught.value.hint == "Did you mean minutes?"


def test_the_last_setting_counts() -> None:
    assert said("--set", "a.b=1", "--set", "a.c = x=y", "--set", "a.b=2")[1] == {"a.b": "2", "a.c": "x=y"}
    for wrong in ("a.b", "a=1", "=1", ".=1"):
        with pytest.raises(UsageError):
            said("--set", wrong)


def test_a_setting_and_a_flag_of_the_same_field_follow_one_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = a_file(tmp_path, "[model]\nd_model = 1")
    assert said("--config", file) == ({}, {"model.d_model": "1"})
    monkeypatch.setenv("RLM_D_MODEL", "2")
    assert said("--config", file) == ({"d_model": 2}, {})
    assert said("--config", file, "--set", "model.d_model=3") == ({}, {"model.d_model": "3"})
    assert said("--config", file, "--d-model", "4") == ({"d_model": 4}, {})


def test_a_flag_and_a_typed_setting_must_agree() -> None:
    assert said("--d-model", "64", "--set", "model.d_model=64") == ({"d_model": 64}, {})
    with pytest.raises(UsageError, match=r"--d-model and --set model\.d_model exclude"):
        said("--d-model", "64", "--set", "model.d_model=65")


def test_lengths_as_settings_take_part_in_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_MINUTES", "5")
    assert said("--set", "training.steps=9") == ({}, {"training.steps": "9"})
    file = a_file(tmp_path, "[training]\nepochs = 2")
    assert said("--config", file) == ({"minutes": 5.0}, {})
    with pytest.raises(UsageError, match="exclude"):
        said("--steps", "3", "--set", "training.minutes=9")


def test_a_typed_architecture_displaces_a_preset_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_PRESET", "hrm-4m")
    assert said("--arch", "looped")[0] == {"architecture": "looped"}
    assert said("--arch", "hrm")[0] == {"architecture": "hrm", "preset": "hrm-4m"}
    assert said("--preset", "looped-small", "--arch", "hrm")[0] == {
        "preset": "looped-small", "architecture": "hrm",
    }  # fmt: skip


def test_a_typed_tokenizer_and_a_vocabulary_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_VOCAB_SIZE", "300")
    assert said("--tokenizer", "character")[0] == {"tokenizer": "character"}
    assert said("--tokenizer", "bpe")[0] == {"tokenizer": "bpe", "vocab_size": 300}
    both = {"tokenizer": "character", "vocab_size": 400}
    assert said("--tokenizer", "character", "--vocab-size", "400")[0] == both  # refused further down
    monkeypatch.setenv("RLM_TOKENIZER", "character")
    assert said("--vocab-size", "400")[0] == {"vocab_size": 400}
