"""The two themes of rlm, for a dark and for a light terminal, and the colours of a scale of six levels."""

from textual.theme import Theme

DARK = Theme(
    name="rlm-dark",
    primary="#6cb6c9",
    secondary="#b48ead",
    accent="#e5b567",
    success="#8fbf7f",
    warning="#e5a15a",
    error="#e06c75",
    foreground="#d6dae2",
    background="#14171c",
    surface="#1a1e25",
    panel="#242a33",
    variables={"footer-key-foreground": "#e5b567", "block-cursor-text-style": "none"},
)
LIGHT = Theme(
    name="rlm-light",
    primary="#1f6f8b",
    secondary="#7b4b94",
    accent="#9a5b00",
    success="#3a7d34",
    warning="#a35a00",
    error="#b3323d",
    foreground="#23272e",
    background="#faf9f6",
    surface="#f1efe9",
    panel="#e4e1d8",
    dark=False,
    variables={"footer-key-foreground": "#9a5b00", "block-cursor-text-style": "none"},
)
THEMES = (DARK, LIGHT)

_DARK_LEVELS = ("#6cb6c9", "#8fbf7f", "#dcd57c", "#eba55c", "#ea7575", "#d37fd8")
_LIGHT_LEVELS = ("#1f6f8b", "#2f7a2f", "#7d7000", "#b35c00", "#c02b3c", "#8a2f97")
_GREY_LEVELS = ("dim", "", "italic", "bold", "underline", "bold underline")


def level_style(level: int, *, has_colors: bool) -> str:
    """The style of a level, from 0 for little to 5 for much."""
    return f"$level-{level}" if has_colors else _GREY_LEVELS[level]


def level_colors(is_dark: bool) -> dict[str, str]:
    """The variables of a theme that `level_style` names."""
    colors = _DARK_LEVELS if is_dark else _LIGHT_LEVELS
    return {f"level-{level}": color for level, color in enumerate(colors)}
