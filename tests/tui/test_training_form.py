"""The form without its widgets: the command that it makes, and what is wrong with what is typed."""

import os
from pathlib import Path

import pytest

from data.errors import UsageError
from tui.training_form import ADVANCED, LABELS, arguments, errors, place_of, words_of


def test_the_command_has_what_is_filled_in_and_a_path_is_never_an_option() -> None:
    values = {
        "name": " owl ",
        "training.minutes": "",
        "preset": "hrm-4m",
        "model.d_model": "64",
        "settings": "training.beta2=0.9 model.dropout=0.1",
        "grow_vocab": "8",
        "filters": "url,words:8",
    }
    assert arguments(values, ["-x.txt"], Path("runs")) == [
        "train", "--fresh", "--runs-dir", "runs", "--name", "owl", "--preset", "hrm-4m",
        "--set", "model.d_model=64", "--set", "training.beta2=0.9", "--set", "model.dropout=0.1",
        "--grow-vocab", "8", "--filter", "url,words:8", "--", "-x.txt",
    ]  # fmt: skip
    of_run = arguments({}, ["~/a.txt"], Path("runs"), Path("runs/owl"))
    assert of_run[1:3] == ["--continue", "runs/owl"] and of_run[-1] == os.path.expanduser("~/a.txt")


@pytest.mark.parametrize(
    ("path", "typed", "words"),
    [
        ("training.minutes", "-1", "above 0"),
        ("training.minutes", "x", "not a number"),
        ("training.batch_size", "0", "at least 1"),
        ("training.seed", "1.5", "whole number"),
        ("model.d_model", "4", "8 to 16384"),
        ("model.n_heads", "0", "at least 1"),
        ("model.context_length", "0", "1 to 65536"),
        ("model.vocab_size", "1", "2 to"),
        ("encoding", "klingon", "no text encoding"),
        ("filters", "technical,lenght", "length"),
        ("filters", "words:many", "whole number"),
        ("name", "a/b", "cannot be the name"),
        ("settings", "training.weight_decay", "section.field=value"),
        ("settings", "training.wieght_decay=1", "training.weight_decay"),
        ("settings", "training.beta1=2", "0 up to"),
        ("settings", "'", "quotes"),
    ],
)  # fmt: skip
def test_what_is_wrong_stands_at_its_field_in_words_of_the_form(path: str, typed: str, words: str) -> None:
    found = errors({path: typed})
    assert list(found) == [path]
    said = words_of(found[path])
    assert words in said
    if path in LABELS and path != "settings":
        assert not said.startswith(path)


def test_fields_are_judged_together_where_the_core_does() -> None:
    assert list(errors({"model.d_model": "64", "model.n_heads": "5"})) == ["model.d_model"]
    assert not errors({"model.d_model": "60", "model.n_heads": "5"})
    assert not errors({"model.d_model": "60"}) and not errors({"model.n_heads": "5"})  # the plan chooses
    assert list(errors({"training.minutes": "1", "training.steps": "5"})) == ["training.steps"]
    assert not errors({"settings": "model.n_layers=2"})  # of some architectures: the plan knows


def test_every_setting_of_the_form_is_one_of_the_core() -> None:
    values = {field.path: "no number" for field in ADVANCED if field.path.startswith(("model.", "training."))}
    values.pop("training.device")
    assert set(errors(values)) == set(values)


def test_an_error_of_the_plan_finds_its_field() -> None:
    error = UsageError("model.d_model 9 is odd.", hint="Take {tokenizer=bpe}.", field="model.d_model")
    assert place_of(error, {"model.d_model": "9"}) == "model.d_model"
    assert place_of(error, {"settings": "model.d_model=9"}) == "settings"
    assert place_of(error, {}) is None
    assert words_of(error) == "width 9 is odd. Take tokenizer bpe."
