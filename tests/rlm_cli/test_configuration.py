"""Which of typed, environment and file a dial's value comes from."""

from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from rlm_cli.configuration import Configuration, read_configuration
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
    WidthOption,
)
from rlm_cli.train_options import EpochsOption

LENGTHS = ("minutes", "steps", "epochs")


def read(*arguments: str) -> Configuration:
    """What a command with a few flags makes of these arguments."""
    caught: list[Configuration] = []
    app = typer.Typer()

    @app.command()
    def command(
        context: typer.Context,
        minutes: MinutesOption = None,
        steps: StepsOption = None,
        epochs: EpochsOption = None,
        seed: SeedOption = None,
        d_model: WidthOption = None,
        architecture: ArchitectureOption = None,
        preset: PresetOption = None,
        tokenizer: TokenizerOption = None,
        vocab_size: VocabularyOption = None,
        settings: SetOption = None,
        config: ConfigOption = None,
    ) -> None:
        caught.append(read_configuration(context, settings))

    app(args=list(arguments), standalone_mode=False)
    return caught[0]


def said(*arguments: str) -> dict[str, Any]:
    """The fields and the overrides together."""
    found = read(*arguments)
    return {**found.fields, **found.overrides.values}


def a_file(folder: Path, text: str) -> str:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_typed_wins_over_environment_wins_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = a_file(tmp_path, "seed = 1\nd_model = 1\nsteps = 1")
    monkeypatch.setenv("RLM_SEED", "2")
    monkeypatch.setenv("RLM_D_MODEL", "2")
    found = read("--config", file, "--seed", "3")
    assert found.overrides.values == {"training.seed": 3, "model.d_model": 2, "training.steps": 1}
    assert found.ambient == {"model.d_model", "training.steps"}


def test_tables_are_settings_and_typed_ones_win(tmp_path: Path) -> None:
    file = a_file(tmp_path, "[training]\nweight_decay = 0.05\n[model]\ntied = true\npositions = 'learned'")
    found = read("--set", "model.tied=false", "--config", file)
    assert found.overrides.values == {
        "training.weight_decay": 0.05,
        "model.tied": False,
        "model.positions": "learned",
    }
    assert found.ambient == {"training.weight_decay", "model.positions"}


def test_the_file_may_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_CONFIG", a_file(tmp_path, "d-model = 7"))
    assert said() == {"model.d_model": 7}


def test_a_stronger_length_displaces_a_weaker_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = a_file(tmp_path, "epochs = 2")
    monkeypatch.setenv("RLM_MINUTES", "5")
    assert said("--config", file) == {"training.minutes": 5.0}
    assert said("--config", file, "--steps", "9") == {"training.steps": 9}


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
    beta, device = "training.beta1", "training.device"
    found = said("--set", f"{beta}=0.1", "--set", f"{device} = x=y", "--set", f"{beta}=0.2")
    assert found == {beta: 0.2, device: "x=y"}
    for wrong in ("a.b", "a=1", "=1", ".=1"):
        with pytest.raises(UsageError):
            said("--set", wrong)


def test_a_setting_and_a_flag_of_the_same_field_follow_one_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = a_file(tmp_path, "[model]\nd_model = 1")
    assert said("--config", file) == {"model.d_model": 1}
    monkeypatch.setenv("RLM_D_MODEL", "2")
    assert said("--config", file) == {"model.d_model": 2}
    assert said("--config", file, "--set", "model.d_model=3") == {"model.d_model": 3}
    assert said("--config", file, "--d-model", "4") == {"model.d_model": 4}


def test_a_flag_and_a_typed_setting_must_agree() -> None:
    assert said("--d-model", "64", "--set", "model.d_model=64") == {"model.d_model": 64}
    with pytest.raises(UsageError, match=r"--d-model and --set model\.d_model exclude"):
        said("--d-model", "64", "--set", "model.d_model=65")


def test_lengths_as_settings_take_part_in_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_MINUTES", "5")
    assert said("--set", "training.steps=9") == {"training.steps": 9}
    file = a_file(tmp_path, "[training]\nepochs = 2")
    assert said("--config", file) == {"training.minutes": 5.0}
    with pytest.raises(UsageError, match="exclude"):
        said("--steps", "3", "--set", "training.minutes=9")


def test_a_typed_architecture_displaces_a_preset_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_PRESET", "hrm-4m")
    assert said("--arch", "looped") == {"model.architecture": "looped"}
    assert said("--arch", "hrm") == {"model.architecture": "hrm", "preset": "hrm-4m"}
    assert said("--preset", "looped-small", "--arch", "hrm") == {
        "preset": "looped-small", "model.architecture": "hrm",
    }  # fmt: skip


def test_a_typed_tokenizer_and_a_vocabulary_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_VOCAB_SIZE", "300")
    assert said("--tokenizer", "character") == {"tokenizer": "character"}
    assert said("--tokenizer", "bpe") == {"tokenizer": "bpe", "model.vocab_size": 300}
    both = {"tokenizer": "character", "model.vocab_size": 400}
    assert said("--tokenizer", "character", "--vocab-size", "400") == both  # refused further down
    monkeypatch.setenv("RLM_TOKENIZER", "character")
    assert said("--vocab-size", "400") == {"model.vocab_size": 400}
