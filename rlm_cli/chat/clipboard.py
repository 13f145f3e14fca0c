"""Copies text to the clipboard, with a program of the system or through the terminal."""

import base64
import os
import shutil
import subprocess
import sys

_PROGRAMS = (
    ("pbcopy",),
    ("wl-copy",),
    ("xclip", "-selection", "clipboard"),
    ("xsel", "--clipboard", "--input"),
    ("clip.exe",),
)
_TIMEOUT_S = 3.0
_MAX_TERMINAL_BYTES = 74_000  # many terminals ignore longer text


def copy(text: str) -> str | None:
    """Copy `text` to the clipboard. Returns the program that took it, or None if none did."""
    content = text.encode("utf-8", "replace")
    for program in _PROGRAMS:
        if shutil.which(program[0]) and _run_program(program, content):
            return program[0]
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and len(content) <= _MAX_TERMINAL_BYTES:
        # OSC 52. The text is sent as base64, so the terminal cannot run control sequences in it.
        sys.stdout.write(f"\x1b]52;c;{base64.b64encode(content).decode('ascii')}\x07")
        sys.stdout.flush()
        return "the terminal"
    return None


def _run_program(program: tuple[str, ...], content: bytes) -> bool:
    try:
        done = subprocess.run(
            program,
            input=content,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
