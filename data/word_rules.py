"""How a text is cut into words before byte pairs are joined: a token lies within one word.

The rules are parts of a tokenizer.json, so the `tokenizers` library cuts a text alike wherever it is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import tokenizers
from tokenizers import pre_tokenizers

from data.tokenizer import Kind

# A word with the space before it, one digit (so that each place of a number is a token), a run of
# punctuation, white space up to the last line end. The bounds of 64 keep a file without spaces from being
# one word: merging takes quadratic time in the length of a word.
_WORDS = (
    r"'(?:s|t|d|m|re|ve|ll)(?!\p{L})| ?[\p{L}\p{M}]{1,64}|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]{1,64}|\s{0,64}\n|\s{1,64}(?!\S)|\s{1,64}"
)

# What no token reaches into from outside. An address ends before the punctuation of its sentence, and a
# bracket belongs to it only where it is closed there.
_SPANS = "|".join(
    (
        r"`{2,64}",
        r"~{2,64}",
        r"\${1,2}",
        r"\\[()\[\]]",
        r"(?<![\p{L}\p{N}])(?i:(?:https?|ftps?)://|www\.)"
        r"(?:[^\s<>\"`(){}\[\]|\\^]|\([^\s()]{0,64}\)){1,1024}(?<![.,;:!?'*_~])",
        r"(?<![\p{L}\p{N}._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}"
        r"(?![\p{L}\p{N}])",
    )
)

# As `_WORDS`, but `https://` is one word, and line ends have the indentation of the next line.
_TECHNICAL_WORDS = (
    r"(?i:https?|ftps?)://(?:www\.)?"
    r"|'(?:s|t|d|m|re|ve|ll)(?!\p{L})| ?[\p{L}\p{M}]{1,64}|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]{1,64}|\s{0,64}\n[ \t]{0,64}|\s{1,64}(?!\S)|\s{1,64}"
)


@dataclass(frozen=True, slots=True)
class WordRules:
    """How a kind of byte-pair tokenizers cuts a text."""

    kind: Kind
    patterns: tuple[str, ...]
    """Each cuts the pieces that the one before it made, into its matches and what is between them."""
    first_merges: tuple[tuple[str, str], ...] = ()
    """Come before those that are learned: their tokens have the same ids in every tokenizer of the kind."""
    nfkc: bool = False
    """Whether a text is normalised to NFKC (Unicode Standard Annex 15) before it is cut, which loses the
    form of some of its characters."""

    def pre_tokenizer(self) -> pre_tokenizers.PreTokenizer:
        splits = [pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated") for pattern in self.patterns]
        return pre_tokenizers.Sequence(
            [*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )

    def in_json(self) -> dict[str, Any]:
        """Both as tokenizer.json has them."""
        splits = [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
            for pattern in self.patterns
        ]
        return {
            "normalizer": {"type": "NFKC"} if self.nfkc else None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*splits, BYTE_LEVEL]},
        }


BYTE_LEVEL: Mapping[str, Any] = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": False,
}
_FENCES_AND_FORMULAS = (
    ("`", "`"),
    ("``", "`"),
    ("~", "~"),
    ("~~", "~"),
    ("$", "$"),
    ("\\", "("),
    ("\\", ")"),
    ("\\", "["),
    ("\\", "]"),
)
_TECHNICAL = (_SPANS, _TECHNICAL_WORDS)

WORD_RULES: Mapping[str, WordRules] = MappingProxyType(
    {
        rules.kind: rules
        for rules in (
            WordRules("bpe", (_WORDS,)),
            WordRules("technical", _TECHNICAL, _FENCES_AND_FORMULAS),
            WordRules("technical:nfkc", _TECHNICAL, _FENCES_AND_FORMULAS, nfkc=True),
        )
    }
)
"""By the name of the kind."""


def rules_in(content: Mapping[str, Any]) -> WordRules:
    """The rules of a parsed tokenizer.json; those of bpe where they are none of ours."""
    for rules in WORD_RULES.values():
        if all(content.get(key) == value for key, value in rules.in_json().items()):
            return rules
    return WORD_RULES["bpe"]
