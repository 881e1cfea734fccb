"""Words: folded, corrected, named; and how two lists become one."""

from __future__ import annotations

import pytest

from assistant.knowledge.facets import digest, facets
from assistant.knowledge.ranking import fuse, named
from assistant.knowledge.words import corrected, meant, mentions, query_words, readable, tokens


def test_tokens_are_folded() -> None:
    assert tokens("Crème FRAÎCHE 1,5%") == ["creme", "fraiche", "1", "5"]
    assert tokens("\uff2f\uff50en straße_x") == ["open", "strasse", "x"]
    assert tokens("退货policy") == ["退", "货", "policy"]
    assert readable("Golden-Delicious") == "Golden Delicious"


def test_a_question_is_what_it_is_about() -> None:
    assert query_words("Where does the Granny Smith come from?") == ["granny", "smith", "come"]
    assert query_words("what is it?") == ["what", "is", "it"]
    assert len(query_words(" ".join(f"word{number}" for number in range(1_000)))) == 48


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("grany", "granny"), ("bananna", "banana"), ("lmie", "lime"), ("avcado", "avocado")],
)
def test_slips_are_corrected(wrong: str, right: str) -> None:
    known = {"granny", "banana", "lime", "avocado", "lemon", "pear"}
    assert corrected([wrong], known) == [wrong, right]
    assert meant([wrong, "pear"], known) == [right, "pear"]


def test_other_words_are_left_alone() -> None:
    known = {"lemon", "pear", "lime"}
    for word in ("melon", "peach", "lim", "1234", "xylophone", "lemon"):
        assert corrected([word], known) == [word]


def test_titles_are_mentioned_whole() -> None:
    assert mentions(["granny", "smith"], tokens("are granny smiths sour?"))
    assert mentions(["tomatoes"], tokens("a tomato"))
    assert not mentions(["granny", "smith"], tokens("smith's granny"))
    assert not mentions([], tokens("anything"))


def test_the_longest_title_of_the_right_kind_is_named() -> None:
    titles = {1: "Orange", 2: "Orange Bell Pepper", 3: "Bravo Orange Juice", 4: "Banana"}
    kinds = {1: "Orange", 2: "Pepper", 3: "Juice", 4: "Banana"}

    def names(question: str) -> set[int]:
        return set(named(titles, kinds, tokens(question)))

    assert names("how sweet is an orange") == {1}
    assert names("is an orange bell pepper sweet") == {2}
    assert names("orange juice please") == set()
    assert names("bravo orange juice please") == {3}
    assert names("a banana or two oranges") == {1, 4}


def test_fusion_favours_what_both_lists_hold() -> None:
    scores = fuse([[1, 2, 3], [3, 4]])
    assert max(scores, key=lambda key: scores[key]) == 3
    assert scores[1] == pytest.approx(1 / 61)
    assert scores[3] == pytest.approx(1 / 63 + 1 / 61)
    assert fuse([[], []]) == {}


def test_a_product_is_embedded_in_parts() -> None:
    text = "It is good.\nCountry: Italy\nNutrition values per 100 gram: fat ca 1 gram."
    assert facets("Pink Lady", text, "Pink-Lady", "Apple") == [
        "Pink Lady, Apple. It is good.",
        "Pink Lady, Apple. Country: Italy",
        "Pink Lady, Apple. Nutrition values per 100 gram: fat ca 1 gram.",
    ]
    assert facets("Lemon", "", "Lemon", "Lemon") == ["Lemon"]
    long = " ".join(f"This is sentence {number}." for number in range(100))
    parts = facets("Page", long)
    assert len(parts) > 2
    assert all(part.startswith("Page. This is") for part in parts)
    assert " ".join(part.removeprefix("Page. ") for part in parts) == long
    assert len({digest(part) for part in parts}) == len(parts)
