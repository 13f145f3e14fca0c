"""Conversations of the kind "what does this print?". Every output is that of the code, run here."""

from choosing import Chooser

from chat_topics.exchange import Exchange, code_block, printed

WORDS = (
    *("lantern", "river", "planet", "copper", "window", "garden", "marble", "puzzle", "saddle", "winter"),
    *("harbor", "candle", "python", "kernel", "buffer", "tensor", "matrix", "vector", "pointer", "packet"),
    *("socket", "cursor", "branch", "commit"),
)
ASKED = (
    "What does this print?",
    "What is the output of this code?",
    "Can you tell me what this Python prints?",
)


def _ask(c: Chooser, code: str, why: str) -> Exchange:
    out = printed(code)
    shown = f"It prints `{out}`." if "\n" not in out else f"It prints:\n{code_block(out, 'text')}"
    return Exchange(f"{c.pick(ASKED)}\n{code_block(code)}", f"{shown} {why}".replace("``` ", "```\n"), shown)


def _then(code: str, change: str, why: str) -> Exchange:
    out = printed(code)
    return Exchange(change, f"Then it prints `{out}`. {why}", f"`{out}`")


def slices(c: Chooser) -> list[Exchange]:
    """Slices of a string."""
    word, a, b = c.pick(WORDS), c.between(0, 2), c.between(3, 6)
    code = f'word = "{word}"\nprint(word[{a}:{b}])'
    back = f'word = "{word}"\nprint(word[::-1])'
    return [
        _ask(c, code, f"A slice starts at index {a}, counting from 0, and stops before index {b}."),
        _then(back, "And with `word[::-1]`?", "A step of -1 walks through the string backwards."),
    ]


def ranges(c: Chooser) -> list[Exchange]:
    """Ranges with a step."""
    a, step, n = c.between(0, 9), c.between(2, 5), c.between(3, 6)
    stop = a + step * n
    return [
        _ask(
            c,
            f"print(list(range({a}, {stop}, {step})))",
            f"The range counts up from {a} in steps of {step}, and {stop} itself is left out.",
        ),
        _then(
            f"print(list(range({a}, {stop + 1}, {step})))",
            f"What if the stop is {stop + 1}?",
            f"Now {stop} lies before the stop, so it is included.",
        ),
    ]


def division(c: Chooser) -> list[Exchange]:
    """Floor division and remainder, also of negative numbers."""
    a, b = c.between(7, 60), c.between(2, 9)
    q, r, nq, nr = a // b, a % b, -a // b, -a % b
    return [
        _ask(
            c,
            f"print({a} // {b}, {a} % {b})",
            f"`//` is division rounded down and `%` is what remains: {b} * {q} + {r} = {a}.",
        ),
        _then(
            f"print(-{a} // {b}, -{a} % {b})",
            f"And with -{a} in place of {a}?",
            f"Python rounds towards minus infinity, so the remainder is never negative here: "
            f"{b} * ({nq}) + {nr} = -{a}.",
        ),
    ]


def comprehensions(c: Chooser) -> list[Exchange]:
    """A list comprehension with a condition."""
    n, d, power = c.between(6, 14), c.between(2, 4), c.between(2, 3)
    return [
        _ask(
            c,
            f"print([k ** {power} for k in range({n}) if k % {d} == 0])",
            f"The condition keeps the multiples of {d} below {n}, 0 among them, and each is raised to "
            f"the power "
            f"{power}.",
        )
    ]


def sorting(c: Chooser) -> list[Exchange]:
    """Sorting by a key, and stability."""
    words = c.sample(WORDS, 4)
    code = f"words = {words}\nprint(sorted(words, key=lambda w: w[-1]))".replace("'", '"')
    plain = f"words = {words}\nprint(sorted(words))".replace("'", '"')
    return [
        _ask(c, code, "The key is the last letter of each word; words with equal keys keep their order."),
        _then(
            plain,
            "And without the key?",
            "Without a key the words are compared as a whole, letter by letter.",
        ),
    ]


def counting(c: Chooser) -> list[Exchange]:
    """Counting letters with a dictionary."""
    word = c.pick(WORDS)
    code = (
        f'counts = {{}}\nfor letter in "{word}":\n    counts[letter] = counts.get(letter, 0) + 1\n'
        f"print(max(counts.values()), len(counts))"
    )
    return [
        _ask(
            c,
            code,
            "The first number is how often the commonest letter occurs, the second how many "
            "different letters there are.",
        )
    ]


def aliases(c: Chooser) -> list[Exchange]:
    """Two names for one list, and a copy."""
    numbers, extra = [c.between(1, 9) for _ in range(3)], c.between(10, 99)
    code = f"a = {numbers}\nb = a\nb.append({extra})\nprint(a)"
    copied = f"a = {numbers}\nb = a[:]\nb.append({extra})\nprint(a)"
    return [
        _ask(
            c, code, "`b = a` makes no copy: both names stand for the same list, so the change shows in `a`."
        ),
        _then(
            copied,
            "How do I keep `a` as it was? Does `b = a[:]` help?",
            "The slice makes a new list, so `a` stays.",
        ),
    ]


def loops(c: Chooser) -> list[Exchange]:
    """A loop that doubles until a limit."""
    start, limit = c.between(1, 9), c.between(40, 400)
    code = f"n, steps = {start}, 0\nwhile n < {limit}:\n    n *= 2\n    steps += 1\nprint(n, steps)"
    return [_ask(c, code, f"`n` doubles until it is at least {limit}, and `steps` counts the doublings.")]


def joining(c: Chooser) -> list[Exchange]:
    """Splitting and joining strings."""
    words, mark = c.sample(WORDS, 3), c.pick("-_+/:")
    code = f'text = "{" ".join(words)}"\nprint("{mark}".join(text.upper().split()))'
    return [
        _ask(
            c,
            code,
            f"`split()` cuts at the spaces and `join` puts the pieces together with `{mark}` between.",
        )
    ]


def bits(c: Chooser) -> list[Exchange]:
    """And, or, exclusive or."""
    a, b = c.between(5, 63), c.between(5, 63)
    return [
        _ask(c, f"print({a} & {b}, {a} | {b}, {a} ^ {b})", f"In binary the numbers are {a:b} and {b:b}."),
        _then(f"print({a} << 2, {a} >> 1)", f"And `print({a} << 2, {a} >> 1)`?",
              "A shift to the left by 2 is times 4; to the right by 1 is half, rounded down."),
    ]  # fmt: skip


def recursion(c: Chooser) -> list[Exchange]:
    """A small recursive function."""
    base, add, n = c.between(1, 5), c.between(2, 9), c.between(3, 9)
    code = f"def f(n):\n    if n == 0:\n        return {base}\n    return f(n - 1) + {add}\n\nprint(f({n}))"
    return [
        _ask(
            c,
            code,
            f"The recursion ends at f(0) = {base}, and each of the {n} calls above that adds {add}: "
            f"{base} + {n} * {add} = {base + n * add}.",
        )
    ]


def pairs(c: Chooser) -> list[Exchange]:
    """Enumerate and zip."""
    words, start = c.sample(WORDS, 3), c.between(1, 5)
    code = f"for i, w in enumerate({words}, start={start}):\n    print(i, w)".replace("'", '"')
    return [
        _ask(c, code, f"`enumerate` gives each item with its number, and here the numbers start at {start}.")
    ]


def sets(c: Chooser) -> list[Exchange]:
    """Union, intersection, difference."""
    a, b = sorted(c.sample(range(1, 12), 4)), sorted(c.sample(range(1, 12), 4))
    left, right = ("{" + ", ".join(map(str, numbers)) + "}" for numbers in (a, b))
    code = f"a = {left}\nb = {right}\nprint(sorted(a & b), sorted(a - b))"
    return [
        _ask(
            c, code, "`&` keeps what is in both sets; `-` keeps what is in the first and not in the second."
        ),
        _then(f"a = {left}\nb = {right}\nprint(sorted(a | b))", "And `sorted(a | b)`?", "`|` is the union."),
    ]


def formatting(c: Chooser) -> list[Exchange]:
    """Format specifications."""
    n, width = c.between(1000, 99999), c.between(6, 9)
    x = c.between(101, 9999) / 1000
    return [
        _ask(c, f'print(f"{{{n}:,}}|{{{x}:.1f}}|{{{n % 97}:0{width}d}}")',
             f"`,` puts in separators, `.1f` rounds to one decimal, and `0{width}d` pads with zeros to "
             f"{width} places.")
    ]  # fmt: skip


def traps(c: Chooser) -> list[Exchange]:
    """The default argument that is shared between calls."""
    a, b = c.sample(range(1, 60), 2)
    code = f"def add(x, seen=[]):\n    seen.append(x)\n    return seen\n\nadd({a})\nprint(add({b}))"
    fixed = (
        f"def add(x, seen=None):\n    seen = [] if seen is None else seen\n    seen.append(x)\n   "
        f" return seen\n\n"
        f"add({a})\nprint(add({b}))"
    )
    return [
        _ask(c, code, "The default list is made once, when the function is defined, and all calls share it."),
        Exchange(
            "How should I write it?",
            f"Make the list inside the function:\n{code_block(fixed)}\nNow it prints `{printed(fixed)}`.",
            f"Use `seen=None` and make the list inside; then it prints `{printed(fixed)}`.",
        ),
    ]


TOPICS = (
    slices,
    ranges,
    division,
    comprehensions,
    sorting,
    counting,
    aliases,
    loops,
    joining,
    bits,
    recursion,
    pairs,
    sets,
    formatting,
    traps,
)
