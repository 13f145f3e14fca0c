"""Numbers with their nouns and units, as sentences have them."""


def counted(number: float, noun: str) -> str:
    """1 as "1 step", 1234 as "1,234 steps", 2.5 as "2.5 minutes"."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    figure = f"{number:,}" if isinstance(number, int) else f"{number:,g}"
    return f"{figure} {noun if number == 1 else plural}"


def about_minutes(seconds: float) -> str:
    """A time that is only estimated, in seconds: "about 2.5 minutes", "less than a minute"."""
    minutes = seconds / 60
    return "less than a minute" if minutes < 1 else f"about {counted(float(f'{minutes:.1f}'), 'minute')}"


def percent(share: float) -> str:
    """A share from 0 to 1: "45 %", "7.9 %", and "less than 0.1 %" where it is that small but not 0."""
    if 0 < share < 0.001:
        return "less than 0.1 %"
    return f"{100 * share:.3g} %"


def byte_size(size: float) -> str:
    """A number of bytes, as 1.5 GB, 250 MB, 4.2 MB or 312 kB."""
    for scale, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= 0.9995 * scale:
            number = size / scale
            return f"{number:.0f} {unit}" if number >= 99.95 else f"{number:.1f} {unit}"
    return f"{size:.0f} B"


def shortened(text: str, width: int) -> str:
    """`text` in at most `width` characters; its end becomes "…" where it is longer."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
