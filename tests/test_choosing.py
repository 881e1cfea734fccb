"""Which sources the embedded model is shown, and how its numbers find back."""

from __future__ import annotations

from typing import Any

import pytest

from assistant.chat_model import ChatLlava
from assistant.chat_model.choosing import asks_more, asks_unseen, chosen, renumbered
from assistant.errors import AdapterError
from assistant.grounding import is_off_topic, named_labels
from assistant.settings import Settings
from assistant.sources import Source


def passage(label: str, title: str = "") -> Source:
    return Source(
        "passage", label or title, title or label.replace("-", " "), "It is red.", "shop", label
    )


PAGE = passage("", "Home delivery")
FRUIT = ("Red-Delicious", "Golden-Delicious", "Orange", "Bravo-Orange-Juice")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("how heavy is a red delicious apple?", {"Red-Delicious"}),
        ("Red Delicious: and where is it from?", {"Red-Delicious"}),
        ("How heavy is one orange?", {"Orange"}),
        # Another source has more of the question's words.
        ("Which orange juices do you have?", set()),
        ("is bravo orange juice sour?", {"Bravo-Orange-Juice"}),
        # What is compared with is shown as well.
        ("Is Red Delicious sweeter than Golden Delicious?", {"Red-Delicious", "Golden-Delicious"}),
        ("Which apples are sweet?", set()),
        # A name's words far apart are no name.
        ("Is the red fruit at the front of the shelf as delicious as the green one?", set()),
        ("", set()),
        ("?" * 5_000, set()),
    ],
)
def test_a_product_is_named_whole(question: str, expected: set[str]) -> None:
    assert named_labels(question, [passage(label) for label in FRUIT]) == expected


def test_only_what_is_known_of_the_named_product_is_shown_and_pages_of_none() -> None:
    photo = Source("image", "a" * 64, "Orange", "Orange (Orange)", "label_image", "Orange")
    sources = [photo, PAGE, *(passage(label) for label in FRUIT), passage("Red-Delicious", "Table")]
    assert chosen("red delicious apple: where is it from?", sources) == (0, 1, 2, 6)
    assert chosen("what is sweet?", sources) == tuple(range(7))
    assert chosen("anything", []) == ()


def test_a_photos_own_label_alone_leaves_out_nothing() -> None:
    photo = Source("image", "a" * 64, "Orange", "Orange (Orange)", "label_image", "Orange")
    sources = [photo, passage("Red-Delicious"), passage("Golden-Delicious")]
    assert chosen("Orange: is it sweet?", sources) == (0, 1, 2)


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["It is red. [1]"], "It is red. [1]"),
        (["It is ", "[", "2", "]", " and [3][1]."], "It is [3] and [6][1]."),
        (["a [12", "] b"], "a [12] b"),  # a number of no source stays
        (["open [2"], "open [2"),
        (["list[i] [x]"], "list[i] [x]"),
        ([], ""),
    ],
)
def test_marks_get_the_numbers_among_all_sources(pieces: list[str], expected: str) -> None:
    assert "".join(renumbered(pieces, (0, 2, 5))) == expected


def test_words_are_not_held_back() -> None:
    assert list(renumbered(["It ", "is ", "[1", "]"], (0,))) == ["It ", "is ", "[1]"]


@pytest.mark.parametrize(
    ("question", "more"),
    [
        ("What is this?", False),
        ("Can you identify the item in my photo?", False),
        ("which article from your shop is it?", False),
        ("which country is it from?", True),
        ("what's this called", False),
        ("", False),
        ("Where does this come from?", True),
        ("what company makes this?", True),
        ("what is this good for", True),
        ("sugars per 100 g in this?", True),
    ],
)
def test_a_question_wants_more_than_a_name(question: str, more: bool) -> None:
    assert asks_more(question) is more


@pytest.mark.parametrize(
    ("question", "unseen"),
    [
        ("which colour is the flesh of this?", True),
        ("what will i see if i cut it in half", True),
        ("what is inside the box?", False),
        ("is the box open?", False),
        ("is there a cut in the peel", False),
    ],
)
def test_what_no_photo_shows_is_not_looked_for_in_it(question: str, unseen: bool) -> None:
    assert asks_unseen(question) is unseen


@pytest.mark.parametrize(
    ("sentence", "question", "off"),
    [
        ("The weight of Peach is about 175g.", "how much is peach right now", True),
        ("The weight of Peach is about 175g.", "how heavy is a peach?", False),
        ("The weight of Peach is about 175g.", "tell me about peaches", False),
        ("The price of Peach is 2 euros.", "how much is peach right now", False),
        ("The energy of Milk is about 280 kilojoule per 100 gram.", "kcal of milk?", True),
        ("The energy of Milk is about 67 kcal per 100 gram.", "kcal of milk?", False),
        ("The energy of Milk is about 67 kcal per 100 gram.", "how many kJ has milk", True),
        ("The energy of Milk is about 1.5 percent fat.", "and how many kcal?", True),
        ("The energy of Milk is about 67.", "and how many kcal?", False),
        ("The article number of Orange is 280g.", "how many oranges do you have in stock", True),
        ("The ingredients of Muesli are oats.", "What dishes is muesli good for?", True),
        # The name's own words are not what is asked for.
        ("The manufacturer of Salan Sour Cream is Snow.", "Salan Sour Cream: by whom is it", False),
        ("The country of origin of Plum is Chile.", "Where do plums grow?", False),
        ("The manufacturing country of Juice is Denmark.", "which farmer grew your juice?", True),
        ("The country of origin of Plum is Chile.", "In which country was plum harvested?", False),
        ("It weighs 175 g.", "how much is peach right now", False),
        ("", "", False),
    ],
)
def test_a_sentence_that_tells_something_else(sentence: str, question: str, off: bool) -> None:
    assert is_off_topic(sentence, question) is off


class _Engine:
    """An embedded engine that has some adapters, and no weights."""

    name = "embedded"

    def __init__(self, *adapters: str) -> None:
        self._adapters = adapters

    def stream(self, *_: object, **__: object) -> None:
        raise AssertionError("nothing is asked here")

    def resolve(self, adapter: str) -> str:
        if adapter not in self._adapters:
            raise AdapterError(f"There is no adapter {adapter!r}.")
        return adapter


@pytest.mark.parametrize(
    ("installed", "given", "at_desk"),
    [
        ("mine", {}, True),  # the settings name it
        ("agent", {}, False),
        ("agent", {"agent_adapter": "agent"}, True),  # what code says counts more
        ("mine", {"agent_adapter": None}, False),
    ],
)
def test_the_settings_name_the_adapter_that_runs_the_desk(
    installed: str, given: dict[str, Any], at_desk: bool
) -> None:
    settings = Settings(agent_adapter="mine")
    model = ChatLlava(engine=_Engine(installed), settings=settings, **given)
    assert model.uses_desk_form() is at_desk
    assert model.model_copy().uses_desk_form() is at_desk


def test_the_desk_needs_a_name_of_an_adapter() -> None:
    with pytest.raises(ValueError, match="agent_adapter"):
        Settings(agent_adapter="")
