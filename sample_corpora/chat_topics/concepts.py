"""Conversations that explain a term: what it is, an example, and what it is good for."""

from choosing import Chooser

from chat_topics.exchange import Exchange
from chat_topics.terms import MATHEMATICS, PROGRAMMING

QUESTIONS = (
    "What is {term}?",
    "Can you explain {term} in plain words?",
    "I keep reading about {term}. What does it mean?",
    "What does one mean by {term}?",
)
FOR_EXAMPLE = ("Can you give me an example?", "For example?", "What would be an example?")
MATTERS = ("When does it matter?", "When would I need that?", "What is it good for?")


def explain(c: Chooser) -> list[Exchange]:
    """A definition, perhaps followed by an example and a use."""
    term, meaning, example, use = c.pick(PROGRAMMING + MATHEMATICS)
    whole = c.chance(0.4)
    ask = c.pick(QUESTIONS).format(term=term)
    told = f"{meaning}."
    if whole:
        return [Exchange(ask, f"{told} An example: {example}. It matters when {use}.", told)]
    turns = [
        Exchange(ask, told, told),
        Exchange(c.pick(FOR_EXAMPLE), f"Yes: {example}.", f"{example[0].upper()}{example[1:]}."),
    ]
    if c.chance(0.6):
        turns.append(Exchange(c.pick(MATTERS), f"It matters when {use}.", f"When {use}."))
    return turns


def compare(c: Chooser) -> list[Exchange]:
    """Two terms side by side."""
    (a, first, _, _), (b, second, _, _) = c.sample(c.pick((PROGRAMMING, MATHEMATICS)), 2)
    said = [meaning[0].lower() + meaning[1:] for meaning in (first, second)]
    answer = f"In short, {a} is {said[0]}; {b} is {said[1]}."
    return [Exchange(f"I mix up the terms. What is {a}, and what is {b}?", answer, answer)]


TOPICS = (explain, explain, explain, compare)
