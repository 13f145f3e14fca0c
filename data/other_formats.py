"""Files given as text by mistake: PDF, RTF and the like are refused, HTML and CSV are remarked on."""

from pathlib import Path

from data.errors import CorpusError

_REFUSED = (
    (b"%PDF-", "a PDF document"),
    (b"{\\rtf", "an RTF document"),
    (b"PK\x03\x04", "a zip archive, as .docx, .odt and .epub are"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
)
_UTF8_MARK = b"\xef\xbb\xbf"
_HTML = ("<!doctype html", "<html")
_TABLE_LINES = 5
_MIN_SEPARATORS = 2


def refuse_documents(head: bytes, label: str) -> None:
    """Raise CorpusError where the first bytes of a file are those of a document that must be converted."""
    start = head.removeprefix(_UTF8_MARK).lstrip()
    for magic, name in _REFUSED:
        if start.startswith(magic):
            raise CorpusError(
                f"'{label}' is {name}, not plain text.", hint="Save it as plain text (.txt) and name that."
            )


def looks_like(head: str, path: Path) -> str:
    """ "HTML" or "CSV" for text that begins like one, else ""."""
    if head.lstrip("\ufeff \t\r\n").lower().startswith(_HTML):
        return "HTML"
    if path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv")) or _is_table(head):
        return "CSV"
    return ""


def _is_table(head: str) -> bool:
    """Whether the first lines all have the same number of one separator."""
    lines = head.splitlines()[:_TABLE_LINES]
    if len(lines) < _TABLE_LINES:
        return False
    for separator in ",;\t":
        counts = {line.count(separator) for line in lines}
        if len(counts) == 1 and min(counts) >= _MIN_SEPARATORS:
            return True
    return False
