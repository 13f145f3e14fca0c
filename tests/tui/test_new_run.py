"""The form for a new run: the text, the plan, and the command that starts it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Collapsible, OptionList

from data.corpus_preview import CorpusPreview
from data.errors import UsageError
from tests.tui.conftest import HOSTILE, SIZES, remarks, shown, until
from tui.app import RlmApp
from tui.launcher import Launch
from tui.messages import TrainingAtWork, TrainingRefused
from tui.planner import PlanAnswer
from tui.screens import new_run
from tui.screens.dashboard import DashboardScreen
from tui.screens.home import HomeScreen
from tui.screens.new_run import NewRunScreen
from tui.widgets.curve_chart import CurveChart
from tui.widgets.form_field import FormField
from tui.widgets.text_picker import TextPicker

PREVIEW = CorpusPreview(
    name="owl", files=3, characters=1200, documents=7, encodings=("utf-8", "cp1252"), tokenizer="character",
    vocab_size=40, reason="it is short", repeated_share=0.25, compared_characters=1200,
    beginning=f"Once {HOSTILE}", notes=("One file was left out.",),
)  # fmt: skip


class Asked:
    """Stands in for the process that plans: `answer` tells the form something."""

    def __init__(self, heard: Callable[[PlanAnswer], None]) -> None:
        self.heard = heard
        self.last_id = 0
        self.questions: list[tuple[list[str], bool]] = []

    def ask(self, arguments: Sequence[str], *, text_only: bool = False) -> int:
        self.last_id += 1
        self.questions.append((list(arguments), text_only))
        return self.last_id

    def answer(self, **parts: object) -> None:
        self.heard(PlanAnswer(self.last_id, **parts))  # type: ignore[arg-type]

    def forget(self) -> None:
        self.last_id += 1

    def close(self) -> None:
        self.forget()


@pytest.fixture(autouse=True)
def _no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_run, "Planner", Asked)
    monkeypatch.setattr(new_run, "_PAUSE_S", 0.01)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / "books").mkdir()
    path = tmp_path / "books" / "owl.txt"
    path.write_text("the owl", encoding="utf-8")
    return path


async def opened(pilot: Pilot[None]) -> NewRunScreen:
    await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
    await pilot.press("n")
    screen = pilot.app.screen
    assert isinstance(screen, NewRunScreen)
    return screen


def field(screen: NewRunScreen, path: str) -> FormField:
    return screen.query_one(f"#field-{path.replace('.', '-')}", FormField)


def started_by(screen: NewRunScreen, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str | None, list[str]]]:
    """The trainings that the form starts, instead of starting them."""
    started: list[tuple[str | None, list[str]]] = []
    monkeypatch.setattr(screen.rlm, "start_training", lambda run, words, form: started.append((run, words)))
    return started


@pytest.mark.parametrize("size", SIZES[::2])
def test_a_text_is_chosen_looked_at_planned_and_started(
    drive, book: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        started, planner = started_by(screen, monkeypatch), screen.planner
        assert isinstance(planner, Asked)
        await pilot.press("f10")
        assert remarks(pilot.app) == ["Choose a text first."] and not started
        screen.picker.field.value = f"{book.parent.parent}/bo"
        files = screen.query_one("#files", OptionList)
        await until(pilot, lambda: files.option_count == 1)
        await pilot.press("enter", "enter")
        await until(pilot, lambda: files.option_count == 3)  # the whole folder, the text, the folder above
        assert screen.text() == f"{book.parent}/"
        await until(pilot, lambda: planner.questions)
        assert planner.questions[-1][1] and planner.questions[-1][0][-1] == str(book)
        planner.answer(error=UsageError("'owl.txt' is binary.", field="paths"))
        await until(pilot, lambda: screen.pane.error == "'owl.txt' is binary.")
        planner.answer(preview=PREVIEW)
        await until(pilot, lambda: screen.pane.preview)
        assert not field(screen, "paths").has_class("-invalid")
        await pilot.press("enter")
        await until(pilot, lambda: not planner.questions[-1][1] and not files.display)
        assert planner.questions[-1][0][-2:] == ["--", str(book)]
        planner.answer(preview=PREVIEW)
        planner.heard(PlanAnswer(planner.last_id - 1, rows=[("run", "of an older question")]))
        planner.answer(rows=[("memory", f"1 MB {HOSTILE}")], is_draft=True)
        await until(pilot, lambda: screen.pane.is_draft)
        assert [name for name, _ in screen.pane.rows] == ["memory"]
        await pilot.pause()
        text = shown(pilot.app)
        assert "Timing this machine" in text and not set(text) & {"\x1b", "\x9b", "\u202e"}
        assert size[1] < 18 or ("1 MB [bold]no" in text and "3 files" in text)
        planner.answer(rows=[("length", "2 minutes")], notices=("A short text.",))
        await until(pilot, lambda: not screen.pane.is_draft)
        assert screen.pane.status == ""
        field(screen, "name").value = "tale"
        field(screen, "training.minutes").value = "2"
        await until(pilot, lambda: "training.minutes=2" in planner.questions[-1][0])
        await pilot.press("f10")
        assert screen.is_starting and started
        ((name, words),) = started
        assert name == "tale" and words[:3] == ["train", "--detach", "--quiet"]
        assert words[-6:] == ["--name", "tale", "--set", "training.minutes=2", "--", str(book)]

    drive(do, size)


def test_what_is_wrong_is_marked_while_it_is_typed_and_nothing_starts(
    drive, book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        started, planner = started_by(screen, monkeypatch), screen.planner
        assert isinstance(planner, Asked)
        screen.picker.field.value = str(book)
        await until(pilot, lambda: planner.questions)
        await pilot.press("f6")
        await pilot.press(*"64x")
        await until(pilot, lambda: field(screen, "model.d_model").has_class("-invalid"))
        await pilot.pause()
        assert "width is '64x', which is not a whole number." in shown(pilot.app)
        await until(pilot, lambda: screen.pane.status == "Correct what is marked.")
        await pilot.press("f6", "f10")
        assert not started and not screen.query_one("#advanced", Collapsible).collapsed
        assert screen.focused is field(screen, "model.d_model").editor
        await pilot.press("backspace")
        await until(pilot, lambda: "model.d_model=64" in planner.questions[-1][0])
        assert not field(screen, "model.d_model").has_class("-invalid")
        # What only a plan finds stands at its field too.
        planner.answer(error=UsageError("model.d_model 64 is odd.", field="model.d_model"))
        await until(pilot, lambda: field(screen, "model.d_model").has_class("-invalid"))
        field(screen, "model.d_model").editor.value = "641"  # and back before it is planned
        field(screen, "model.d_model").editor.value = "64"
        asked = len(planner.questions)
        await pilot.pause()
        await until(pilot, lambda: field(screen, "model.d_model").has_class("-invalid"))
        assert len(planner.questions) == asked
        planner.answer(error=UsageError("'owl.txt' is binary.", hint="Take another.", field="paths"))
        await until(pilot, lambda: field(screen, "paths").has_class("-invalid"))
        assert "'owl.txt' is binary. Take another." in screen.pane.error

    drive(do)


def test_a_half_typed_path_is_planned_when_it_is_left(drive, book: Path) -> None:
    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        planner = screen.planner
        assert isinstance(planner, Asked)
        screen.picker.field.value = str(book.parent)
        await pilot.pause(0.1)
        assert not planner.questions
        await pilot.press("shift+tab")
        await until(pilot, lambda: planner.questions)
        assert planner.questions[-1] == (planner.questions[-1][0], False)
        assert planner.questions[-1][0][-1] == str(book.parent)

    drive(do)


def test_a_refused_start_keeps_what_was_filled_in_and_leaving_too(
    drive, book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        started = started_by(screen, monkeypatch)
        screen.picker.field.value = str(book)
        field(screen, "training.steps").value = "7"
        await pilot.press("f10", "f10")
        assert len(started) == 1 and started[0][0] is None
        app = pilot.app
        assert isinstance(app, RlmApp)
        app._tell(screen, TrainingRefused(None, f"The disk is full. {HOSTILE}"))
        await until(pilot, lambda: "The disk is full." in screen.pane.error)
        assert pilot.app.screen is screen and screen.text() == str(book) and not screen.is_starting
        await pilot.press("escape")
        again = await opened(pilot)
        assert again is not screen and again.text() == str(book)
        assert again.values()["training.steps"] == "7"
        await pilot.press("f10")
        assert len(started) == 2
        app._tell(again, TrainingAtWork("owl"))
        await until(pilot, lambda: isinstance(pilot.app.screen, DashboardScreen))
        await until(pilot, lambda: pilot.app.screen.query(CurveChart))
        assert app.unfinished_forms == {}
        # A form that was left hears nothing: the application says it.
        app._tell(again, TrainingRefused("owl", "No room."))
        await until(pilot, lambda: any("owl does not train. No room." in one for one in remarks(app)))

    drive(do)


def test_a_key_for_an_entry_that_is_no_longer_there_does_nothing(
    drive, book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(book.parent)

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        files = screen.picker.list
        await until(pilot, lambda: files.option_count)
        files.focus()
        await pilot.pause()
        option = files.get_option_at_index(0)
        screen.picker.post_message(OptionList.OptionHighlighted(files, option, 99))
        screen.picker.post_message(OptionList.OptionSelected(files, option, 99))
        await pilot.pause()
        assert screen.picker.field.value == "" and pilot.app.screen is screen

    drive(do)


def test_without_a_path_texts_nearby_are_offered(drive, book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(book.parent.parent)
    book.write_text("the owl " * 500, encoding="utf-8")

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        files = screen.query_one("#files", OptionList)
        await until(pilot, lambda: files.option_count)
        await pilot.press("down", "enter")
        assert screen.text() == "books/owl.txt"
        assert not screen.query_one(TextPicker).has_focus_within

    drive(do)


def test_a_training_that_is_at_work_is_told_by_the_end_of_its_process(
    drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AtWork:
        def __init__(self, arguments: list[str]) -> None:
            pass

        def refusal(self, wait_s: float) -> None:
            return None

        def output(self) -> str:
            return "warning: The text is short.\n../elsewhere/runs/owl"

        def close(self) -> None:
            pass

    monkeypatch.setattr("tui.app.Launch", AtWork)

    async def do(pilot: Pilot[None]) -> None:
        screen = await opened(pilot)
        screen.rlm.start_training(None, [], screen)
        await until(pilot, lambda: isinstance(pilot.app.screen, DashboardScreen))
        await until(pilot, lambda: pilot.app.screen.query(CurveChart))
        assert pilot.app.screen.folder == screen.runs_dir / "owl"

    drive(do)


def test_a_process_is_waited_for_until_it_ends_or_is_stopped(tmp_path: Path) -> None:
    launch = Launch(["--version"])
    assert launch.refusal(60.0) is None and launch.output().startswith("rlm")
    launch.close()
    waiting = Launch(["train", "--dry-run", "--", str(tmp_path / "none.txt")])
    assert waiting.refusal(60.0, lambda: True) is None
    waiting.stop()
    waiting.close()
