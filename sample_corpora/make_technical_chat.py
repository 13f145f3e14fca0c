"""Make technical_chat.jsonl: conversations about programming and mathematics with computed answers.

python sample_corpora/make_technical_chat.py [--out FILE]
"""

import argparse
import json
from pathlib import Path

from chat_topics import algebra, concepts, functions, numbers, output
from chat_topics.exchange import Exchange
from choosing import Chooser

SEED = 4096
COUNT = 2400
OUT = Path(__file__).with_name("technical_chat.jsonl")
TUTORS = (
    "You are a patient tutor for programming and mathematics.",
    "You help students with code and with numbers. Show how the answer is found.",
    "You are a friendly assistant. Explain your answers.",
)
TERSE = ("Answer in as few words as you can.", "Give only the result, without explanation.", "Be brief.")
# Each conversation takes its topic from one of these, all equally likely.
GROUPS = (output.TOPICS, output.TOPICS, functions.TOPICS, algebra.TOPICS, numbers.TOPICS, concepts.TOPICS)

Message = dict[str, str]


def conversations(seed: int = SEED, count: int = COUNT) -> list[list[Message]]:
    """Distinct conversations: no two have the same questions and answers, whatever the system message."""
    chooser = Chooser(seed)
    found: list[list[Message]] = []
    seen: set[tuple[str, ...]] = set()
    while len(found) < count:
        exchanges = chooser.pick(chooser.pick(GROUPS))(chooser)
        turns = exchanges[: chooser.between(1, len(exchanges))]
        messages = conversation(chooser, turns)
        contents = tuple(message["content"] for message in messages if message["role"] != "system")
        if contents not in seen:
            seen.add(contents)
            found.append(messages)
    return found


def conversation(chooser: Chooser, turns: list[Exchange]) -> list[Message]:
    """The turns as messages, three in ten of them after a system message; one that asks for few words gets
    the short answers."""
    system = chooser.pick(TUTORS + TERSE) if chooser.chance(0.3) else ""
    messages = [{"role": "system", "content": system}] if system else []
    for turn in turns:
        messages.append({"role": "user", "content": turn.question})
        messages.append({"role": "assistant", "content": turn.short if system in TERSE else turn.answer})
    return messages


def make() -> str:
    """The whole file as text: one {"messages": [...]} object a line."""
    return "".join(json.dumps({"messages": messages}) + "\n" for messages in conversations())


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description="Make the corpus of technical conversations.")
    parser.add_argument("--out", type=Path, default=OUT, help="file to write (default: %(default)s)")
    parser.parse_args().out.write_text(make(), encoding="ascii", newline="\n")


if __name__ == "__main__":
    main()
