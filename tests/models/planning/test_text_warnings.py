"""What was assumed of a text, and what was lost, is kept in the event log and in datasets.json."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.cache import set_cache_dir
from data.progress import result_of
from data.sudoku_generator import generate
from data.sudoku_text import grid_line
from models.planning import plan as planning
from models.planning.resume_plan import ResumePlan
from models.runs.events import NoticeGiven
from models.runs.run import Run
from models.runs.run_report import describe_run, summary_rows
from rlm_cli.wording import in_cli_words
from tests.requests import train_request

Plan = Callable[..., Any]


def warnings(run: Run) -> list[str]:
    return [one.message for one in run.events() if isinstance(one, NoticeGiven) and one.is_warning]


def shown(run: Run) -> list[str]:
    return [value for name, value in summary_rows(describe_run(run), in_cli_words) if name == "text warning"]


def test_warnings_of_a_further_text_are_kept_by_the_run_and_by_a_copy(
    owl: Run, river: Path, plan: Plan
) -> None:
    river.write_bytes(river.read_text(encoding="utf-8").encode("cp1251"))
    for name in ("copy", None):
        planned = plan(owl, river, name=name)
        run = planned.start()
        (note,) = planned.corpus.notes
        assert "read as cp1251" in note
        assert warnings(run) == [note] and run.datasets()[-1].notes == (note,)
        assert "cp1251" in shown(run)[0] and "--encoding NAME" in shown(run)[0]


def test_warnings_follow_the_file_of_a_text_that_is_given_again(owl: Run, meadow: Path, plan: Plan) -> None:
    other = meadow.with_name("wide.txt")
    other.write_text(meadow.read_text(encoding="utf-8"), encoding="utf-16")
    planned = plan(owl, other, steps=3)
    assert isinstance(planned, ResumePlan)
    planned.start()
    (known,) = owl.datasets()
    assert "UTF-16" in known.notes[0] and known.encodings == ("utf-16",) and warnings(owl) == [*known.notes]
    plan(owl, meadow, steps=3).start()
    (known,) = owl.datasets()
    assert known.notes == () and known.encodings == ("utf-8",) and known.paths == (str(meadow),)


def test_lost_rows_of_a_file_of_puzzles_are_kept(tmp_path: Path) -> None:
    set_cache_dir(tmp_path / "cache")
    rows = [f"{grid_line(puzzle)},{grid_line(solution)}" for puzzle, solution in generate(6, 6, seed=1)]
    (tmp_path / "set.csv").write_text("\n".join([*rows, "12,34"]))
    request = train_request(
        paths=(str(tmp_path / "set.csv"),), task="sudoku", device="cpu", architecture="trm", steps=2
    )
    run = result_of(planning.plan(request, tmp_path / "runs")).start()
    (note,) = warnings(run)
    assert "line 7" in note and run.datasets()[0].notes == (note,)
