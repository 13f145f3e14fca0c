"""Generation with a small deterministic model. Every architecture is tested in its own file."""

import itertools

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import RlmError, UsageError
from models.depth import Depth
from models.generation.generate import GenerationConfig, generate

GREEDY = GenerationConfig(max_tokens=40, temperature=0)
DEPTH = Depth(2, 2)


def rows_of(tokens, count):
    tokens = list(tokens)
    return [[t for t in tokens if t.row == row] for row in range(count)]


def ids(tokens):
    return [t.id for t in tokens]


@pytest.mark.parametrize("length", [0, 1, 7, 15, 16, 17, 40])
def test_cached_equals_uncached_after_overflows(model, tokenizer, length) -> None:
    prompt = tokenizer.encode(("hello world, " * 5)[:length])
    cached = list(generate(model, tokenizer, [prompt], DEPTH, GREEDY))
    uncached = list(generate(model, tokenizer, [prompt], DEPTH, GREEDY, use_cache=False))
    assert cached == uncached
    assert len(cached) == 40
    assert model.most_held <= model.config.context_length


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.integers(0, 30), min_size=1, max_size=4), use_cache=st.booleans())
def test_batch_row_equals_the_row_alone(model, tokenizer, lengths, use_cache) -> None:
    prompts = [tokenizer.encode("the quick brown fox jumps over"[-n:] if n else "") for n in lengths]
    batch = rows_of(generate(model, tokenizer, prompts, DEPTH, GREEDY, use_cache=use_cache), len(prompts))
    for row, prompt in zip(batch, prompts, strict=True):
        alone = list(generate(model, tokenizer, [prompt], DEPTH, GREEDY))
        assert ids(row) == ids(alone)


def test_the_cache_reads_each_token_once(model, tokenizer) -> None:
    list(generate(model, tokenizer, [tokenizer.encode("abc")], DEPTH, GREEDY.changed(max_tokens=10)))
    assert model.forwarded == [3] + [1] * 9


def test_rows_that_end_early_equal_their_results_alone(model, tokenizer) -> None:
    """Stop strings end the rows at different steps; each still equals its result alone."""
    prompts = [tokenizer.encode(text) for text in ("abc", "hello there, B", "C", "the fox")]
    texts = ["".join(t.text for t in generate(model, tokenizer, [p], DEPTH, GREEDY)) for p in prompts]
    config = GREEDY.changed(stop=(texts[0][3:5], texts[2][10:12]))
    batch = rows_of(generate(model, tokenizer, prompts, DEPTH, config), len(prompts))
    assert len({len(row) for row in batch}) > 1
    for row, prompt in zip(batch, prompts, strict=True):
        assert [t._replace(row=0, probability=0) for t in row] == [
            t._replace(probability=0) for t in generate(model, tokenizer, [prompt], DEPTH, config)
        ]
        assert row[-1].finished
        assert not any(t.finished for t in row[:-1])
        assert not any(stop in "".join(t.text for t in row) for stop in config.stop)


def test_seed_decides_the_text(model, tokenizer) -> None:
    prompts = [tokenizer.encode("abc"), tokenizer.encode("abc")]
    config = GenerationConfig(max_tokens=30, temperature=1.5, top_p=1, seed=5)
    first, second = rows_of(generate(model, tokenizer, prompts, DEPTH, config), 2)
    again, _ = rows_of(generate(model, tokenizer, prompts, DEPTH, config), 2)
    assert ids(first) == ids(again)
    assert ids(first) != ids(second)
    other = generate(model, tokenizer, prompts[:1], DEPTH, config.changed(seed=6))
    assert ids(other) == ids(second)  # row i draws from seed + i
    unseeded = [ids(generate(model, tokenizer, prompts[:1], DEPTH, config.changed(seed=None))) for _ in "ab"]
    assert unseeded[0] != unseeded[1]


def test_control_tokens_are_never_written(model, tokenizer) -> None:
    with torch.no_grad():
        model.head[:, :16] *= 20
    config = GenerationConfig(max_tokens=200, temperature=3, top_p=1, seed=0)
    written = set(ids(generate(model, tokenizer, [tokenizer.encode("a")] * 4, DEPTH, config)))
    assert written & set(range(16)) <= {tokenizer.eos_id}


def test_the_end_of_text_token_ends_the_row(model, tokenizer) -> None:
    model.embedding.data[:] = 1
    model.head.data[:, tokenizer.eos_id] = 100
    tokens = list(generate(model, tokenizer, [tokenizer.encode("a")], DEPTH, GREEDY))
    assert [(t.id, t.text, t.finished) for t in tokens] == [(tokenizer.eos_id, "", "eos")]


def test_every_setting_has_its_effect(model, tokenizer) -> None:
    prompt = [tokenizer.encode("abc")]
    base = GenerationConfig(max_tokens=60, temperature=1.0, top_p=1.0, seed=3)
    greedy = ids(generate(model, tokenizer, prompt, DEPTH, base.changed(temperature=0)))
    for narrow in ({"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}, {"temperature": 1e-4}):
        assert ids(generate(model, tokenizer, prompt, DEPTH, base.changed(**narrow))) == greedy
    unrepeated = [
        *prompt[0],
        *ids(generate(model, tokenizer, prompt, DEPTH, base.changed(no_repeat_ngram=2))),
    ]
    pairs = list(itertools.pairwise(unrepeated))
    length = model.config.context_length
    for start in range(len(pairs) - length + 1):
        assert len(set(pairs[start : start + length])) == length
    penalised = ids(
        generate(model, tokenizer, prompt, DEPTH, base.changed(temperature=0, repetition_penalty=10))
    )
    assert len(set(penalised)) > len(set(greedy))


def test_token_has_probability_and_passes(model, tokenizer) -> None:
    (token,) = generate(model, tokenizer, [tokenizer.encode("abc")], DEPTH, GREEDY.changed(max_tokens=1))
    assert 0 < token.probability <= 1
    assert token.passes == DEPTH.cycles
    assert token.finished == "length"
    assert token.text == tokenizer.decode([token.id])


def test_alternatives_are_the_likeliest_tokens_and_change_no_text(model, tokenizer) -> None:
    prompts = [tokenizer.encode("abc"), tokenizer.encode("hello")]
    plain = list(generate(model, tokenizer, prompts, DEPTH, GREEDY))
    assert {t.alternatives for t in plain} == {()}
    rich = list(generate(model, tokenizer, prompts, DEPTH, GREEDY, alternatives=3))
    assert [t._replace(alternatives=()) for t in rich] == plain
    for token in rich:
        assert token.alternatives[0] == (token.id, token.probability)
        assert len(token.alternatives) == 3
        assert [p for _, p in token.alternatives] == sorted((p for _, p in token.alternatives), reverse=True)
    (every,) = generate(model, tokenizer, [[20]], DEPTH, GREEDY.changed(max_tokens=1), alternatives=10**6)
    assert sum(p for _, p in every.alternatives) == pytest.approx(1)
    assert tokenizer.bos_id not in dict(every.alternatives)


def test_generation_without_a_limit_continues(model, tokenizer) -> None:
    stream = generate(model, tokenizer, [tokenizer.encode("abc")], DEPTH, GREEDY.changed(max_tokens=None))
    assert not any(next(stream).finished for _ in range(300))


def test_an_empty_prompt_starts_from_a_newline(model, tokenizer) -> None:
    assert ids(generate(model, tokenizer, [[]], DEPTH, GREEDY)) == ids(
        generate(model, tokenizer, [tokenizer.encode("\n")], DEPTH, GREEDY)
    )


def test_no_prompts_no_tokens(model, tokenizer) -> None:
    assert list(generate(model, tokenizer, [], DEPTH, GREEDY)) == []


def test_token_outside_the_vocabulary_is_refused(model, tokenizer) -> None:
    with pytest.raises(UsageError):
        next(generate(model, tokenizer, [[10_000]], DEPTH, GREEDY))


@pytest.mark.parametrize("temperature", [0, 1])
def test_damaged_weights_raise_an_error(model, tokenizer, temperature) -> None:
    model.head.data[:] = float("nan")
    with pytest.raises(RlmError, match="not a number"):
        next(generate(model, tokenizer, [[20]], DEPTH, GREEDY.changed(temperature=temperature)))


@pytest.mark.parametrize(
    "values",
    [
        {"max_tokens": 0},
        {"temperature": -1},
        {"temperature": float("nan")},
        {"top_k": -1},
        {"top_p": 0},
        {"top_p": 1.1},
        {"min_p": -0.1},
        {"repetition_penalty": 0},
        {"no_repeat_ngram": -1},
        {"stop": ("",)},
        {"seed": -1},
    ],
)
def test_settings_out_of_range_are_refused(values) -> None:
    with pytest.raises(UsageError):
        GenerationConfig(**values)


@given(
    st.builds(
        GenerationConfig,
        max_tokens=st.none() | st.integers(1, 999),
        temperature=st.floats(0, 2),
        stop=st.lists(st.text(min_size=1)).map(tuple),
        seed=st.none() | st.integers(0, 9),
    )
)
def test_settings_survive_json(config: GenerationConfig) -> None:
    assert GenerationConfig.from_dict({**config.to_dict(), "unknown": 1}) == config


@pytest.mark.parametrize("values", [{"top_k": "x"}, {"top_k": 1.5}, {"stop": "x"}, {"temperature": None}])
def test_settings_of_the_wrong_type_are_refused(values) -> None:
    with pytest.raises(UsageError):
        GenerationConfig.from_dict(values)
