"""Problems that are made here: right by other means, readable, and held out by their text alone."""

import random

import numpy as np
import pytest

from data.errors import UsageError
from data.loader import IGNORED
from data.problems.compose import Compose
from data.problems.names import TASK_NAMES, open_task
from data.problems.problem import ANSWER_MARK, held_out_problems
from data.problems.sampler import ProblemSampler, encode_problems, tokenizer_of

NAMES = ("compose:s3", "compose:s4:6", "compose:s5:4", "chains:5", "sums:3", "listops:3")


@pytest.mark.parametrize("name", NAMES)
def test_a_problem_has_its_difficulty_and_reads_as_it_was_made(name: str) -> None:
    task, draw = open_task(name), random.Random(1)
    for difficulty in (*range(1, task.most + 1), task.measured[-1]):
        problem = task.make(draw, difficulty)
        assert problem.difficulty == difficulty
        assert task.read(problem.given) == problem == task.read(problem.given.removesuffix(ANSWER_MARK))
        assert len(problem.labels) == len(problem.given)
        assert problem.labels[-1] == problem.answer[0]
        assert len(problem.given + problem.answer) <= task.longest(difficulty)
        assert set(problem.given + problem.answer) <= set(task.alphabet)


def test_a_product_applies_its_factors_from_left_to_right() -> None:
    task = open_task("compose:s5:9")
    assert isinstance(task, Compose)
    problem = task.make(random.Random(2), 9)
    places = tuple(range(5))
    for factor, label in zip(problem.given, problem.labels[:-1], strict=False):
        places = tuple(task.permutations[factor][place] for place in places)
        assert task.permutations[label] == places
    assert problem.answer == problem.labels[-2]


def test_an_expression_has_the_value_that_python_gives() -> None:
    task, draw = open_task("listops:6"), random.Random(3)
    names = {"max": lambda *v: max(v), "min": lambda *v: min(v), "sum": lambda *v: sum(v) % 10}
    for difficulty in range(1, 7):
        problem = task.make(draw, difficulty)
        assert problem.answer == str(eval(problem.given[:-1], {"__builtins__": {}}, names))


def test_a_sum_is_the_sum() -> None:
    problem = open_task("sums:8").make(random.Random(4), 8)
    first, second = problem.given[:-1].split("+")
    assert problem.answer == str(int(first) + int(second))
    assert set(problem.labels[:-1]) == {" "}


def test_following_one_chain_among_equal_ones_is_the_only_way() -> None:
    draw = random.Random(5)
    for difficulty in (1, 4, 7):
        given = open_task("chains").make(draw, difficulty).given
        definitions = given.split(" ?")[0].split()
        numbers = {part[2] for part in definitions if part[2].isdecimal()}
        assert len(definitions) == 3 * difficulty and len(numbers) == 3


def test_a_chain_labels_each_value() -> None:
    problem = open_task("chains").read("a=3 b=a q=7 c=b ?c")
    assert problem.answer == "3" and problem.difficulty == 3
    assert problem.labels == "  3   3   7   3  33"
    assert problem.given == "a=3 b=a q=7 c=b ?c="


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("compose:s3", "abg"), ("compose:s3", ""),
        ("chains", "a=b b=3 ?a"), ("chains", "a=3 a=4 ?a"),
        ("chains", "a=3 ?b"), ("chains", "a=3"),
        ("sums", "12+"), ("sums", "1+2+3"), ("sums", "1" * 40 + "+1"),
        ("listops", "max(1,2"), ("listops", "max()"), ("listops", "5"), ("listops", "max(1,,2)"),
        ("listops", "max(1,2))"), ("listops", "max(1)max(2)"), ("listops", "max(" * 13 + "1" + ")" * 13),
    ],
)  # fmt: skip
def test_what_is_no_problem_is_refused(name: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_task(name).read(text)
    assert "is no problem of" in caught.value.message and caught.value.hint


@pytest.mark.parametrize(
    "name",
    [
        *("compose", "compose:s6", "chain", "sums:x", "sums:0", "sums:99", "chains:-1", "listops:13"),
        *("sums:1:2", "sums:٣", "sums:1000000"),
    ],
)
def test_an_unknown_task_or_difficulty_is_refused(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_task(name)
    assert caught.value.hint and caught.value.field == "task"


def test_a_difficulty_has_one_name() -> None:
    task = open_task("compose:s3:08")
    assert task.name == "compose:s3:8" and task.content_hash == open_task("compose:s3:8").content_hash


@pytest.mark.parametrize("name", ["compose", "compose:", "compose:s6"])
def test_the_groups_are_told_where_one_is_missing(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_task(name)
    assert caught.value.hint == "Choose one of: compose:s3, compose:s4, compose:s5."


@pytest.mark.parametrize("name", [*TASK_NAMES])
def test_training_never_shows_the_answer_of_a_held_out_problem(name: str) -> None:
    task = open_task(name)
    tokenizer = tokenizer_of(task)
    sampler = ProblemSampler(task, tokenizer, seed=0)
    first = task.most * task.pace
    batch, hidden, shown = sampler.batch(first, 300), 0, 0
    for row, number in zip(batch, range(first, first + 300), strict=True):
        given = sampler.problem(number).given
        for place in np.flatnonzero(row[1] != IGNORED):
            prefix = given[: min(int(place), len(given) - 1)]
            assert not task.is_held_out(prefix), prefix
            shown += 1
        hidden += task.is_held_out(given[:-1])
    assert shown > 300
    assert hidden > 10 or name == "sums"  # without its answer, a sum has no target
    for difficulty in task.measured[-3:]:
        problems = held_out_problems(task, difficulty, 5)
        assert all(task.is_held_out(one.given[:-1]) for one in problems)


def labelled_prefixes(name: str, count: int) -> list[str]:
    """The beginnings of problems in training that have a label, or an answer."""
    task = open_task(name)
    sampler, first = ProblemSampler(task, tokenizer_of(task), seed=3), task.most * task.pace
    found = []
    for row, number in zip(sampler.batch(first, count), range(first, first + count), strict=True):
        given = sampler.problem(number).given
        places = np.flatnonzero(row[1] != IGNORED)
        found += [given[:place] for place in places if place < len(given)]
        found += [given[:-1]] * bool((places >= len(given)).any())
    return found


def test_no_expression_shows_the_answer_of_one_that_is_held_out() -> None:
    parts = {prefix[prefix.rindex("(") - 3 :] for prefix in labelled_prefixes("listops:3", 400)}
    innermost = {part for part in parts if part.count(")") == 1}
    held_out = {one.given[:-1] for one in held_out_problems(open_task("listops:3"), 1, 400)}
    assert len(innermost) > 300 and not innermost & held_out


def test_no_definition_shows_the_answer_of_a_chain_that_is_held_out() -> None:
    def chain(given: str) -> tuple[str, ...]:
        values = dict(part.split("=") for part in given.split() if "=" in part)
        found = [given[-1] if "?" in given else given.split()[-1][0]]
        while found[-1] in values:
            found.append(values[found[-1]])
        return tuple(found)

    shown = {chain(prefix) for prefix in labelled_prefixes("chains:3", 800)}
    for hops in (1, 2, 3):
        held_out = {chain(one.given[:-1]) for one in held_out_problems(open_task("chains:3"), hops, 400)}
        assert all(len(one) == hops + 1 for one in held_out) and not shown & held_out


def test_a_sum_is_held_out_in_both_orders() -> None:
    task = open_task("sums:3")
    for problem in held_out_problems(task, 3, 50):
        first, second = problem.given[:-1].split("+")
        assert task.is_held_out(f"{second}+{first}")


@pytest.mark.parametrize("answers_only", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_every_problem_has_a_target(name: str, answers_only: bool) -> None:
    task = open_task(name)
    sampler = ProblemSampler(task, tokenizer_of(task), seed=0, answers_only=answers_only, easy_first=False)
    assert (sampler.batch(0, 100)[:, 1] != IGNORED).any(axis=1).all()


def test_what_there_is_little_of_is_all_shown() -> None:
    task = open_task("compose:s3")
    sampler = ProblemSampler(task, tokenizer_of(task), seed=0)
    targets = sampler.batch(0, 50)[:, 1]
    assert (targets[:, 1] != IGNORED).all()  # the first factor, and below the second
    longer = [
        row for row, number in zip(targets, range(50), strict=True) if sampler.problem(number).difficulty > 1
    ]
    assert all(row[2] != IGNORED for row in longer)


def test_problems_grow_harder() -> None:
    task = open_task("compose:s3:6")
    sampler = ProblemSampler(task, tokenizer_of(task), seed=0)

    def hardest(first: int) -> int:
        return max(sampler.problem(number).difficulty for number in range(first, first + 20))

    assert [hardest(level * task.pace) for level in range(6)] == [2, 3, 4, 5, 6, 6]


def test_the_problem_of_a_number_is_always_the_same() -> None:
    task = open_task("chains:4")
    sampler = ProblemSampler(task, tokenizer_of(task), seed=5)
    whole = sampler.batch(10, 6)
    assert np.array_equal(whole, np.concatenate([sampler.batch(10, 2), sampler.batch(12, 4)]))
    assert not np.array_equal(whole, ProblemSampler(task, tokenizer_of(task), seed=6).batch(10, 6))
    assert whole.shape == (6, 2, sampler.context_length)
    assert sampler.context_length < task.context_length  # the hardest that are measured are longer


def test_targets_stand_where_the_labels_are() -> None:
    task = open_task("sums:2")
    tokenizer = tokenizer_of(task)
    problem = task.read("47+85")
    tokens, targets = encode_problems([problem], tokenizer, 12)[0]
    assert tokenizer.decode(tokens) == "47+85=132"
    assert tokens[0] == tokenizer.bos_id and list(tokens[10:]) == [tokenizer.pad_id] * 2
    assert list(targets[:6]) == [IGNORED] * 6
    assert tokenizer.decode(targets[6:9]) == "132" and targets[9] == tokenizer.eos_id
    chain = open_task("chains").read("a=3 b=a ?b")
    labelled = encode_problems([chain], tokenizer_of(open_task("chains")), 20)[0, 1]
    assert np.count_nonzero(labelled != IGNORED) == 5  # two values, ?b, =, and the end
    only = encode_problems([chain], tokenizer_of(open_task("chains")), 20, answers_only=True)[0, 1]
    assert np.count_nonzero(only != IGNORED) == 2
