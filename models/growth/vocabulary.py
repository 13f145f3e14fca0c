"""Adds tokens to a run's tokenizer: byte pairs learned from the text the run was trained on."""

from data.bpe_growth import grow_bpe
from data.bpe_tokenizer import BpeTokenizer
from data.errors import CorpusError, UsageError
from data.progress import result_of
from data.tokenizer import Tokenizer
from models.growth.parent import Parent
from models.runs.text_search import find_text

TokenParts = list[tuple[int, ...]]
"""For each new token the tokens it is made of."""


def grow_vocabulary(parent: Parent, size: int) -> tuple[Tokenizer | None, TokenParts | None]:
    """The tokenizer of up to `size` tokens, and the parts of the new ones.

    Both None for a model that was created without a tokenizer. Raises UsageError for a character tokenizer
    and for a run without a text, CorpusError where the text is gone or has changed.
    """
    tokenizer, run = parent.tokenizer, parent.run
    if tokenizer is None:
        return None, None
    if not isinstance(tokenizer, BpeTokenizer):
        raise UsageError(
            f"Run '{run.name}' has a character tokenizer, and new characters come with a text.",
            hint=f"Give it a text that has them: {{train FILE continue_run={run.in_command}}}",
        )
    data = parent.config.data
    if data is None:
        raise UsageError(
            f"Run '{run.name}' has no text yet to learn more tokens from.",
            hint=f"Train it first: {{train FILE name={run.in_command}}}",
        )
    more = f"Learn them from another text: {{train FILE continue_run={run.in_command} grow_vocab=N}}"
    try:
        corpus = result_of(find_text(run, data.paths, data.content_hash))
    except (CorpusError, UsageError) as error:
        raise CorpusError(f"New tokens come from the text of the run. {error.message}", hint=more) from error
    return grow_bpe(tokenizer, corpus, size - tokenizer.vocab_size)
