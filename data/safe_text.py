"""Foreign text made safe to show.

A corpus, a prompt, a model, a file name or an exception can carry characters that a terminal
obeys instead of drawing: escape sequences that retitle the window or write the clipboard,
carriage returns that overwrite a line, bidirectional overrides that reorder one, tag characters
that hide a second text inside the first. Every such string passes through here on its way to a
screen. What goes into a file or a pipe is data and stays exact.
"""

import re

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_CONTROL_PICTURES = 0x2400  # U+2400 + n draws the C0 control n
_DELETE_PICTURE = "\u2421"

# Lone surrogates are here because no terminal encoding can carry them: printing one raises.
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
    """`text` with every character a terminal would obey replaced by one it draws.

    One character becomes one character, so a stream may be cut anywhere:
    `safe_text(a + b) == safe_text(a) + safe_text(b)`. Newline and tab stay. C0 controls become
    their pictures (ESC is drawn as U+241B), everything else U+FFFD.
    """
    return _DANGEROUS.sub(_picture, text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    return _DELETE_PICTURE if code == 0x7F else _REPLACEMENT
