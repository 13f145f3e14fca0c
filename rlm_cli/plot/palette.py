"""The colours of pictures and pages, on light and on dark paper."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours as hexadecimal numbers."""

    page: str
    band: str
    """Behind what is set apart."""
    line: str
    text: str
    soft: str
    """Of text that matters less."""
    accent: str
    good: str
    bad: str
    curves: tuple[str, ...]


LIGHT = Palette(
    page="#ffffff",
    band="#f4f6f8",
    line="#d9dde3",
    text="#1c1e21",
    soft="#5f6670",
    accent="#2563c9",
    good="#1a7f37",
    bad="#c62828",
    curves=("#1f77b4", "#d9730d", "#2ca02c", "#c2185b", "#7b52c7", "#8c564b"),
)
DARK = Palette(
    page="#15181c",
    band="#1e2227",
    line="#3a4048",
    text="#e6e8eb",
    soft="#9aa3ad",
    accent="#7cb0ff",
    good="#7ee787",
    bad="#ff8a80",
    curves=("#6cb6ff", "#ffa657", "#7ee787", "#ff7bac", "#c8a6ff", "#d2a08f"),
)
CURVES = len(LIGHT.curves)
"""Curves that have a colour of their own."""
