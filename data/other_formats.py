"""Files given as text by mistake: PDF, EPUB and the like are refused, HTML and CSV are remarked on."""

from data.errors import CorpusError
from data.packing import packing_of_head

CONVERSIONS = {
    ".pdf": "pdftotext FILE.pdf FILE.txt",
    ".rtf": "pandoc -t plain FILE.rtf -o FILE.txt",
    ".epub": "pandoc -t plain FILE.epub -o FILE.txt",
    ".docx": "pandoc -t plain FILE.docx -o FILE.txt",
    ".odt": "pandoc -t plain FILE.odt -o FILE.txt",
    ".doc": "soffice --convert-to txt FILE.doc",
    ".html": "pandoc -t plain FILE.html -o FILE.txt",
    ".htm": "pandoc -t plain FILE.htm -o FILE.txt",
}
"""How a document becomes plain text on the command line, by its ending."""
_REFUSED = (
    (b"%PDF-", "a PDF document", ".pdf"),
    (b"{\\rtf", "an RTF document", ".rtf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document", ".doc"),
)
_ZIP = b"PK\x03\x04"
_IN_ZIP = (
    (b"mimetypeapplication/epub+zip", "an EPUB book", ".epub"),
    (b"mimetypeapplication/vnd.oasis.opendocument.text", "an OpenDocument text", ".odt"),
    (b"word/", "a Word document", ".docx"),
    (b"xl/", "an Excel workbook", ""),
    (b"ppt/", "a PowerPoint presentation", ""),
)
_UTF8_MARK = b"\xef\xbb\xbf"
_HTML = ("<!doctype html", "<html")
_TABLE_LINES = 5
_MIN_SEPARATORS = 2


def refuse_documents(head: bytes, label: str) -> None:
    """Raise CorpusError where the first (unpacked) bytes of a file are those of a document that must be
    converted."""
    start = head.removeprefix(_UTF8_MARK).lstrip()
    for magic, name, ending in _REFUSED:
        if start.startswith(magic):
            raise _not_text(label, name, ending)
    if head.startswith(_ZIP):
        for part, name, ending in _IN_ZIP:
            if part in head:
                raise _not_text(label, name, ending)
        raise CorpusError(
            f"'{label}' is a zip archive, not plain text.", hint="Unpack it and name its folder."
        )
    if packing := packing_of_head(head):
        raise CorpusError(
            f"'{label}' is packed, not plain text.", hint=f"Let its name end in {packing}, or unpack it."
        )


def looks_like(head: str) -> str:
    """What a text is that is probably not meant to be learned as it stands, and what to do, or ""."""
    if head.lstrip("\ufeff \t\r\n").lower().startswith(_HTML):
        return f"HTML: its markup is learned like text. For its words alone: {CONVERSIONS['.html']}"
    if _is_table(head):
        return "CSV: its markup is learned like text. To learn its rows, call it .csv and a column 'text'."
    return ""


def _not_text(label: str, name: str, ending: str) -> CorpusError:
    also = f", or: {CONVERSIONS[ending]}" if ending else ""
    return CorpusError(
        f"'{label}' is {name}, not plain text.", hint=f"Save it as plain text (.txt) and name that{also}"
    )


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
