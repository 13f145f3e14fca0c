"""The priority of command line, environment and file."""

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
    """The configuration of a command with a few flags."""
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


def merged_values(*arguments: str) -> dict[str, Any]:
    """The fields and the overrides together."""
    found = read(*arguments)
    return {**found.fields, **found.overrides.values}


def write_config(folder: Path, text: str) -> str:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_command_line_wins_over_environment_over_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_config(tmp_path, "seed = 1\nd_model = 1\nsteps = 1")
    monkeypatch.setenv("RLM_SEED", "2")
    monkeypatch.setenv("RLM_D_MODEL", "2")
    found = read("--config", file, "--seed", "3")
    assert found.overrides.values == {"training.seed": 3, "model.d_model": 2, "training.steps": 1}
    assert found.ambient == {"model.d_model", "training.steps"}


def test_tables_are_settings_and_typed_ones_win(tmp_path: Path) -> None:
    file = write_config(
        tmp_path, "[training]\nweight_decay = 0.05\n[model]\ntied = true\npositions = 'learned'"
    )
    found = read("--set", "model.tied=false", "--config", file)
    assert found.overrides.values == {
        "training.weight_decay": 0.05,
        "model.tied": False,
        "model.positions": "learned",
    }
    assert found.ambient == {"training.weight_decay", "model.positions"}


def test_environment_may_name_the_config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_CONFIG", write_config(tmp_path, "d-model = 7"))
    assert merged_values() == {"model.d_model": 7}


def test_length_of_higher_priority_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_config(tmp_path, "epochs = 2")
    monkeypatch.setenv("RLM_MINUTES", "5")
    assert merged_values("--config", file) == {"training.minutes": 5.0}
    assert merged_values("--config", file, "--steps", "9") == {"training.steps": 9}


@given(st.sets(st.sampled_from(LENGTHS), min_size=2))
def test_two_lengths_from_the_same_source_exclude_each_other(typed: set[str]) -> None:
    with pytest.raises(UsageError, match="exclude"):
        merged_values(*(word for name in typed for word in (f"--{name}", "1")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sead = 1", "unknown key 'sead'"),
        ("config = 'other'", "unknown key 'config'"),
        ("seed = [1]", "number or a string"),
        ("seed = ", "not TOML"),
    ],
)
def test_invalid_config_file_raises_usage_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        merged_values("--config", write_config(tmp_path, text))


@pytest.mark.parametrize("text", ["seed = -1", "seed = 'many'", "minutes = 'long'"])
def test_values_of_the_file_are_checked_like_typed_ones(tmp_path: Path, text: str) -> None:
    with pytest.raises(typer.TyperException):
        merged_values("--config", write_config(tmp_path, text))


def test_missing_config_file_raises_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        merged_values("--config", str(tmp_path / "none.toml"))


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        merged_values("--config", write_config(tmp_path, "minuts = 1"))
    assert caught.value.hint == "Did you mean minutes?"


def test_last_setting_wins() -> None:
    beta, device = "training.beta1", "training.device"
    found = merged_values("--set", f"{beta}=0.1", "--set", f"{device} = x=y", "--set", f"{beta}=0.2")
    assert found == {beta: 0.2, device: "x=y"}
    for wrong in ("a.b", "a=1", "=1", ".=1"):
        with pytest.raises(UsageError):
            merged_values("--set", wrong)


def test_a_setting_and_a_flag_of_the_same_field_follow_one_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_config(tmp_path, "[model]\nd_model = 1")
    assert merged_values("--config", file) == {"model.d_model": 1}
    monkeypatch.setenv("RLM_D_MODEL", "2")
    assert merged_values("--config", file) == {"model.d_model": 2}
    assert merged_values("--config", file, "--set", "model.d_model=3") == {"model.d_model": 3}
    assert merged_values("--config", file, "--d-model", "4") == {"model.d_model": 4}


def test_a_flag_and_a_typed_setting_must_agree() -> None:
    assert merged_values("--d-model", "64", "--set", "model.d_model=64") == {"model.d_model": 64}
    with pytest.raises(UsageError, match=r"--d-model and --set model\.d_model exclude"):
        merged_values("--d-model", "64", "--set", "model.d_model=65")


def test_lengths_as_settings_follow_the_priority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_MINUTES", "5")
    assert merged_values("--set", "training.steps=9") == {"training.steps": 9}
    file = write_config(tmp_path, "[training]\nepochs = 2")
    assert merged_values("--config", file) == {"training.minutes": 5.0}
    with pytest.raises(UsageError, match="exclude"):
        merged_values("--steps", "3", "--set", "training.minutes=9")


def test_typed_architecture_wins_over_environment_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_PRESET", "hrm-4m")
    assert merged_values("--arch", "looped") == {"model.architecture": "looped"}
    assert merged_values("--arch", "hrm") == {"model.architecture": "hrm", "preset": "hrm-4m"}
    assert merged_values("--preset", "looped-small", "--arch", "hrm") == {
        "preset": "looped-small", "model.architecture": "hrm",
    }  # fmt: skip


def test_typed_tokenizer_and_environment_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_VOCAB_SIZE", "300")
    assert merged_values("--tokenizer", "character") == {"tokenizer": "character"}
    for kind in ("bpe", "technical", "technical:nfkc"):
        assert merged_values("--tokenizer", kind) == {"tokenizer": kind, "model.vocab_size": 300}
    both = {"tokenizer": "character", "model.vocab_size": 400}
    assert merged_values("--tokenizer", "character", "--vocab-size", "400") == both  # the planner refuses it
    monkeypatch.setenv("RLM_TOKENIZER", "character")
    assert merged_values("--vocab-size", "400") == {"model.vocab_size": 400}
