"""The sample corpora: remade byte for byte, large and varied enough, correct, and consistent."""

import importlib
import json
import operator
import re
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parent.parent / "sample_corpora"
CORPORA = ("fables.txt", "stories.txt", "technical_chat.jsonl", "arithmetic.jsonl")
OPERATIONS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
GENERATED = {
    "stories.txt": "make_stories",
    "technical_chat.jsonl": "make_technical_chat",
    "arithmetic.jsonl": "make_arithmetic",
}


@pytest.fixture(scope="module", autouse=True)
def generators_importable():
    """The generators are scripts beside their corpora, so they are imported from there."""
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


def generator(name: str) -> ModuleType:
    return importlib.import_module(name)


def read(name: str) -> str:
    return (FOLDER / name).read_bytes().decode("ascii")


def rows(name: str) -> list[dict]:
    return [json.loads(line) for line in read(name).splitlines()]


@pytest.mark.parametrize("name", CORPORA)
def test_plain_ascii_with_ordinary_lines(name):
    text = read(name)
    assert set(text) <= {"\n"} | {chr(code) for code in range(32, 127)}
    assert text.endswith("\n") and not text.endswith("\n\n")
    assert not re.search(r" \n|\n\n\n", text)


@pytest.mark.parametrize("name", GENERATED)
def test_remade_byte_for_byte(name, tmp_path, monkeypatch):
    out = tmp_path / "made"
    monkeypatch.setattr(sys, "argv", [GENERATED[name], "--out", str(out)])
    generator(GENERATED[name]).main()
    assert out.read_bytes() == (FOLDER / name).read_bytes()


@pytest.mark.parametrize("name", GENERATED)
def test_the_committed_file_is_the_default(name):
    assert FOLDER / name == generator(GENERATED[name]).OUT


def test_another_seed_makes_another_text():
    make_arithmetic = generator("make_arithmetic")
    first, second = (make_arithmetic.problems(seed, 50) for seed in (1, 2))
    assert [p.prompt for p in first] != [p.prompt for p in second]


def test_sizes():
    sizes = {name: (FOLDER / name).stat().st_size for name in CORPORA}
    assert 60_000 <= sizes["fables.txt"] <= 80_000
    assert 950_000 <= sizes["stories.txt"] <= 1_100_000
    assert sizes["technical_chat.jsonl"] < 1_500_000
    assert sizes["arithmetic.jsonl"] < 2_000_000


def titles_of(text: str) -> list[str]:
    """The lines that do not end as a sentence does."""
    return [line for line in text.split("\n\n") if not re.search(r'[.!?:]"?$', line.strip())]


def test_fables_are_titled_and_varied():
    text = read("fables.txt")
    titles = titles_of(text)
    assert len(titles) >= 40 and len(set(titles)) == len(titles)
    paragraphs = [p for p in text.strip().split("\n\n") if len(p) > 60]
    assert len(set(paragraphs)) == len(paragraphs)
    assert not set(text) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:'\"!?-\n ")
    for paragraph in paragraphs:
        assert paragraph.count('"') % 2 == 0, paragraph
        assert "\n" not in paragraph


def test_russian_tales_are_cyrillic_titled_and_varied():
    raw = (FOLDER / "tales_russian.txt").read_bytes()
    assert 40_000 <= len(raw) <= 80_000
    text = raw.decode("utf-8")
    assert not set(text) - set("\n !,-.:?«»—Ёё") - {chr(code) for code in range(ord("А"), ord("я") + 1)}
    assert len(re.findall("[А-Яа-яЁё]", text)) >= 25_000
    assert text.endswith("\n") and not text.endswith("\n\n")
    assert not re.search(r" \n|\n\n\n", text)
    tales = [tale.split("\n") for tale in text.strip().split("\n\n")]
    assert len(tales) >= 24 and all(len(tale) > 5 for tale in tales)
    assert not any(re.search("[.!?:»]$", title) for title, *_ in tales)
    lines = [line for tale in tales for line in tale]
    assert len(set(lines)) == len(lines)
    for line in lines:
        assert line.count("«") == line.count("»"), line


@pytest.fixture(scope="module")
def told():
    return generator("make_stories").stories()


def test_stories_are_many_and_distinct(told):
    assert len(told) >= 500
    assert len({text for _, text in told}) == len(told)
    assert len({story.title for story, _ in told}) == len(told)
    beginnings = Counter(text.split("\n\n")[1] for _, text in told)
    assert max(beginnings.values()) == 1


def test_what_happens_in_a_story_is_possible(told):
    """The log is replayed by rules of its own: hands, places and promises."""
    for story, _ in told:
        where: dict[str, str] = {}
        held: dict[str, str] = {}
        owed: set[tuple[str, ...]] = set()
        for verb, *given in story.world.log:
            if verb in ("put", "go"):
                assert where.get(given[0]) != given[1]
                assert (verb == "go") == (given[0] in where)
                where[given[0]] = given[1]
            elif verb in ("own", "lay"):
                thing, holder = (given[1], given[0]) if verb == "own" else (given[0], given[1])
                assert thing not in held
                held[thing] = holder
            elif verb == "give":
                giver, taker, thing = given
                assert held[thing] == giver and where[giver] == where[taker]
                held[thing] = taker
            elif verb == "drop":
                assert held[given[1]] == given[0]
                held[given[1]] = where[given[0]]
            elif verb == "pick_up":
                assert held[given[1]] == where[given[0]]
                held[given[1]] = given[0]
            elif verb == "carry_off":
                assert held[given[0]] not in where
                held[given[0]] = given[1]
            elif verb == "promise":
                owed.add(tuple(given))
            else:
                assert verb == "keep" and held[given[2]] == given[1]
                owed.remove(tuple(given))
        assert not owed


def test_stories_name_only_their_own_cast(told):
    lexicon = generator("story_grammar.lexicon")
    every_name = set(lexicon.SHE_NAMES) | set(lexicon.HE_NAMES)
    assert not set(lexicon.SHE_NAMES) & set(lexicon.HE_NAMES)
    for story, text in told:
        words = set(re.findall(r"[A-Z][a-z]+", text))
        assert words & every_name <= set(story.world.where)
        assert sum(village in text for village in lexicon.VILLAGES) <= 1


def test_stories_keep_to_one_season(told):
    others = {
        "spring": "snowman|pumpkin|Frost grew|October",
        "summer": "snowman|pumpkin|Frost grew|February",
        "autumn": "snowman|Frost grew|Moths came|April",
        "winter": "pumpkin|Moths came|frogs were loud|July",
    }
    for story, text in told:
        assert not re.search(others[story.season.name], text), story.title


def test_stories_are_clean_of_grammar_marks(told):
    for _, text in told:
        assert not re.search(
            r"[{}\[\]|]| {2}|\.\.| [,.;]|\b(a) [aeio]\w+|\ban [bcdfgjklmnpqrstvwxyz]", text
        ), text
        for paragraph in text.split("\n\n"):
            assert paragraph.count('"') % 2 == 0, paragraph


def test_the_world_refuses_what_cannot_be():
    world_of = generator("story_grammar.world")
    story = world_of.Story(generator("choosing").Chooser(1))
    a, b, thing = story.person("A"), story.person("B"), story.keepsake("T")
    story.world.own(a, thing)
    for impossible in (
        lambda: story.world.give(b, a, thing),
        lambda: story.world.give(a, b, thing),
        lambda: story.world.pick_up(b, thing),
        lambda: story.world.go(a, a.home),
        lambda: story.world.own(b, thing),
    ):
        with pytest.raises(world_of.InconsistentStory):
            impossible()
    story.world.promise(a, b, thing)
    with pytest.raises(world_of.InconsistentStory):
        story.world.close()


def test_chat_is_well_formed_and_distinct():
    conversations = [row["messages"] for row in rows("technical_chat.jsonl")]
    assert len(conversations) >= 2_000
    said = {tuple(m["content"] for m in c if m["role"] != "system") for c in conversations}
    assert len(said) == len(conversations)
    for messages in conversations:
        roles = [message["role"] for message in messages if message["role"] != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2) and roles
        assert all(message["role"] != "system" for message in messages[1:])
        assert all(message["content"].strip() for message in messages)
        assert all(message["content"].count("```") % 2 == 0 for message in messages)
    assert sum(c[0]["role"] == "system" for c in conversations) > 200
    assert sum(len(c) >= 4 for c in conversations) > 500


def test_outputs_in_the_chat_are_what_the_code_prints():
    printed = generator("chat_topics.exchange").printed
    checked = 0
    for row in rows("technical_chat.jsonl"):
        ask, answer = [m["content"] for m in row["messages"] if m["role"] != "system"][:2]
        code = re.search(r"```python\n(.*?)\n```$", ask, re.DOTALL)
        shown = re.match(r"It prints `(.*?)`\.", answer) or re.search(r"but it prints `(.*?)`\.", ask)
        if code and shown:
            assert printed(code[1]) == shown[1]
            checked += 1
    assert checked > 500


def test_small_sums_in_the_chat_hold():
    """Solutions of linear equations and greatest common divisors, read from the text and put back."""
    checked = 0
    for row in rows("technical_chat.jsonl"):
        ask, answer = [m["content"] for m in row["messages"] if m["role"] != "system"][:2]
        if found := re.fullmatch(r"Solve (\d+)x ([+-]) (\d+) = (-?\d+)\.", ask):
            x = int(re.search(r"x = (-?\d+)\.?$", answer)[1])
            assert int(found[1]) * x + int(found[2] + found[3]) == int(found[4])
            checked += 1
        elif found := re.fullmatch(r"Find the greatest common divisor of (\d+) and (\d+)\.", ask):
            g = int(re.search(r"(\d+)\.?$", answer)[1])
            a, b = int(found[1]), int(found[2])
            assert max(d for d in range(1, b + 1) if a % d == b % d == 0) == g
            checked += 1
    assert checked > 50


def test_arithmetic_is_distinct():
    prompts = [row["prompt"] for row in rows("arithmetic.jsonl")]
    assert len(prompts) >= 5_000 and len(set(prompts)) == len(prompts)


def test_every_equation_in_the_arithmetic_holds():
    """Each ``a op b = c`` of a worked answer is evaluated, and the last one gives the answer."""
    number = r"\d+(?:\.\d+)?"
    equation = re.compile(rf"({number}(?: [-+*/] {number})+) = ({number})(?![\d.]*\d)")
    for row in rows("arithmetic.jsonl"):
        *steps, last = row["completion"].split("\n")
        answer = re.fullmatch(r"Answer: (\d+)( [a-z]+)*", last)
        assert answer and steps
        results = []
        for step in steps:
            for left, right in equation.findall(step):
                assert evaluate(left) == pytest.approx(float(right), rel=1e-9), step
                results.append(float(right))
        assert results and float(answer[1]) == results[-1], row


def evaluate(expression: str) -> float:
    """A chain of * and / only, or one + or -, as the worked answers write them."""
    first, *parts = expression.split()
    result = float(first)
    for sign, operand in zip(parts[::2], parts[1::2], strict=True):
        assert sign in "*/" or len(parts) == 2
        result = OPERATIONS[sign](result, float(operand))
    return result


def test_arithmetic_problems_agree_with_their_second_formula():
    made = generator("make_arithmetic").problems()
    for problem in made:
        problem.verify()
        assert problem.completion.endswith(f"Answer: {problem.check} {problem.unit}".strip())


def test_readme_tells_how_each_is_made():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in (*CORPORA, "tales_russian.txt"):
        assert f"`{name}`" in text
    for script in GENERATED.values():
        assert f"python sample_corpora/{script}.py" in text
    assert "MIT" in text
