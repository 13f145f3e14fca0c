"""What `rlm data preview` prints."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from data.safe_text import safe_text
from data.wording import byte_size, counted, percent, shortened
from rlm_cli.output import Output
from rlm_cli.streams import stdout_is_terminal

if TYPE_CHECKING:
    from data.corpus import Corpus
    from data.filters import Dropped
    from data.token_preview import ShownDocument, Token, TokenPreview
    from data.tokenizer import Tokenizer

Part = tuple[str, str]
_STYLES = ("cyan", "yellow")
"""Of tokens, in turn."""
_CONTROL = "bold magenta"
_PIPE_WIDTH = 80
_LINE_END = "⏎"
_EXAMPLE = 54
_PLAIN_KINDS = {"text": "plain text", "documents": "texts", "messages": "conversations"}


def preview_as_json(
    corpus: "Corpus", tokenizer: "Tokenizer", reason: str, found: "TokenPreview"
) -> dict[str, Any]:
    sentences = _sentences(corpus)
    return {
        "name": corpus.name,
        "kind": corpus.kind,
        "files": len(corpus.sources),
        "characters": corpus.characters,
        "documents": corpus.documents,
        "bytes": corpus.bytes,
        "content_hash": corpus.content_hash,
        "encodings": list(dict.fromkeys(source.encoding.name for source in corpus.sources)),
        "tokenizer": {"kind": tokenizer.kind, "vocab_size": tokenizer.vocab_size, "reason": reason},
        "filters": dict(sentences),
        "dropped": [asdict(one) for one in corpus.dropped],
        "notes": list(corpus.notes),
        **asdict(found),
    }


def show_preview(
    corpus: "Corpus", tokenizer: "Tokenizer", reason: str, found: "TokenPreview", output: Output
) -> None:
    """The parts of a text, what the filters dropped, and the first documents as tokens."""
    output.pairs(_rows(corpus, tokenizer, reason, found))
    if corpus.filters or corpus.dropped:
        output.result("\nDropped", style="bold")
        output.pairs(_filter_rows(corpus))
    is_terminal = stdout_is_terminal()
    width = output.stdout.width if is_terminal else _PIPE_WIDTH
    bars = not is_terminal and tokenizer.kind != "character"
    for number, shown in enumerate(found.shown, start=1):
        output.result()
        output.result(_heading(number, shown), style="bold")
        output.styled_lines(_wrapped(_parts(shown, bars=bars), width))


def _rows(
    corpus: "Corpus", tokenizer: "Tokenizer", reason: str, found: "TokenPreview"
) -> Iterator[tuple[str, str]]:
    kind = _PLAIN_KINDS[corpus.kind]
    many = f"{corpus.documents:,} " if corpus.kind != "text" else ""
    encodings = dict.fromkeys(source.encoding.name for source in corpus.sources)
    files = counted(len(corpus.sources), "file")
    yield "text", f"{corpus.name}: {many}{kind} in {files}, {', '.join(encodings)}"
    yield "size", f"{counted(corpus.characters, 'character')}, {byte_size(corpus.bytes)}"
    for split, name in (("train", "to learn"), ("validation", "held out")):
        size = found.splits[split]  # type: ignore[index]
        documents = f"{size.documents:,} {kind}, " if corpus.kind != "text" else ""
        yield name, f"{documents}{counted(size.characters, 'character')}"
    if found.roles:
        yield "messages", ", ".join(f"{role} {count:,}" for role, count in found.roles.items())
    yield "tokenizer", f"{tokenizer.kind_in_words}, {counted(tokenizer.vocab_size, 'token')} ({reason})"
    per_token = found.characters_per_token
    if per_token:
        tokens = f"about {corpus.characters / per_token:,.0f}"
        yield "tokens", f"{tokens}, {per_token:.2f} characters each"
    if corpus.dropped:
        dropped = sum(one.characters for one in corpus.dropped)
        share = percent(dropped / (dropped + corpus.characters))
        yield "dropped", f"{counted(dropped, 'character')}, {share} of the text"


def _sentences(corpus: "Corpus") -> "Mapping[str, str]":
    """What each filter drops, by name. A source of a mix may only know those that have dropped something."""
    from data.filters import Filters

    return Filters((*corpus.filters, *(one.filter for one in corpus.dropped))).sentences


def _filter_rows(corpus: "Corpus") -> Iterator[tuple[str, str]]:
    """What each filter dropped, why, and an example, each on a line of its own."""
    total = corpus.characters + sum(one.characters for one in corpus.dropped)
    by_name: dict[str, list[Dropped]] = {}
    for one in corpus.dropped:
        by_name.setdefault(one.filter, []).append(one)
    sentences = _sentences(corpus)
    for name, found in by_name.items():
        counts = " and ".join(counted(one.count, one.unit) for one in found)
        share = percent(sum(one.characters for one in found) / max(1, total))
        example = shortened(" ".join(safe_text(found[0].example).split()), _EXAMPLE)
        such_as = f"\nsuch as: {example}" if example else ""
        yield name, f"{counts}, {share} of the text\n{sentences[name]}{such_as}"
    if idle := [name for name in sentences if name not in by_name]:
        yield "nothing", f"by {', '.join(idle)}"


def _heading(number: int, shown: "ShownDocument") -> str:
    use = "to learn" if shown.split == "train" else "held out"
    tokens = counted(len(shown.tokens), "token")
    return f"{number}. {use}: {'' if shown.is_whole else 'the first '}{tokens}"


def _parts(shown: "ShownDocument", *, bars: bool) -> Iterator[Part]:
    """Each token with its style; a line end is shown before it ends the line."""
    before: Token | None = None
    place = 0
    for token in shown.tokens:
        if token.is_control:
            yield token.text, _CONTROL
        else:
            bar = "|" if bars and before is not None and not _ends_line(before) else ""
            text = bar + safe_text(token.text)
            yield text.replace("\n", _LINE_END + "\n").replace("\t", "→"), _STYLES[place % 2]
            place += 1
        before = token
    if not shown.is_whole:
        yield "…", "dim"


def _ends_line(token: "Token") -> bool:
    return token.is_control or token.text.endswith("\n")


def _wrapped(parts: Iterable[Part], width: int) -> Iterator[list[Part]]:
    """The parts in lines of at most `width` cells; a part is cut only where it is longer than a line."""
    from rich.cells import cell_len

    line: list[Part] = []
    used = 0
    for text, style in parts:
        for index, piece in enumerate(text.split("\n")):
            if index:
                yield line
                line, used = [], 0
            if used and used + cell_len(piece) > width:
                yield line
                line, used = [], 0
            while cell_len(piece) > width:
                fitting = _fitting(piece, width)
                yield [(piece[:fitting], style)]
                piece = piece[fitting:]
            if piece:
                line.append((piece, style))
                used += cell_len(piece)
    if line:
        yield line


def _fitting(text: str, width: int) -> int:
    """How many characters fit into so many cells, one at least."""
    from rich.cells import cell_len

    used = 0
    for place, character in enumerate(text):
        used += cell_len(character)
        if used > width:
            return max(1, place)
    return len(text)
