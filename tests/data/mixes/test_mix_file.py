"""Mix files, recipes and weighted paths, and one sentence for each that makes no mix."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import UsageError
from data.mixes.mix_file import load_mix, recipes, weighted_paths

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> str:
        path = tmp_path / "my.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return written


def source(**more: object) -> str:
    values = {"path": "'a.txt'", "weight": 1, **more}
    return "[[source]]\n" + "".join(
        f"{key} = {value}\n" for key, value in values.items() if value is not None
    )


def test_a_file_gives_its_sources(write: Write, tmp_path: Path) -> None:
    spec = load_mix(
        write(
            source(weight=3, filter="'technical'")
            + source(path=None, dataset="'some/set'", config="'c'", split="'s'", streaming="false", weight=1)
            + source(path="'/b/c.parquet'", name="'other'", columns="['x', 'y']", held_out=9, documents=100)
        )
    )
    assert spec.name == "my"
    assert spec.parts == (6000, 2000, 2000)
    first, second, third = spec.sources
    assert first.path == str(tmp_path / "a.txt") and first.name == "a"
    assert len(first.filter) > 1
    assert (second.name, second.config, second.split, second.streaming) == ("set", "c", "s", False)
    assert (third.name, third.columns, third.held_out, third.documents) == ("other", ("x", "y"), 9, 100)


def test_the_recipe_has_the_four_sources() -> None:
    assert "reasoning" in recipes()
    spec = load_mix("reasoning")
    assert spec.parts == (4000, 3000, 1500, 1500)
    assert [one.dataset for one in spec.sources] == [
        "TinyGSM/TinyGSM",
        "nampdn-ai/tiny-codes",
        "HuggingFaceTB/cosmopedia",
        "meta-math/MetaMathQA",
    ]
    columns = [("question", "code"), ("prompt", "response"), ("text",), ("query", "response")]
    assert [one.columns for one in spec.sources] == columns


def test_a_source_of_weight_nothing_is_left_out(write: Write) -> None:
    spec = load_mix(write(source() + source(path="'b.txt'", weight=0)))
    assert [one.name for one in spec.sources] == ["a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The mix 'my' has no source."),
        (source(weight=-1), "The weight of source 'a' is -1."),
        (source(weight="nan"), "The weight of source 'a' is nan."),
        (source(weight=0), "All weights of the mix are 0."),
        (source(weight="'x'"), "The mix has a 'weight' that is not a number in source 1."),
        (source(weight=None), "The mix has no 'weight' in source 1."),
        (source(weight=100000) + source(path="'b.txt'"), "has less than one in 10,000 tokens of the mix."),
        (source() + source(), "Two sources of the mix are called 'a'."),
        (source(path=None), "The mix has neither a path nor a dataset in source 1."),
        (source(dataset="'x'"), "The mix has both a path and a dataset in source 1."),
        (source(colums="['a']"), "The mix has an unknown key 'colums' in source 1."),
        (source(columns="['a']", template="'{a}'"), "The mix has columns and a template in source 1."),
        (source(columns="[1]"), "The mix has 'columns' that is not a list of names in source 1."),
        (source(template="'{a'"), "The template of source 1 has a single brace."),
        (source(template="'no column'"), "The template of source 1 names no column."),
        (source(template="'{a!r}'"), "The template of source 1 has '{a!r}', which is no column."),
        (source(held_out=0), "The mix has 0 as 'held_out' in source 1."),
        (source(filter="'nonsense'"), "There is no filter 'nonsense'."),
        (source(path="'my.toml'"), "The mix 'my.toml' names itself as its source 'my'."),
        (source(path="'other.toml'"), "Source 'other' is a TOML file, and a mix cannot be in a mix."),
        ("[source]\npath = 'a'", "In the mix 'my', 'source' is not a list."),
        ("weights = 1", "The mix 'my' has an unknown key 'weights'."),
        ("[[source", "is not TOML"),
    ],
)
def test_what_makes_no_mix_is_one_sentence(write: Write, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_mix(write(text))
    assert message in caught.value.message
    assert "\n" not in caught.value.message


def test_an_unknown_mix_names_those_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        load_mix("reasonning")
    assert caught.value.message == "There is no mix 'reasonning'."
    assert caught.value.hint == "Did you mean reasoning?"


def test_paths_with_weights_are_a_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = weighted_paths(["a.txt:0.4", "b/a.txt:0.6"])
    assert spec is not None
    assert [one.name for one in spec.sources] == ["a", "a-2"]
    assert [one.path for one in spec.sources] == [str(tmp_path / "a.txt"), str(tmp_path / "b/a.txt")]
    assert spec.parts == (4000, 6000)
    for paths in (["a-2.txt:1", "a.txt:1", "b/a.txt:1"], ["a.txt:1", "a-b.txt:1", "b/a.txt:1"]):
        spec = weighted_paths(paths)
        assert spec is not None and len({one.name for one in spec.sources}) == 3


@pytest.mark.parametrize("weight", ["1" + "0" * 400, "-1" + "0" * 400])
def test_a_weight_that_no_float_can_hold_is_refused(write: Write, weight: str) -> None:
    with pytest.raises(UsageError, match="'weight' that is too large"):
        load_mix(write(source(weight=weight)))


def test_a_path_that_exists_with_a_colon_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chapter:1").write_text("text", encoding="utf-8")
    assert weighted_paths(["chapter:1"]) is None
    assert weighted_paths(["a.txt", "C:\\book.txt", "plain"]) is None
    spec = weighted_paths(["chapter:1:0.5", "a.txt:0.5"])
    assert spec is not None and spec.sources[0].path == str(tmp_path / "chapter:1")


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["a.txt:0.4", "b.txt"], "'b.txt' has no weight, and others have one."),
        (["a.txt:-1", "b.txt:1"], "The weight of source 'a' is -1."),
        (["a.txt:0", "b.txt:0"], "All weights of the mix are 0."),
        (["-:1", "b.txt:1"], "Standard input cannot be in a mix."),
    ],
)
def test_weighted_paths_that_make_no_mix(paths: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        weighted_paths(paths)
    assert caught.value.message == message
