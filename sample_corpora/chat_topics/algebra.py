"""Conversations about algebra, calculus and geometry. Every answer is computed here."""

import math
from fractions import Fraction

from choosing import Chooser

from chat_topics.exchange import Exchange


def _signed(n: int) -> str:
    return f"+ {n}" if n >= 0 else f"- {-n}"


def _polynomial(coefficients: list[int]) -> str:
    """Text of a polynomial, highest power first: [3, 0, -1] is 3x^2 - 1."""
    text = ""
    for power in range(len(coefficients) - 1, -1, -1):
        k = coefficients[len(coefficients) - 1 - power]
        if k:
            body = ("" if abs(k) == 1 and power else str(abs(k))) + ("", "x", f"x^{power}")[min(power, 2)]
            text += (" - " if k < 0 else " + ") + body if text else ("-" if k < 0 else "") + body
    return text or "0"


def _at(coefficients: list[int], x: int) -> int:
    result = 0
    for k in coefficients:
        result = result * x + k
    return result


def linear(c: Chooser) -> list[Exchange]:
    """Solve ax + b = c."""
    a, x, b = c.between(2, 12), c.between(-9, 15), c.between(-20, 20) or 7
    right = a * x + b
    move = f"Subtract {b}" if b > 0 else f"Add {-b}"
    return [
        Exchange(
            f"Solve {a}x {_signed(b)} = {right}.",
            f"{move} on both sides: {a}x = {right - b}. Divide by {a}: x = {x}.",
            f"x = {x}",
        ),
        Exchange(
            "How can I check that?",
            f"Put it back: {a} * ({x}) {_signed(b)} = {right}.",
            f"Put x = {x} back in.",
        ),
    ]


def quadratic(c: Chooser) -> list[Exchange]:
    """Whole roots of a quadratic."""
    p, q = sorted(c.sample(range(-9, 10), 2))
    b, k = -(p + q), p * q
    d = b * b - 4 * k
    assert math.isqrt(d) ** 2 == d and _at([1, b, k], p) == _at([1, b, k], q) == 0
    return [
        Exchange(
            f"What are the solutions of {_polynomial([1, b, k])} = 0?",
            f"The discriminant is ({b})^2 - 4 * ({k}) = {d}, and its root is {math.isqrt(d)}. "
            f"So x = ({-b} - {math.isqrt(d)}) / 2 = {p} or x = ({-b} + {math.isqrt(d)}) / 2 = {q}.",
            f"x = {p} or x = {q}",
        ),
        Exchange(
            "Is there a quick check?",
            f"Yes: the solutions add up to {-b} and their product is {k}, as the coefficients require.",
            f"Their sum must be {-b} and their product {k}.",
        ),
    ]


def systems(c: Chooser) -> list[Exchange]:
    """Two equations with two unknowns."""
    x, y, a, b = c.between(-6, 12), c.between(-6, 12), c.between(2, 7), c.between(2, 7)
    first, second = a * x + y, x + b * y
    return [
        Exchange(
            f"Solve the system {a}x + y = {first} and x + {b}y = {second}.",
            f"From the first, y = {first} - {a}x. Put into the second, x {_signed(b * first)} - {a * b}x = "
            f"{second}, so {1 - a * b}x = {second - b * first} and x = {x}. "
            f"Then y = {first} - {a} * ({x}) = {y}.",
            f"x = {x}, y = {y}",
        )
    ]


def derivative(c: Chooser) -> list[Exchange]:
    """Derivative of a cubic, and its value somewhere."""
    f = [c.between(1, 6), c.between(-7, 7), c.between(-9, 9), c.between(-12, 12)]
    g = [3 * f[0], 2 * f[1], f[2]]
    x = c.between(-3, 4)
    return [
        Exchange(
            f"Differentiate f(x) = {_polynomial(f)}.",
            f"Each power n comes down as a factor and becomes n - 1, and the constant vanishes: "
            f"f'(x) = {_polynomial(g)}.",
            f"f'(x) = {_polynomial(g)}",
        ),
        Exchange(f"And what is the slope at x = {x}?", f"f'({x}) = {_at(g, x)}.", f"{_at(g, x)}"),
    ]


def integral(c: Chooser) -> list[Exchange]:
    """Integral of a line or a parabola from 0 to b."""
    a, k, b = c.between(1, 9), c.between(1, 12), c.between(1, 6)
    area = Fraction(a, 3) * b**3 + k * b
    return [
        Exchange(
            f"What is the integral of {_polynomial([a, 0, k])} from 0 to {b}?",
            f"An antiderivative is F(x) = {a}/3 * x^3 + {k}x. F({b}) - F(0) = {area}.",
            f"{area}",
        )
    ]


def matrices(c: Chooser) -> list[Exchange]:
    """Product of two 2 by 2 matrices, and a determinant."""
    p, q = [[[c.between(-4, 6) for _ in "xy"] for _ in "xy"] for _ in "pq"]
    r = [[sum(p[i][k] * q[k][j] for k in (0, 1)) for j in (0, 1)] for i in (0, 1)]
    dp, dq, dr = (m[0][0] * m[1][1] - m[0][1] * m[1][0] for m in (p, q, r))
    assert dp * dq == dr
    return [
        Exchange(
            f"Multiply the matrices {p} and {q} (given as rows).",
            f"Each entry is a row of the first times a column of the second. The top left entry is "
            f"({p[0][0]}) * ({q[0][0]}) + ({p[0][1]}) * ({q[1][0]}) = {r[0][0]}. The product is {r}.",
            f"{r}",
        ),
        Exchange(
            "What is its determinant?",
            f"It is the product of the two determinants: ({dp}) * ({dq}) = {dr}.",
            f"{dr}",
        ),
    ]


def distance(c: Chooser) -> list[Exchange]:
    """Distance between two points of the plane, from a right triangle with whole sides."""
    triples = ((3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (6, 8, 10), (9, 12, 15), (20, 21, 29))
    p, q, r = c.pick(triples)
    x, y = c.between(-9, 9), c.between(-9, 9)
    return [
        Exchange(
            f"How far apart are the points ({x}, {y}) and ({x + p}, {y + q})?",
            f"The differences are {p} and {q}. By Pythagoras the distance is the root of {p * p} + "
            f"{q * q} = {r * r}, "
            f"which is {r}.",
            f"{r}",
        ),
        Exchange(
            "What is the slope of the line through them?",
            f"It is {q}/{p}{'' if math.gcd(p, q) == 1 else f' = {Fraction(q, p)}'}, the rise over the run.",
            f"{Fraction(q, p)}",
        ),
    ]


TOPICS = (linear, quadratic, systems, derivative, integral, matrices, distance)
