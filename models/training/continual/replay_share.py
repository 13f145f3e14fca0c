"""How much of a training repeats earlier texts: little for a near text, more for a far one."""

from dataclasses import dataclass

DEFAULT_SHARE = 0.05
LARGEST_SHARE = 0.25
NEAR, FAR = 0.5, 3.0
"""Nats per token by which a text is harder than what the model knows: up to the first it is near,
from the second on as far as can be, noise or nearly so. Another book in the same language is some
1.1 nats away; a twentieth of replay let the first book get 3 % worse there, a fifth made it 5 % better."""
STRANGE = 0.2
"""Share of characters that are new to the model at which a text is as far as can be."""


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
    gap = new_loss - known_loss
    by_loss = min(1.0, max(0.0, (gap - NEAR) / (FAR - NEAR)))
    by_characters = min(1.0, unknown_share / STRANGE)
    share = DEFAULT_SHARE + (LARGEST_SHARE - DEFAULT_SHARE) * max(by_loss, by_characters)
    strange = f", {100 * unknown_share:.0f} % of its characters are new" if unknown_share >= 0.005 else ""
    distance = "near to" if share < 0.075 else "far from" if share > 0.175 else "some way from"
    return Replay(
        round(share, 3),
        f"the text is {distance} what the model knows: {new_loss:.2f} nats per token on it, "
        f"{known_loss:.2f} on what it learned{strange}",
    )
