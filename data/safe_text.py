"""Foreign text made safe to show.

A corpus, a prompt, a model, a file name or an exception can contain characters that a terminal obeys
instead of showing: escape sequences that change the window's title or the clipboard, carriage returns that
overwrite a line, bidirectional overrides that reorder one, tag characters that hide a second text in the
first. Every such string is passed through `safe_text` before it is shown. Text for a file or a pipe is data
and is not changed.
"""

import re

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_CONTROL_PICTURES = 0x2400  # U+2400 + n draws the C0 control n
_DELETE_PICTURE = "\u2421"

# Lone surrogates are included because no terminal encoding has them: printing one raises an error.
_DANGEROUS = re.compile(
    "["
    "\x00-\x08\x0b-\x1f"  # C0, but newline and tab
    "\x7f\x80-\x9f"  # DEL and C1, whose U+009B opens a sequence just as ESC [ does
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional marks, overrides, isolates
    "\ufff9-\ufffb"  # interlinear annotation, which hides text
    "\U000e0000-\U000e007f"  # tag characters
    "\ud800-\udfff"
    "]"
)


def safe_text(text: str) -> str:
    """`text` with every character that a terminal would obey replaced by one that it shows.

    One character becomes one character, so a stream may be cut anywhere:
    `safe_text(a + b) == safe_text(a) + safe_text(b)`. Newline and tab stay. C0 controls and DEL become their
    pictures (U+241B for ESC), all others U+FFFD.
    """
    return _DANGEROUS.sub(_picture, text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    return _DELETE_PICTURE if code == 0x7F else _REPLACEMENT
