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
    known_loss: float | None, new_loss: float, unknown_share: float, repeated: float = 0.0
) -> Replay:
    """The share that suits how far a new text is from the known ones, and how long it is learned.

    `known_loss` is the model's mean loss on what it knows, `new_loss` on the new text, both in
    nats per token; `unknown_share` is the part of the new text's characters it has never seen.
    `repeated` is the part of the training in which all that is kept of the earlier texts is read once, as
    `once_more` has it.
    """
    if known_loss is None:
        return Replay(DEFAULT_SHARE, "the loss on the old text is not known")
    by_loss = _between((new_loss - known_loss - NEAR) / (FAR - NEAR), OF_A_FAR_TEXT)
    by_characters = _between(unknown_share / STRANGE, OF_ANOTHER_ALPHABET)
    by_distance = max(by_loss, by_characters)
    share = round(max(by_distance, min(READINGS * repeated, OF_A_FAR_TEXT)), 3)
    if share > round(by_distance, 3):
        return Replay(share, "the new text is short, so there is time for the old")
    if by_characters >= by_loss and unknown_share >= 0.005:
        return Replay(share, f"{100 * unknown_share:.0f} % of the new text's characters are new")
    distance = "like" if by_distance < 0.075 else "unlike" if by_distance > 0.175 else "somewhat unlike"
    return Replay(
        share, f"the new text is {distance} the old: loss {new_loss:.2f} on it, {known_loss:.2f} on the old"
    )


def once_more(kept_tokens: int, new_tokens: int, read_tokens: float) -> float:
    """The part of a training over `read_tokens` in which `kept_tokens` of earlier texts are read once: what
    shakes them is a rate that rises again, however short the training, and that takes time to mend.

    0 where the `new_tokens` of the new text are not read often: what it would give up, it has not learned.
    """
    return kept_tokens / read_tokens if read_tokens > OFTEN * new_tokens else 0.0


def _between(distance: float, largest: float) -> float:
    """From the default share at distance 0 to the largest at 1."""
    return DEFAULT_SHARE + (largest - DEFAULT_SHARE) * min(1.0, max(0.0, distance))
