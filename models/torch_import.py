"""Imports torch quickly."""

import gc
import sys


def import_torch() -> None:
    """Import torch, if that is not done, with no garbage collection meanwhile.

    The import makes a million objects that live to the end of the process. Every collection would look at
    those made so far, and each one later at all of them, so they are taken out of the collections.
    """
    if "torch" in sys.modules:
        return
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        import torch  # noqa: F401
    finally:
        if was_enabled:
            gc.enable()
    gc.freeze()
