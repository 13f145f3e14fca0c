"""`python -m rlm_cli`, and the `rlm` command.

`models`, `data` and `tui` are names others use too. Where another package of that name would be
imported instead of ours, `rlm` says which file is in the way before anything of it is loaded.
"""

import importlib.util
import signal
import sys
from pathlib import Path
from types import FrameType

_PACKAGES = ("data", "models", "tui")


def main() -> None:
    """Run the command line and exit with its status."""
    obstacle = package_in_the_way()
    if obstacle is not None:
        sys.stderr.write(obstacle)
        sys.exit(1)
    from rlm_cli.app import main as run

    _prepare_streams()
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(run())


def package_in_the_way() -> str | None:
    """What to tell the user where one of our packages is not the one Python would import.

    Nothing is imported to find out. None where all is well.
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
    """`data.safe_text` is out of reach here: `data` may be the package that is not ours."""
    return "".join(character if character.isprintable() else "?" for character in str(path))


def _prepare_streams() -> None:
    """A character the stream's encoding lacks is written as an escape, and never an exception."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _terminate(number: int, frame: FrameType | None) -> None:
    """End as if by sys.exit, so that temporary files go. Training has its own answer to SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
