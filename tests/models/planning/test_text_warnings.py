"""What was assumed of a text, and what was lost, is kept in the event log and in datasets.json."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.planning.resume_plan import ResumePlan
from models.runs.events import NoticeGiven
from models.runs.run import Run
from rlm_cli.commands.show import summary_rows
from rlm_cli.run_report import describe_run

Plan = Callable[..., Any]


def warnings(run: Run) -> list[str]:
    return [one.message for one in run.events() if isinstance(one, NoticeGiven) and one.is_warning]


def shown(run: Run) -> list[str]:
    return [value for name, value in summary_rows(describe_run(run)) if name == "text warning"]


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
