"""More tokens for a run's model: pairs of tokens learned from the text the run was trained on."""

from data.bpe_growth import grow_bpe
from data.bpe_tokenizer import BpeTokenizer
from data.corpus import open_corpus
from data.errors import CorpusError, UsageError
from data.tokenizer import Tokenizer
from models.growth.parent import Parent

Parts = list[tuple[int, ...]]


def grown_vocabulary(parent: Parent, size: int) -> tuple[Tokenizer | None, Parts | None]:
    """The tokenizer of up to `size` tokens, and for each new one the tokens it is made of.

    Neither, for a model that was created without a tokenizer. Raises UsageError for a tokenizer of
    characters and for a run without a text, CorpusError where the text is no longer what it was.
    """
    tokenizer, name = parent.tokenizer, parent.run.name
    if tokenizer is None:
        return None, None
    if not isinstance(tokenizer, BpeTokenizer):
        raise UsageError(
            f"Run '{name}' reads characters, and new characters come with a text.",
            hint=f"Give it one that has them: rlm train FILE --continue {name}",
        )
    if "data" not in parent.config:
        raise UsageError(
            f"Run '{name}' has no text yet to learn more tokens from.",
            hint=f"Train it first: rlm train FILE --name {name}",
        )
    data = parent.config["data"]
    more = f"Learn them from another text: rlm train FILE --continue {name} --grow-vocab N"
    try:
        corpus = open_corpus(data["paths"])
    except UsageError as error:
        raise CorpusError(f"New tokens come from the text of the run: {error.message}", hint=more) from error
    if corpus.content_hash != data["content_hash"]:
        raise CorpusError(
            f"The text at {data['paths'][0]} is no longer the one run '{name}' was trained on.", hint=more
        )
    return grow_bpe(tokenizer, corpus, size - tokenizer.vocab_size)
