"""What models are shown to have done, written by hand: answers, a trace, scores, depths, a puzzle."""

import math
from collections.abc import Sequence

import numpy as np

from data.sudoku_text import parse_grid
from models.analysis.analyze import RunAnalysis, TextAnalysis, WrittenAnalysis
from models.analysis.likelihood import Likelihood
from models.analysis.memorisation import Memorisation
from models.analysis.quality import Quality, Score
from models.analysis.repetition import Repetition
from models.analysis.trace import AblationFigures, Guess, PassFigures, SettingFigures, TextTrace, TokenFigures
from models.benchmark.depth import Measured, table_of, verdicts
from models.benchmark.report import Report
from models.generation.answer_stats import AnswerStats
from models.generation.generate import GeneratedToken
from models.generation.solver import SolveStep
from tui.answer_tokens import AnswerTokens
from tui.chat_entries import Entry

TEXT = "the fox came down to the river and drank"
_WRITTEN = (
    "a heron that stood upon one leg, and did not move.\nThe fox said: do you not see the frog that sits by "
    "your foot? But the heron had seen it long ago, and only waited. "
)
STATS = AnswerStats(
    characters=51, tokens=51, seconds=0.42, mode="normal", depth="2", mean_passes=2.0, context_used=29,
    context_length=32, dropped_turns=1, finished="natural",
)  # fmt: skip


def conversation() -> list[Entry]:
    """Two exchanges and a comparison. The tokens of the answers are characters."""
    return [
        Entry("note", "chatty: looped, 369,984 parameters. It was trained on plain text: it continues it."),
        Entry("user", "One morning the fox met"),
        answer(" a heron that stood upon one leg, and did not move."),
        Entry("note", f"{STATS.line()} · 2 passes per token"),
        Entry("user", "The heron said"),
        answer(
            ": I have no time for foxes, and least of all for such as come before breakfast with a basket "
            "under the arm and nothing in it."
        ),
        Entry("warning", "Mode deep is deeper than the training went."),
        Entry("note", "> The heron said"),
        answer(": go.", heading="normal 2", footing="5 characters · 0.1 s", comparison=1),
        answer(" nothing.", heading="deep 3, deeper than trained", footing="9 characters", comparison=1),
    ]


def answer(text: str, **more) -> Entry:
    tokens = AnswerTokens(lambda number: chr(number))
    for place, character in enumerate(text):
        share = 0.5 + 0.49 * math.sin(place)
        others = ((ord(character), share), (ord("e"), 0.6 * (1 - share)), (ord(" "), 0.3 * (1 - share)))
        tokens.add(
            GeneratedToken(
                row=0, id=ord(character), text=character, probability=share, passes=2.0, finished=None,
                alternatives=others,
            )
        )  # fmt: skip
    return Entry("model", text, tokens, **more)


def trace() -> TextTrace:
    """A text through three passes of the loop and the blocks around it."""
    levels = [("prelude", 1), ("core", 1), ("core", 2), ("core", 3), ("coda", 1)]
    return TextTrace(
        text=TEXT,
        cut_tokens=0,
        depth="3",
        passes=tuple(_pass(place, level, number) for place, (level, number) in enumerate(levels)),
        tokens=tuple(
            TokenFigures(character, 3.0, None if not place else 2.0 + 1.9 * math.sin(place))
            for place, character in enumerate(TEXT)
        ),
        routed=False,
        settings=tuple(
            SettingFigures(
                str(cycles), mode, float(cycles), 2.1 - 0.2 * cycles, cycles < 4, _guesses(cycles)[0]
            )
            for cycles, mode in ((1, "fast"), (2, "normal"), (3, "deep"), (4, "thorough"), (6, "extreme"))
        ),
        ablations=(
            AblationFigures("the injection of the prelude", 1.9, 0.4),
            AblationFigures("core pass 2", 1.52, 0.02),
            AblationFigures("core pass 3", 1.4997, -0.0003),
        ),
    )


def _pass(place: int, level: str, number: int) -> PassFigures:
    return PassFigures(
        level, number, norm=1.2 + 0.4 * place, change=None if number == 1 else 0.5 / number,
        cosine=None if number == 1 else 0.9 + 0.02 * number, entropy=4.0 - 0.6 * place,
        loss=3.1 - 0.4 * place, halting=None, guesses=_guesses(place),
    )  # fmt: skip


def _guesses(place: int) -> tuple[Guess, ...]:
    return tuple(Guess(text, (0.3 + 0.1 * place) / (2 * rank)) for rank, text in enumerate(" ,.\ne"[:4], 1))


def scores() -> RunAnalysis:
    """What a run writes, near what people wrote."""
    named = {
        "character_coherence": 91.0, "word_formation": 62.0, "sentence_structure": 40.0,
        "semantic_meaning": 28.0, "token_diversity": 97.0,
    }  # fmt: skip
    quality = Quality(
        tuple(Score(name, value, 0.5, 1.0, 0.0) for name, value in named.items()), 53.6, 0.874, 6000
    )
    repeated = Repetition(0.012, "and the fox said to the crow, ", (0.31, 0.78, 0.95), 0.44)
    copied = Memorisation(0.021, 0.018, ("the fox came down to the river, and there was nobody",))
    held_out = TextAnalysis(
        Quality((), 100.0, 0.952, 7000), Repetition(0.0, "said the fox", (0.35, 0.82, 0.97), 0.47)
    )
    return RunAnalysis(
        by_mode={"normal": WrittenAnalysis(_WRITTEN * 12, TextAnalysis(quality, repeated, copied))},
        likelihood={
            mode: Likelihood(2.3 - 0.02 * passes, 0.031, 1.56 - 0.01 * passes, passes, passes < 4)
            for mode, passes in {"fast": 1, "normal": 2, "deep": 3, "thorough": 4, "extreme": 6}.items()
        },
        of_held_out=held_out,
    )


def depths() -> Report:
    """The loss and the time at five depths, of which the last two are deeper than the training."""
    modes = ((1, "fast"), (2, "normal"), (3, "deep"), (4, "thorough"), (6, "extreme"))
    measured = [
        Measured(
            name=str(cycles), mode=mode, block_passes=2 + cycles, trained=cycles < 4,
            nats=tuple(1.5 + 0.1 * math.sin(block) + (0.2 + 0.01 * math.cos(block * cycles)) / cycles
                       for block in range(6)),
            seconds=((2 + cycles) * 12e-6,) * 3,
        )
        for cycles, mode in modes
    ]  # fmt: skip
    note = "Every depth reads the same 7,396 held-out tokens."
    return Report("depth", "tiny", {}, (table_of(measured),), tuple(verdicts(measured)), (note,))


PUZZLE = parse_grid(".43.|..41|4.23|.3..")
SOLUTION = parse_grid("1432|3241|4123|2314")


def solve_steps() -> Sequence[SolveStep]:
    """Sixteen steps that come to the solution at the fifth."""
    found = []
    for number in range(1, 17):
        answer = SOLUTION.copy()
        blanks = np.flatnonzero(PUZZLE == 0)
        answer[blanks[number + 3 :]] = 4 if number % 2 else 3
        share = 1 - 0.8 / number
        found.append(SolveStep(answer, share, is_sure=number >= 6))
    return found
