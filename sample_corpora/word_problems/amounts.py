"""Problems about how many and how much."""

from choosing import Chooser

from word_problems.problem import BOUGHT, COUNTED, MADE, NAMES, Problem


def gain_and_loss(c: Chooser) -> Problem:
    """Have, get, give away."""
    name, other = c.sample(NAMES, 2)
    things = c.pick(COUNTED)
    have, more = c.between(12, 95), c.between(5, 60)
    less = c.between(3, have + more - 1)
    got = have + more
    left = got - less
    how = c.pick(("finds {m} more", "is given {m} more", "buys {m} more", "wins {m} more")).format(m=more)
    return Problem(
        f"{name} has {have} {things}. {name} {how} and then gives {less} to {other}. "
        f"How many {things} does {name} have now?",
        (f"With the new ones, {name} has {have} + {more} = {got} {things}.",
         f"After giving some away, {got} - {less} = {left} {things} are left."),
        left, things, have + (more - less),
    )  # fmt: skip


def shopping(c: Chooser) -> Problem:
    """Two kinds of article, paid with a round sum; the change."""
    name = c.pick(NAMES)
    first, second = c.sample(BOUGHT, 2)
    n, m, p, q = c.between(2, 6), c.between(2, 6), c.between(2, 14), c.between(2, 14)
    a, b = n * p, m * q
    total = a + b
    paid = (total // 20 + 1) * 20
    change = paid - total
    return Problem(
        f"A {first} costs {p} coins and a {second} costs {q} coins. {name} buys {n} of the first "
        f"kind and {m} of the "
        f"second, and pays with {paid} coins. How many coins come back?",
        (f"The {first} costs {p} each, so {n} of them cost {n} * {p} = {a} coins.",
         f"The {second} costs {q} each, so {m} of them cost {m} * {q} = {b} coins.",
         f"Together that is {a} + {b} = {total} coins.",
         f"The change is {paid} - {total} = {change} coins."),
        change, "coins", paid - sum([p] * n) - sum([q] * m),
    )  # fmt: skip


def sharing(c: Chooser) -> Problem:
    """Division with a remainder; how many are left over."""
    name, things = c.pick(NAMES), c.pick(COUNTED)
    people, each = c.between(3, 12), c.between(4, 15)
    rest = c.between(1, people - 1)
    total = people * each + rest
    given = people * each
    left = total - given
    return Problem(
        f"{name} shares {total} {things} equally among {people} children, and keeps what is left over. "
        f"How many {things} does {name} keep?",
        (f"{people} goes into {total} {each} times, since {people} * {each} = {given}.",
         f"What is left over is {total} - {given} = {left} {things}."),
        left, things, total % people,
    )  # fmt: skip


def boxes(c: Chooser) -> Problem:
    """Division rounded up: how many boxes are needed."""
    things, size, full = c.pick(COUNTED), c.between(4, 14), c.between(3, 14)
    extra = c.between(1, size - 1)
    total = size * full + extra
    packed = size * full
    need = full + 1
    return Problem(
        f"A box holds {size} {things}. How many boxes are needed to hold {total} {things}?",
        (f"{full} full boxes hold {full} * {size} = {packed} {things}.",
         f"{total} - {packed} = {extra} {things} still need a box.",
         f"So {full} + 1 = {need} boxes are needed."),
        need, "boxes", -(-total // size),
    )  # fmt: skip


def discount(c: Chooser) -> Problem:
    """A percentage off a price."""
    name, thing = c.pick(NAMES), c.pick(BOUGHT)
    percent, price = c.pick((5, 10, 20, 25, 30, 40, 50, 60, 75)), c.between(2, 30) * 20
    off = price * percent // 100
    return Problem(
        f"{name} wants a {thing} that costs {price} coins. In the sale it is {percent} percent off. "
        f"What does {name} pay?",
        (f"One percent of {price} is {price} / 100 = {price / 100:g}.",
         f"{percent} percent is {percent} * {price / 100:g} = {off} coins.",
         f"The price in the sale is {price} - {off} = {price - off} coins."),
        price - off, "coins", price * (100 - percent) // 100,
    )  # fmt: skip


def fraction(c: Chooser) -> Problem:
    """A fraction of a number is used; how much remains."""
    name, things = c.pick(NAMES), c.pick(COUNTED)
    bottom = c.between(3, 9)
    top, part = c.between(2, bottom - 1), c.between(3, 16)
    total, used = bottom * part, top * part
    return Problem(
        f"{name} had {total} {things} and gave away {top}/{bottom} of them. How many {things} remain?",
        (f"One {bottom}th of {total} is {total} / {bottom} = {part}.".replace("3th", "third"),
         f"{name} gave away {top} * {part} = {used}.",
         f"There remain {total} - {used} = {total - used} {things}."),
        total - used, things, total * (bottom - top) // bottom,
    )  # fmt: skip


def savings(c: Chooser) -> Problem:
    """Weeks needed to save for something."""
    name, thing = (
        c.pick(NAMES),
        c.pick(("bicycle", "drum", "telescope", "tent", "guitar", "camera", "sledge")),
    )
    week, weeks, have = c.between(4, 25), c.between(3, 20), c.between(5, 60)
    missing = week * weeks
    return Problem(
        f"{name} has {have} coins and saves {week} coins a week for a {thing} that costs "
        f"{have + missing} coins. "
        f"How many weeks does it take?",
        (f"{name} still needs {have + missing} - {have} = {missing} coins.",
         f"At {week} coins a week that takes {missing} / {week} = {weeks} weeks."),
        weeks, "weeks", len(range(have, have + missing, week)),
    )  # fmt: skip


def mean(c: Chooser) -> Problem:
    """The fifth number that brings a mean to a given value."""
    name = c.pick(NAMES)
    scores, target = [c.between(50, 90) for _ in range(4)], c.between(65, 75)
    so_far, needed = sum(scores), 5 * target
    if needed < so_far:
        target = so_far // 5 + 5
        needed = 5 * target
    a = scores[0] + scores[1]
    return Problem(
        f"In four games {name} scored {scores[0]}, {scores[1]}, {scores[2]} and {scores[3]} "
        f"points. How many points are "
        f"needed in the fifth game for a mean of {target}?",
        (f"The first two make {scores[0]} + {scores[1]} = {a}.",
         f"With the third, {a} + {scores[2]} = {a + scores[2]}.",
         f"With the fourth, {a + scores[2]} + {scores[3]} = {so_far}.",
         f"A mean of {target} over five games needs 5 * {target} = {needed} points.",
         f"So the fifth game must bring {needed} - {so_far} = {needed - so_far} points."),
        needed - so_far, "points", target + sum(target - score for score in scores),
    )  # fmt: skip


def workshop(c: Chooser) -> Problem:
    """A rate, several workers, several days, an order to fill."""
    things, workers, rate, days = c.pick(MADE), c.between(2, 9), c.between(3, 15), c.between(2, 9)
    a_day = workers * rate
    made = a_day * days
    order = made + c.between(5, 90)
    return Problem(
        f"In a workshop {workers} people make {rate} {things} each a day. There is an order for "
        f"{order} {things}. "
        f"How many are still missing after {days} days?",
        (f"In one day they make {workers} * {rate} = {a_day} {things}.",
         f"In {days} days they make {days} * {a_day} = {made} {things}.",
         f"Still missing are {order} - {made} = {order - made} {things}."),
        order - made, things, order - sum(rate for _ in range(workers * days)),
    )  # fmt: skip


def recipe(c: Chooser) -> Problem:
    """Scale a recipe."""
    name, people, factor, each = c.pick(NAMES), c.between(2, 6), c.between(2, 8), c.between(10, 60) * 5
    what = c.pick(("flour", "rice", "sugar", "oats", "beans", "lentils"))
    total, guests = people * each, people * factor
    return Problem(
        f"A recipe for {people} people takes {total} grams of {what}. {name} cooks for {guests} people. "
        f"How many grams of {what} are needed?",
        (f"For one person it is {total} / {people} = {each} grams.",
         f"For {guests} people it is {guests} * {each} = {guests * each} grams."),
        guests * each, "grams", total * factor,
    )  # fmt: skip


def ratio(c: Chooser) -> Problem:
    """Split an amount in a given ratio; the difference of the shares."""
    name, other = c.sample(NAMES, 2)
    small, more, part = c.between(1, 5), c.between(1, 5), c.between(3, 25)
    large = small + more
    parts = small + large
    total = parts * part
    return Problem(
        f"{name} and {other} divide {total} coins in the ratio {large} to {small}. "
        f"How many coins does {name} get more than {other}?",
        (
            f"There are {large} + {small} = {parts} parts.",
            f"One part is {total} / {parts} = {part} coins.",
            f"{name} gets {large} * {part} = {large * part} coins.",
            f"{other} gets {small} * {part} = {small * part} coins.",
            f"The difference is {large * part} - {small * part} = {more * part} coins.",
        ),
        more * part,
        "coins",
        total * large // parts - total * small // parts,
    )


def rise(c: Chooser) -> Problem:
    """A number grows by a percentage, then loses a fixed amount."""
    place = c.pick(("village", "school", "club", "library", "choir", "island"))
    percent, start = c.pick((5, 10, 20, 25, 40, 50)), c.between(3, 40) * 20
    grown = start * percent // 100
    then = start + grown
    left = c.between(2, 15)
    return Problem(
        f"A {place} had {start} members. In one year the number rose by {percent} percent, and "
        f"then {left} members "
        f"left. How many members are there now?",
        (
            f"{percent} percent of {start} is {start} * {percent} / 100 = {grown}.",
            f"After the rise there were {start} + {grown} = {then} members.",
            f"After {left} left there were {then} - {left} = {then - left}.",
        ),
        then - left,
        "members",
        start * (100 + percent) // 100 - left,
    )


def pages(c: Chooser) -> Problem:
    """Pages a day, with a faster second part."""
    name = c.pick(NAMES)
    slow, fast, a, b = c.between(6, 20), c.between(21, 45), c.between(3, 9), c.between(2, 8)
    first, second = slow * a, fast * b
    return Problem(
        f"{name} reads {slow} pages a day for {a} days, then {fast} pages a day until the book is "
        f"finished. The book has "
        f"{first + second} pages. How many days does the whole book take?",
        (
            f"In the first {a} days {name} reads {a} * {slow} = {first} pages.",
            f"There are {first + second} - {first} = {second} pages left.",
            f"They take {second} / {fast} = {b} days.",
            f"The whole book takes {a} + {b} = {a + b} days.",
        ),
        a + b,
        "days",
        len([slow] * a) + len(range(0, second, fast)),
    )


PROBLEMS = (
    gain_and_loss,
    shopping,
    sharing,
    boxes,
    discount,
    fraction,
    savings,
    mean,
    workshop,
    recipe,
    ratio,
    rise,
    pages,
)
