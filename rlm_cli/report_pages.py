"""The Markdown page and the web page that a benchmark writes."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import UsageError
from data.plain_file import UnreadableFileError, read_plain_file
from rlm_cli import report_view
from rlm_cli.output import Output
from rlm_cli.output_file import require_free

if TYPE_CHECKING:
    from models.benchmark.report import Report

_LARGEST_PAGE = 32 * 2**20


@dataclass(frozen=True, slots=True)
class ReportPages:
    """Where a report is written."""

    markdown: Path | None
    html: Path | None
    earlier: str
    """The Markdown page that is there already and holds results."""

    @classmethod
    def of(cls, markdown: Path | None, html: Path | None, force: bool) -> "ReportPages":
        """Raises UsageError for a file that cannot be written. Asked before anything is measured."""
        if markdown is not None and html is not None and _same_place(markdown, html):
            raise UsageError(
                f"The Markdown page and the web page cannot both be '{html}'.",
                hint="Give one of them another name.",
            )
        earlier = "" if markdown is None else _page_with_results(markdown)
        for path in (None if earlier else markdown, html):
            if path is not None:
                require_free(path, force=force)
        return cls(markdown, html, earlier)

    def show_and_write(self, report: "Report", output: Output) -> None:
        """Print the report, then write the pages: one that cannot be written costs no result. Raises
        StorageError."""
        output.json(report.to_json())
        report_view.show(report, output)
        self.write(report, output)

    def write(self, report: "Report", output: Output) -> None:
        """Write the pages that were asked for. Raises StorageError."""
        if self.markdown is not None:
            output.write_file(self.markdown, report_view.markdown_page(report, self.earlier))
        if self.html is not None:
            output.write_file(self.html, report_view.html_page(report))


def _same_place(one: Path, other: Path) -> bool:
    first, second = (os.path.realpath(os.path.expanduser(path)) for path in (one, other))
    return first == second


def _page_with_results(path: Path) -> str:
    """The text of a page that holds results already; empty where there is no such page."""
    try:
        page = read_plain_file(Path(os.path.expanduser(path)), _LARGEST_PAGE, follow_links=True).decode()
    except (FileNotFoundError, UnreadableFileError, UnicodeDecodeError):
        return ""
    return page if report_view.holds_results(page) else ""
