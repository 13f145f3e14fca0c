"""The two themes of rlm, for a dark and for a light terminal."""

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
