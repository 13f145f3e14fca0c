"""Conversations that ask for a function, a repair, or a query. All code in the answers is run here."""

import contextlib
import sqlite3

from choosing import Chooser

from chat_topics.exchange import Exchange, code_block, printed, value
from chat_topics.tasks import TASKS

WORDS = (
    *(
        "level",
        "banana",
        "committee",
        "rotor",
        "balloon",
        "success",
        "kayak",
        "mississippi",
        "rhythm",
        "queue",
    ),
    *(
        "noon",
        "assess",
        "bookkeeper",
        "radar",
        "coffee",
        "letter",
        "address",
        "parallel",
        "civic",
        "tomorrow",
    ),
)
REQUESTS = (
    "Write a Python function `{name}` that {task}.",
    "I need a function `{name}` in Python. It {task}.",
    "Could you show me a short Python function that {task}? Please call it `{name}`.",
)


def write(c: Chooser) -> list[Exchange]:
    """Write a function, give an example, say what it costs."""
    name, task, code, kind, cost = c.pick(TASKS)
    arguments = {
        "one": lambda: str(c.between(6, 120)),
        "small": lambda: str(c.between(5, 20)),
        "two": lambda: f"{c.between(12, 240)}, {c.between(8, 180)}",
        "word": lambda: f'"{c.pick(WORDS)}"',
        "list": lambda: str([c.between(-5, 30) for _ in range(4)] + [31]),
    }[kind]
    first, second = f"{name}({arguments()})", f"{name}({arguments()})"
    turns = [
        Exchange(
            c.pick(REQUESTS).format(name=name, task=task),
            f"{code_block(code)}\nFor example, `{first}` gives `{value(code, first)!r}`.",
            code_block(code),
        ),
        Exchange(
            f"What does `{second}` give?",
            f"It gives `{value(code, second)!r}`.",
            f"`{value(code, second)!r}`",
        ),
        Exchange("How many steps does it take?", cost, cost),
    ]
    return [turns[0], *c.sample(turns[1:], c.between(0, 2))]


def repair(c: Chooser) -> list[Exchange]:
    """Find the mistake. The wrong and the right program are both run."""
    n, numbers = c.between(4, 40), [c.between(2, 9) for _ in range(5)]
    low = [-c.between(2, 40) for _ in range(3)]
    wrong, right, wish, why = c.pick(
        (
            (
                f"total = 0\nfor k in range({n}):\n    total += k\nprint(total)",
                f"total = 0\nfor k in range({n} + 1):\n    total += k\nprint(total)",
                f"add the numbers from 1 to {n}",
                f"`range({n})` stops at {n - 1}, so the last number is never added.",
            ),
            (
                f"best = 0\nfor x in {low}:\n    if x > best:\n        best = x\nprint(best)",
                f"numbers = {low}\nbest = numbers[0]\nfor x in numbers:\n    if x > best:\n        best = x\n"
                "print(best)",
                f"find the largest of {low}",
                "Starting from 0 fails when all numbers are negative. Start from the first.",
            ),
            (
                f"numbers = {numbers}\nprint(sum(numbers) // len(numbers))",
                f"numbers = {numbers}\nprint(sum(numbers) / len(numbers))",
                f"compute the exact mean of {numbers}",
                "`//` throws the fraction away. Use `/`.",
            ),
            (
                f"numbers = [{n}, {n}, 3, 4]\nfor x in numbers:\n    if x == {n}:\n"
                "        numbers.remove(x)\nprint(numbers)",
                f"numbers = [{n}, {n}, 3, 4]\nnumbers = [x for x in numbers if x != {n}]\nprint(numbers)",
                f"remove every {n} from a list",
                "Removing while looping makes the loop skip an item. Build a new list.",
            ),
            (
                f'a = "{n}"\nb = "{n + 1}"\nprint(a + b)',
                f'a = "{n}"\nb = "{n + 1}"\nprint(int(a) + int(b))',
                f"add {n} and {n + 1} as they come from input()",
                "input() gives strings, and + joins strings. Convert them first.",
            ),
            (
                f"def double(x):\n    2 * x\n\nprint(double({n}))",
                f"def double(x):\n    return 2 * x\n\nprint(double({n}))",
                f"print twice {n}",
                "The function computes the value but does not return it.",
            ),
        )
    )
    out, good = printed(wrong), printed(right)
    if good in (out, out + ".0"):  # the mistake happens not to show with these numbers
        return repair(c)
    asked = c.pick(("It should", "I want it to", "My program is meant to"))
    return [
        Exchange(
            f"{asked} {wish}, but it prints `{out}`. What is wrong?\n{code_block(wrong)}",
            f"{why} This version prints `{good}`:\n{code_block(right)}",
            why,
        )
    ]


def query(c: Chooser) -> list[Exchange]:
    """A question to a small table, answered in SQL and run."""
    names = c.sample(("Ana", "Bo", "Cy", "Dot", "Eli", "Fay", "Gus", "Hia"), 4)
    points = c.sample(range(5, 96), 4)
    rows = [(name, c.pick(("red", "blue")), score) for name, score in zip(names, points, strict=True)]
    limit = c.between(20, 60)
    wish, sql = c.pick(
        (
            (
                f"the names with more than {limit} points, in alphabetical order",
                f"SELECT name FROM players WHERE points > {limit} ORDER BY name",
            ),
            (
                "the total of points for each team",
                "SELECT team, SUM(points) FROM players GROUP BY team ORDER BY team",
            ),
            ("the name with the most points", "SELECT name FROM players ORDER BY points DESC LIMIT 1"),
            (
                f"how many players have at least {limit} points",
                f"SELECT COUNT(*) FROM players WHERE points >= {limit}",
            ),
            ("the highest score in the red team", "SELECT MAX(points) FROM players WHERE team = 'red'"),
        )
    )
    with contextlib.closing(sqlite3.connect(":memory:")) as base:
        base.execute("CREATE TABLE players (name TEXT, team TEXT, points INTEGER)")
        base.executemany("INSERT INTO players VALUES (?, ?, ?)", rows)
        found = base.execute(sql).fetchall()
    shown = (
        "; ".join(", ".join("NULL" if cell is None else str(cell) for cell in row) for row in found)
        or "no rows"
    )
    table = "\n".join(["name | team | points", *(f"{a} | {b} | {n}" for a, b, n in rows)])
    return [
        Exchange(
            f"I have an SQL table `players`:\n{code_block(table, 'text')}\nHow do I find {wish}?",
            f"{code_block(sql + ';', 'sql')}\nFor this table the result is: {shown}.",
            code_block(sql + ";", "sql"),
        )
    ]


TOPICS = (write, write, write, repair, query)
