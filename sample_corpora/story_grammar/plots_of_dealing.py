"""Plots in which people trade, give, and look for what was hidden."""

from story_grammar.telling import goodnight, introduce
from story_grammar.world import Story


def traded(s: Story) -> None:
    """A wants what D has; D wants what C has; C wants what B has; B wants an afternoon's work."""
    a = s.person("A")
    b, c, d = s.person("B"), s.person("C"), s.person("D")
    x, y, z = s.goods("X"), s.goods("Y"), s.goods("Z")
    for owner, goods in ((b, x), (c, y), (d, z)):
        s.world.own(owner, goods)
    s.title = s.say(
        "[{Z} of {D}|How {A} Came by {Z}|One Thing for Another|{A} Makes a Bargain|A Day of Trading in {V}]"
    )
    introduce(s)
    s.tell(
        "[What {A} needed most that {S.name} was|All that {S.name} {A} had wished for] "
        '{Z.a}, [for, as {A.he} told everyone|and the reason was plain]: "' + s.say(z.note) + '."'
    )
    s.turn("One {S.days} {A} went to {D.home}, where {D} the {D.trade} was {D.craft}.")
    s.world.go(a, d.home)
    s.tell(
        '"I [hear|see] that you have {Z.a}," said {A}. "[What would you take for '
        '{Z.them}?|Would you part with {Z.them}?]"'
    )
    s.turn(
        '"Not for money," said {D}. "But bring me {Y.a}, [and we shall shake hands on it|and '
        "{Z} {verb} yours]. I want {Y.them} badly: " + y.note + '."',
        verb="is" if z.it == "it" else "are",
    )
    s.world.promise(d, a, z)
    s.world.go(a, c.home)
    s.turn(
        "[Now {C} the {C.trade} had just such a thing|{A} thought at once of {C}, the "
        '{C.trade}]. {A} found {C.him} at {C.home}, {C.craft}. "You can have {Y}," said {C}, '
        '"and welcome, if you bring me {X.a}. The fact is that ' + x.note + '."'
    )
    s.world.promise(c, a, y)
    s.world.go(a, b.home)
    s.turn(
        "[So {A} walked on to|There was nothing for it but to go on to|{A} sighed, and went "
        "to] {B.home}, [with less spring in the step|counting on {A.his} fingers so as not "
        "to forget who wanted what]. {B} the {B.trade} had {X.a} to spare, and did not ask "
        "for anything in return but [an afternoon of help|a hand with the work until dusk]."
    )
    s.tell(
        "[It was hard work, and {A} did it badly at first, and then less badly.|{A} was put "
        "to {B.craft}, and got in the way, and was thanked for it all the same.|There was a "
        "mountain of it, and by the end there was a molehill.|{A} swept, fetched, carried, "
        "and was told stories the whole time.|They worked side by side, and {B} said that it "
        "had never gone so quickly.]"
    )
    s.world.give(b, a, x)
    s.turn(
        "[At dusk|When the work was done|When the first lamps were lit] {B} put {X} into "
        "{A.his} arms. {A} carried {X.them} to {C.home}, and {C} [gave a shout of joy|was so "
        "pleased that {C.he} did a few steps of a dance|looked {X.them} over and nodded] and "
        "handed over {Y}."
    )
    s.world.go(a, c.home)
    s.world.give(a, c, x)
    s.world.keep(c, a, y)
    s.world.go(a, d.home)
    s.world.give(a, d, y)
    s.world.keep(d, a, z)
    s.tell(
        "{A} carried {Y} to {D.home}, and {D} [kept the bargain|was as good as {D.his} "
        "word]. [And so, by moonlight, {A} came home with|It was late when {A} got home "
        "with|At the end of the day {A} shut the door of {A.home}, and there {A.he} was, "
        "with] {Z}, [tired to the bone and very well content|singing|and put {Z.them} where "
        "the whole street could see]."
    )
    s.world.go(a, a.home)
    s.turn(
        "[{B} had help, {C} had {X}, {D} had {Y}, and {A} had {Z}, and not a penny had been "
        "spent.|It was {B} who saw the joke of it later. Nobody had paid for anything, and "
        "everyone had more than before.|The odd thing was that {A} and {B}, who had hardly "
        "spoken in years, worked together every week from that day on.]"
    )
    goodnight(s)


def gift(s: Story) -> None:
    """A gathers three materials in secret to make something for B."""
    a = s.person("A")
    b = s.person("B", unlike=a)
    c, d = s.person("C"), s.person("D")
    p = s.place("P")
    kind, parts = s.choose.pick(
        (
            (("a toy theatre", "it", ""), ("a thin board", "a scrap of gold paper", "a curtain ring")),
            (
                ("a patchwork quilt", "it", ""),
                ("a piece of blue cloth", "a piece of yellow cloth", "a bag of sheep's wool"),
            ),
            (("a bird house", "it", ""), ("four short planks", "a tin lid", "a twist of dry moss")),
            (("a weather vane", "it", ""), ("a sheet of copper", "an iron rod", "a pot of green paint")),
            (("a rag doll", "it", ""), ("a yard of calico", "two black buttons", "a handful of bran")),
            (("a walking stick", "it", ""), ("an ash pole", "a brass ring", "a knob of horn")),
        )
    )
    t = s.thing("T", kind)
    for letter, part in zip("XYZ", parts, strict=True):
        s.cast[letter] = part
    s.title = s.say("[A Secret in {V}|{T} for {B}|What {A} Was Hiding|{B} Is Not Told|The Locked Door]")
    excuses = (
        ("I am busy", "you were busy"),
        ("I have a cold", "you had a cold"),
        ("Not today", "not today"),
    )
    s.cast["excuse"], s.cast["excused"] = s.choose.pick(excuses)
    introduce(s)
    s.tell(
        "{A.his} best friend was {B}, the {B.trade}, [who would be thirty on Saturday|whose "
        "birthday came at the end of the week|who had been low in spirits since the {S.name} "
        "began]. {A} made up {A.his} mind to make {B.him} {T.a}, [and to keep it a "
        "secret|and to say nothing about it]."
    )
    s.turn(
        "[For that {A.he} needed three things.|Three things were wanted for it, and {A} had "
        "none of them.|{A} wrote a list, which had three things on it.] {C} the {C.trade} "
        "had {X} to spare, and asked only for [a song|a morning's work] in return."
    )
    s.world.go(a, c.home)
    s.tell(
        "{D} the {D.trade}, who was {D.craft}, had {Y}, and [wanted nothing but to be told "
        "what it was for|said that there could be no better use for such things|would not "
        "hear of payment]. As for {Z}, {A} came upon just that {P.at}, [in a heap of "
        "rubbish|half buried and none the worse]. {P.detail}"
    )
    s.world.go(a, d.home)
    s.world.go(a, p)
    s.world.go(a, a.home)
    s.turn(
        "[Now {A} was a bad hand at secrets.|{A} had never kept a secret before, and it "
        "showed.|A secret makes more noise than one thinks.] When {B} knocked, there was [a "
        "scramble, and a bang|the sound of something being kicked under a bed|a long "
        "silence, and then a crash], and the door was opened [by the width of a hand|a very "
        "little way], by a {A.man} with [paint|glue|fluff|sawdust] in {A.his} hair. "
        '"{excuse}," {A} said, and shut it again.'
    )
    s.world.go(b, a.home)
    s.turn(
        '[{B} went home and thought about it.|{B} stood for a while in the lane.] "{A.he} is '
        'tired of me," {B.he} told {C}. {C}, who had given {A.him} {X}, [was seized with a '
        "fit of coughing|bent down quickly to look for something on the floor]."
    )
    s.world.go(b, c.home)
    s.world.own(a, t)
    s.turn(
        "[At last the work was done.|It took four evenings and most of a night.|On the last "
        "night {A} did not go to bed at all.] {T} [was not perfect: it leaned a little to "
        "the left|was the best thing that {A} had ever made|had one mistake in it, which {A} "
        "could see from across the room]. {A} [carried it|brought it], under a cloth, to "
        "{B.home}."
    )
    s.world.go(b, b.home)
    s.world.go(a, b.home)
    s.turn('"[What is that?|Well?]" said {B}, who had meant to be [cold|short about it|out].')
    s.turn(
        '"[It is the reason|It is what I was doing]," said {A}, and [pulled off the '
        "cloth|let the cloth fall]."
    )
    s.world.give(a, b, t)
    s.turn(
        "{B} [walked all the way round it|touched it with one finger|looked at it until the "
        'kettle boiled over]. [{B.he} had prepared a speech, and forgot all of it.|"And you '
        'said {excused}," {B.he} said.|"It leans," {B.he} said, "just as I do," and laughed '
        "for the first time that week.]"
    )
    s.tell(
        "[{T} is still at {B.home} today.|They ate the cake, and then they ate the "
        "crumbs.|And {C} and {D}, who had been waiting behind the hedge, came in and "
        "shouted, much too late.]"
    )
    goodnight(s)


def riddles(s: Story) -> None:
    """A finds a note with a riddle that names a place; each place holds the next, and the last a keepsake."""
    a = s.person("A")
    b = s.person("B", unlike=a)
    t, path = s.keepsake("T"), [s.place("P"), s.place("Q"), s.place("R")]
    s.world.lay(t, path[2])
    s.title = s.say("[Three Riddles|The Note in the Coat|What Lay Hidden {R.at}|{A} Follows a Rhyme]")
    introduce(s)
    s.tell(
        "[While cleaning out the attic of {A.home}|Behind a loose board at {A.home}|In the "
        "pocket of an old coat], {A} found a note in faded ink. [It was in the hand of "
        "{A.his} grandfather, who had liked to tease.|It was not signed.] It said:"
    )
    s.turn('"' + path[0].riddle + '"')
    s.world.go(b, a.home)
    s.turn(
        "{A} read it [aloud|twice over] to {B}, the {B.trade}. [They scratched their "
        'heads.|{B} shut both eyes to think.] "[I have it!|Why, of course!|Wait, wait!]" '
        'cried {solver} at last. "It is {P}!"',
        solver=s.choose.pick((a, b)),
    )
    for index in (0, 1):
        here, there = path[index], path[index + 1]
        for who in (a, b):
            s.world.go(who, here)
        s.turn(
            "[They went there at once|Away they ran|They put on their coats and went], and it "
            "was so. {here.detail} {here.at} they [looked high and low|searched for an hour], "
            "and [in a crack|under a flat stone|wrapped in oilcloth] was a {ordinal} paper.",
            here=here,
            ordinal=("second", "third")[index],
        )
        s.tell('This one said: "' + there.riddle + '"')
        s.turn('"[[That must be|I say that is] {wrong}|Hm|I give up]," said {A}.', wrong=s.place("N"))
        s.turn(
            '"[Think of the last line|No, listen to how it begins|Say it over again, slowly]," '
            "said {B}. [And when they had done so, they both|They looked at one another, and "
            'they both] said it together: "{there}!"',
            there=there,
        )
    for who in (a, b):
        s.world.go(who, path[2])
    s.world.pick_up(a, t)
    s.turn(
        "{R.detail} {R.at} they found no more riddles, only a [tin|small wooden] box, and in "
        "the box lay {T.a}. [That was all.|There was no gold.]"
    )
    s.tell(
        '{A} [laughed|sat down]. "I know {T.them}," {A.he} said. "When I was small I [cried '
        "because {T.it} {T.was} lost|asked for {T.them} every day], and my grandfather told "
        'me that I should have {T.them} when I was clever enough."'
    )
    s.turn(
        '"[And it took two of us|It took you long enough]," said {B}. [They walked home '
        "slowly, making up riddles of their own.|That night {A} wrote three new riddles, and "
        "hid them, for whoever should come next.]"
    )
    goodnight(s)


PLOTS = (traded, gift, riddles)
