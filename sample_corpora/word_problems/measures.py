"""Problems about time, distance, area, age and number."""

from choosing import Chooser

from word_problems.problem import NAMES, Problem


def journey(c: Chooser) -> Problem:
    """Two stretches at two speeds; the whole distance."""
    name = c.pick(NAMES)
    t1, t2, v1, v2 = c.between(2, 6), c.between(2, 6), c.between(4, 30), c.between(4, 30)
    a, b = v1 * t1, v2 * t2
    how = c.pick(("cycles", "rides", "sails"))
    return Problem(
        f"{name} {how} for {t1} hours at {v1} km per hour, and then for {t2} hours at {v2} km per hour. "
        f"How many kilometres is that in all?",
        (f"In the first part {name} covers {t1} * {v1} = {a} km.",
         f"In the second part {name} covers {t2} * {v2} = {b} km.",
         f"In all that is {a} + {b} = {a + b} km."),
        a + b, "km", sum([v1] * t1 + [v2] * t2),
    )  # fmt: skip


def travel_time(c: Chooser) -> Problem:
    """Distance over speed, in minutes."""
    name, speed, hours = c.pick(NAMES), c.between(2, 15) * 4, c.between(2, 6)
    quarters = c.between(1, 3)
    distance = speed * hours + speed // 4 * quarters
    whole, rest = speed * hours, speed // 4 * quarters
    minutes = 60 * hours + 15 * quarters
    return Problem(
        f"{name} drives a tractor at {speed} km per hour. How many minutes does it take to go {distance} km?",
        (f"In {hours} hours the tractor goes {hours} * {speed} = {whole} km.",
         f"There are {distance} - {whole} = {rest} km left.",
         f"In 15 minutes it goes {speed} / 4 = {speed // 4} km, so the rest takes {rest} / "
         f"{speed // 4} = {quarters} "
         f"times 15 minutes, and {quarters} * 15 = {15 * quarters}.",
         f"{hours} hours are {hours} * 60 = {60 * hours} minutes, and {60 * hours} + "
         f"{15 * quarters} = {minutes}."),
        minutes, "minutes", distance * 60 // speed,
    )  # fmt: skip


def rectangle(c: Chooser) -> Problem:
    """Area and fence of a field, with a gate."""
    name, long, wide, gate = c.pick(NAMES), c.between(8, 60), c.between(5, 40), c.between(1, 4)
    half = long + wide
    around = 2 * half
    return Problem(
        f"{name} has a field that is {long} metres long and {wide} metres wide, and wants a fence "
        f"all the way round, "
        f"apart from a gate of {gate} metres. How many metres of fence are needed?",
        (f"One long side and one short side make {long} + {wide} = {half} metres.",
         f"All the way round is 2 * {half} = {around} metres.",
         f"Without the gate it is {around} - {gate} = {around - gate} metres."),
        around - gate, "metres", long + long + wide + wide - gate,
    )  # fmt: skip


def tiles(c: Chooser) -> Problem:
    """Area in tiles, less a part that stays bare."""
    long, wide = c.between(6, 30), c.between(5, 25)
    a, b = c.between(1, 4), c.between(1, 4)
    whole, bare = long * wide, a * b
    return Problem(
        f"A floor is {long} tiles long and {wide} tiles wide. A stove stands on a part of {a} by {b} tiles, "
        f"which stays bare. How many tiles are laid?",
        (f"The whole floor has {long} * {wide} = {whole} places.",
         f"The stove takes {a} * {b} = {bare} places.",
         f"So {whole} - {bare} = {whole - bare} tiles are laid."),
        whole - bare, "tiles", sum(wide for _ in range(long)) - bare,
    )  # fmt: skip


def ages(c: Chooser) -> Problem:
    """Ages now from a ratio and a sum."""
    name, other = c.sample(NAMES, 2)
    young, times, years = c.between(3, 15), c.between(2, 5), c.between(2, 12)
    old = young * times
    total = young + old
    return Problem(
        f"{name} is {times} times as old as {other}, and together they are {total} years old. "
        f"How old will {name} be in {years} years?",
        (f"Together they are {times} + 1 = {times + 1} times the age of {other}.",
         f"So {other} is {total} / {times + 1} = {young} years old.",
         f"{name} is {times} * {young} = {old} years old.",
         f"In {years} years {name} will be {old} + {years} = {old + years}."),
        old + years, "years", total - total // (times + 1) + years,
    )  # fmt: skip


def legs(c: Chooser) -> Problem:
    """Heads and legs of hens and a four-footed animal."""
    beast = c.pick(("goats", "sheep", "pigs", "rabbits", "cows"))
    hens, beasts = c.between(3, 30), c.between(3, 30)
    heads, feet = hens + beasts, 2 * hens + 4 * beasts
    return Problem(
        f"A farmer counts {heads} heads and {feet} legs among the hens and {beast}. How many "
        f"{beast} are there?",
        (f"If all were hens, there would be 2 * {heads} = {2 * heads} legs.",
         f"There are {feet} - {2 * heads} = {2 * beasts} legs more than that.",
         f"Each of the {beast} brings 2 more, so there are {2 * beasts} / 2 = {beasts} {beast}."),
        beasts, beast, next(n for n in range(heads + 1) if 4 * n + 2 * (heads - n) == feet),
    )  # fmt: skip


def clock(c: Chooser) -> Problem:
    """Minutes between two times of one day."""
    name = c.pick(NAMES)
    start, length = c.between(6 * 12, 14 * 12) * 5, c.between(13, 80) * 5
    end = start + length
    next_hour = (start // 60 + 1) * 60
    first, hours, rest = next_hour - start, (end - next_hour) // 60, (end - next_hour) % 60
    what = c.pick(("train ride", "walk", "film", "rehearsal", "football match", "meeting", "boat trip"))
    return Problem(
        f"A {what} begins at {start // 60}:{start % 60:02} and ends at {end // 60}:{end % 60:02}, "
        f"and {name} was there "
        f"the whole time. How many minutes is that?",
        (
            f"From {start // 60}:{start % 60:02} to {next_hour // 60}:00 is {first} minutes.",
            f"The full hours after that make {hours} * 60 = {60 * hours} minutes.",
            f"After the last full hour come {rest} minutes.",
            f"In all, {first} + {60 * hours} = {first + 60 * hours}, and {first + 60 * hours} + "
            f"{rest} = {length}.",
        ),
        length,
        "minutes",
        end - start,
    )


def tank(c: Chooser) -> Problem:
    """A tank that fills and leaks at once."""
    leak, net, hours = c.between(2, 15), c.between(4, 30), c.between(3, 15)
    fill, size = leak + net, net * hours
    return Problem(
        f"Every hour {fill} litres run into an empty tank and {leak} litres leak out. The tank "
        f"holds {size} litres. "
        f"After how many hours is it full?",
        (
            f"Each hour the tank gains {fill} - {leak} = {net} litres.",
            f"It is full after {size} / {net} = {hours} hours.",
        ),
        hours,
        "hours",
        next(h for h in range(1, 99) if h * fill - h * leak == size),
    )


def consecutive(c: Chooser) -> Problem:
    """Three page, house or seat numbers in a row from their sum."""
    name, start = c.pick(NAMES), c.between(5, 300)
    total = 3 * start + 3
    what = c.pick(("tickets", "seats", "lockers", "pages"))
    return Problem(
        f"{name} has three {what} with numbers in a row. The three numbers add up to {total}. "
        f"What is the largest?",
        (
            f"The middle number is a third of the sum: {total} / 3 = {start + 1}.",
            f"The largest is one more: {start + 1} + 1 = {start + 2}.",
        ),
        start + 2,
        "",
        next(n + 2 for n in range(total) if n + (n + 1) + (n + 2) == total),
    )


def trees(c: Chooser) -> Problem:
    """Posts and gaps."""
    gap, gaps = c.between(2, 15), c.between(4, 40)
    thing = c.pick(("trees", "lamp posts", "flags", "benches", "posts"))
    length = gap * gaps
    return Problem(
        f"Along a straight road {length} metres long, {thing} stand {gap} metres apart, with one "
        f"at each end. "
        f"How many {thing} are there?",
        (
            f"There are {length} / {gap} = {gaps} gaps.",
            f"There is one more of the {thing} than there are gaps: {gaps} + 1 = {gaps + 1}.",
        ),
        gaps + 1,
        thing,
        len(range(0, length + 1, gap)),
    )


PROBLEMS = (journey, travel_time, rectangle, tiles, ages, legs, clock, tank, consecutive, trees)
