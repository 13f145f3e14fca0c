"""The result of one check of a run. Torch-free."""

import math
from dataclasses import dataclass
from typing import Literal

from models.runs.typed_json import JsonObject

Verdict = Literal["sound", "not sound", "not applicable", "not measured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What a check found.

    not applicable: the model has nothing that this check is about. not measured: something that the check
    needs is missing.
    """

    check: str
    verdict: Verdict
    found: str
    """What was found with its figure, as one clause."""
    mode: str | None = None
    """The mode that the check was made at; None where it is about the whole run."""
    value: float | None = None
    """The figure that was measured."""
    limit: float | None = None
    """The largest figure of a sound run, or the smallest one where a larger figure is better."""
    advice: str = ""
    """The next step, empty where there is nothing to do."""

    def to_dict(self) -> JsonObject:
        """Plain data with stable keys. A figure that is not finite is None."""
        return {
            "check": self.check,
            "mode": self.mode,
            "verdict": self.verdict,
            "found": self.found,
            "value": _finite(self.value),
            "limit": _finite(self.limit),
        }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
