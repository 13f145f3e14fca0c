"""`python -m rlm_cli`, and the `rlm` command.

Other projects may also have packages called `models`, `data` or `tui`. If Python would import one of
those instead of ours, `rlm` names the file and does not load it.
"""

# Everything else is imported below, where Ctrl-C is handled.
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

_PACKAGES = ("data", "models", "tui")


def main() -> None:
    """Run the command line and exit with its status."""
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:  # else it is ignored, as in a background job
        signal.signal(signal.SIGINT, _leave)
    from rlm_cli.program import note_start, program_as_called, set_program

    note_start()
    conflict = package_conflict()
    if conflict is not None:
        sys.stderr.write(conflict)
        sys.exit(1)
    gc.disable()  # modules live to the end, so collections find nothing in them
    from rlm_cli.app import main as run

    _prepare_streams()
    set_program(program_as_called(sys.argv, sys.orig_argv))
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, exit_at_signal)
    signal.signal(signal.SIGINT, interrupt)
    gc.enable()
    try:
        status = run()
    except SystemExit as end:  # a signal
        status = end.code if isinstance(end.code, int) else 1
    if "rlm_cli.chat.loading_model" in sys.modules:
        from rlm_cli.chat.loading_model import end_if_loading

        end_if_loading(status)
    gc.freeze()  # what is left ends with the process; a last collection would look at all of it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command is done; Python only cleans up
    sys.exit(status)


def package_conflict() -> str | None:
    """An error message if Python would import another package instead of one of ours, else None.

    Imports none of them.
    """
    from pathlib import Path

    home = Path(__file__).resolve().parent.parent
    for name in _PACKAGES:
        found = _location(name)
        if found is None:
            return (
                f"error: rlm's package '{name}' is missing beside {_printable(home)}.\nInstall rlm again.\n"
            )
        if found.resolve() != home / name / "__init__.py":
            return (
                f"error: {_printable(found)} is in the way of rlm's own package '{name}'.\n"
                "Rename it, start rlm from another folder, or take its folder out of PYTHONPATH.\n"
            )
    return None


def _location(name: str) -> "Path | None":
    """The file or folder `import name` would load."""
    import importlib.util
    from pathlib import Path

    spec = importlib.util.find_spec(name)
    if spec is None:
        return None
    if spec.origin is not None:
        return Path(spec.origin)
    return Path(next(iter(spec.submodule_search_locations or ()), name))


def _printable(path: "Path") -> str:
    """The path without control characters. `data.safe_text` may belong to another package here."""
    return "".join(character if character.isprintable() else "?" for character in str(path))


def _prepare_streams() -> None:
    """Check what is written to stdout and stderr.

    Exits if stdout is closed. Otherwise the first file that is opened would get what is printed.
    """
    if sys.stdout is None:
        if sys.stderr is not None:
            sys.stderr.write("error: Standard output is closed.\n")
        sys.exit(1)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    from rlm_cli.streams import checked

    sys.stdout = checked(sys.stdout)
    sys.stderr = checked(sys.stderr)


def _leave(number: int, frame: "FrameType | None") -> None:
    """Exit at once. Nothing is open yet, and an exception would pass through half-imported modules."""
    os._exit(128 + number)


def exit_at_signal(number: int, frame: "FrameType | None") -> None:
    """Exit through sys.exit, so that temporary files are removed and an answer is kept. Training handles
    these signals itself."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if number != signal.SIGTERM:
        signal.signal(number, signal.SIG_IGN)  # a closed window sends it more than once
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
