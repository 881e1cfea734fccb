"""Grounding: sentences, numbers, and pairs of true and corrupted sentences."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.grounding import check, marks, sentences, unknown_subject, without_marks
from assistant.grounding.numbers import amounts
from assistant.grounding.words import plain, stem, stems
from assistant.sources import Source
from tests.benchmarks.grounding import make_pairs
from tests.benchmarks.product_facts import facts_of

APPLE = Source(
    "passage",
    "1",
    "Golden Delicious",
    "Kind: Apple\nGolden Delicious has a white juicy pulp and a greenish yellow shell. The taste "
    "is mellow and sweet, making it suitable for desserts.\nTitle: Apple Golden Delicious Class 1\n"
    "Country and volume: Italy, ca 180g",
    "products.jsonl",
    "Golden-Delicious",
)
GALA = Source(
    "passage",
    "2",
    "Royal Gala",
    "Kind: Apple\nRoyal Gala is a crispy and very juicy apple.\nTitle: Apple Royal Gala Class 1\n"
    "Country and volume: Argentina, ca 180g",
    "products.jsonl",
    "Royal-Gala",
)
LADY = Source(
    "passage",
    "3",
    "Pink Lady",
    "Pink Lady reminds of Royal Gala, though it is an even sweeter and crispier apple.\n"
    "Country and volume: Italy, ca 180g",
    "products.jsonl",
    "Pink-Lady",
)
MILK = Source(
    "passage",
    "4",
    "Arla Lactose Medium Fat Milk",
    "Lactose-free skimmed milk, made for people with lactose intolerance. It is free from "
    "lactose.\n"
    "Title: Skimmed milk lactose free 1,5%\nManufacturer and volume: ARLA KO, 1l\n"
    "Manufacturing country: Sweden\nIngredients: Milk, lactase, vitamin D. Pasteurized.\n"
    "Nutrition values per 100 gram: energy ca 160 kilojoule; energy ca 40 kilocalorie; "
    "fat (fett) ca 1.5 gram; of which saturated fat (varav mättat fett) ca 1 gram; carbohydrate ca "
    "2.7 gram; protein ca 3.6 gram; vitamin B12 ca 0.6 mikrogram.",
    "products.jsonl",
    "Arla-Lactose-Medium-Fat-Milk",
)
JUICE = Source(
    "passage",
    "5",
    "Tropicana Juice Smooth",
    "Ingredients: 100% Apelsinjuice utan fruktkött\nfett ca 0 gram\nvarav sockerarter ca 9 gram",
    "products.jsonl",
    "Tropicana-Juice-Smooth",
)
BANANA = Source(
    "passage", "6", "Banana", "Store in room temperature or cool, never in a refrigerator.",
    "products.jsonl", "Banana",
)  # fmt: skip
DELIVERY = Source(
    "passage",
    "7",
    "Delivery",
    "We deliver from Monday to Saturday between 9:00 and 20:00. Delivery costs €3.90 and is free "
    "for orders of €40 or more. The driver waits for 5 minutes. Frozen goods are never left at the "
    "door. Orders are kept for 2 days.",
    "delivery.md",
)
CHINESE = Source("passage", "8", "配送", "我们每天送货。送货费为三欧元，不收现金。", "zh.md")
PHOTO = Source(
    "image", "a" * 64, "Golden Delicious", "Golden-Delicious (Apple), confidence 0.97",
    "label_image", "Golden-Delicious", "a" * 64,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It is sweet. It is red!", ["It is sweet.", "It is red!"]),
        (
            "It weighs approx. 1.5 kg [1]. It is ripe. [2]",
            ["It weighs approx. 1.5 kg [1].", "It is ripe. [2]"],
        ),
        ("Sold by e.g. Arla, i.e. cold. Next", ["Sold by e.g. Arla, i.e. cold.", "Next"]),
        ("From the U.S. it came. Yes.", ["From the U.S. it came.", "Yes."]),
        (
            "Open till 8 p.m. On Sundays it is shut.",
            ["Open till 8 p.m.", "On Sundays it is shut."],
        ),
        ("它来自意大利。[1]重180克！好吗？", ["它来自意大利。[1]", "重180克！", "好吗？"]),
        (
            "Er kommt am 3. Oktober, z. B. mit Nr. 5. Gut.",
            ["Er kommt am 3. Oktober, z. B. mit Nr. 5.", "Gut."],
        ),
        ("¿De dónde es? Es de España.", ["¿De dónde es?", "Es de España."]),
        ("C'est « bon ». Oui… Merci.", ["C'est « bon ».", "Oui…", "Merci."]),
        ("Two things:\n- one\n- two\n\nEnd", ["Two things:", "- one", "- two", "End"]),
        ("1. Wash it. 2. Eat it.", ["1. Wash it.", "2. Eat it."]),
        ('He said "Stop." Then left.', ['He said "Stop."', "Then left."]),
        ("A line that\ngoes on. Done", ["A line that\ngoes on.", "Done"]),
        ("See shop.example for 1,5 l.", ["See shop.example for 1,5 l."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


@given(st.text(alphabet="aB1 .!?。[]\n,-é", max_size=60))
def test_sentences_lose_nothing_but_white_space(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


def test_a_stream_is_cut_as_the_whole_is() -> None:
    text = (
        "It is from Italy [1]. It weighs approx. 1.5 kg. [1, 2] 它很甜。[3] Sold till 8 p.m. Yes."
    )
    whole = sentences(text)
    for end in range(len(text)):
        begun = sentences(text[:end])
        assert [each for each in begun[:-1] if each not in whole] == []


def test_marks() -> None:
    assert marks("A [2] and b [1, 2]. [3]") == (2, 1, 3)
    assert without_marks("A [2] and b [1, 2]. [3]") == "A and b."
    assert marks("no [mark] [") == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("180g", "180 grams"),
        ("0.18 kg", "180 g"),
        ("1,5 l", "15 dl"),
        ("1.500 g", "1.5 kg"),
        ("1,500", "1500"),
        ("two litres", "2l"),
        ("8 a.m.", "08:00"),
        ("8 pm", "20:00"),
        ("3,90 €", "€3.90"),
        ("45 calories", "45 kilokalori"),
        ("24 hours", "1 day"),
        ("12 %", "12 percent"),
        ("9", "9:00"),
        ("1 234,50", "1234.5"),
    ],
)
def test_the_same_amount(one: str, other: str) -> None:
    (first,), (second,) = amounts(plain(one)), amounts(plain(other))
    assert first.equals(second)


@pytest.mark.parametrize(
    ("one", "other"),
    [("180 g", "180 ml"), ("1.5 kg", "1.5 g"), ("8 am", "20:00"), ("€3", "$3"), ("18", "180")],
)
def test_another_amount(one: str, other: str) -> None:
    (first,), (second,) = amounts(plain(one)), amounts(plain(other))
    assert not first.equals(second)


def test_words_are_not_numbers() -> None:
    assert amounts("vitamin B12, this one, none") == ()


def test_stems_join_forms_and_synonyms() -> None:
    assert stem("berries") == stem("berry") and stem("crispier") == stem("crispy")
    assert stems("the eggplants") == stems("aubergine") == stems("Aubergines")
    assert stems("fett, kolhydrat") == stems("fats and carbohydrates")
    assert stems("Golden-Delicious") == stems("golden delicious")


TRUE = [
    ("Golden Delicious comes from Italy [1].", (APPLE, GALA), ""),
    ("The golden delicious weighs about 180 g.", (APPLE, GALA), ""),
    ("It's grown in Italy.", (APPLE,), "Where does this come from?"),
    ("It tastes sweet and mellow, so it is good for desserts.", (APPLE,), "How does it taste?"),
    ("Its flesh is white and its skin is greenish yellow.", (APPLE,), ""),
    ("The photo shows a Golden Delicious apple [2].", (APPLE, PHOTO), ""),
    ("The Golden Delicious apple in your photo comes from Italy [1][2].", (PHOTO, APPLE), ""),
    ("Pink Lady is sweeter than Royal Gala.", (LADY,), ""),
    ("This milk has 1.5 g of fat per 100 g.", (MILK,), ""),
    ("It contains 3.6 grams of protein and 2.7 grams of carbohydrates.", (MILK,), ""),
    ("The saturated fat is 1 g.", (MILK,), ""),
    ("It doesn't contain lactose.", (MILK,), ""),
    ("It is lactose-free and made in Sweden by Arla.", (MILK,), ""),
    ("The size is 1 litre.", (MILK,), ""),
    ("It has 9 g of sugar and no pulp.", (JUICE,), ""),
    ("Don't keep it in the fridge.", (BANANA,), ""),
    ("Bananas are never stored in a refrigerator.", (BANANA,), ""),
    ("Delivery costs 3,90 €.", (DELIVERY,), "what do you charge for delivery?"),
    ("Deliveries are free from 40 euros.", (DELIVERY,), ""),
    ("We deliver between 9 a.m. and 8 p.m.", (DELIVERY,), ""),
    ("Orders are kept for 48 hours.", (DELIVERY,), ""),
    ("Orders are kept for two days.", (DELIVERY,), ""),
    ("Yes.", (MILK,), "Is it lactose free?"),
    ("No, it isn't stored in a refrigerator.", (BANANA,), "Does it go into the refrigerator?"),
    ("送货费为三欧元。", (CHINESE,), ""),
    ("金冠苹果来自意大利，重约180克。", (APPLE,), ""),
    ("Der Apfel kommt aus Italien und wiegt 180 g.", (APPLE,), ""),
    ("La manzana viene de Italia.", (APPLE,), ""),
]
FALSE = [
    ("Golden Delicious comes from Argentina.", (APPLE, GALA), ""),
    ("Royal Gala comes from Italy.", (APPLE, GALA), ""),
    ("Royal Gala comes from Italy.", (LADY,), ""),
    ("It comes from Argentina.", (PHOTO, APPLE, GALA), "Where does this come from?"),
    ("Golden Delicious comes from Italy [2].", (APPLE, GALA), ""),
    ("Golden Delicious comes from Italy [7].", (APPLE, GALA), ""),
    ("It weighs 200 g.", (APPLE,), ""),
    ("It weighs 180 kg.", (APPLE,), ""),
    ("Golden Delicious is a crispy apple from Italy.", (APPLE,), ""),
    ("It is not sweet.", (APPLE,), ""),
    ("It costs 2 euros.", (APPLE,), "How much does it cost?"),
    ("Golden Delicious is good for pies.", (APPLE,), "Is Golden Delicious good for pies?"),
    ("It comes from Italy.", (APPLE,), "Where do your starfruits come from?"),
    ("The orange pepper weighs 180 g.", (APPLE,), "How much does the orange pepper weigh?"),
    ("Golden Delicious and Royal Gala come from Italy.", (APPLE, GALA), ""),
    ("It is not lactose free.", (MILK,), ""),
    ("It contains lactose.", (MILK,), ""),
    ("It has 2.7 g of fat.", (MILK,), ""),
    ("It has 1.5 g of saturated fat.", (MILK,), ""),
    ("The protein is 1 g.", (MILK,), ""),
    ("The carton holds 3.6 l.", (MILK,), ""),
    ("It has pulp.", (JUICE,), ""),
    ("Keep it in the refrigerator.", (BANANA,), ""),
    ("Delivery costs €40.", (DELIVERY,), ""),
    ("We deliver on Sundays.", (DELIVERY,), "Do you deliver on Sundays?"),
    ("We deliver between 9 a.m. and 8 a.m.", (DELIVERY,), ""),
    ("Frozen goods are left at the door.", (DELIVERY,), ""),
    ("Orders are kept for two weeks.", (DELIVERY,), ""),
    ("No.", (MILK,), "Is it lactose free?"),
    ("Yes.", (MILK,), "Is it gluten free?"),
    ("我们收现金。", (CHINESE,), ""),
    ("我们周末在公园卖苹果和香蕉。", (CHINESE,), ""),
    ("金冠苹果来自西班牙。", (APPLE,), ""),
    ("Der Apfel kommt aus Spanien und wiegt 180 g.", (APPLE,), ""),
    ("Der Apfel ist sehr gut für die Gesundheit.", (APPLE,), ""),
    ("Golden Delicious comes from Italy.", (), ""),
    ("x" * 3_000, (APPLE,), ""),
]


@pytest.mark.parametrize(("sentence", "sources", "question"), TRUE, ids=str)
def test_true_sentences_pass(sentence: str, sources: tuple[Source, ...], question: str) -> None:
    support = check(sentence, sources, question)
    assert support.supported, support
    assert support.source is not None and support.score > 0 and not support.missing


@pytest.mark.parametrize(("sentence", "sources", "question"), FALSE, ids=lambda x: str(x)[:60])
def test_corrupted_sentences_do_not(
    sentence: str, sources: tuple[Source, ...], question: str
) -> None:
    support = check(sentence, sources, question)
    assert not support.supported, support
    assert support.score < 1


@pytest.mark.parametrize(
    "sentence", ["You're welcome!", "Hello, how can I help you?", "I'm happy to help.", ""]
)
def test_what_claims_nothing_needs_no_source(sentence: str) -> None:
    support = check(sentence, ())
    assert support.supported and support.source is None


def test_ingredients_name_no_other_product() -> None:
    text = "Ingredients: milk, sugar, natural aroma, vanilla, mild culture."
    names = ("Arla-Mild-Vanilla-Milk", "Arla-Natural-Milk")
    own, other = (
        Source("passage", label, label.replace("-", " "), text, "shop", label) for label in names
    )
    said = "The ingredients of Arla Mild Vanilla Milk are milk, sugar, natural aroma, vanilla. [1]"
    asked = "What is in Arla Mild Vanilla Milk?"
    assert check(said, (own, other), asked).supported


def test_missing_says_what() -> None:
    assert check("It weighs 200 g and is crispy.", (APPLE,)).missing == ("200 g", "crispy")
    assert check("It comes from Argentina.", (APPLE,)).missing == ("Argentina",)
    assert check("It is sweet [3].", (APPLE,)).missing == ("[3]",)


def test_the_best_source_is_told() -> None:
    assert check("Royal Gala comes from Argentina.", (APPLE, GALA)).source == 1
    assert check("The photo shows a Golden Delicious.", (APPLE, PHOTO)).source == 1
    assert check("Golden Delicious comes from Italy.", (PHOTO, GALA, APPLE)).source == 2


def test_names_may_come_from_an_open_question() -> None:
    asked = "How much is delivery to Springfield?"
    assert check("Delivery to Springfield costs €3.90.", (DELIVERY,), asked).supported
    assert not check("Delivery to Springfield costs €4.90.", (DELIVERY,), asked).supported
    assert not check("Delivery to Springfield costs €3.90.", (DELIVERY,)).supported


def test_unknown_subject() -> None:
    assert unknown_subject("Where do your starfruits come from?", APPLE) == ("starfruits",)
    assert unknown_subject("Where does the golden delicious come from?", APPLE) == ()
    assert unknown_subject("where is this from?", APPLE) == ()
    assert unknown_subject("and how much does it weigh?", APPLE) == ()


def test_a_hostile_passage_changes_nothing_but_words() -> None:
    evil = Source("passage", "9", "x", "(" * 5_000 + "a-" * 5_000 + "9" * 4_000 + " [1] [" * 500)
    started = time.perf_counter()
    assert not check("Golden Delicious comes from Italy.", (evil,)).supported
    assert not check("1" * 1_900, (evil,)).supported
    assert time.perf_counter() - started < 5


def test_generated_pairs() -> None:
    """Few true sentences are dropped, and next to no corrupted one passes."""
    products = [
        facts_of({"label": source.label, "description": "", "information": lines})
        for source, lines in (
            (APPLE, ["Title: Apple Golden Delicious", "Country and volume: Italy, ca 180g"]),
            (GALA, ["Title: Apple Royal Gala", "Country and volume: Argentina, ca 150g"]),
            (BANANA, ["Title: Banana", "Country and volume: Ecuador, ca 170g"]),
            (
                MILK,
                [
                    "Manufacturer and volume: ARLA KO, 1l",
                    "Manufacturing country: Sweden",
                    "Nutrition values per 100 gram: ",
                    "   energy ca 40 kilocalorie ",
                    "   fat ca 1.5 gram ",
                    "   of which saturated fat ca 1 gram ",
                    "   of which sugars ca 2.7 gram ",
                    "   protein ca 3.6 gram ",
                ],
            ),
            (
                JUICE,
                [
                    "Manufacturer and volume: TROPICANA, 2l",
                    "Manufacturing country: Denmark",
                    "Nutrition values per 100 gram: ",
                    "   energi ca 46 kilokalori ",
                    "   fett ca 0.2 gram ",
                    "   varav sockerarter ca 9.3 gram ",
                    "   protein ca 0.7 gram ",
                ],
            ),
        )
    ]
    pairs = list(make_pairs(products))
    true = [pair for pair in pairs if pair.true]
    false = [pair for pair in pairs if not pair.true]
    dropped = [p for p in true if not check(p.sentence, p.sources, p.question).supported]
    passed = [p for p in false if check(p.sentence, p.sources, p.question).supported]
    assert len(true) > 80 and len(false) > 100
    assert len(dropped) <= 0.03 * len(true), dropped
    assert len(passed) <= 0.02 * len(false), passed


def test_it_is_cheap() -> None:
    sources = (APPLE, GALA, LADY, MILK)
    check("warm up", sources)
    started = time.thread_time()
    for number in range(200):
        check(f"Golden Delicious weighs {number} g.", sources, "How much does it weigh?")
    assert (time.thread_time() - started) / 200 < 0.002
