"""A word problem: the question, the worked answer, and a second way to the same answer."""

from dataclasses import dataclass

NAMES = [
    "Ada",
    "Ben",
    "Carla",
    "Dev",
    "Elena",
    "Femi",
    "Gina",
    "Hal",
    "Ines",
    "Jun",
    "Kofi",
    "Lara",
    "Marek",
    "Nina",
    "Omar",
    "Priya",
    "Quinn",
    "Rosa",
    "Sven",
    "Tara",
    "Umar",
    "Vida",
    "Wen",
    "Yara",
    "Zeke",
    "Aiko",
    "Bram",
    "Celia",
    "Dario",
    "Esme",
    "Farid",
    "Grete",
    "Hugo",
    "Imani",
    "Jonah",
    "Kira",
    "Liam",
    "Mona",
    "Nils",
    "Orla",
]
COUNTED = [
    "apples",
    "stickers",
    "marbles",
    "shells",
    "stamps",
    "beads",
    "pencils",
    "cards",
    "coins",
    "buttons",
    "acorns",
    "plums",
]
BOUGHT = [
    "notebook",
    "pen",
    "lamp",
    "cap",
    "mug",
    "ball",
    "scarf",
    "kite",
    "torch",
    "puzzle",
    "basket",
    "ruler",
]
MADE = ["loaves", "chairs", "kites", "lamps", "jars", "toys", "boxes", "candles", "cups", "shirts"]


@dataclass(frozen=True)
class Problem:
    """A question, its worked answer, the answer, and the same answer reached by another way."""

    prompt: str
    steps: tuple[str, ...]
    answer: int
    unit: str
    check: int

    @property
    def completion(self) -> str:
        """The worked answer as text, which ends with the line ``Answer: ...``."""
        return "\n".join([*self.steps, f"Answer: {self.answer}{' ' + self.unit if self.unit else ''}"])

    def verify(self) -> None:
        """Raise ``AssertionError`` if the two ways disagree or the answer makes no sense."""
        if self.answer != self.check or self.answer < 0:
            raise AssertionError(f"{self.prompt}: {self.answer} is not {self.check}")
