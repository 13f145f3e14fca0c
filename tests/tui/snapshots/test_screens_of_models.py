"""The screens of models as they are stored: the form and its plan, the chat, inside, a puzzle, growing."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from textual.pilot import Pilot

from data.corpus_preview import CorpusPreview
from data.document import Message
from data.sudoku_kind import SudokuKind
from models.generation.chat_settings import ChatSettings
from models.generation.conversation import Conversation, ConversationStore
from models.runs.run import Run
from tests.models.runs.example_events import paused
from tests.tui.conftest import until
from tests.tui.snapshots import recorded_results
from tests.tui.snapshots.conftest import HOUR, NOW, at_home, check, set_age
from tests.tui.snapshots.recorded_runs import FABLES, training
from tests.tui.test_new_run import Asked
from tui.expansion import Expansion, Growth
from tui.puzzle_source import Posed, PuzzleSource
from tui.screens import new_run
from tui.screens.chat import ChatScreen
from tui.screens.conversations import ConversationsScreen
from tui.screens.expand import ExpandScreen
from tui.screens.inside import InsideScreen
from tui.screens.new_run import NewRunScreen
from tui.screens.puzzle import PuzzleScreen
from tui.widgets.depth_view import DepthView
from tui.widgets.score_view import ScoreView
from tui.widgets.size_field import SizeField
from tui.widgets.trace_view import TraceView

PREVIEW = CorpusPreview(
    name="fables", files=1, characters=73_972, documents=0, encodings=("utf-8",), tokenizer="character",
    vocab_size=78, reason="the text is short", repeated_share=0.012, compared_characters=73_972,
    beginning="THE FOX AND THE GRAPES\n\nA famished fox saw some clusters of ripe black grapes hanging from "
    "a trellised vine. She resorted to all her tricks to get at them, but wearied herself in vain.\n",
    notes=("Two lines have no letters.",),
)  # fmt: skip
PLAN = [
    ("run", "fables"),
    ("text", "fables: 73,972 characters, nine tenths to learn from"),
    ("tokenizer", "character, 78 tokens (the text has 62 different characters)"),
    ("model", "looped, width 96, 4 heads, 3 blocks, the middle one used 1 to 3 times"),
    ("parameters", "369,984 (332,544 in blocks, 37,440 in embeddings)"),
    ("length", "2 minutes: about 257 steps of 32 sequences of 128 tokens"),
    ("memory", "about 310 MB"),
]


def test_the_form_of_a_training(recorded, drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_run, "Planner", Asked)
    monkeypatch.setattr(new_run, "_PAUSE_S", 0.01)
    recorded("owl", [*training(120), paused(120, 400)], FABLES)
    (tmp_path / "fables.txt").write_text("the fox " * 9000, encoding="utf-8")

    async def do(pilot: Pilot[None]) -> None:
        await at_home(pilot, 1)
        await pilot.press("n")
        screen = pilot.app.screen
        assert isinstance(screen, NewRunScreen)
        await until(pilot, lambda: screen.picker.list.option_count)
        await check(pilot, "new-run-empty")
        screen.picker.field.value = "fables.txt"
        screen.query_one("#name").focus()
        await until(pilot, lambda: screen.planned)
        screen.planner.answer(preview=PREVIEW)
        screen.planner.answer(rows=PLAN, notices=("It will read the text about 14 times.",))
        await until(pilot, lambda: screen.pane.rows)
        await check(pilot, "new-run-plan")
        await pilot.press("f6")
        await check(pilot, "new-run-advanced")
        await pilot.press("escape", "t")
        screen = pilot.app.screen
        assert isinstance(screen, NewRunScreen)
        await until(pilot, lambda: screen.picker.list.option_count)
        await check(pilot, "teach")

    drive(do)


def test_a_chat(chat, chatty: Run) -> None:
    store = ConversationStore(chatty.path / "conversations")
    for number, first in enumerate(
        ("One morning the fox", "Tell me of the heron, and why it stood so still")
    ):
        turns = [Message("user", first), Message("assistant", "It said no."), Message("user", "More")]
        made = Conversation(
            f"talk-{number}", "chatty", "text", turns=turns, settings=ChatSettings(mode="deep")
        )
        store.save(made)
        os.utime(store.path(made.name), (NOW - (30 * number + 2) * HOUR,) * 2)
    (store.folder / "torn.json").write_text("{", encoding="utf-8")
    os.utime(store.folder / "torn.json", (NOW - 90 * HOUR,) * 2)

    async def do(pilot: Pilot[None], screen: ChatScreen) -> None:
        await check(pilot, "chat-begun")
        assert screen.talk is not None
        screen.talk.entries[:] = recorded_results.conversation()
        screen.talk.session.stats = recorded_results.STATS
        screen.view.show(screen.talk.entries)
        screen._draw()
        await pilot.press("f4")
        await check(pilot, "chat")
        await pilot.press("ctrl+t", "right", "right")
        await check(pilot, "chat-tokens")
        await pilot.press("escape", "slash", "t")
        await check(pilot, "chat-commands")
        await pilot.press("escape", "f7")
        listed = pilot.app.screen
        assert isinstance(listed, ConversationsScreen)
        await until(pilot, lambda: listed.shown)
        await check(pilot, "conversations")

    chat(do)


def test_inside_a_model(chatty: Run, drive) -> None:
    set_age(chatty.path, 2)

    async def do(pilot: Pilot[None]) -> None:
        await at_home(pilot, 1)
        await pilot.press("i")
        screen = pilot.app.screen
        assert isinstance(screen, InsideScreen)
        view = screen.query_one(TraceView)
        suggesting = [worker for worker in pilot.app.workers if worker.group == "suggest"]
        await pilot.app.workers.wait_for_complete(suggesting)
        view.suggest(recorded_results.TEXT)
        screen.work.weights_time = NOW - 2 * HOUR
        screen._write_title()
        view.show(recorded_results.trace())
        await check(pilot, "inside-trace")
        await check(pilot, "inside-trace-end", "end")
        screen.query_one(ScoreView).show(recorded_results.scores())
        await pilot.press("2")
        await check(pilot, "inside-scores")
        screen.query_one(DepthView).show(recorded_results.depths())
        await pilot.press("3")
        await check(pilot, "inside-depth")

    drive(do)


class Recorded(PuzzleSource):
    """One puzzle whose steps are known, as the second of six that were held out."""

    def __init__(self) -> None:
        self.kind, self.cells = SudokuKind(), 16
        self.default_steps, self.trained_steps, self.is_reading = 16, 8, False

    def next(self) -> Posed:
        puzzle, solution = recorded_results.PUZZLE, recorded_results.SOLUTION
        steps = iter(recorded_results.solve_steps())
        return Posed("held-out 2 of 6", self.kind, puzzle, solution, steps)


def test_a_puzzle(recorded, drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PuzzleSource, "load", lambda run, before: Recorded())
    run = recorded("sudoku", training(40))

    async def do(pilot: Pilot[None]) -> None:
        await at_home(pilot, 1)
        screen = PuzzleScreen(run.path)
        pilot.app.push_screen(screen)
        await until(pilot, lambda: screen.solve is not None and screen.thinking is None)
        await check(pilot, "puzzle")
        await pilot.press(*["right"] * 3)
        await check(pilot, "puzzle-step")
        await pilot.press("end")
        await check(pilot, "puzzle-end")
        await pilot.press("t", *"1..4")
        await check(pilot, "puzzle-typed")

    drive(do)


class Parent(SimpleNamespace):
    """A run that was read to be grown."""

    open_sizes = {"prelude": 1, "core": 1, "coda": 1, "ff": 256, "vocab": 78}  # noqa: RUF012
    config = SimpleNamespace(parameters=369_984)


def larger(expansion: Expansion, growth: Growth) -> SimpleNamespace:
    rows = [
        ("run", "owl-grown"),
        ("grown from", "owl"),
        ("blocks in the loop", "1 to 3"),
        ("parameters", "369,984 to 591,680 (554,240 in blocks, 37,440 in embeddings)"),
        ("training memory", "about 310 MB to 420 MB"),
        ("goes on from", "step 120"),
    ]
    return SimpleNamespace(
        name="owl-grown", rows=lambda: rows, notes=("The steps will take longer.",),
        largest_logit_change=lambda: 4.8e-7,
    )  # fmt: skip


def test_a_run_that_grows(recorded, drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Expansion, "read", lambda run, runs_dir: Expansion(Parent(), runs_dir))
    monkeypatch.setattr(Expansion, "plan", larger)
    recorded("owl", [*training(120), paused(120, 400)], FABLES)

    async def do(pilot: Pilot[None]) -> None:
        await at_home(pilot, 1)
        await pilot.press("e")
        screen = pilot.app.screen
        assert isinstance(screen, ExpandScreen)
        await until(pilot, lambda: isinstance(screen.focused, SizeField))
        await check(pilot, "expand-empty")
        await pilot.press("down", "plus", "plus")
        await until(pilot, lambda: screen.change is not None)
        await check(pilot, "expand")

    drive(do)
