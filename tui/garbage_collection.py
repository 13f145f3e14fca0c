"""Keeps garbage collections short, since no key is answered meanwhile.

A full collection looks at every object of the process, and most of them are those of imported modules and of
style sheets, which live to the end. A tenth of a second was spent on that again and again.
"""

import gc

_left_alone: set[str] = set()


def leave_alone(what: str) -> None:
    """Have collections no longer look at what there is now. Done once for each `what`, its name.

    What is in use on the screen at that moment is left alone too, and its cycles are never freed.
    """
    if what not in _left_alone:
        _left_alone.add(what)
        gc.freeze()
