"""A page in any everyday encoding is read with its own letters; where two are close, both are named."""

from pathlib import Path

import pytest

from data.corpus import open_corpus, scan_corpus
from data.encoding_detection import telling_words
from data.errors import CorpusError, UsageError
from data.file_encoding import UnclearEncodingError
from data.progress import result_of
from tests.data.pages import CAPITALS, KEPT_IN, PAGES
from tests.data.test_corpus import text_of


def kept(name: str, encoding: str) -> tuple[str, bytes]:
    page = f"{PAGES[name]}\n"
    try:
        return page, page.encode(encoding)
    except UnicodeEncodeError:  # encodings before Windows have the straight apostrophe only
        page = page.replace("’", "'")
        return page, page.encode(encoding)


def read(path: Path, *encodings: str) -> str:
    corpus = open_corpus([path], encodings)
    return text_of(corpus, "train") + text_of(corpus, "validation")


@pytest.mark.parametrize(("name", "encoding"), KEPT_IN)
def test_a_page_is_read_with_its_letters(name: str, encoding: str, tmp_path: Path) -> None:
    page, content = kept(name, encoding)
    (tmp_path / "page.txt").write_bytes(content)
    assert read(tmp_path / "page.txt") == page
    assert read(tmp_path / "page.txt", encoding) == page


@pytest.mark.parametrize(("page", "encoding"), CAPITALS)
def test_capitals_are_read_with_their_letters_or_the_right_encoding_is_named(
    page: str, encoding: str, tmp_path: Path
) -> None:
    (tmp_path / "page.txt").write_bytes(f"{page}\n".encode(encoding))
    if read(tmp_path / "page.txt") != f"{page}\n":
        (note,) = open_corpus([tmp_path / "page.txt"]).notes
        other = note.split("may be ")[1].split()[0]
        assert read(tmp_path / "page.txt", other) == f"{page}\n"


CYRILLIC_LISTS = ("Рыба Сом Карп Треска Икра Улов", "Рука. Солнце. Тень. Утро. Хлеб. Зима. Игра. Кот. Книга.")


@pytest.mark.parametrize("page", CYRILLIC_LISTS)
def test_the_encoding_of_windows_is_preferred_to_that_of_old_macs(page: str, tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_bytes(f"{page}\n".encode("cp1251"))
    assert read(tmp_path / "page.txt") == f"{page}\n"


COMMAS = PAGES["Romanian"].translate(str.maketrans("şţ", "șț")) + "\n"


def test_romanian_with_commas_below_is_said_to_be_possible(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_bytes(COMMAS.encode("iso8859_16"))
    (note,) = open_corpus([tmp_path / "page.txt"]).notes
    assert "read as cp1250 (şi, căsuţă), and may be iso8859_16 (și, căsuță)." in note
    assert note.count("{encoding=NAME}") == 1
    assert read(tmp_path / "page.txt", "iso8859_16") == COMMAS


def test_marks_of_its_own_tell_romanian_with_commas_below(tmp_path: Path) -> None:
    page = f"„Bună ziua”, a spus fata. {COMMAS}"
    (tmp_path / "page.txt").write_bytes(page.encode("iso8859_16"))
    assert read(tmp_path / "page.txt") == page


@pytest.mark.parametrize("word", ["kuća", "Şimdi", "мир", "ä"])
def test_a_word_that_proves_nothing_is_read_with_a_warning(word: str, tmp_path: Path) -> None:
    encoding = {"kuća": "cp1250", "Şimdi": "cp1254", "мир": "koi8_r", "ä": "cp1252"}[word]
    (tmp_path / "page.txt").write_bytes(f"{word}\n".encode(encoding))
    (note,) = open_corpus([tmp_path / "page.txt"]).notes
    assert "may be" in note and note.endswith("{encoding=NAME}")


def test_a_close_encoding_is_not_guessed_where_it_can_be_asked(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_bytes(COMMAS.encode("iso8859_16"))
    with pytest.raises(UnclearEncodingError) as unclear:
        result_of(scan_corpus([tmp_path / "page.txt"], guess=False))
    assert unclear.value.choices == (("cp1250", ["şi", "căsuţă"]), ("iso8859_16", ["și", "căsuță"]))
    assert result_of(scan_corpus([tmp_path], guess=False)).notes, (
        "a folder may have files of several encodings"
    )


def test_the_assumed_encoding_is_shown_with_three_words(tmp_path: Path) -> None:
    page, content = kept("Finnish", "cp1252")
    (tmp_path / "page.txt").write_bytes(content * 20)
    (note,) = open_corpus([tmp_path / "page.txt"]).notes
    assert "cp1252" in note and all(word in note for word in telling_words(page))


def test_an_unknown_encoding_is_refused_with_near_names(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text(PAGES["German"], encoding="utf-8")
    with pytest.raises(UsageError, match="no text encoding 'cp1253x'") as refused:
        open_corpus([tmp_path / "page.txt"], ["cp1253x"])
    assert "cp1253" in str(refused.value.hint)
    for not_text in ("hex", "rot13", "idna", "utf-8\0"):
        with pytest.raises(UsageError):
            open_corpus([tmp_path / "page.txt"], [not_text])


def test_an_encoding_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_bytes(kept("Russian", "cp1251")[1])
    with pytest.raises(CorpusError, match="not all in utf-8") as refused:
        open_corpus([tmp_path / "page.txt"], ["utf8"])
    assert refused.value.field == "encoding"


def test_a_stray_nul_is_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_bytes(b"A crow sat on a tree.\n" * 50 + b"\0The end.\n")
    corpus = open_corpus([tmp_path / "page.txt"])
    assert "\0" not in corpus.character_counts and "1 NUL bytes" in corpus.notes[0]


def test_a_repeated_word_proves_no_more_than_one(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_bytes("kuća\n".encode("cp1250") * 5_000)
    assert "may be" in open_corpus([tmp_path / "page.txt"]).notes[0]


def test_a_text_is_found_again_in_the_encodings_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(kept("Croatian", "cp1250")[1])
    (tmp_path / "b.txt").write_bytes(kept("Russian", "koi8_r")[1])
    corpus = open_corpus([tmp_path])
    names = [source.encoding.name for source in corpus.sources]
    again = open_corpus([source.path for source in corpus.sources], names)
    assert again.content_hash == corpus.content_hash and names[1].startswith("koi8")
