"""The objects and animals of the generated stories, as rows of data."""

# introduced as, pronoun, where it came from (A is the owner)
KEEPSAKES = (
    ("a brass key", "it", "It opened nothing any more, but {A.his} grandmother had worn it round her neck."),
    (
        "a silver thimble",
        "it",
        "It had been in the family for a hundred years, and it had a dent for each of them.",
    ),
    (
        "a tin whistle",
        "it",
        "It could play only five notes, but {A.he} knew forty tunes that needed no more.",
    ),
    (
        "a wooden comb",
        "it",
        "{A.his} father had cut it from a pear branch, with a little bird along the back.",
    ),
    ("a pocket compass", "it", "The needle stuck sometimes, and had to be tapped, but it was never wrong."),
    ("a copper ring", "it", "It turned {A.his} finger green, and {A.he} would not have changed it for gold."),
    (
        "a horn button",
        "it",
        "It was the last one from the coat of {A.his} great-uncle, who had seen the sea.",
    ),
    ("a green marble", "it", "If you held it up to the light, there was a twist in it like smoke."),
    ("a red scarf", "it", "{A.his} sister had knitted it, and it was a yard too long."),
    ("a small bell", "it", "It had once hung on a goat that could open doors."),
    ("a leather purse", "it", "There was never much in it, but {A.his} mother had sewn it with silk."),
    ("a painted spoon", "it", "It had a fish on the handle, and soup tasted better from it."),
    ("a bone needle", "it", "It was so old that it had been worn as thin as a thorn."),
    (
        "a folding knife",
        "it",
        "The blade was short now, from sharpening, and it fitted the hand like a friend.",
    ),
    ("a blue feather", "it", "Nobody in the village could say what bird it had come from."),
    ("a carved horse", "it", "One of the ears was missing, and {A.he} rubbed the place when thinking."),
    ("a pair of spectacles", "they", "Without them {A.he} could not tell a cow from a haystack."),
    ("a pair of mittens", "they", "They were lined with rabbit fur, and joined by a long string."),
    ("a silver coin", "it", "It came from a country that had since changed its name."),
    ("a little lantern", "it", "It had one red pane and three clear ones."),
)

# introduced as, pronoun, why somebody wants it
GOODS = (
    ("a basket of eggs", "they", "my hens have stopped laying"),
    ("a pot of honey", "it", "my throat is as rough as a file"),
    ("a coil of rope", "it", "mine has frayed right through"),
    ("a pair of boots", "they", "the wet comes in at both my heels"),
    ("a box of candles", "they", "I sat in the dark all last night"),
    ("a jar of plums", "they", "my aunt is coming, and she will eat nothing else"),
    ("a copper kettle", "it", "the bottom fell out of mine on Tuesday"),
    ("a wheel of cheese", "it", "there is a wedding on Sunday and nothing to put on the table"),
    ("a woollen blanket", "it", "the nights are colder than they used to be"),
    ("a sack of flour", "it", "the mice have been into mine"),
    ("a willow chair", "it", "I am tired of sitting on a bucket"),
    ("a sharp axe", "it", "mine would not cut butter"),
    ("a bag of nails", "they", "my roof is held on with string"),
    ("a tall ladder", "it", "my best pears are all at the top"),
    ("a straw hat", "it", "the old one was eaten by a goat"),
    ("a set of bowls", "they", "we have been eating by turns"),
    ("a roll of linen", "it", "the baby has nothing to wear but a flag"),
    ("a new broom", "it", "the dust and I cannot both live here"),
    ("a bundle of hay", "it", "my donkey looks at me and sighs"),
    ("a wooden bucket", "it", "mine holds water as a basket does"),
)

# something that can break, its pronoun, the trade of whoever can mend it, how it is mended
FRAGILE = (
    ("a blue jug", "it", "potter", "with fish glue and a band of wire"),
    ("a painted plate", "it", "potter", "with three rivets and a good deal of patience"),
    ("an old fiddle", "it", "carpenter", "with hot glue and a slip of maple"),
    ("a rocking chair", "it", "carpenter", "with a new ash peg"),
    ("a cuckoo clock", "it", "clockmaker", "with a spring no thicker than a hair"),
    ("a music box", "it", "clockmaker", "with one new tooth in its comb"),
    ("a silk umbrella", "it", "tailor", "with stitches too small to see"),
    ("a velvet coat", "it", "tailor", "with a patch cut from its own hem"),
    ("an iron lamp", "it", "smith", "with a hot rivet and three careful blows"),
    ("a garden spade", "it", "smith", "with a collar of new iron"),
    ("a picture book", "it", "bookbinder", "with linen thread and flour paste"),
    ("a great atlas", "it", "bookbinder", "with a new spine of red leather"),
    ("a fishing net", "it", "fisher", "with eleven good knots"),
    ("a pair of skates", "they", "cobbler", "with new straps of ox hide"),
)

ANIMALS = (
    ("fox", "a broken paw", "It had eyes the colour of cider."),
    ("jackdaw", "a torn wing", "It had pale eyes and an opinion about everything."),
    ("hare", "a thorn in its foot", "Its ears were longer than its face."),
    ("otter", "a cut on its back", "It smelled strongly of fish."),
    ("crow", "a bent wing", "It walked like a lawyer."),
    ("badger", "a sore shoulder", "It was heavier than it looked, and it grumbled."),
    ("kitten", "a bitten ear", "It ate the bandage twice."),
    ("lamb", "a cut leg", "It leaned on whoever was nearest."),
    ("owl", "a bruised wing", "It turned its head all the way round to stare."),
    ("dog", "a limp", "It was the colour of a doormat."),
    ("goose", "a hurt foot", "It hissed at everyone except the cat."),
    ("heron", "a strained wing", "It stood on the stove for warmth, on one leg."),
)
