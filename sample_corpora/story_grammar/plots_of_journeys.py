"""Plots in which somebody carries a message, or takes in a hurt animal."""

from story_grammar.telling import goodnight, introduce
from story_grammar.things import ANIMALS
from story_grammar.world import Story


def message(s: Story) -> None:
    """C sends A with a keepsake to D, over three places and two difficulties."""
    a, c, d = s.person("A"), s.person("C"), s.person("D")
    t = s.keepsake("T")
    p, q = s.place("P"), s.place("Q")
    s.world.own(c, t)
    s.title = s.say(
        "[An Errand for {C}|{A} on the Road|To Be Given to {D}|The Long Way to {D}|{T} Goes Visiting]"
    )
    introduce(s)
    s.world.go(a, c.home)
    s.world.give(c, a, t)
    s.world.promise(a, d, t)
    s.tell(
        "One {S.days} {C} the {C.trade} called {A} in and gave {A.him} {T.a} [wrapped in a "
        'cloth|in a little box]. "This must go to {D}, and to nobody else," said {C}. "[We '
        "have not spoken for six years|Once we were the best of friends], and I am [too "
        'proud|too old] to go myself."'
    )
    s.turn('"What shall I say?" asked {A}.')
    s.turn('"[Say that I kept faith|Say nothing. It will speak for itself]," said {C}.')
    s.world.go(a, p)
    s.turn(
        "The way led first to {P}. {P.detail} There {A} met a {beast}, which [stood in the "
        "middle of the path and would not move|followed close behind and would not go away]. "
        "[{A} spoke to it politely.|{A} sat down and shared {A.his} bread with it.] [It "
        "thought this over and let {A.him} by.|After that it walked in front, as if it had "
        "been sent for.]",
        beast=s.choose.pick(("bull", "grey dog", "nanny goat", "gander", "tall horse", "white pony")),
    )
    s.world.go(a, q)
    s.turn(
        "Next {A.he} came to {Q}. {Q.detail} [A boy sitting there|An old soldier|A pedlar "
        "with a red nose] offered {A.him} [a gold piece|three silver pieces|a fine new hat] "
        "for what was in the cloth. [It was a good deal more than it could be worth.|{A} had "
        'never been offered so much for anything.] "[I cannot sell what is not mine|It is '
        'spoken for]," said {A}, and walked faster.'
    )
    s.world.go(a, d.home)
    s.turn(
        "It was [dusk|almost dark] before {A.he} found {D.home}. {D} the {D.trade} was "
        '{D.craft}, and did not look up. "[We are closed|If that is about the bill, come '
        'back tomorrow]," said {D}.'
    )
    s.turn('"{C} sent me," said {A}.')
    s.world.keep(a, d, t)
    s.turn(
        "[There was a long silence.|The work stopped.|{D} said nothing at all.] {A} "
        "unwrapped the cloth and put {T} into {D.his} hands. {D} [turned away to the "
        "wall|sat down on the nearest thing, which was a bucket|looked at {T.them} for so "
        'long that the light went]. "[I threw {T.them} at {C}," said {D}. "It was the last '
        'thing that I did.|We found {T.them} together, {C} and I," said {D}. "We were nine.]"'
    )
    s.turn('"[Is there an answer?|What shall I tell {C}?|Shall I wait?]" asked {A}.')
    s.world.go(d, c.home)
    s.world.go(a, c.home)
    s.turn(
        '[{D} was already putting on a coat.|{D} took down a lantern.] "I will bring it," '
        "{D} said. So they went back by {Q} and {P} together, in the dark, and {A} was not "
        "[scared|tired] at all. When {C} opened the door, [neither of them said anything "
        "clever|they both began to speak at once], and {A}, whose feet hurt, [went home to "
        "bed|was given the good chair]."
    )
    goodnight(s)


def healed(s: Story) -> None:
    """A finds a hurt animal, keeps it until it is well, and is repaid."""
    a = s.person("A")
    s.person("B", unlike=a)
    p, q, t = s.place("P"), s.place("Q"), s.keepsake("T")
    s.world.own(a, t)
    animal, hurt, manner = s.choose.pick(ANIMALS)
    s.cast.update(animal=animal, hurt=hurt, manner=manner, an="an" if animal[0] in "aeiou" else "a")
    s.title = s.say(
        "[The {animal} at {A.home}|{A} and the {animal}|A Guest {P.at}|{hurt}|What the {animal} Brought]"
    )
    introduce(s)
    s.world.go(a, p)
    s.turn(
        "One {S.days} {A.he} was {P.at} and [heard a small noise|saw something move]. "
        "{P.detail} [Behind a stone|Under a bush|In a hollow of the ground] lay {an} "
        "{animal} with {hurt}. [It shut its eyes and waited.|It was too tired to run.|It "
        "looked at {A.him} as if {A.he} had come to the wrong house.]"
    )
    s.world.go(a, a.home)
    s.turn(
        "[{A} took off {A.his} coat, wrapped the {animal} in it, and carried it to "
        "{A.home}.|It took an hour, and a good deal of patience, to get the {animal} to "
        "{A.home}.|{A} went home, and came back with a basket and a blanket, and so the "
        '{animal} came to {A.home}.] {manner} "[You cannot keep that here|It will be gone by '
        'morning, and so will your dinner]," said {B}, the {B.trade}, [who had come to '
        "look|over the wall]."
    )
    s.turn('"[It is only until it can walk|I am not keeping it. It is visiting]," said {A}.')
    s.turn(
        "[On the first day it would not eat. On the second|It hid behind the stove for two "
        "days. On the third|All that night it lay with open eyes. In the morning] it ate [a "
        "crust|a little porridge|half an egg], when nobody was looking. By the end of the "
        "week it [slept on the bed|had chosen the best chair|followed {A} from room to "
        "room|had learned to open the larder|came when it was called, and sometimes when it "
        "was not]. [{B} still said that it was a mistake, and brought it scraps.|{A} found "
        "that {A.he} was talking to it, and that it listened.]"
    )
    s.turn(
        "Then one [morning|evening] the {animal} stood by the door. {A} [had known that it "
        "would come|opened {A.his} mouth, and shut it again]. {A.he} opened the door. It "
        "went [without once looking back|as far as the gate, looked back, and was gone]. The "
        "house was [very tidy and very quiet|so still that one could hear the clock "
        "think|just as large as it had been before, and no use at all]."
    )
    s.world.go(a, q)
    s.world.drop(a, t)
    s.turn(
        "[A month went by.|The days went by, and there was work to do.|Nobody spoke of it, "
        "not even {B}.] {A} went to {Q} {Q.errand}, and on the way home found that {T} "
        "{T.was} gone. {A} had had {T.a} from {A.his} [mother|father], and {A.he} [hunted "
        "until dark|went back twice], and gave {T.them} up for lost."
    )
    s.world.go(a, a.home)
    s.world.carry_off(t, a.home)
    s.turn(
        "[In the morning there was something on the doorstep.|The next day, when {A} opened "
        "the door, something was lying there.|{A} woke early, because something had "
        "scratched at the door.] It was {T}, [a little wet|with a tooth mark, or something "
        "like one|laid exactly in the middle]. [In the [mud|dust] there were tracks.|A line "
        "of tracks went off toward {Q}.|There were the marks of feet beside it, and not of "
        "boots.] {B} came out and looked at them [for a long time|with {B.his} head on one "
        'side]. "[I suppose that was a mistake as well," said {A}.|I never said a word '
        'against it," said {B}.]'
    )
    s.world.pick_up(a, t)
    s.tell(
        "[{A} still leaves the gate unlatched.|It never came in again, but there is a dish "
        "on that step to this day.]"
    )
    goodnight(s)


PLOTS = (message, healed)
