"""How most stories begin and end."""

from story_grammar.world import Story


def introduce(s: Story) -> None:
    """Say who A is, and where."""
    s.tell(
        "[[In {V} there lived|There was once in {V}|The village of {V} had] a {A.trade} "
        "[called|named] {A},|{A} was the {A.trade} of {V}, a {A.man}] {A.nature}."
    )


def goodnight(s: Story) -> None:
    """A last line about the night, now and then."""
    if s.choose.chance(0.4):
        s.tell(s.season.night)
