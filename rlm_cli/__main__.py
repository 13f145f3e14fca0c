"""`python -m rlm_cli`, and the `rlm` command.

Other projects may also have packages called `models`, `data` or `tui`. If Python would import one of
those instead of ours, `rlm` names the file and does not load it.
"""

import importlib.util
import signal
import sys
from pathlib import Path
from types import FrameType

_PACKAGES = ("data", "models", "tui")


def main() -> None:
    """Run the command line and exit with its status."""
    conflict = package_conflict()
    if conflict is not None:
        sys.stderr.write(conflict)
        sys.exit(1)
    from rlm_cli.app import main as run
    from rlm_cli.program import program_as_called, set_program

    _prepare_streams()
    set_program(program_as_called(sys.argv, sys.orig_argv))
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(run())


def package_conflict() -> str | None:
    """An error message if Python would import another package instead of one of ours, else None.

    Imports none of them.
    """
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


def _location(name: str) -> Path | None:
    """The file or folder `import name` would load."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        return None
    if spec.origin is not None:
        return Path(spec.origin)
    return Path(next(iter(spec.submodule_search_locations or ()), name))


def _printable(path: Path) -> str:
    """The path without control characters. `data.safe_text` may belong to another package here."""
    return "".join(character if character.isprintable() else "?" for character in str(path))


def _prepare_streams() -> None:
    """Write characters that the encoding of a stream lacks as escapes instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _terminate(number: int, frame: FrameType | None) -> None:
    """Exit through sys.exit, so that temporary files are removed. Training handles SIGTERM itself."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
