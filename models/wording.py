"""Numbers with their nouns, as sentences have them."""


def counted(number: float, noun: str) -> str:
    """1 as "1 step", 1234 as "1,234 steps", 2.5 as "2.5 minutes"."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    figure = f"{number:,}" if isinstance(number, int) else f"{number:,g}"
    return f"{figure} {noun if number == 1 else plural}"


def about_minutes(seconds: float) -> str:
    """A time that is only estimated: "about 2.5 minutes", "less than a minute"."""
    minutes = seconds / 60
    return "less than a minute" if minutes < 1 else f"about {counted(float(f'{minutes:.1f}'), 'minute')}"
