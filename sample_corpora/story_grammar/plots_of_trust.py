"""Plots in which people promise, quarrel, and learn from one another."""

from story_grammar.telling import goodnight, introduce
from story_grammar.world import Story


def promise(s: Story) -> None:
    """A promises B a thing by evening; somebody on the road needs help first."""
    a = s.person("A")
    b = s.person("B", unlike=a)
    c, t, p = s.person("C"), s.goods("T"), s.place("P")
    s.world.own(a, t)
    s.title = s.say("[Before the Lamp Is Lit|{A} Gives a Promise|{T} for {B}|Late {P.at}|A Promise in {V}]")
    introduce(s)
    s.world.promise(a, b, t)
    s.tell(
        "One {S.days} {A} promised to bring {T.a} to {B}, the {B.trade}, [before the lamps "
        'were lit|by sunset and not a minute later]. "I am counting on it," {B} said. "'
        + s.say(t.note)
        + '."'
    )
    s.world.go(a, p)
    s.turn(
        "{A} set out in good time with {T}. [There was only one road, and it went by "
        "{P}.|The shortest way went by {P}.] {P.detail}"
    )
    s.world.go(c, p)
    trouble, help_given = s.choose.pick(
        (
            (
                "was trying to lift a cart out of a ditch",
                "They put their shoulders to the wheel, and at the ninth push it came up",
            ),
            (
                "was chasing eleven geese in eleven directions",
                "Goose by goose, with arms spread wide, they brought them together",
            ),
            (
                "was sitting on the ground with a swollen ankle",
                "{A} tied up the ankle with a strip of shirt and cut a stick to lean on",
            ),
            (
                "was looking for a child's lost cap, and close to tears",
                "They found the cap at last in the top of a thorn bush",
            ),
            (
                "was up to the knees in mud and could go neither way",
                "{A} laid down branches, one by one, and held out a hand",
            ),
        )
    )
    s.cast["trouble"] = trouble
    s.turn(
        'There {A.he} found {C}, the {C.trade}, who {trouble}. "[Thank goodness|At last, a '
        'pair of hands]!" said {C}. "[Nobody has come by since noon.|Can you spare a '
        'minute?]"'
    )
    s.turn(
        "{A} [looked at the sun|turned to see the sun], which was [already low|nearly on the "
        "hill]. [A promise was a promise. But {C} was {C}.|{A.he} thought of {B}, waiting. "
        "Then {A.he} put {T} down on the grass.] " + help_given + "."
    )
    s.world.drop(a, t)
    s.tell("[By then the first star was out.|By then it was so dark that they could hardly see each other.]")
    late = s.choose.chance(0.5)
    s.world.pick_up(a, t)
    if late:
        s.world.go(a, b.home)
        s.turn(
            "{A} ran the rest of the way and [came to {B.home} hot and muddy|knocked at "
            '{B.home}, quite out of breath]. Every lamp in the street was lit. "I am late," '
            '{A.he} said. "[I have no excuse. I have only a reason.|I gave you my word, and I '
            'broke it.]"'
        )
        s.turn(
            '{B} [looked {A.him} up and down, and saw the mud|held the door wider]. "[My lamp is '
            'not lit," said {B}. And so it was: the whole house was dark. "I thought that I '
            'would wait with it until you came.|It was only a lamp," said {B}. "I can tell what '
            'sort of reason it was by your knees.]"'
        )
    else:
        s.world.go(a, b.home)
        s.world.go(c, b.home)
        s.turn(
            '"Where were you going?" asked {C}. And when {A} had told it all, {C} said, "[Then '
            "we go together, and I will do the explaining.|I know a way across the fields. "
            'Follow me.]" They came to {B.home} as {B} stood at the window with a lit match.'
        )
        s.turn(
            '"Stop!" shouted {A}. {B} was so much surprised that [the match went out|{B.he} '
            'dropped the match in the sink]. "[Before the lamp was lit," said {A}, and held out '
            '{T}. "I have kept my word, by the width of a match.|There," said {C}. "Nobody is '
            'late until it burns.]"'
        )
    s.world.keep(a, b, t)
    s.turn(
        "[Then {B} took {T}, and they all had something hot.|{B} took {T} and laughed.|So "
        "{B} had {T}, and {C} had been helped, and {A} slept like a log.] [After that, in "
        '{V}, people did not say "by sunset". They said "by sunset, or by {C}".|]'
    )
    goodnight(s)


def quarrel(s: Story) -> None:
    """A and B find a thing together and both want it; C settles the matter."""
    a = s.person("A")
    b = s.person("B", unlike=a)
    c, t, p = s.person("C"), s.goods("T"), s.place("P")
    s.world.lay(t, p)
    s.title = s.say(
        "[Whose {T}?|{C} Decides|{A}, {B} and {T}|A Quarrel {P.at}|The Judgement of {C}]"
    ).replace("Whose the", "Whose")
    introduce(s)
    for who in (a, b):
        s.world.go(who, p)
    s.tell(
        "One {S.days} {A} was walking with {B}, the {B.trade}, and {P.at} they came upon "
        "{T.a}, [with nobody near|all by {itself}]. {P.detail}",
        itself="itself" if t.it == "it" else "themselves",
    )
    s.turn('"I saw {T.them} first," said {A}.')
    s.turn('"You saw {T.them}," said {B}, "but I said \'Look!\'"')
    s.world.pick_up(a, t)
    s.turn(
        "[They had been friends that morning.|It got worse from there.] By [noon|dinner "
        "time] they were not speaking, and by evening [each had told half of {V}|the whole "
        "village had taken sides]. So {A} picked {T} up, and they went, one on each side of "
        "the road, to {C}, the {C.trade}, who was thought to be fair."
    )
    for who in (a, b):
        s.world.go(who, c.home)
    s.world.give(a, c, t)
    s.turn(
        '{C} heard them both out, [without once stopping work|with closed eyes]. "[It is a '
        'hard case|I shall have to keep {T.them} here a while]," said {C}. "[Each of you '
        "must tell me what the other one would do with {T.them}.|Come back tomorrow, and "
        'each tell me why the other should have {T.them}.]"'
    )
    for who in (a, b):
        s.world.go(who, who.home)
    s.turn(
        "{A} [lay awake over it|thought about it all night]. {A.he} had never been inside "
        "{B.home} for longer than it takes to say good day. {A.he} got up early, and went "
        "past, and looked in at the window. [{B} was {B.craft}.|{B} was asleep in a chair.] "
        "[It was colder in there than it was outside.|There was not much in the room.]"
    )
    for who in (a, b):
        s.world.go(who, c.home)
    s.turn(
        '"[Well?|Now, what have you to say?|Have you thought about it?]" said {C}, when they '
        "both stood there."
    )
    s.turn(
        '"{B} should have {T.them}," said {A}. "[{B.he} told me only last week, \''
        + s.say(t.note)
        + ".' I had forgotten.|I only wanted {T.them} because {B.he} did.]\""
    )
    s.turn(
        '"{A} should have {T.them}," said {B}, in the same breath. "[{A.he} would lend '
        "{T.them} to anyone who asked.|{A.he} would take care of {T.them}, and I lose "
        'everything.]"'
    )
    winner = s.choose.pick((a, b))
    s.world.give(c, winner, t)
    s.turn(
        '"[That makes it harder than ever|Now I know less than before]," {C} said, and '
        "tossed a coin. {T} went to {winner}, who [lent {T.them} to the other that same "
        "week|went red in the face and said thank you]. [As for whose {T.it} had been in the "
        'first place, it came out later: {C} had left {T.them} there, and forgotten.|"Heads '
        'or tails?" {A} asked afterwards. "I did not look," said {C}.]',
        winner=winner,
    )
    goodnight(s)


def apprentice(s: Story) -> None:
    """A young learner fails twice at a master's craft, and succeeds by noticing something."""
    m = s.person("A")
    b = s.person("B", unlike=m)
    what, first, second, secret = s.choose.pick(
        (
            (
                "loaf",
                "It was flat as a slate",
                "It was hollow as a drum",
                "to wait until the dough pushed back",
            ),
            (
                "bowl",
                "It leaned over and sighed",
                "It cracked in the fire",
                "to stop before it was finished, and look",
            ),
            (
                "stool",
                "It stood on two legs and waved the third",
                "It squeaked when anyone breathed",
                "to cut the wood along its own lines",
            ),
            (
                "basket",
                "It let through everything but cabbages",
                "It would not let go of what was in it",
                "to soak the willow one day more",
            ),
            (
                "candle",
                "It burned all down one side",
                "It went out as soon as it was looked at",
                "to dip it slowly and many times",
            ),
            (
                "rope",
                "It came undone by itself",
                "It was stiff as a stick",
                "to walk backwards with an even step",
            ),
            (
                "kettle",
                "It would not stand up",
                "It leaked on the cat",
                "to listen to the hammer as it came down",
            ),
        )
    )
    s.cast.update(what=what, first=first, second=second, secret=secret)
    p = s.place("P")
    s.title = s.say(
        "[The Third {What}|{B} Learns|How to Make a {What}|A Slow Apprentice|The {What} That Stood]",
        What=what.capitalize(),
    )
    introduce(s)
    s.world.go(b, m.home)
    s.tell(
        "In the {S.name} {A} was asked to teach {B}, who had been [a {B.trade}|brought up to "
        'be a {B.trade}] and wanted to make things with {B.his} hands. "[You may begin with '
        'a {what}|Make me a {what}]," said {A}.'
    )
    s.turn(
        "{B} [worked from breakfast until dusk|made it in an hour, whistling]. {first}. {A} "
        '[looked at it from all sides|put it on a shelf]. "[What did you learn?|And what did '
        'it tell you?]" said {A}.'
    )
    s.turn('"[That I cannot do it|That it is harder than it looks]," said {B}.')
    s.turn(
        '"[Everyone learns that on the first day|Good. That is the first thing]," said {A}. '
        '"Make me another."'
    )
    s.turn(
        "[The second took three days.|The second time {B} went slowly.|So {B} made a second, "
        "and it took a week.] {second}. {B} [threw down the tools|kicked the door] and went "
        "out to {P} [to be angry in peace|to think about some other kind of life]. "
        "{P.detail} [{B.he} sat there for a good while.|An old man was sitting there, doing "
        "nothing, and he did it very well.]"
    )
    s.world.go(b, p)
    s.world.go(b, m.home)
    s.turn(
        "When {B.he} came back, {A} was at work and had not heard the door. [So {B} stood "
        "still and for the first time really watched.|And {B}, in the doorway, saw what "
        "there was to see.|So for a minute {B} just looked.] [It was not how {A.he} held the "
        "tools.|{A.he} was not quick, and {A.he} was not strong.] [All that {A} did "
        "differently was {secret}.|The whole of the secret was {secret}.|There was only one "
        "difference, and that was {secret}.] [Nobody had ever said so. Perhaps {A} did not "
        "even know it.|It was such a small thing that one could have missed it for years.]"
    )
    s.turn(
        "The third {what} was [small and plain|nothing to boast of], and there was nothing "
        "wrong with it. {A} [turned it over, and over again|took a long time to answer]. "
        '"Who told you?" {A.he} said.'
    )
    s.turn('"You did," said {B}. "[You had your back to me.|You were not speaking at the time.]"')
    s.tell(
        "[The first {what} is still on the shelf, next to one very like it, which {A} made, "
        "long ago.|{B} has an apprentice now, and always works with {B.his} back to the "
        "door.|{A} used that {what} every day, and never once said that it was good.]"
    )
    goodnight(s)


PLOTS = (promise, quarrel, apprentice)
