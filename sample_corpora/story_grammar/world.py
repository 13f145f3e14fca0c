"""The people, places and things of the generated stories, and the small world that keeps them consistent."""

import re
from dataclasses import dataclass, field

from choosing import Chooser

from story_grammar.lexicon import HE_NAMES, NATURES, SEASONS, SHE_NAMES, TRADES, VILLAGES
from story_grammar.places import PLACES
from story_grammar.things import GOODS, KEEPSAKES


@dataclass(frozen=True)
class Place:
    """Somewhere to be: ``at`` is the phrase for being there, ``detail`` a sentence about it."""

    the: str
    at: str
    errand: str
    detail: str
    riddle: str

    def __str__(self) -> str:
        return self.the


@dataclass(frozen=True)
class Person:
    """Somebody in a story, with pronouns that agree and a place of their own."""

    name: str
    he: str
    him: str
    his: str
    trade: str
    nature: str
    home: Place
    craft: str

    def __str__(self) -> str:
        return self.name

    @property
    def himself(self) -> str:
        return self.him + "self"

    @property
    def child(self) -> str:
        return "boy" if self.he == "he" else "girl"

    @property
    def man(self) -> str:
        return "man" if self.he == "he" else "woman"


@dataclass(frozen=True)
class Thing:
    """An object: ``a`` introduces it, ``the`` names it again, ``it`` is its pronoun, ``note`` says more."""

    a: str
    the: str
    it: str
    note: str

    def __str__(self) -> str:
        return self.the

    @property
    def was(self) -> str:
        return "was" if self.it == "it" else "were"

    @property
    def has(self) -> str:
        return "has" if self.it == "it" else "have"

    @property
    def them(self) -> str:
        return "it" if self.it == "it" else "them"


class InconsistentStory(Exception):
    """A plot tried to do what its world does not allow."""


@dataclass
class World:
    """Who is where, who holds what, who promised what. Every change is checked, then logged."""

    where: dict[str, str] = field(default_factory=dict)
    holder: dict[str, str] = field(default_factory=dict)
    owed: set[tuple[str, str, str]] = field(default_factory=set)
    log: list[tuple[str, ...]] = field(default_factory=list)

    def put(self, person: Person, place: Place) -> None:
        """Begin with somebody somewhere."""
        self._check(person.name not in self.where, f"{person} is already somewhere")
        self.where[person.name] = place.the
        self.log.append(("put", person.name, place.the))

    def own(self, person: Person, thing: Thing) -> None:
        """Begin with (or make) a thing in somebody's hands."""
        self._check(thing.the not in self.holder, f"{thing} already exists")
        self.holder[thing.the] = person.name
        self.log.append(("own", person.name, thing.the))

    def lay(self, thing: Thing, place: Place) -> None:
        """Begin with a thing lying somewhere."""
        self._check(thing.the not in self.holder, f"{thing} already exists")
        self.holder[thing.the] = place.the
        self.log.append(("lay", thing.the, place.the))

    def go(self, person: Person, place: Place) -> None:
        """Somebody walks to another place."""
        self._check(self.where[person.name] != place.the, f"{person} is already at {place}")
        self.where[person.name] = place.the
        self.log.append(("go", person.name, place.the))

    def give(self, giver: Person, taker: Person, thing: Thing) -> None:
        """A thing changes hands; both must be in one place and the giver must hold it."""
        self._check(self.holder[thing.the] == giver.name, f"{giver} does not hold {thing}")
        self._check(self.where[giver.name] == self.where[taker.name], f"{giver} and {taker} are apart")
        self.holder[thing.the] = taker.name
        self.log.append(("give", giver.name, taker.name, thing.the))

    def drop(self, person: Person, thing: Thing) -> None:
        """A thing is left, or lost, where its holder stands."""
        self._check(self.holder[thing.the] == person.name, f"{person} does not hold {thing}")
        self.holder[thing.the] = self.where[person.name]
        self.log.append(("drop", person.name, thing.the))

    def carry_off(self, thing: Thing, place: Place) -> None:
        """An animal, or the wind, takes a lying thing to another place."""
        self._check(self.holder[thing.the] not in self.where, f"{thing} is in somebody's hands")
        self.holder[thing.the] = place.the
        self.log.append(("carry_off", thing.the, place.the))

    def pick_up(self, person: Person, thing: Thing) -> None:
        """Somebody takes up a thing that lies where they stand."""
        self._check(self.holder[thing.the] == self.where[person.name], f"{thing} is not near {person}")
        self.holder[thing.the] = person.name
        self.log.append(("pick_up", person.name, thing.the))

    def promise(self, giver: Person, taker: Person, thing: Thing) -> None:
        """Somebody owes somebody a thing."""
        self.owed.add((giver.name, taker.name, thing.the))
        self.log.append(("promise", giver.name, taker.name, thing.the))

    def keep(self, giver: Person, taker: Person, thing: Thing) -> None:
        """The promised thing is handed over."""
        self._check((giver.name, taker.name, thing.the) in self.owed, f"{giver} promised no {thing}")
        self.give(giver, taker, thing)
        self.owed.remove((giver.name, taker.name, thing.the))
        self.log.append(("keep", giver.name, taker.name, thing.the))

    def close(self) -> None:
        """The story ends: nothing may be owed."""
        self._check(not self.owed, f"still owed: {self.owed}")

    @staticmethod
    def _check(allowed: bool, complaint: str) -> None:
        if not allowed:
            raise InconsistentStory(complaint)


class Story:
    """A story being told: a world, a cast under one-letter names, and the paragraphs so far.

    ``tell`` writes sentences: ``[one|other]`` is a choice, ``{A}``, ``{A.he}``, ``{P.at}`` speak of the cast.
    """

    def __init__(self, chooser: Chooser) -> None:
        self.choose = chooser
        self.world = World()
        self.season = chooser.pick(SEASONS)
        self.title = ""
        self.paragraphs: list[str] = []
        self._sentences: list[str] = []
        self._trades = chooser.sample(TRADES, len(TRADES))
        self._natures = chooser.sample(NATURES, len(NATURES))
        self._places = chooser.sample(PLACES, len(PLACES))
        self._keepsakes = chooser.sample(KEEPSAKES, len(KEEPSAKES))
        self._goods = chooser.sample(GOODS, len(GOODS))
        self._names = {"she": chooser.sample(SHE_NAMES, 8), "he": chooser.sample(HE_NAMES, 8)}
        self.cast: dict[str, object] = {"V": chooser.pick(VILLAGES), "S": self.season}

    def person(self, letter: str, unlike: Person | None = None, trade: str = "") -> Person:
        """Bring in somebody new, at home; ``unlike`` asks for the other pronoun, to keep he and she clear."""
        he = self.choose.pick(("she", "he")) if unlike is None else ("she" if unlike.he == "he" else "he")
        index = next((i for i, row in enumerate(self._trades) if trade in ("", row[0])), 0)
        title, home, craft = self._trades.pop(index)
        person = Person(
            name=self._names[he].pop(),
            he=he,
            him="her" if he == "she" else "him",
            his="her" if he == "she" else "his",
            trade=title,
            nature=self._natures.pop(),
            home=Place(home, f"at {home}", f"to call at {home}", "", ""),
            craft=craft,
        )
        self.cast[letter] = person
        self.world.put(person, person.home)
        return person

    def place(self, letter: str) -> Place:
        """Bring in a place that is nobody's home."""
        the, at, errand, details, riddle = self._places.pop()
        place = Place(the, at, errand, self.choose.pick(details.split("|")), riddle)
        self.cast[letter] = place
        return place

    def keepsake(self, letter: str) -> Thing:
        """Bring in a small thing that somebody is fond of."""
        return self.thing(letter, self._keepsakes.pop())

    def goods(self, letter: str) -> Thing:
        """Bring in a thing that people trade."""
        return self.thing(letter, self._goods.pop())

    def thing(self, letter: str, row: tuple[str, str, str]) -> Thing:
        """Bring in a thing from its row: article and noun, pronoun, note."""
        a, it, note = row
        thing = Thing(a, f"the {a.split()[-1]}", it, note)
        self.cast[letter] = thing
        return thing

    def tell(self, text: str, **more: object) -> None:
        """Write sentences in the current paragraph."""
        self._sentences.append(self.say(text, **more))

    def turn(self, text: str, **more: object) -> None:
        """Begin a new paragraph with these sentences."""
        self._end_paragraph()
        self.tell(text, **more)

    def say(self, text: str, **more: object) -> str:
        """Expand choices and names, and put capitals where sentences begin."""
        known = {**self.cast, **more}
        filled = self._expand(text).format_map(known)
        filled = self._expand(filled).format_map(known)
        return re.sub(r"(^\"?|[.!?] \"?|: \")([a-z])", lambda found: found[1] + found[2].upper(), filled)

    def finish(self) -> str:
        """The whole story as text: title, blank line, paragraphs."""
        self._end_paragraph()
        self.world.close()
        self.title = _headline(self.title)
        return "\n\n".join([self.title, *self.paragraphs])

    def _end_paragraph(self) -> None:
        if self._sentences:
            self.paragraphs.append(" ".join(" ".join(self._sentences).split()))
            self._sentences = []

    def _expand(self, text: str) -> str:
        while "[" in text:
            text = re.sub(r"\[([^\[\]]*)\]", lambda found: self.choose.pick(found[1].split("|")), text)
        return text


def _headline(title: str) -> str:
    words = title.split()
    return " ".join(
        word if index and word in _SMALL_WORDS else word[0].upper() + word[1:]
        for index, word in enumerate(words)
    )


_SMALL_WORDS = frozenset(
    ("a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "the", "to", "under", "with")
)
