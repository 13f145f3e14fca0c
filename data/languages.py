"""The letters beyond ASCII of written languages, their commonest words, and the encodings used for them.

They tell which encoding a text without any mark is in: only the right one gives letters that one language
has, beside words of that language.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """`letters` are the lower-case letters beyond ASCII, the commonest first. `words` are common words, or
    "" where a script says enough. `is_latin` is whether ASCII letters are letters of its words."""

    name: str
    letters: str
    encodings: tuple[str, ...]
    words: frozenset[str] = frozenset()
    is_latin: bool = True


_WEST = ("cp1252", "cp850", "mac_roman", "cp437", "iso8859_15")
_EAST = ("cp1250", "iso8859_2", "cp852", "mac_latin2")
_BALTIC = ("cp1257", "iso8859_13", "iso8859_4")
_CYRILLIC = ("cp1251", "koi8_r", "koi8_u", "cp866", "iso8859_5", "mac_cyrillic")


def _latin(name: str, letters: str, encodings: tuple[str, ...], words: str) -> Language:
    return Language(name, letters, encodings, frozenset(words.split()))


def _other(name: str, letters: str, encodings: tuple[str, ...]) -> Language:
    return Language(name, letters, encodings, is_latin=False)


LANGUAGES = (
    _latin("English", "éèïçêàöüñ", _WEST, "the and of to in is was that he it for with as his on at by had"),
    _latin("Finnish", "äöåšž", _WEST, "ja on ei se oli hän että mutta kun niin kuin ne sen joka myös ovat"),
    _latin(
        "Swedish", "äåöé", _WEST, "och att det en som på är av den för med till inte ett han hon de i var"
    ),
    _latin(
        "Norwegian", "åøæéòô", _WEST, "og det er en et på som å den til av for at med de ikke jeg han var"
    ),
    _latin("Danish", "åæøé", _WEST, "og det er en et på som at den til af for med de ikke jeg han var i"),
    _latin(
        "Icelandic", "ðáíþöæóéúý", (*_WEST, "mac_iceland"), "og að er var sem ekki hann en við um það til"
    ),
    _latin("Faroese", "ðáíøæóýú", (*_WEST, "mac_iceland"), "og at er var sum ikki hann ein við um til hon"),
    _latin(
        "German", "üäößé", _WEST, "der die und das ist nicht ein zu den von mit sie er es im dem auch sich"
    ),
    _latin("Dutch", "ëéïèöüê", _WEST, "de het een en van is dat in te niet op zijn was met voor hij er aan"),
    _latin(
        "French", "éèàêçôùûîâïœëÿ", _WEST, "de la le et les des un une du que est en dans il pour qui pas"
    ),
    _latin(
        "Spanish", "óáíéñúü", _WEST, "de la que el en y los se del las un por con una su para es no al lo"
    ),
    _latin("Catalan", "éèàóòíúçïü·", _WEST, "de la i el que en un una per amb els les del es va no al com"),
    _latin("Galician", "óáñíéúïü", _WEST, "de a o que e do da en un unha os as para con non no na se por"),
    _latin("Portuguese", "ãçáéíêóõâúàôü", _WEST, "de a o que e do da em um uma os as para com não no na se"),
    _latin("Italian", "èàùòéìî", _WEST, "di e la il che un una per non in si con del della le i era da al"),
    _latin("Irish", "áéíóú", _WEST, "an na agus ar is le go sa bhí do ag sé sí i a ní mar"),
    _latin("Polish", "łąężóśćńź", _EAST, "i w na z nie się do to jest że o po jak za od co był a"),
    _latin("Czech", "íáéěřýčžšůúťóďň", _EAST, "a v se na je že to s z do o i ve za jak by ale po byl"),
    _latin("Slovak", "áíéčžýšúľťóôňäďŕĺ", _EAST, "a v sa na je že to s z do o i vo za ako by ale po bol"),
    _latin("Hungarian", "áéöóőüíúű", _EAST, "a az és hogy nem egy is volt meg de csak már van mint ez"),
    _latin("Croatian", "čžšćđ", _EAST, "i u je na se da su za od s a ne kao bio ali koji to iz po o"),
    _latin("Slovenian", "čšž", _EAST, "in je v na se da so za od s z ne kot bil pa ki to iz po o"),
    _latin("Romanian", "ăîâţş", _EAST, "de a si in la cu pe nu un o din care mai era ca"),
    _latin(
        "Romanian with commas", "ăîâțș", ("iso8859_16",), "de a si in la cu pe nu un o din care mai era ca"
    ),
    _latin("Estonian", "äõüöšž", (*_BALTIC, *_WEST), "ja on ei ta see oli et aga kui ka oma mis siis"),
    _latin("Lithuanian", "ėžšųįūąčę", _BALTIC, "ir yra kad ne i su buvo jis ji bet kaip tai iki nuo"),
    _latin("Latvian", "āīšēūžļņģķč", _BALTIC, "un ir ka ar no uz tas bija par bet to ne vai kas"),
    _latin(
        "Turkish", "ıüşğçöâîû", ("cp1254", "cp857", "mac_turkish"), "bir ve bu da de için o ile ne gibi çok"
    ),
    _other("Russian", "оеаинтслвркмдпуяыьгзбчйжхшюцщэфъё", _CYRILLIC),
    _other("Ukrainian", "оаинвтеіслркдумпязьгбчхїйжшєюцщфґ’", _CYRILLIC),
    _other("Bulgarian", "аоиетнрсвлкпдмзябъугчщжцшхйфюь", _CYRILLIC),
    _other("Serbian", "аоиенрстјувмдклпзбгшчцјњжћљђхфџ", _CYRILLIC),
    _other("Greek", "αοιετσνρςκπηυμλωάίόέήδγχθύβφώξζψϊϋΐΰ", ("cp1253", "iso8859_7", "cp737")),
    _other("Hebrew", "יוהלאתרבשמנםדעחקפכגטזסצךןףץ", ("cp1255", "iso8859_8", "cp862")),
    _other("Arabic", "اليمونرتبهعدسفكحقجشصةأطذخضىإئزغثءظؤآپچژگی،؟", ("cp1256", "iso8859_6")),
    _other("Thai", "านรอกเงมยลวดทสตะปบคหแจพชขใไถผธซณโศฟญภษฐฉฬฎิี่้ั็์ืุูำ", ("cp874",)),
)

SIMPLIFIED = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里"
    "用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实"
)
TRADITIONAL = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡"
    "用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實"
)
KANJI = "日一人年大本中時見行言出上生分今小前気手事方思家間会来私何物入下子自話山水朝夜女男長国学村木読古町海"
HANGUL = "이다는의에을가고지하은를한로기사인도어서리자그나있시아대정보해수일들라게만과전상니었했"
