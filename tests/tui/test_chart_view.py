"""Which part of a chart is shown, and its keys on the screen."""

import asyncio

import pytest
from textual.app import App, ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.events import MouseScrollUp
from textual.pilot import Pilot
from textual.widgets import Static

from models.charts.chart import Series, chart_of
from tests.models.runs.example_events import started
from tests.tui.conftest import shown, steps, until
from tui.chart_view import ChartView, Dials
from tui.screens.dashboard import DashboardScreen
from tui.widgets.curve_chart import CurveChart


def view_of(count: int = 1001, log: bool = False) -> ChartView:
    view = ChartView()
    points = tuple((float(x), 1000.0 / (x + 1)) for x in range(count))
    series = [Series("training", points, 0, "line")]
    view.whole = chart_of(series, x_label="step", y_label="loss", is_time=False, log=log)
    return view


def test_a_zoom_stays_around_the_middle_or_the_cursor_and_ends_at_the_whole() -> None:
    view = view_of()
    view.zoom(2)
    assert view.window == (250.0, 750.0)
    view.cursor = 250.0
    view.zoom(2)
    assert view.window == (250.0, 500.0)
    view.zoom(1 / 100)
    assert view.window is None and view.shown is view.whole
    view.zoom(2, around=1000.0)
    assert view.window == (500.0, 1000.0)


def test_a_zoom_ends_where_a_few_steps_fill_the_chart() -> None:
    view = view_of()
    for _ in range(30):
        view.zoom(2)
    assert view.window is not None and 8 <= view.window[1] - view.window[0] < 16
    assert view.shown is not None and len(view.shown.series[0].points) >= 8


def test_a_part_is_moved_as_far_as_the_curve_goes() -> None:
    view = view_of()
    view.pan(1.0)
    assert view.window is None
    view.zoom(4)
    for expected in ((625.0, 875.0), (750.0, 1000.0), (750.0, 1000.0)):
        view.pan(1.0 if expected[1] == 1000.0 else 0.98)
        if expected[1] == 1000.0:
            assert view.window == pytest.approx(expected)
    view.pan(-100.0)
    assert view.window == pytest.approx((0.0, 250.0))


@pytest.mark.parametrize("log", [False, True])
def test_the_cursor_moves_by_columns_and_takes_the_part_with_it(log: bool) -> None:
    view = view_of(log=log)
    view.put_cursor(99, 100)
    last = view.cursor
    view.move_cursor(1, 100)
    assert view.cursor == last, "it is at the end of the curve"
    view.zoom(4)
    view.put_cursor(0, 100)
    before = view.window
    view.move_cursor(-10, 100)
    assert before is not None and view.window is not None and view.window[0] < before[0]
    assert view.cursor == pytest.approx(view.window[0], rel=1e-6)


def test_nothing_of_this_needs_a_chart() -> None:
    view = ChartView()
    view.zoom(2)
    view.pan(1)
    view.put_cursor(1, 10)
    view.move_cursor(1, 10)
    assert (view.window, view.cursor, view.shown, view.axis) == (None, None, None, None)


def test_keys_and_mouse_read_values_zoom_and_smooth(record, drive) -> None:
    record("owl", [started(), *steps(100)])

    async def do(pilot: Pilot[None]) -> None:
        screen = DashboardScreen(pilot.app.runs_dir / "owl")  # type: ignore[attr-defined]
        await pilot.app.push_screen(screen)
        await until(pilot, lambda: screen.view.step)
        await pilot.pause()
        chart = screen.query_one(CurveChart)
        await pilot.press("v", "home")
        assert chart.view.cursor == 1.0
        await pilot.pause()
        assert "step 1 " in shown(pilot.app) and "smoothed 3.98" in shown(pilot.app)
        await pilot.press("right", "right")
        assert chart.view.cursor > 1 and screen.shown == "loss", "the arrows move the cursor"
        await pilot.press("end", "plus", "plus")
        assert chart.view.window == pytest.approx((75.25, 100.0), abs=0.01)
        await pilot.press("comma")
        assert chart.view.window[0] < 75
        await pilot.press("2", "1")
        assert chart.view.window is not None, "another view shows the same part"
        await pilot.press("0")
        assert chart.view.window is None
        await pilot.press("escape", "right")
        assert chart.view.cursor is None and screen.shown == "rate"
        await pilot.press("1", "m")
        assert chart.dials.smoothing == 0.05
        await pilot.press("plus", "x")
        assert chart.dials.axis == "tokens" and chart.view.window is None
        await pilot.press("x", "x")
        assert chart.dials == Dials(smoothing=0.05)
        await pilot.click(CurveChart, offset=(40, 5))
        assert chart.view.cursor is not None and 40 < chart.view.cursor < 60
        await pilot.press("v")
        assert chart.view.cursor is None
        await pilot.hover(CurveChart, offset=(60, 5))
        await pilot.pause()
        assert "smoothed 2." in shown(pilot.app), "the mouse reads values"

    drive(do)


@pytest.mark.parametrize("is_in_scroll", [True, False])
def test_the_wheel_zooms_a_chart_unless_it_scrolls_what_is_around(is_in_scroll: bool) -> None:
    class Page(App[None]):
        def compose(self) -> ComposeResult:
            with VerticalScroll() if is_in_scroll else Vertical():
                yield CurveChart()
                yield Static("\n" * 60)

        def on_mount(self) -> None:
            self.query_one(CurveChart).styles.height = 12
            self.query_one(CurveChart).draw(lambda dials: view_of().whole)

    async def go() -> None:
        app = Page()
        async with app.run_test(size=(60, 24)) as pilot:
            chart = app.query_one(CurveChart)
            app.set_focus(None)
            await pilot.pause()
            place = {"x": 30, "y": 5, "screen_x": 30, "screen_y": 5, "delta_x": 0, "delta_y": 0, "button": 0}
            keys = {"shift": False, "meta": False, "ctrl": False}
            chart.post_message(MouseScrollUp(chart, **place, **keys))
            await pilot.pause()
            assert (chart.view.window is None) == is_in_scroll
            chart.focus()
            chart.post_message(MouseScrollUp(chart, **place, **keys))
            await pilot.pause()
            assert chart.view.window is not None

    asyncio.run(go())
