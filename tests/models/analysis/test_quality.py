"""The scores of texts whose quality is known, in two languages."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import UsageError
from models.analysis.quality import Quality, Reference
from models.analysis.words import tokens_of

CORPORA = Path(__file__).parents[3] / "sample_corpora"
GIBBERISH = "q3x#mz9!pFgW@8kLnR4vY7cE2sA1uI6oP0hD5tJ "
INTO_CYRILLIC = {ord("a") + place: chr(ord("а") + place) for place in range(26)}
LANGUAGES = {"English": "fables.txt", "Russian": "tales_russian.txt"}


class Known:
    """A corpus in three parts: eight tenths to learn from, one to compare with, one to judge."""

    def __init__(self, name: str) -> None:
        text = (CORPORA / name).read_text(encoding="utf-8")
        tenth = len(text) // 10
        self.reference = Reference(text[: 8 * tenth], text[8 * tenth : 9 * tenth])
        self.unseen = text[9 * tenth :]

    def scores(self, text: str) -> dict[str, float]:
        return scores_of(self.reference.quality(text))


def scores_of(quality: Quality) -> dict[str, float]:
    return {score.name: score.value for score in quality.scores}


@pytest.fixture(scope="module", params=LANGUAGES.values(), ids=LANGUAGES)
def known(request: pytest.FixtureRequest) -> Known:
    return Known(request.param)


def shuffled(items: list[str]) -> list[str]:
    return random.Random(5).sample(items, len(items))


def test_held_out_text_has_nearly_full_marks(known: Known) -> None:
    quality = known.reference.quality(known.unseen)
    assert min(scores_of(quality).values()) >= 95
    assert quality.overall >= 95 and quality.trigram_cosine > 0.8


def test_shuffled_characters_are_no_words(known: Known) -> None:
    quality = known.reference.quality("".join(shuffled(list(known.unseen))))
    scores = scores_of(quality)
    assert max(value for name, value in scores.items() if name != "token_diversity") < 10
    assert quality.overall < 10 and quality.trigram_cosine < 0.5


def test_shuffled_words_are_words_without_order_and_meaning(known: Known) -> None:
    tokens = tokens_of(known.unseen)
    found = [known.scores(" ".join(random.Random(seed).sample(tokens, len(tokens)))) for seed in range(4)]
    assert min(scores["word_formation"] for scores in found) >= 95
    for name in ("sentence_structure", "semantic_meaning"):
        assert sum(scores[name] for scores in found) / len(found) < 35


def test_a_sentence_that_is_repeated_is_not_diverse(known: Known) -> None:
    quality = known.reference.quality(known.unseen[200:300] * 60)
    assert scores_of(quality)["token_diversity"] < 10 and quality.overall < 10


@pytest.mark.parametrize("words", ["the same", "different"])
def test_long_random_words_are_no_words(known: Known, words: str) -> None:
    draw = random.Random(7)
    gibberish = GIBBERISH if "e" in known.unseen else GIBBERISH.translate(INTO_CYRILLIC)
    text = gibberish * 100
    if words == "different":
        text = " ".join("".join(draw.choices(gibberish.strip(), k=40)) for _ in range(100))
    quality = known.reference.quality(text)
    assert scores_of(quality)["word_formation"] < 15 and quality.overall < 5


def test_the_more_is_damaged_the_lower_is_the_score(known: Known) -> None:
    letters = sorted(set(known.unseen))

    def damaged(share: float) -> str:
        draw = random.Random(3)
        return "".join(draw.choice(letters) if draw.random() < share else one for one in known.unseen)

    overall = [known.reference.quality(damaged(share)).overall for share in (0.0, 0.1, 0.3, 0.8)]
    assert overall == sorted(overall, reverse=True) and len(set(overall)) == len(overall)


def test_a_script_without_spaces_is_judged_by_its_characters() -> None:
    draw = random.Random(1)
    nouns, verbs = ("山川", "花鳥", "風月", "古池", "旅人"), ("見る", "聞く", "行く", "来る")
    text = "".join(f"{draw.choice(nouns)}を{draw.choice(verbs)}。" for _ in range(1500))
    reference, unseen = Reference(text[:8_000]), text[8_000:]
    assert scores_of(reference.quality(unseen))["word_formation"] >= 95
    assert scores_of(reference.quality("".join(shuffled(list(unseen)))))["word_formation"] < 20


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda text: Reference(text[:4000]), "reference is too short"),
        (lambda text: Reference(text, text[:1000]), "reference is too short"),
        (lambda text: Reference(text).quality(text[:499]), "499 characters"),
        (lambda text: Reference(text).quality("..!? " * 200), "no words"),
        (lambda text: Reference("1.. !" * 4000).quality(text), "no words"),
    ],
)
def test_what_cannot_be_judged_says_how_much_is_needed(make: Callable[[str], object], expected: str) -> None:
    text = (CORPORA / "fables.txt").read_text(encoding="utf-8")[:12_000]
    with pytest.raises(UsageError, match=expected) as caught:
        make(text)
    assert caught.value.hint


def test_a_reference_in_another_language_is_refused() -> None:
    english, russian = ((CORPORA / name).read_text(encoding="utf-8") for name in LANGUAGES.values())
    with pytest.raises(UsageError, match="share hardly a letter"):
        Reference(russian[:12_000]).quality(english[:5000])
