"""Which preset a name stands for on the machine at hand, and what it makes of a text."""

from collections.abc import Mapping
from typing import Any

from data.tokenizer import Tokenizer
from models.device import choose_device
from models.presets import Preset, preset_named

_PIECES = {"bpe": "byte pairs", "character": "characters"}  # the kinds that presets have


def preset_for(
    name: str | None, training: Mapping[str, Any], *, for_absent_device: bool = False
) -> Preset | None:
    """The preset of that name for the device among `training` settings, or the best there is.

    An absent device is a GPU. None for no name. Raises UsageError for a preset or a device there is not.
    """
    if name is None:
        return None
    if for_absent_device:
        return preset_named(name, on_gpu=True)
    device = choose_device(str(training.get("device", "auto")))
    return preset_named(name, on_gpu=device.type != "cpu")


def vocabulary_note(preset: Preset | None, tokenizer: Tokenizer, suggested: str) -> str | None:
    """What a user should know whose preset cuts a text otherwise than is `suggested` for it (character or
    bpe), or is known by its size with another vocabulary; None where there is nothing to tell."""
    if preset is None:
        return None
    notes = []
    if tokenizer.kind == preset.tokenizer != suggested:
        notes.append(
            f"Preset '{preset.name}' cuts the text into {_PIECES[tokenizer.kind]}, where "
            f"{_PIECES[suggested]} would suit it: {{tokenizer={suggested}}} takes those."
        )
    if (note := size_note(preset, tokenizer.vocab_size)) is not None:
        notes.append(note)
    return " ".join(notes) or None


def size_note(preset: Preset | None, vocab_size: int) -> str | None:
    """What a user should know where the size of a preset is that of another vocabulary."""
    if preset is None or preset.vocab_size in (None, vocab_size):
        return None
    return (
        f"The size of preset '{preset.name}' is counted with {preset.vocab_size:,} tokens; here it "
        f"has {vocab_size:,}."
    )


def counts_alike(preset: Preset, tokenizer: Tokenizer | str | None) -> bool:
    """Whether the tokens (or their kind, or None where it is open) are of the kind that a preset counts
    the loss in at which it stops."""
    kind = tokenizer.kind if isinstance(tokenizer, Tokenizer) else tokenizer
    return kind is not None and kind == preset.tokenizer
