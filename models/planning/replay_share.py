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
READINGS = 2
"""How often a training reads at least what is kept of the earlier texts, up to the share for a far text.
In 137 steps over a near, short text a fourth of replay let the first book get 2 % worse where a twentieth
let it get 14 % worse, and cost the new text 0.9 %."""
MOST_READINGS = 4
"""How often a training reads at most what is kept of the earlier texts, where more than the default share
would do it. A text that is read more often is learned by heart, and its held-out part gets worse."""
OFTEN = 4
"""Readings of the new text beyond which it has some to spare."""
STRANGE = 0.5
"""Share of characters that are new to the model at which it is another alphabet."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The share of sequences that come from earlier texts, and why."""

    share: float
    reason: str


def chosen_share(
    known_loss: float | None,
    new_loss: float,
    unknown_share: float,
    one_reading: float = 1.0,
    *,
    has_spare_time: bool = False,
) -> Replay:
    """The share that suits how far a new text is from the known ones, and how long it is learned.

    `known_loss` is the model's mean loss on what it knows, `new_loss` on the new text, both in
    nats per token; `unknown_share` is the part of the new text's characters it has never seen.
    `one_reading` is the share with which all that is kept of the earlier texts is read once, and
    `has_spare_time` is whether the new text can give up some of its share, as `is_read_often` says.
    """
    if known_loss is None:
        return Replay(DEFAULT_SHARE, "the loss on the old text is not known")
    most = max(DEFAULT_SHARE, MOST_READINGS * one_reading)
    by_loss = min(most, _between((new_loss - known_loss - NEAR) / (FAR - NEAR), OF_A_FAR_TEXT))
    by_characters = _between(unknown_share / STRANGE, OF_ANOTHER_ALPHABET)
    by_distance = max(by_loss, min(most, by_characters))
    by_time = min(READINGS * one_reading, OF_A_FAR_TEXT) if has_spare_time else 0.0
    share = round(max(by_distance, by_time), 3)
    if share > round(by_distance, 3):
        return Replay(share, "the new text is short, so there is time for the old")
    if by_characters >= by_loss and unknown_share >= 0.005:
        return Replay(share, f"{100 * unknown_share:.0f} % of the new text's characters are new")
    distance = "like" if by_distance < 0.075 else "unlike" if by_distance > 0.175 else "somewhat unlike"
    return Replay(
        share, f"the new text is {distance} the old: loss {new_loss:.2f} on it, {known_loss:.2f} on the old"
    )


def is_read_often(new_tokens: int, read_tokens: float) -> bool:
    """Whether a training over `read_tokens` reads the `new_tokens` of the new text so often that it has time
    to spare. What is not read often, it has not learned yet."""
    return read_tokens > OFTEN * new_tokens


def _between(distance: float, largest: float) -> float:
    """From the default share at distance 0 to the largest at 1."""
    return DEFAULT_SHARE + (largest - DEFAULT_SHARE) * min(1.0, max(0.0, distance))
