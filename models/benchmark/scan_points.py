"""One point of a scan: a model of random weights that trains and writes, or a corpus that is prepared."""

import statistics
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.bpe_tokenizer import train_bpe_tokenizer
from data.character_tokenizer import CharacterTokenizer
from data.corpus import open_corpus, scan_corpus
from data.loader import BlockSampler
from data.prepare import open_prepared, prepare
from data.progress import Progress, convert_yields
from data.storage import storing, write_file
from data.tokenizer import SPECIAL_TOKENS, Tokenizer
from models.architectures import build_model, skeleton
from models.benchmark.scan_axes import CORPUS, COSTS, MEMORY, Parts, counted, sequences
from models.benchmark.timing import forget_peak, peak_since, timed, token_times, working_clock
from models.config import ModelConfig, TrainingConfig
from models.device import autocast
from models.recursive_lm import RecursiveLM
from models.runs.events import Event, PreparationAdvanced
from models.training.optimizer import Optimizers

_ENOUGH_S, _FEWEST, _MOST = 1.0, 2, 8
_NEW_TOKENS = 32
_SEEDS, _LONG_ENOUGH = 4, 16
_FIRST_CHARACTER = 0x4E00
_BLOCKS, _BLOCK_WORDS, _WORDS = 8, 250_000, 30_000
_LINES = 20_000
_TOKENIZER_SIZE = 4096
_CONTEXT, _BATCH, _BATCHES = 128, 32, 64
MEGABYTE = 10**6
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured at one size."""

    size: int
    costs: Mapping[str, float]
    """By name: the seconds of a token, or of a byte where a corpus is prepared and opened. And the most bytes
    of memory, where the system tells: in training above what there was before, else of the process."""
    must: Mapping[str, Parts]
    """By the same names, what is counted of each, by part; of a corpus, one constant."""
    least_s: float
    """What the point takes where nothing is repeated more often than it must be."""


@dataclass(frozen=True, slots=True)
class ModelTimer:
    """Measures models on one device, in one number format."""

    training: TrainingConfig
    device: torch.device
    number_format: str

    def __call__(self, config: ModelConfig, size: int) -> Measured:
        """Time a training step and the writing of a token; the shortest of a few, which other work on the
        machine disturbs least."""
        before = forget_peak(self.device)
        model = self._model(config)
        new = min(_NEW_TOKENS, max(2, config.context_length // 2))
        prompt = max(1, config.context_length - new)
        step_s, step_wall_s = _shortest(self._step(model))
        peak = peak_since(self.device)
        model.eval()
        tokenizer = CharacterTokenizer(_characters(config.vocab_size - len(SPECIAL_TOKENS)))
        depth, clock = model.trained_depth, working_clock(self.device)

        def write() -> float:
            return _token_seconds(
                lambda seed: token_times(model, tokenizer, depth, 1, prompt, new, clock, seed)
            )

        token_s, written_wall_s = _shortest(write)
        return Measured(
            size=size,
            costs={
                "training": step_s / (sequences(config) * config.context_length),
                "writing": token_s,
                **({} if before is None or peak is None else {MEMORY: float(max(1, peak - before))}),
            },
            must=counted(skeleton(config), self.training, prompt + new // 2, self.number_format),
            least_s=_FEWEST * (step_wall_s + written_wall_s),
        )

    def warm_up(self, config: ModelConfig) -> None:
        """Take a step and forget it: the first one in a process loads libraries."""
        self._step(self._model(config))()

    def _model(self, config: ModelConfig) -> RecursiveLM:
        """A model of random weights; torch's global random state is as before."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return build_model(config).to(self.device)

    def _step(self, model: RecursiveLM) -> Callable[[], float]:
        """A training step at the trained depth, which returns its seconds."""
        config, device, clock = model.config, self.device, working_clock(self.device)
        optimizers = Optimizers(model, replace(self.training, gradient_clip=1.0), self.number_format)
        draw = torch.Generator().manual_seed(0)
        model.train()

        def work(rows: Tensor) -> None:
            with autocast(device, self.number_format):
                loss = model.training_loss(rows[:, :-1], rows[:, 1:], model.trained_depth).total
            optimizers.backward(loss)
            optimizers.clip_gradient()
            optimizers.step(0.0)
            optimizers.zero_grad()

        def step() -> float:
            shape = (sequences(config), config.context_length + 1)
            rows = torch.randint(0, config.vocab_size, shape, generator=draw).to(device)
            return timed(device, lambda: work(rows), clock)[0]

        return step


@dataclass(frozen=True, slots=True)
class CorpusTimer:
    """Measures corpora of made-up text in a folder, with one tokenizer of byte pairs."""

    folder: Path
    blocks: tuple[bytes, ...]
    """Of a megabyte each; a corpus repeats them."""
    tokenizer: Tokenizer

    @classmethod
    @contextmanager
    def in_temporary_folder(cls) -> Iterator["CorpusTimer"]:
        """A timer whose folder is removed at the end."""
        with tempfile.TemporaryDirectory(prefix="rlm-scan-", ignore_cleanup_errors=True) as name:
            blocks = _text_blocks()
            first = Path(name) / "first.txt"
            with storing(f"a text in '{name}'"):
                write_file(first, blocks[:1])
            yield cls(Path(name), blocks, train_bpe_tokenizer(open_corpus([first]), _TOKENIZER_SIZE))

    def __call__(self, size: int) -> Generator[Event, None, Measured]:
        """Time the preparing of `size` MB, the opening of its tokens and the reading of batches."""
        began, clock = time.perf_counter(), working_clock(_CPU)
        text, cache = self.folder / "text.txt", self.folder / f"cache-{size}"
        with storing(f"a text of {size:,} MB in '{self.folder}'"):
            write_file(text, (self.blocks[number % len(self.blocks)] for number in range(size)))
        has_peak = forget_peak(_CPU) is not None

        def shown(progress: Progress) -> Event:
            stage = f"{CORPUS} {size} MB, {progress.stage}"
            return PreparationAdvanced(
                stage=stage, done=progress.done, total=progress.total, unit=progress.unit
            )

        start = clock()
        corpus = yield from convert_yields(scan_corpus([text]), shown)
        prepared = yield from convert_yields(prepare(corpus, self.tokenizer, cache), shown)
        preparing_s = clock() - start
        sampler = BlockSampler(prepared.train, _CONTEXT, 0)

        def open_and_read_one() -> float:
            start = clock()
            BlockSampler(open_prepared(prepared.path).train, _CONTEXT, 0).batch(0, 1)
            return clock() - start

        def read_batches() -> float:
            start = clock()
            for number in range(_BATCHES):
                sampler.batch(number * _BATCH, _BATCH)
            return (clock() - start) / (_BATCHES * _BATCH * _CONTEXT)

        (opening_s, _), (batches_s, _) = _shortest(open_and_read_one), _shortest(read_batches)
        peak = peak_since(_CPU) if has_peak else None
        text.unlink()
        return Measured(
            size=size,
            costs={
                "preparing": preparing_s / (size * MEGABYTE),
                "opening": opening_s / (size * MEGABYTE),
                "batches": batches_s,
                **({} if peak is None else {MEMORY: float(peak)}),
            },
            must={cost: {"the corpus": 1.0} for cost in COSTS[CORPUS]},
            least_s=time.perf_counter() - began,
        )


def _token_seconds(write: Callable[[int], list[float]]) -> float:
    """The median of the seconds to a token after the first two, where `write` has those of a text by its
    seed. The first has the prompt, and the second makes compiled code ready. A text may end early, so the
    longest of a few counts."""
    longest: list[float] = []
    for seed in range(_SEEDS):
        longest = max(longest, write(seed), key=len)
        if len(longest) >= _LONG_ENOUGH:
            break
    return statistics.median(longest[2:] or longest)


def _shortest(action: Callable[[], float]) -> tuple[float, float]:
    """The least of what a few calls of `action` return, and the mean time of a call on the wall. At least two
    calls, and more while they are short."""
    began = time.perf_counter()
    found = [action() for _ in range(_FEWEST)]
    while len(found) < _MOST and time.perf_counter() - began < _ENOUGH_S:
        found.append(action())
    return min(found), (time.perf_counter() - began) / len(found)


def _characters(count: int) -> str:
    """That many characters; none is half of a surrogate pair."""
    return "".join(
        chr(_FIRST_CHARACTER + number) if number < 0x8000 else chr(0x10000 + number)
        for number in range(count)
    )


def _text_blocks() -> tuple[bytes, ...]:
    """Blocks of at least a megabyte of made-up words, of which few are frequent (Zipf's law)."""
    draw = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))[draw.integers(0, 22, (_WORDS, 9))]
    words = ["".join(row[:length]) for row, length in zip(letters, draw.integers(2, 10, _WORDS), strict=True)]
    shares = 1 / np.arange(1, _WORDS + 1)
    shares /= shares.sum()
    blocks = []
    for _ in range(_BLOCKS):
        numbers = draw.choice(_WORDS, size=_BLOCK_WORDS, p=shares)
        lines = (" ".join(words[number] for number in line) for line in np.array_split(numbers, _LINES))
        blocks.append(".\n".join(lines).encode()[:MEGABYTE].ljust(MEGABYTE, b"e"))
    return tuple(blocks)
