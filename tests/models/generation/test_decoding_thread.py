"""A thread writes what other threads submit, and outlives what fails."""

import threading
import time

import pytest

from data.errors import RlmError, UsageError
from models.depth import Depth
from models.generation.batch_decoder import BatchDecoder
from models.generation.continuation import Continuation, QueueFullError, StoppedError
from models.generation.decoding_thread import DecodingThread
from models.generation.generate import GeneratedToken, GenerationConfig, generate

DEPTH = Depth(2, 2)
LONG = GenerationConfig(max_tokens=10**6, temperature=0)


class Listener:
    """Collects results; `done` is set with the last one of `texts`."""

    def __init__(self, texts=1):
        self.results = []
        self.first, self.done = threading.Event(), threading.Event()
        self._left = texts

    def __call__(self, results):
        self.results += results
        self.first.set()
        for _, outcome in results:
            self._left -= isinstance(outcome, RlmError) or outcome.finished is not None
        if not self._left:
            self.done.set()

    @property
    def ids(self):
        return [outcome.id for _, outcome in self.results]


class OneRowDecoder(BatchDecoder):
    """Writes with `generate`, so that a model without a real cache will do."""

    def __init__(self, model, tokenizer, rows=1):
        self.texts, self.tokens, self.rows = [], {}, rows
        self._model, self._tokenizer = model, tokenizer

    @property
    def waiting(self):
        return max(0, len(self.texts) - self.rows)

    @property
    def active(self):
        return min(self.rows, len(self.texts))

    def add(self, text):
        self.texts.append(text)
        self.tokens[text] = generate(self._model, self._tokenizer, [text.prompt], text.depth, text.config)

    def step(self):
        self.texts = [text for text in self.texts if not text.cancelled]
        results = [(text, next(self.tokens[text])) for text in self.texts[: self.rows]]
        for text, token in results:
            if token.finished:
                self.texts.remove(text)
        return results

    def clear(self):
        texts, self.texts = self.texts, []
        return texts


@pytest.fixture
def decoder(model, tokenizer):
    return OneRowDecoder(model, tokenizer)


@pytest.fixture
def thread(decoder):
    reported = []
    thread = DecodingThread(decoder, max_waiting=3, report=reported.append)
    thread.reported = reported
    thread.start()
    yield thread
    thread.stop()
    thread.join(10)


def text(length=5):
    return Continuation([20, 21], DEPTH, LONG.changed(max_tokens=length))


def test_every_text_is_delivered_to_who_submitted_it(thread, model, tokenizer) -> None:
    listeners = [Listener() for _ in range(3)]
    for length, listener in enumerate(listeners, start=2):
        thread.submit([text(length)], listener)
    for length, listener in enumerate(listeners, start=2):
        assert listener.done.wait(10)
        expected = generate(model, tokenizer, [[20, 21]], DEPTH, LONG.changed(max_tokens=length))
        assert listener.ids == [token.id for token in expected]


def test_too_many_waiting_texts_are_refused(thread) -> None:
    running, listener = text(10**6), Listener()
    thread.submit([running], listener)
    assert listener.first.wait(10)
    thread.submit([text() for _ in range(3)], Listener())
    with pytest.raises(QueueFullError):
        thread.submit([text()], Listener())
    assert thread.load == (1, 3)
    running.cancelled = True


def test_a_cancelled_text_gets_nothing_more(thread) -> None:
    first, listener = text(10**6), Listener()
    thread.submit([first], listener)
    assert listener.first.wait(10)
    first.cancelled = True
    other = Listener()
    thread.submit([text()], other)
    assert other.done.wait(10)
    count = len(listener.results)
    time.sleep(0.05)
    assert len(listener.results) == count
    assert thread.load == (0, 0)


def test_an_exception_ends_the_texts_and_not_the_thread(thread, decoder, monkeypatch) -> None:
    broken = Listener()
    with monkeypatch.context() as patch:
        patch.setattr(decoder, "step", lambda: 1 / 0)
        thread.submit([text()], broken)
        assert broken.done.wait(10)
    assert isinstance(broken.results[0][1], RlmError)
    assert isinstance(thread.reported[0], ZeroDivisionError)
    sound = Listener()
    thread.submit([text()], sound)
    assert sound.done.wait(10)
    assert isinstance(sound.results[0][1], GeneratedToken)


def test_a_text_whose_last_token_was_lost_gets_an_error(thread, decoder, monkeypatch) -> None:
    step = decoder.step

    def lose():
        step()
        raise RuntimeError("after the step")

    with monkeypatch.context() as patch:
        patch.setattr(decoder, "step", lose)
        lost = Listener()
        thread.submit([text(1)], lost)
        assert lost.done.wait(10)
    assert [type(outcome) for _, outcome in lost.results] == [RlmError]


def test_a_listener_that_fails_loses_its_text_only(thread) -> None:
    def fail(results):
        raise RuntimeError("the loop is closed")

    lost = text(10**6)
    thread.submit([lost], fail)
    sound = Listener()
    thread.submit([text()], sound)
    assert sound.done.wait(10)
    assert lost.cancelled


def test_stopping_ends_every_text_with_an_error(thread) -> None:
    listener = Listener(texts=3)
    thread.submit([text(10**6) for _ in range(3)], listener)
    assert listener.first.wait(10)
    thread.stop()
    assert listener.done.wait(10)
    assert sum(isinstance(outcome, StoppedError) for _, outcome in listener.results) == 3
    with pytest.raises(StoppedError):
        thread.submit([text()], Listener())


def test_a_token_outside_the_vocabulary_is_refused_where_it_is_submitted(thread) -> None:
    with pytest.raises(UsageError, match="vocabulary"):
        thread.submit([Continuation([10**6], DEPTH, LONG)], Listener())
