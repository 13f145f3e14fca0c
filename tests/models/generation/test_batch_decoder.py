"""Texts that are written at the same time equal the texts written alone, whenever each begins and ends."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.character_tokenizer import CharacterTokenizer
from data.errors import RlmError, UsageError
from models.architectures import ARCHITECTURES, build_model, model_config
from models.depth import MODES, Depth
from models.generation import next_logits
from models.generation.batch_decoder import BatchDecoder
from models.generation.continuation import Continuation
from models.generation.generate import GeneratedToken, GenerationConfig, generate

CHARACTERS = "\n abcdefghijklmnopqrstuvwxyz.,"
TOKENIZER = CharacterTokenizer("".join(sorted(CHARACTERS)))
GREEDY = GenerationConfig(max_tokens=16, temperature=0)
SAMPLED = GenerationConfig(max_tokens=16, temperature=1.2, top_p=1)
PROMPTS = ("once upon", "a", "the fox, the owl", "")


def small_model(architecture="looped", context_length=12, **dials):
    torch.manual_seed(3)
    size = {"vocab_size": 46, "context_length": context_length, "d_model": 32, "n_heads": 2}
    model = build_model(model_config({"architecture": architecture, **size, **dials})).eval()
    for parameter in model.parameters():  # far from any initialisation that would make text constant
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture(scope="module")
def looped():
    return small_model(ngram=3)


def text_of(prompt, mode="normal", config=GREEDY, **more):
    return Continuation([int(token) for token in TOKENIZER.encode(prompt)], MODES[mode], config, **more)


def finish(decoder, written=None, steps=1000):
    """Run the decoder to its end, or for some steps; the tokens by text."""
    written = {} if written is None else written
    for _ in range(steps):
        if not decoder.active and not decoder.waiting:
            break
        for text, token in decoder.step():
            written.setdefault(text, []).append(token)
    return written


def alone(model, text):
    return list(generate(model, TOKENIZER, [text.prompt], text.depth, text.config))


def ids(tokens):
    return [token.id for token in tokens]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("positions", ["rotary", "learned"])
def test_every_architecture_writes_what_it_writes_alone(architecture, positions) -> None:
    model = small_model(architecture, positions=positions, ngram=2 if positions == "rotary" else 0)
    config = GREEDY.changed(max_tokens=8)
    texts = [text_of(prompt, mode, config) for prompt in PROMPTS[1:] for mode in ("fast", "normal")]
    decoder = BatchDecoder(model, TOKENIZER)
    written = {}
    for text in texts:  # one joins after the other, in the middle of the others' texts
        decoder.add(text)
        finish(decoder, written, steps=3)
    finish(decoder, written)
    for text in texts:
        assert ids(written[text]) == ids(alone(model, text))
        assert [t.passes for t in written[text]] == [t.passes for t in alone(model, text)]


def test_modes_that_come_to_the_same_share_a_batch(monkeypatch) -> None:
    model = small_model("transformer")
    decoder = BatchDecoder(model, TOKENIZER)
    for mode in MODES:
        decoder.add(text_of("a", mode))
    monkeypatch.setattr(next_logits, "native_step", lambda: None)  # it calls no model
    finish(decoder, steps=2)
    shapes = []
    forward = model.forward
    monkeypatch.setattr(
        model, "forward", lambda tokens, **more: shapes.append(tokens.shape) or forward(tokens, **more)
    )
    decoder.step()
    assert [tuple(shape) for shape in shapes] == [(5, 1)]


def test_tokens_that_leave_early_leave_at_the_same_pass(looped) -> None:
    config = GREEDY.changed(halt=True, halt_threshold=0.6)
    texts = [text_of(prompt, "extreme", config) for prompt in PROMPTS]
    decoder = BatchDecoder(looped, TOKENIZER)
    for text in texts:
        decoder.add(text)
    written = finish(decoder)
    passes = [token.passes for text in texts for token in written[text]]
    assert passes == [token.passes for text in texts for token in alone(looped, text)]
    assert len(set(passes)) > 1


@settings(max_examples=6)
@given(
    texts=st.lists(
        st.tuples(
            st.text("abc de", max_size=20),
            st.sampled_from(["fast", "normal", "deep"]),
            st.integers(1, 20),
            st.integers(0, 5),  # steps until the next one comes
        ),
        min_size=1,
        max_size=4,
    ),
    max_rows=st.integers(1, 4),
)
def test_a_seed_decides_the_text_whatever_runs_beside_it(looped, texts, max_rows) -> None:
    decoder = BatchDecoder(looped, TOKENIZER, max_rows=max_rows)
    written: dict = {}
    added = []
    for seed, (prompt, mode, length, pause) in enumerate(texts):
        added.append(text_of(prompt, mode, SAMPLED.changed(max_tokens=length, seed=seed)))
        decoder.add(added[-1])
        finish(decoder, written, steps=pause)
        assert decoder.active <= max_rows
    finish(decoder, written)
    for text in added:
        expected = alone(looped, text)
        assert ids(written[text]) == ids(expected)
        assert [t.text for t in written[text]] == [t.text for t in expected]
        assert [t.probability for t in written[text]] == pytest.approx(
            [t.probability for t in expected], rel=1e-3
        )
        assert written[text][-1].finished == expected[-1].finished is not None


def test_other_seeds_give_other_texts(looped) -> None:
    texts = [text_of("a", config=SAMPLED.changed(seed=seed)) for seed in (1, 2)]
    texts += [text_of("a", config=SAMPLED) for _ in range(2)]
    decoder = BatchDecoder(looped, TOKENIZER)
    for text in texts:
        decoder.add(text)
    written = finish(decoder)
    assert len({tuple(ids(tokens)) for tokens in written.values()}) == 4


def test_probabilities_are_those_of_the_model() -> None:
    """The logarithms of the probabilities sum up to the likelihood of the text, read in one pass."""
    model = small_model(context_length=40)
    texts = [text_of(prompt, config=SAMPLED.changed(seed=1)) for prompt in PROMPTS[:3]]
    decoder = BatchDecoder(model, TOKENIZER)
    for text in texts:
        decoder.add(text)
    for text, tokens in finish(decoder).items():
        read = torch.tensor([[*text.prompt, *ids(tokens)]])
        logits = model(read, text.depth).logits[0, len(text.prompt) - 1 : -1]
        allowed = logits.index_fill(1, torch.tensor([0, 1, 2, *range(4, 16)]), -math.inf)
        expected = allowed.log_softmax(-1)[torch.arange(len(tokens)), ids(tokens)].sum().detach()
        assert sum(math.log(t.probability) for t in tokens) == pytest.approx(float(expected), abs=1e-3)


def test_each_text_has_its_own_stop_strings_and_length(looped) -> None:
    whole = "".join(token.text for token in alone(looped, text_of("a")))
    configs = [GREEDY.changed(stop=(whole[at : at + 2],)) for at in (3, 7)]
    configs += [GREEDY.changed(max_tokens=length) for length in (1, 5)]
    texts = [text_of("a", config=config) for config in configs]
    decoder = BatchDecoder(looped, TOKENIZER)
    for text in texts:
        decoder.add(text)
    for text, tokens in finish(decoder).items():
        written = "".join(token.text for token in tokens)
        if text.config.stop:
            assert written == whole[: whole.index(text.config.stop[0])]
            assert tokens[-1].finished == "stop"
        else:
            assert written == whole[: text.config.max_tokens]
            assert tokens[-1].finished == "length"


def test_what_is_held_back_follows_or_is_dropped(looped) -> None:
    whole = "".join(token.text for token in alone(looped, text_of("a")))
    for stop in (whole[4:8], whole[4:7] + "\x00"):
        written = 0
        for token in finish_one(looped, text_of("a", config=GREEDY.changed(stop=(stop,)))):
            written += len(token.text)
            if not token.finished:
                assert whole[: written + token.held].endswith(stop[: token.held])


def finish_one(model, text):
    decoder = BatchDecoder(model, TOKENIZER)
    decoder.add(text)
    return finish(decoder)[text]


def test_alternatives_are_each_texts_own(looped) -> None:
    texts = [text_of("a", alternatives=count) for count in (0, 3)]
    decoder = BatchDecoder(looped, TOKENIZER)
    for text in texts:
        decoder.add(text)
    written = finish(decoder)
    assert {len(token.alternatives) for token in written[texts[0]]} == {0}
    assert {len(token.alternatives) for token in written[texts[1]]} == {3}


def test_a_cancelled_text_frees_its_row(looped) -> None:
    texts = [text_of("a", config=GREEDY.changed(max_tokens=50)) for _ in range(3)]
    decoder = BatchDecoder(looped, TOKENIZER, max_rows=2)
    for text in texts:
        decoder.add(text)
    written = finish(decoder, steps=4)
    assert (decoder.active, decoder.waiting) == (2, 1)
    texts[0].cancelled = True
    finish(decoder, written, steps=1)
    assert (decoder.active, decoder.waiting) == (2, 0)
    assert len(written[texts[0]]) == 4
    finish(decoder, written)
    assert len(written[texts[0]]) == 4
    assert ids(written[texts[2]]) == ids(written[texts[1]]) == ids(alone(looped, texts[1]))


def test_a_text_that_is_cancelled_while_it_waits_is_never_read(looped) -> None:
    decoder = BatchDecoder(looped, TOKENIZER, max_rows=1)
    first, second = text_of("a"), text_of("b", cancelled=True)
    decoder.add(first)
    decoder.add(second)
    assert set(finish(decoder)) == {first}


def test_caches_stay_within_their_memory(looped) -> None:
    one = looped.new_cache(1, 12, MODES["normal"])
    decoder = BatchDecoder(looped, TOKENIZER, cache_bytes=3 * (one.keys.nbytes + one.values.nbytes))
    for _ in range(5):
        decoder.add(text_of("a"))
    finish(decoder, steps=3)
    assert (decoder.active, decoder.waiting) == (3, 2)
    tight = BatchDecoder(looped, TOKENIZER, cache_bytes=1)
    tight.add(text_of("a"))
    tight.add(text_of("b"))
    written = finish(tight, steps=1)
    assert (tight.active, tight.waiting) == (1, 1)
    assert len(finish(tight, written)) == 2


def test_equal_prompts_are_read_once(looped, monkeypatch) -> None:
    monkeypatch.setattr(next_logits, "native_step", lambda: None)  # it calls no model
    read = []
    forward = looped.forward
    monkeypatch.setattr(
        looped, "forward", lambda tokens, **more: read.append(tokens.shape) or forward(tokens, **more)
    )
    decoder = BatchDecoder(looped, TOKENIZER)
    for seed in range(3):
        decoder.add(text_of("the fox", config=SAMPLED.changed(max_tokens=2, seed=seed)))
    finish(decoder)
    assert [tuple(shape) for shape in read] == [(1, 7), (3, 1)]


def test_a_row_without_numbers_ends_alone(looped) -> None:
    model = small_model(ngram=3)
    with torch.no_grad():
        model.embedding.weight[TOKENIZER.encode("z")[0]] = math.nan
        model.head.weight[TOKENIZER.encode("z")[0]] = 0
    sound, broken = text_of("a"), text_of("z")
    decoder = BatchDecoder(model, TOKENIZER)
    decoder.add(sound)
    decoder.add(broken)
    written = finish(decoder)
    assert isinstance(written[broken][0], RlmError)
    assert len(written[broken]) == 1
    assert all(isinstance(token, GeneratedToken) for token in written[sound])


def test_out_of_memory_ends_the_texts_and_not_the_decoder(looped, monkeypatch) -> None:
    decoder = BatchDecoder(looped, TOKENIZER)
    text = text_of("a")
    decoder.add(text)
    with monkeypatch.context() as patch:

        def forward(*arguments, **more):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

        patch.setattr(looped, "forward", forward)
        ((ended, error),) = decoder.step()
    assert ended is text
    assert isinstance(error, RlmError)
    assert "memory" in error.message
    decoder.add(text_of("a"))
    assert len(finish(decoder)) == 1


def test_a_token_outside_the_vocabulary_is_refused(looped) -> None:
    for token in (-1, 46, 10**20):
        with pytest.raises(UsageError, match="vocabulary"):
            BatchDecoder(looped, TOKENIZER).add(Continuation([token], Depth(1), GREEDY))
