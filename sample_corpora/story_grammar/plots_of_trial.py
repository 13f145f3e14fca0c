"""Plots in which people compete, and are caught in bad weather."""

from story_grammar.telling import goodnight, introduce
from story_grammar.world import Story


def contest(s: Story) -> None:
    """A and B compete before C; B boasts, comes to grief, and A must choose."""
    a = s.person("A")
    b = s.person("B", unlike=a)
    c, p = s.person("C"), s.place("P")
    rows = (
        ("kite", "fly highest", "The tail was too short, and it dived into a tree", "a ham"),
        ("boat", "sail farthest", "The mast was too tall, and it lay down on its side", "a silver cup"),
        (
            "pie",
            "please the judge",
            "The salt had gone in where the sugar should have",
            "a brass rolling pin",
        ),
        ("pumpkin", "weigh most", "It had grown so fast that it had split", "a new spade"),
        ("snowman", "stand longest", "The head was too large, and it rolled off", "a warm hat"),
        ("song", "be asked for twice", "The high note was too high, and it cracked", "a barrel of cider"),
        ("scarecrow", "frighten most crows", "The crows liked its buttons, and sat down on it", "a goose"),
        ("cart", "roll longest", "A wheel came off before the first bend", "a set of spoons"),
    )
    # No pumpkins in spring and no snowmen in summer.
    fitting = [
        row
        for row in rows
        if {"pumpkin": "autumn", "snowman": "winter"}.get(row[0], s.season.name) == s.season.name
    ]
    what, doing, flaw, prize = s.choose.pick(fitting)
    s.cast.update(what=what, doing=doing, flaw=flaw, prize=prize)
    s.title = s.say(
        "[The Great {What} Contest|{A} Against {B}|The Best {What} in {V}|A Matter of "
        "Judgement|Second Place]",
        What=what.capitalize(),
    )
    introduce(s)
    s.tell(
        "Every year {V} held a contest to see whose {what} would {doing}, and {C} the "
        "{C.trade} was the judge. The prize was {prize}."
    )
    s.turn(
        '"[I shall win it, of course|Nobody else need trouble to come]," said {B}, the '
        "{B.trade}, who [had won the year before|had never lost anything but umbrellas|said "
        "so every year]. {A} [said nothing|only smiled], and went on {A.craft}."
    )
    s.turn(
        "{B} worked at the {what} for [a week|nine days], with the shutters closed, so that "
        "no one should steal the idea. {A} worked at {A.home} with the door wide open, [and "
        "took advice from everybody|and children walked in and out]. [When a thing would not "
        "come right, {A.he} undid it and began again.|{A.he} spoiled the first, and the "
        "second, and learned something from each.]"
    )
    for who in (a, b, c):
        s.world.go(who, p)
    s.turn(
        "On the day they all came together {P.at}. {P.detail} [The whole village was there, "
        "in its good hats.|There were buns.] {B} went first. [Everyone held their "
        "breath.|There was a hush.] {flaw}. [Somebody laughed.|A dog barked.] {B} stood "
        "there with [burning ears|{B.his} mouth open]."
    )
    ending = s.choose.below(3)
    if ending == 0:
        s.turn(
            "Then it was the turn of {A}. Nothing went wrong. It was not the finest {what} ever "
            "seen in {V}, but it did what a {what} ought to do, [and it went on doing it|from "
            "start to finish]. {C} [did not need to think|nodded three times], and handed "
            "{prize} to {A}."
        )
        s.turn(
            '{A} carried it across to {B}. "[Half of this is yours," {A.he} said. "If you had '
            'not boasted so, I would have gone to bed at nine.|Will you help me with this?" '
            '{A.he} asked. "I have nobody to share it with who knows how hard it is.]" {B} '
            "[opened and shut {B.his} mouth|blew {B.his} nose], and then {B.he} said thank you."
        )
    elif ending == 1:
        s.turn(
            'It was the turn of {A}. But {A} had walked over to {B}. "I think I see what '
            'happened," {A.he} said. "[Have we time to put it right?" "You have until the clock '
            'strikes," said {C}.|Give {B.him} one more chance," and {C}, after some thought, did '
            "so.]"
        )
        s.turn(
            "The two of them bent over the work with their heads together. The second time, {B} "
            "did so well that there was nothing left for {A} but second place. [There was no "
            "prize for second place.|Second place was a cabbage.]"
        )
        s.turn('"[Why did you do it?|You gave it away]," {B} said afterwards, with {prize} to carry home.')
        s.turn(
            '"[I wanted to see it done properly," said {A}.|I have wondered all year what yours '
            'would be like," said {A}.] And the next year {B} worked with the door open.'
        )
    else:
        s.turn(
            "{A} came next, and was so sorry for {B}, and so nervous, that the very same thing "
            "happened over again. There was a silence. Then {B} began to laugh, [helplessly, "
            "holding on to the judge|until the tears came], and {A} began too."
        )
        s.turn(
            '{C} looked at the one and at the other. "I have judged this contest for twenty '
            'years," said {C}, "and never seen a better." So {prize} was cut in two, or would '
            "have been, if it could; as it is, they have it by turns, and {B} gets it in the "
            "{S.name}."
        )
    goodnight(s)


def storm(s: Story) -> None:
    """A is caught out by the weather; B notices, and comes with a lantern and a rope."""
    a = s.person("A")
    b = s.person("B", unlike=a)
    p, t = s.place("P"), s.keepsake("T")
    s.world.own(a, t)
    kind = s.season.storm
    how = {
        "rain": "the rain came down like gravel",
        "thunder": "the thunder broke straight overhead",
        "fog": "a fog rolled in as thick as wool",
        "snow": "the snow began, and did not stop",
    }[kind]
    s.cast["how"] = how
    s.title = s.say(
        "[The Night of the {kind}|{A} Does Not Come Home|A Light {P.at}|{B} Goes Out|Lost by a Mile]",
        kind=kind.capitalize(),
    )
    introduce(s)
    s.turn(
        "One {S.days} {A} went to {P} {P.errand}. [There was not a cloud to be seen.|The sky "
        "looked honest enough.] {P.detail} {A.he} had {T.a} in {A.his} coat and [a heel of "
        "bread|an apple|half a biscuit] in {A.his} hat, and had told nobody but the cat."
    )
    s.world.go(a, p)
    s.turn(
        "In the afternoon {how}. [In a minute {A} could not see the path.|The path was gone "
        "before {A.he} had turned round.] {A.he} [walked for an hour, and found {A.his} own "
        "footprints|called out, and heard nothing|fell twice, and the second time it was "
        "into nettles], and then had the good sense to go back to {P} and stay there."
    )
    s.turn(
        "Now {B}, the {B.trade}, lived across the lane, and had seen the light in {A.home} "
        "go on every evening for years at the same time. [That evening it did not go "
        "on.|That evening the window stayed black.] {B} finished {B.craft}, looked out, and "
        'looked out again. "[It is nothing to do with me|I dare say it is the wick]," {B} '
        "said, and put on a coat."
    )
    s.turn(
        "{B} took a lantern, a rope, and [a flask of soup|the rest of the pie]. [At the edge "
        "of the village there was nothing to be seen at all.|The lantern lit a space about "
        'the size of a table.] "{A}!" shouted {B}, and the {kind} swallowed it.',
        kind=kind,
    )
    s.world.go(b, p)
    signal = s.choose.pick(
        (
            "began to beat on a stone with a stick, three and three and three",
            "sang every song {A.he} knew, and then the first one again",
            "barked like a dog, since that carries farther than words",
        )
    )
    s.turn(
        "{A}, [who was growing sleepy with the cold|wet to the skin], thought that there had "
        "been a voice. {A.he} "
        + signal
        + ". [It seemed to go on for a very long time.|{A.he} felt foolish, and did not stop.] "
        "[Then there was a smear of yellow, and behind it a nose, and behind the nose was "
        "{B}.|Then a light came bobbing up, and under it was {B}, with a scarf tied over "
        '{B.his} hat.|At last a voice said, quite near, "Is that you, or a rock?" and it was '
        "{B}.]"
    )
    s.turn('"[Your lamp was out|You are late for supper]," said {B}.')
    s.turn(
        "[They tied the rope around both of them and went home by inches.|They shared what "
        "was in the bag, and then they went down, each with one end of the rope.] [Nobody "
        "talked.|{B} scolded the whole way, which was a great comfort.]"
    )
    s.world.go(a, a.home)
    s.world.go(b, a.home)
    s.world.give(a, b, t)
    s.turn(
        'At the door of {A.home}, {A} brought out {T}. "I want you to have {T.them}," {A.he} '
        "said. {B} did not want to take {T.them}, and said so, [four times|loudly], and took "
        "{T.them}. [Since then there are two lamps in that lane that go on at the same "
        "minute.|Since then {A} tells {B}, and not the cat.]"
    )
    goodnight(s)


PLOTS = (contest, storm)
