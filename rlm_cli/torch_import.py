"""Imports torch for a command. That is most of the time that a command needs to start."""

import sys
import threading

from rlm_cli.interrupts import no_lost_signal
from rlm_cli.output import Output


def import_torch(output: Output) -> None:
    """Import torch, and say so on a terminal meanwhile. A signal waits until that is done.

    Call it before the first import of a module that needs torch.
    """
    if "torch" in sys.modules:
        return
    from models.torch_import import import_torch as import_quickly

    if threading.current_thread() is not threading.main_thread():  # it gets no signals
        import_quickly()
        return
    with output.passing("Loading PyTorch …"), no_lost_signal():
        import_quickly()
