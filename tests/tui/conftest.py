"""Runs with small recorded logs, and the application over them."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path

import pytest
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.pilot import Pilot

from models.generation.chat_session import ChatSession
from models.generation.chat_settings import ChatSettings
from models.generation.conversation import Conversation, ConversationStore
from models.generation.run_defaults import load_writer
from models.generation.settings import GenerationConfig
from models.runs.event_json import to_json
from models.runs.events import Event
from models.runs.run import Run
from tests.models.runs.example_config import WITH_TEXT
from tests.models.runs.example_events import evaluation, step
from tui import chat_writer
from tui.app import RlmApp
from tui.chat_entries import Speed
from tui.chat_talk import ChatTalk
from tui.chat_writer import write_answer
from tui.screens import dashboard
from tui.screens.chat import ChatScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.home import HomeScreen
from tui.widgets.chat_input import ChatInput

ROOT = Path(__file__).resolve().parents[2]
SIZES = [(80, 24), (140, 45), (40, 12)]
TRAINED = Path(__file__).parents[1] / "fixtures/runs_of_earlier_versions/before_second_texts/finished"
HOSTILE = "[bold]no[/bold] \x1b[31mred\x1b[0m \u202e\x9b2J"

Drive = Callable[[Pilot[None]], Awaitable[None]]
Chat = Callable[[Pilot[None], ChatScreen], Awaitable[None]]


@pytest.fixture(autouse=True, scope="session")
def _style_sheets_are_parsed_once() -> Iterator[None]:
    """Hundreds of applications have the same style sheets."""
    parse, known = Stylesheet._parse_rules, {}

    def rules(sheet: Stylesheet, *arguments: object, **more: object) -> list[RuleSet]:
        key = (arguments, tuple(more.items()), tuple(sheet._variables.items()))
        if key not in known:
            known[key] = parse(sheet, *arguments, **more)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", rules)
        yield


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test does not wait a second for what is new in a log."""
    monkeypatch.setattr(dashboard, "_POLL_S", 0.1)


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Run]:
    """`record("owl", [started(), step(1)])`: a run with this log."""

    def make(name: str, events: Iterable[Event] = (), config=WITH_TEXT) -> Run:
        run = Run.create(name, tmp_path / "runs")
        run.save_config(config)
        run.events_path.write_text("".join(to_json(event) + "\n" for event in events), encoding="utf-8")
        return run

    return make


@pytest.fixture
def chatty(tmp_path: Path) -> Run:
    """A run with a tiny trained model."""
    shutil.copytree(TRAINED, tmp_path / "runs" / "chatty")
    return Run.open("chatty", tmp_path / "runs")


@pytest.fixture
def talk(chatty: Run) -> ChatTalk:
    settings = ChatSettings(generation=GenerationConfig(max_tokens=6, seed=1))
    store = ConversationStore(chatty.path / "conversations")
    conversation = Conversation("first", "chatty", "text", settings=settings)
    return ChatTalk(ChatSession(load_writer(chatty), conversation, store))


def steps(count: int, total: int = 100, **more) -> list[Event]:
    """A training of so many steps whose loss falls, with an evaluation every ten."""
    events: list[Event] = []
    for number in range(1, count + 1):
        events.append(step(number, 4.0 - 2.0 * number / total, total_steps=total, **more))
        if number % 10 == 0:
            events.append(evaluation(4.1 - 2.0 * number / total, number))
    return events


@pytest.fixture
def drive(tmp_path: Path):
    """`drive(do, size)`: run the application over the runs, and `do(pilot)` in it."""

    def run(do: Drive, size: tuple[int, int] = (80, 24)) -> RlmApp:
        app = RlmApp(tmp_path / "runs")

        async def go() -> None:
            async with app.run_test(size=size) as pilot:
                await do(pilot)

        asyncio.run(go())
        return app

    return run


async def until(pilot: Pilot[None], holds: Callable[[], object], limit_s: float = 30.0) -> None:
    """Wait until `holds()`."""
    ends = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < ends, "it never came"
        await asyncio.sleep(0.03)


async def confirm(pilot: Pilot[None], key: str) -> None:
    """Press `key` in the dialog that is opening, and wait until it is closed."""
    await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen) and pilot.app.screen.is_running)
    dialog = pilot.app.screen
    await pilot.pause()
    await pilot.press(key)
    await until(pilot, lambda: pilot.app.screen is not dialog)
    await pilot.pause()


def shown(app: RlmApp) -> str:
    """The screen as text."""
    return "\n".join("".join(part.text for part in strip) for strip in app.screen._compositor.render_strips())


def remarks(app: RlmApp) -> list[str]:
    """What was said for some seconds."""
    return [one.message for one in app._notifications]


def answer(talk: ChatTalk, line: str) -> list[Speed]:
    """Send a line and write all of its answers."""
    speeds: list[Speed] = []
    for one in talk.submit(line):
        write_answer(talk, one, lambda: False, speeds.append)
    return speeds


def said(talk: ChatTalk) -> str:
    return "\n".join(entry.text for entry in talk.entries)


@pytest.fixture
def chat(chatty: Run, drive, monkeypatch: pytest.MonkeyPatch):
    """`chat(do, size)`: open the chat with the run, and `do(pilot, screen)` in it."""
    monkeypatch.setattr(
        chat_writer, "chat_settings",
        lambda run: ChatSettings(generation=GenerationConfig(max_tokens=8, seed=3)),
    )  # fmt: skip

    def run(do: Chat, size: tuple[int, int] = (80, 24)) -> None:
        async def inside(pilot: Pilot[None]) -> None:
            home = pilot.app.screen
            assert isinstance(home, HomeScreen)
            await until(pilot, lambda: home.table.rows_shown)
            await pilot.pause()
            await pilot.press("c")
            screen = pilot.app.screen
            assert isinstance(screen, ChatScreen)
            await until(pilot, lambda: screen.talk is not None)
            await pilot.pause()
            await do(pilot, screen)

        drive(inside, size)

    return run


async def send(pilot: Pilot[None], screen: ChatScreen, text: str) -> None:
    screen.query_one(ChatInput).fill(text)
    await pilot.press("enter")
    await until(pilot, lambda: not screen.is_writing)
    await pilot.pause()
