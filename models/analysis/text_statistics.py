"""Five statistics of a text, each by what was counted in a text of the same language.

They are raw numbers: `quality` turns them into scores by comparing with held-out text.
"""

import random
from collections import Counter
from collections.abc import Sequence

import numpy as np

from models.analysis.ngram_model import NgramModel, Symbols
from models.analysis.repetition import distinct_shares
from models.analysis.words import is_word, tokens_of, word_pieces, words_of

_FREQUENT_WORDS = 150
_ENDINGS = 150
_ENDING_LETTERS = 2
_STEM_LETTERS = 5
_NEARBY = 24
"""Content words before a content word that can make it likely."""
_REPEATED, _ASSOCIATED = 0.1, 0.5
"""Weights of a repeated stem and of associated stems in the prediction of a content word."""
_PRIOR = 50.0
"""Imagined observations of the plain frequencies behind each association."""
_SHUFFLES = 4


class Language:
    """What was counted in a text, for the statistics of other texts of its language."""

    def __init__(self, learned: str) -> None:
        self._characters = {one: number for number, one in enumerate(sorted(set(learned)))}
        self._character_model = NgramModel(self._encoded(learned), len(self._characters), 3)
        tokens = tokens_of(learned)
        words = Counter(token for token in tokens if is_word(token))
        self._pieces = frozenset(word_pieces([token for token in tokens if is_word(token)]))
        self._classes = _word_classes(words, tokens)
        self._class_count = len(self._classes) + 1  # the last one: all other words and marks
        self._class_model = NgramModel(self._class_sequence(tokens), self._class_count, 3)
        self._function_words = _most_frequent_half(words)
        self._associations = _Associations(self._content_stems(tokens))

    def unknown_letters(self, text: str) -> float:
        """Share of the letters of `text` that the language does not have, from 0 to 1."""
        letters = [one for one in text if one.isalpha()]
        return sum(one not in self._characters for one in letters) / max(1, len(letters))

    def character_bits(self, text: str) -> float:
        """Bits per character by the two characters before it; less is better."""
        return float(self._character_model.bits(self._encoded(text)).mean())

    def known_share(self, text: str) -> float:
        """Share of the letters in words that stand in words of the language, from 0 to 1."""
        pieces = list(word_pieces(words_of(text)))
        letters = sum(map(len, pieces))
        return sum(len(piece) for piece in pieces if piece in self._pieces) / letters if letters else 0.0

    def order_bits(self, text: str) -> float:
        """Bits per word or mark by the two before it; less is better.

        A frequent word is itself, any other is its ending: what is measured is the order of words, not
        which ones they are.
        """
        classes = self._class_sequence(tokens_of(text))
        return float(self._class_model.bits(classes).mean()) if len(classes) else float("inf")

    def cohesion(self, text: str) -> float:
        """Bits by which the content words before a content word make it likelier, above the same words
        in a random order; more is better."""
        stems = self._content_stems(tokens_of(text))
        draw = random.Random(0)
        shuffled = [draw.sample(stems, len(stems)) for _ in range(_SHUFFLES)]
        return self._associations.bits(stems) - float(np.mean([self._associations.bits(s) for s in shuffled]))

    def _encoded(self, text: str) -> Symbols:
        unknown = len(self._characters)
        return np.array([self._characters.get(one, unknown) for one in text], dtype=np.int64)

    def _class_sequence(self, tokens: Sequence[str]) -> Symbols:
        known, unknown = self._classes, self._class_count - 1
        numbers = [
            known[token]
            if token in known
            else known.get(_ending(token), unknown)
            if is_word(token)
            else unknown
            for token in tokens
        ]
        return np.array(numbers, dtype=np.int64)

    def _content_stems(self, tokens: Sequence[str]) -> list[str]:
        return [
            token[:_STEM_LETTERS] for token in tokens if is_word(token) and token not in self._function_words
        ]


def distinct_share(text: str) -> float:
    """The share of different ones among all single, pairs and triples of neighbouring words and marks, the
    mean of the three."""
    return sum(distinct_shares(tokens_of(text))) / 3


class _Associations:
    """Which content stems follow which, within a few words."""

    def __init__(self, stems: Sequence[str]) -> None:
        self._counts = Counter(stems)
        self._total = len(stems) + len(self._counts) + 1
        self._pairs: Counter[tuple[str, str]] = Counter()
        for place, stem in enumerate(stems):
            self._pairs.update((stem, later) for later in stems[place + 1 : place + 1 + _NEARBY])
        self._followers: Counter[str] = Counter()
        for (stem, _), count in self._pairs.items():
            self._followers[stem] += count

    def bits(self, stems: Sequence[str]) -> float:
        """Bits gained per stem over its plain frequency; 0 for fewer than two stems."""
        gains = []
        for place in range(1, len(stems)):
            stem, before = stems[place], stems[max(0, place - _NEARBY) : place]
            plain = (self._counts[stem] + 1) / self._total
            repeated = before.count(stem) / _NEARBY
            associated = sum(
                (self._pairs[one, stem] + _PRIOR * plain) / (self._followers[one] + _PRIOR) for one in before
            ) / len(before)
            likely = (1 - _REPEATED - _ASSOCIATED) * plain + _REPEATED * repeated + _ASSOCIATED * associated
            gains.append(np.log2(likely / plain))
        return float(np.mean(gains)) if gains else 0.0


def _ending(word: str) -> str:
    return "-" + word[-_ENDING_LETTERS:]


def _word_classes(words: Counter[str], tokens: Sequence[str]) -> dict[str, int]:
    """A number for each frequent word, each mark and each frequent ending of the other words."""
    frequent = [word for word, _ in words.most_common(_FREQUENT_WORDS)]
    endings: Counter[str] = Counter()
    for word, count in words.items():
        endings[_ending(word)] += count
    for word in frequent:
        endings[_ending(word)] -= words[word]
    marks = sorted({token for token in tokens if not is_word(token)})
    names = [*frequent, *marks, *(ending for ending, _ in endings.most_common(_ENDINGS))]
    return {name: number for number, name in enumerate(names)}


def _most_frequent_half(words: Counter[str]) -> frozenset[str]:
    """The most frequent words that make up half of a text: those that carry its grammar."""
    covered, found = 0, set()
    for word, count in words.most_common():
        if 2 * covered >= words.total():
            break
        found.add(word)
        covered += count
    return frozenset(found)
