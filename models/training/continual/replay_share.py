"""How much of a training repeats earlier texts: little for a near text, more for a far one."""

from dataclasses import dataclass

DEFAULT_SHARE = 0.05
OF_A_FAR_TEXT = 0.25
OF_ANOTHER_ALPHABET = 0.7
"""There is next to nothing in it that what is known could be part of: all that it learns displaces."""
NEAR, FAR = 0.8, 3.3
"""Nats per token by which a text is harder than what the model knows: up to the first it is near,
from the second on as far as can be, noise or nearly so. Another book in the same language is some
1.1 nats away; a fifteenth of replay let the first book get 3 % worse there, a fifth made it 5 % better."""
STRANGE = 0.5
"""Share of characters that are new to the model at which it is another alphabet."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The share of sequences that come from earlier texts, and why."""

    share: float
    reason: str


def chosen_share(known_loss: float | None, new_loss: float, unknown_share: float) -> Replay:
    """The share that suits how far a new text is from the known ones.

    `known_loss` is the model's mean loss on what it knows, `new_loss` on the new text, both in
    nats per token; `unknown_share` is the part of the new text's characters it has never seen.
    """
    if known_loss is None:
        return Replay(DEFAULT_SHARE, "nothing is known of the earlier texts' loss")
    by_loss = _between((new_loss - known_loss - NEAR) / (FAR - NEAR), OF_A_FAR_TEXT)
    by_characters = _between(unknown_share / STRANGE, OF_ANOTHER_ALPHABET)
    share = round(max(by_loss, by_characters), 3)
    strange = f", {100 * unknown_share:.0f} % of its characters are new" if unknown_share >= 0.005 else ""
    distance = "near to" if share < 0.075 else "far from" if share > 0.175 else "some way from"
    return Replay(
        share,
        f"the text is {distance} what the model knows: {new_loss:.2f} nats per token on it, "
        f"{known_loss:.2f} on what it learned{strange}",
    )


def _between(distance: float, largest: float) -> float:
    """From the default share at distance 0 to the largest at 1."""
    return DEFAULT_SHARE + (largest - DEFAULT_SHARE) * min(1.0, max(0.0, distance))
