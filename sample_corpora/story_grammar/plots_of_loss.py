"""Plots in which a thing is lost, broken or taken."""

from story_grammar.telling import goodnight, introduce
from story_grammar.things import ANIMALS, FRAGILE
from story_grammar.world import Story


def lost(s: Story) -> None:
    """A loses a keepsake on a round of errands, and looks for it with B's help."""
    a, t = s.person("A"), s.keepsake("T")
    b = s.person("B", unlike=a)
    route = [s.place("P"), s.place("Q"), s.place("R")]
    s.world.own(a, t)
    s.title = s.say("[Where {T} Went|{A} Loses {T}|{T} and the {A.trade}|A Search in {V}|Three Errands]")
    introduce(s)
    s.tell(
        "{A} had {T.a}. "
        + t.note
        + " [{A.he} would not go out without {T.them}.|{A.he} was never seen without "
        "{T.them}.|It would have been easier to part {A} from a leg.]"
    )
    lost_at = s.choose.below(3)
    s.turn("One {S.days} {A} [set out with three errands to do|had three things to do in one day].")
    for index, place in enumerate(route):
        s.world.go(a, place)
        first = (
            "[First|To begin with] {A.he} went",
            "[Then|After that] {A.he} went",
            "[Last of all|Finally] {A.he} went",
        )
        s.tell(first[index] + " to {place}, {place.errand}. {place.detail}", place=place)
        if index == lost_at:
            s.world.drop(a, t)
            s.tell(
                "[{A.he} bent down to tie a bootlace|{A.he} stopped to talk to a stray cat|{A.he} "
                "sneezed four times|{A.he} sat down for a minute and ate an apple], and did not "
                "[hear|notice|feel] {T} fall."
            )
    s.world.go(a, a.home)
    s.turn(
        "It was only [at supper|when the lamp was lit|on the doorstep] that {A} felt for {T} "
        "and found [nothing there|an empty pocket]. [{A.he} turned out every drawer in "
        "{A.home}.|{A.he} looked under the bed, and in the bread crock, and inside the cat's "
        "basket.] {T} {T.was} not there."
    )
    s.world.go(b, a.home)
    s.turn(
        "{B}, the {B.trade}, [came by to borrow a cup of salt|saw the light and looked in]. "
        '"[What is the matter?|Has the roof fallen in?|Who has died?]" {B.he} asked.'
    )
    s.turn(
        '"[I have lost {T}|It is {T}|{T} {T.has} gone]," said {A}. "[I have been to three '
        "places, and it could be any of the three.|I had {T.them} this morning. I know I "
        'did.]"'
    )
    s.turn(
        '"[Then we shall walk it backwards|There is only one way, and that is backwards]," '
        'said {B}. "[You look on the left, and I will look on the right.|A thing that is '
        'lost is always somewhere.|Bring the big lantern.]"'
    )
    wind = s.choose.chance(0.35)
    thief = s.choose.pick(("magpie", "young jackdaw", "thieving crow"))
    hoard = s.place("N") if wind else None
    if hoard:
        s.world.carry_off(t, hoard)
    s.turn(
        "[So they went back together.|Off they went, by the way that {A} had come.|They lit "
        "a lantern and set out.]"
    )
    for place in reversed(route):
        s.world.go(a, place)
        s.world.go(b, place)
        if place is route[lost_at] and not hoard:
            s.world.pick_up(a, t)
            s.tell(
                "And {place.at}, [under a dock leaf|in a crack between two stones|half trodden into "
                "the earth|beside a print of {A.his} own boot], lay {T}.",
                place=place,
            )
            break
        s.tell(
            "{place.at} they [searched on hands and knees|looked until the light was poor|turned "
            "over every leaf], and found [a rusty nail|somebody's glove|an angry "
            "hedgehog|nothing at all].",
            place=place,
        )
    if hoard:
        s.world.go(a, hoard)
        s.world.go(b, hoard)
        s.tell(
            "They were going home without a word when {B} [stopped|took hold of {A.his} sleeve]. "
            "A {thief} was sitting up {N.at}, and it was scolding somebody who was not there. "
            "Under it, among [snail shells and bits of tin|feathers and eggshell], lay {T}.",
            thief=thief,
        )
        s.world.pick_up(a, t)
    s.turn(
        "{A} [picked {T.them} up and could not speak|held {T.them} in both hands|wiped "
        '{T.them} on a sleeve, twice]. [{B} kindly looked the other way.|"There," said {B}. '
        '"Now you may lend me that salt."|"I was sure of it all along," said {A}, which was '
        "not true.]"
    )
    s.tell(
        "[The next day {A} tied {T} on with a string.|From that day on {A} patted that "
        "pocket at every gate.|After that, when anyone in {V} lost a thing, they said that "
        "it must be walked backwards.]"
    )
    goodnight(s)


def broken(s: Story) -> None:
    """A borrows something of B's, breaks it, and must decide what to say; C can mend it."""
    row = s.choose.pick(FRAGILE)
    c = s.person("C", trade=row[2])
    a = s.person("A")
    b = s.person("B", unlike=a)
    t = s.thing("T", (row[0], row[1], ""))
    s.world.own(b, t)
    s.title = s.say("[{T} of {B}|What {A} Broke|A Borrowed Thing|{A} and {T}|Something on Loan]")
    introduce(s)
    s.world.go(a, b.home)
    s.world.give(b, a, t)
    s.world.promise(a, b, t)
    s.tell(
        '[In the {S.name}|One {S.days}] {A} borrowed {T.a} from {B}, the {B.trade}. "[Take '
        'care of {T.them}|Mind how you go with {T.them}]," said {B}. "[There is not another '
        'in {V}.|My mother left {T.them} to me.|I want {T.them} back by Sunday.]" And {A} '
        "promised."
    )
    s.world.go(a, a.home)
    s.turn(
        "It happened [on the second day|on the Friday|before {A.he} had even got {T.them} "
        "safely home]. {A} was [humming, and not looking|carrying too many things at "
        "once|showing somebody how careful {A.he} was being]; there was a [step|cat|wet "
        "patch] where {A.he} had not expected one; and then there was a [crack|crash|small "
        "dreadful snap]. {T} {T.was} broken."
    )
    lie = s.choose.chance(0.5)
    if lie:
        s.turn(
            "{A} thought of several things to say. [The wind had done it. A stranger had come "
            "in.|There had been a small earthquake, only in {A.home}.] [Each of them sounded "
            "worse than the one before.|{A.he} tried them on the cat, and the cat walked out.]"
        )
    else:
        s.turn(
            "{A} sat and looked at the pieces for as long as it takes to boil an egg. [They did "
            "not grow together.|Then {A.he} put them in a cloth, every splinter.|There are "
            "silences that only a broken thing can make.|The cat came in, looked, and went out.]"
        )
    s.world.go(a, c.home)
    s.world.give(a, c, t)
    s.tell(
        "[That evening|At last] {A.he} wrapped {T} up and carried {T.them} to {C}, the "
        "{C.trade}, at {C.home}."
    )
    s.turn('"[Can it be mended?|Is there any hope?|What would you do?]" [asked {A}|{A} said].')
    s.turn(
        '{C} turned the pieces over [without a word|and whistled softly]. "[Anything can be '
        'mended|I have seen worse|It has been worse than this in its time]," {C.he} said, '
        '"[but it will show|but I shall need until morning]. [Does {B} know?|Have you told '
        '{B}?]"'
    )
    s.turn(
        '"[Not yet|No]," said {A}. [And {A.he} went rather red.|{C} only looked at {A.him}, '
        "and went on looking.]"
    )
    s.world.give(c, a, t)
    s.turn(
        "In the morning {T} {T.was} whole again, "
        + row[3]
        + ". [The mark was there if you looked for it.|You could see the join, like a scar on "
        "a knee.] {A} carried {T.them} to {B.home} [slowly|by the longest way]."
    )
    s.world.go(a, b.home)
    s.turn(
        '"I broke {T}," said {A}, before {B} could say good day, "and {C} has mended '
        '{T.them}, and I am sorry."'
    )
    s.world.keep(a, b, t)
    endings = (
        '{B} found the place and ran a thumb along it. "So now there are two," {B.he} said. '
        '"I broke it myself, when I was ten, here on the other side. I never told a soul." '
        "And {B.he} showed {A.him}.",
        '{B} was angry for about a minute. Then {B.he} said, "I would have lent it to you '
        "again, you know, even in pieces. It is the ones who bring back nothing that I "
        'mind." They had tea.',
        'There was a silence. "I know," said {B}. "I met your cat, and the cat looked '
        'guilty." Nothing more was ever said about the matter, and the next time that {A} '
        "needed something, {B} lent it.",
    )
    s.turn(s.choose.pick(endings if t.it == "it" else endings[2:]))
    goodnight(s)


def missing(s: Story) -> None:
    """Goods go missing from A's place at night; A suspects B; an animal did it."""
    a = s.person("A")
    b = s.person("B", unlike=a)
    t, p = s.keepsake("T"), s.place("P")
    animal, _, _ = s.choose.pick(ANIMALS[:6])
    s.cast["animal"] = animal
    clue = {
        "fox": "a red hair on a nail",
        "jackdaw": "a grey feather",
        "hare": "a scrap of chewed clover",
        "otter": "a wet print with webbed toes",
        "crow": "a black feather",
        "badger": "a scrape of claws on the sill",
    }[animal]
    s.world.own(a, t)
    s.world.drop(a, t)
    s.title = s.say("[The Thief at {A.home}|Who Took {T}?|A Watch in the Night|{A} Suspects|The Open Window]")
    introduce(s)
    s.tell(
        "[Things had begun to go missing from {A.home}.|It began with a bun.|It was in the "
        "{S.name} that the thefts began.] On Monday night it was [half a loaf|a pork pie|a "
        "boiled egg], on Tuesday [a ball of string|a sock|a good clean rag], and on "
        "Wednesday {T.a}, which {T.was} worth more than the rest together."
    )
    s.world.carry_off(t, p)
    s.turn(
        '"It is {B}," said {A} to [everyone who came in|the cat|the whole street]. "[I saw '
        "{B.him} looking in at the window.|Only last week {B.he} asked me where I kept "
        '{T.them}.|{B.he} walks about at night, in soft shoes.]"'
    )
    s.turn(
        "{B}, who was {B.craft} at {B.home}, heard of it by noon, as one does in {V}. "
        "[{B.he} put down the work and came straight over.|{B.he} turned white, and then "
        '{B.he} turned red.] "Then I will sit up with you tonight," {B.he} said, "and if I '
        'am in here with you, I am not out there stealing."'
    )
    s.world.go(b, a.home)
    s.turn(
        "[So the two of them sat up in the dark,|That night they blew out the lamp and "
        "waited,] [at either end of a bench|with a poker between them]. [For a long time "
        "they said nothing.|Neither would be the first to speak.|The clock did all the "
        "talking.] {S.night} Then {A} offered {B} [a biscuit|half of a blanket|a little "
        "soup], because it was cold, and {B} took it."
    )
    s.turn(
        "[At about two|Just before dawn] there was a [scratching|rustling|soft thump] at the "
        "window. [It was pushed open from outside.|The catch, which had never been good, "
        "gave way.] In came {a} {animal}, [as cool as a lodger|as if it paid rent|without "
        "any hurry at all]. It [helped itself to a crust|chose a candle end|tried a boot and "
        "put it back], and left; and on the sill there was " + clue + ".",
        a="an" if animal == "otter" else "a",
    )
    s.world.go(a, p)
    s.world.go(b, p)
    s.turn(
        "[They followed it all the way to {P}.|They pulled on their boots and went after it, "
        "and it led them to {P}.] {P.detail} There, in a hole, on a bed of [string and "
        "sock|clean rag], were three young ones with their mouths open; and beside them, "
        "[quite unhurt|very little chewed], {T.was} {T}."
    )
    s.world.pick_up(a, t)
    s.turn(
        "[Neither of them spoke.|The {animal} looked at them, and they looked at the "
        "{animal}.] {A} took up {T}, and [left the bed as it was|left a bit of bread in its "
        'place]. "I ought not to have said it," {A.he} told {B} on the way home.'
    )
    s.turn(
        '"No," said {B}. "[But you shared what you had with me.|You ought to have asked me. '
        "I would have told you that I snore.|Say so tomorrow, as loudly as you said the "
        'other thing.]" [And {A} did.|{A} did, in the middle of the street, with {A.his} hat '
        "off.|So that was settled, and they have been friends ever since.]"
    )
    s.tell(
        "[Since then a crust has been put out on that sill every night.|{A} never did mend "
        "the catch on the window.|]"
    )
    goodnight(s)


PLOTS = (lost, broken, missing)
