"""Conversations about whole numbers, counting and chance. Every answer is computed here."""

import math
from fractions import Fraction

from choosing import Chooser

from chat_topics.exchange import Exchange


def factors(c: Chooser) -> list[Exchange]:
    """Prime factors."""
    n = c.between(24, 990)
    rest, found = n, []
    for p in range(2, n + 1):
        while rest % p == 0:
            found.append(p)
            rest //= p
    assert math.prod(found) == n
    text = " * ".join(map(str, found))
    why = (
        f"Divide by the smallest prime that fits, again and again: {n} = {text}."
        if len(found) > 1
        else f"{n} is prime: no prime up to its square root divides it."
    )
    return [Exchange(f"What is the prime factorization of {n}?", why, text)]


def euclid(c: Chooser) -> list[Exchange]:
    """Greatest common divisor with its steps, then the least common multiple."""
    g = c.between(2, 18)
    a, b = g * c.between(5, 25), g * c.between(2, 20)
    a, b = max(a, b) + g, min(a, b)
    steps, x, y = [], a, b
    while y:
        steps.append(f"{x} = {x // y} * {y} + {x % y}")
        x, y = y, x % y
    assert x == math.gcd(a, b)
    return [
        Exchange(
            f"Find the greatest common divisor of {a} and {b}.",
            f"By Euclid's algorithm: {'; '.join(steps)}. The divisor in the last line is the answer: {x}.",
            f"{x}",
        ),
        Exchange(
            "And the least common multiple?",
            f"The product divided by the greatest common divisor: {a} * {b} / {x} = {math.lcm(a, b)}.",
            f"{math.lcm(a, b)}",
        ),
    ]


def powers(c: Chooser) -> list[Exchange]:
    """A power modulo a number by repeated squaring."""
    base, exponent, m = c.between(2, 12), c.pick((4, 8, 16)), c.between(5, 40)
    squares, power, now = [], 1, base % m
    while power < exponent:
        power, before = power * 2, now
        now = now * now % m
        squares.append(f"{base}^{power} = {before}^2 = {now}")
    assert now == pow(base, exponent, m)
    return [
        Exchange(
            f"What is {base}^{exponent} modulo {m}?",
            f"Square again and again, and reduce modulo {m} each time: {', '.join(squares)}. The "
            f"answer is {now}.",
            f"{now}",
        )
    ]


def bases(c: Chooser) -> list[Exchange]:
    """Decimal to binary and hexadecimal."""
    n = c.between(17, 4000)
    return [
        Exchange(
            f"Write {n} in binary.",
            f"{n} is the sum {' + '.join(str(1 << i) for i in range(12, -1, -1) if n >> i & 1)}, so "
            f"in binary it is {n:b}.",
            f"{n:b}",
        ),
        Exchange("And in hexadecimal?", f"Group the bits in fours from the right: it is {n:x}.", f"{n:x}"),
    ]


def fractions(c: Chooser) -> list[Exchange]:
    """Sum of two fractions."""
    b, d = c.sample(range(3, 13), 2)
    a, e = c.between(1, b - 1), c.between(1, d - 1)
    m = math.lcm(b, d)
    total = Fraction(a, b) + Fraction(e, d)
    top = a * m // b + e * m // d
    reduced = f", which reduces to {total}" if str(total) != f"{top}/{m}" else ""
    return [
        Exchange(
            f"What is {a}/{b} + {e}/{d}?",
            f"Over the common denominator {m} it is {a * m // b}/{m} + {e * m // d}/{m} = "
            f"{top}/{m}{reduced}.",
            f"{total}",
        )
    ]


def series(c: Chooser) -> list[Exchange]:
    """Sum of an arithmetic series."""
    a, d, n = c.between(1, 20), c.between(1, 9), c.between(5, 40)
    last = a + (n - 1) * d
    total = sum(range(a, last + 1, d))
    assert 2 * total == n * (a + last)
    return [
        Exchange(
            f"What is the sum of the first {n} terms of {a}, {a + d}, {a + 2 * d}, ...?",
            f"The last of them is {a} + {n - 1} * {d} = {last}. The mean of the first and the last is "
            f"{(a + last) / 2:g}, "
            f"and {n} times that is {total}.",
            f"{total}",
        )
    ]


def choices(c: Chooser) -> list[Exchange]:
    """Combinations, and the same with order."""
    n, k = c.between(5, 14), c.between(2, 4)
    what = c.pick(("people", "books", "colours", "cards", "songs"))
    return [
        Exchange(
            f"In how many ways can I choose {k} of {n} {what} if the order does not matter?",
            f"There are C({n}, {k}) = {n}! / ({k}! * {n - k}!) = {math.comb(n, k)} ways.",
            f"{math.comb(n, k)}",
        ),
        Exchange(
            "And if the order matters?",
            f"Then each choice can be arranged in {k}! = {math.factorial(k)} ways, which gives "
            f"{math.perm(n, k)}.",
            f"{math.perm(n, k)}",
        ),
    ]


def dice(c: Chooser) -> list[Exchange]:
    """Probability of a sum of two dice."""
    sides, total = c.pick((4, 6, 8, 10, 12)), 0
    total = c.between(3, 2 * sides)
    ways = sum(a + b == total for a in range(1, sides + 1) for b in range(1, sides + 1))
    p = Fraction(ways, sides * sides)
    return [
        Exchange(
            f"I roll two fair dice with {sides} sides each. How likely is a sum of {total}?",
            f"{ways} of the {sides} * {sides} = {sides * sides} equally likely outcomes add up to "
            f"{total}, so the "
            f"probability is {ways}/{sides * sides} = {p}, about {float(p):.3f}.",
            f"{p}",
        )
    ]


def statistics(c: Chooser) -> list[Exchange]:
    """Mean and median of five numbers."""
    numbers = [c.between(1, 40) for _ in range(5)]
    ordered, total = sorted(numbers), sum(numbers)
    listed = ", ".join(map(str, numbers))
    return [
        Exchange(
            f"What are the mean and the median of {listed}?",
            f"The sum is {total}, so the mean is {total} / 5 = {total / 5:g}. In order they are "
            f"{', '.join(map(str, ordered))}, so the median is {ordered[2]}.",
            f"Mean {total / 5:g}, median {ordered[2]}",
        )
    ]


TOPICS = (factors, euclid, powers, bases, fractions, series, choices, dice, statistics)
