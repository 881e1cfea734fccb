"""Who asks for a person is understood in any wording, and who does not is left alone."""

from __future__ import annotations

import time

import pytest

from assistant.handover import asks_for_person, listed_topic
from assistant.handover.text import normalised, sentences
from tests import handover_wordings as wordings

TOPICS = ("refunds", "injuries", "legal")

CASES = {
    "refunds": """
        I want my money back
        Please refund me
        can I get a refund
        I was charged twice for this
        where is my refund?
        I need to get reimbursed for the rotten apples
        我要退款
        把钱退给我
        Quiero un reembolso
        Ich will mein Geld zurück
        Je veux être remboursé
        Voglio un rimborso
        quero meu dinheiro de volta
        Ik wil mijn geld terug
        Jag vill ha pengarna tillbaka
        Chcę zwrotu pieniędzy
        Верните деньги
        أريد استرداد أموالي
        返金してください
        환불해 주세요
        Paramı geri istiyorum
    """,
    "injuries": """
        I got sick from your melon
        my son is ill after eating this
        The lid cut my finger
        I had an allergic reaction to your granola
        I broke a tooth on a stone in your bread
        My daughter was hospitalized
        我吃了你们的苹果拉肚子
        Me enfermé después de comer esto
        Mir ist schlecht geworden von dem Joghurt
        Je suis malade après avoir mangé votre melon
        Mi sono sentita male
        食べてお腹を壊して病院に行きました
        Я отравился вашим йогуртом
    """,
    "legal": """
        You will hear from my lawyer
        I'm going to sue you
        see you in court
        I demand compensation
        我要起诉你们
        Voy a demandarlos
        Mein Anwalt wird sich melden
        Je vais porter plainte
        Я подам в суд
        弁護士に相談します
    """,
}
NO_CASES = """
    what is your refund policy?
    How long do refunds take?
    Do you give refunds?
    Can I get a refund if the fruit is bad?
    Can this make you sick?
    Is ginger good for an upset stomach?
    Does this cause allergic reactions?
    which juice helps when I am sick?
    Is it legal to sell raw milk?
    Is there a tennis court nearby?
    cut my apples thin or thick?
    Where does this come from?
    What happens if I'm not home?
    I want the money-saving pack
    你们的退款政策是什么
    ¿Cuál es la política de reembolso?
    Wie sind die Bedingungen für eine Rückerstattung?
"""


@pytest.mark.parametrize("block", ["SEEN", "UNSEEN", "UNSEEN2"])
def test_every_wish_is_understood(block: str) -> None:
    for language, wishes in getattr(wordings, block).items():
        for wish in wordings.lines(wishes):
            assert asks_for_person(wish), (language, wish)


@pytest.mark.parametrize("block", ["SEEN_NOT", "UNSEEN_NOT", "UNSEEN2_NOT"])
def test_nothing_else_is_taken_for_one(block: str) -> None:
    for sentence in wordings.lines(getattr(wordings, block)):
        assert not asks_for_person(sentence), sentence


def test_the_lists_are_as_wide_as_they_are_said_to_be() -> None:
    blocks = (wordings.SEEN, wordings.UNSEEN, wordings.UNSEEN2)
    for language in ("en", "zh", "es", "de", "fr", "it", "pt", "nl", "sv", "pl", "ru", "ar"):
        assert all(len(wordings.lines(block[language])) >= 8 for block in blocks), language
    assert all(len(wordings.lines(block["en"])) >= 25 for block in blocks)
    assert len(wordings.lines(wordings.UNSEEN_NOT)) >= 60


@pytest.mark.parametrize(
    "text",
    [
        "GET ME A HUMAN!!!",
        "ｇｅｔ ｍｅ ａ ｈｕｍａｎ",
        "get me a\u200b hu\u00adman",
        "Where is it from? No, wait. Get me a human. Thanks",
        "I don’t need a receipt, I need a human",
        "hello,\n\nplease let me speak to someone\n\nBest",
        "PUEDO HABLAR CON UNA PERSONA",
        "x " * 150 + "\nget me a human",
        "转人工" + "。" * 500,
    ],
)
def test_writing_makes_no_difference(text: str) -> None:
    assert asks_for_person(text)


@pytest.mark.parametrize("text", ["", " ", "?", "\0", "\ud800", "🍌", "a" * 100_000, "." * 100_000])
def test_what_says_nothing_asks_for_nobody(text: str) -> None:
    assert not asks_for_person(text)
    assert listed_topic(text, TOPICS) is None


@pytest.mark.parametrize(
    "word", ["i want to talk to ", "转", "no ", "please ", "(", "a b, ", "我要", "speak with the "]
)
def test_a_long_text_takes_no_time(word: str) -> None:
    began = time.process_time()
    asks_for_person(word * 20_000)
    listed_topic(word * 20_000, TOPICS)
    assert time.process_time() - began < 2


def test_text_is_compared_without_accents_and_width() -> None:
    assert normalised("¿Cómo ESTÁ?　Łódź ÑANDÚ ß İı") == "¿como esta? lodz nandu ss ii"
    assert normalised("й ё が 한 हिंदी") == "й е が 한 हिंदी"
    assert normalised("أَهلاً") == "اهلا"
    assert sentences("a? b. c") == [("a", True), ("b", False), ("c", False)]
    assert sentences("¿a") == [("a", True)]


@pytest.mark.parametrize("topic", TOPICS)
def test_a_case_of_a_listed_topic(topic: str) -> None:
    for case in wordings.lines(CASES[topic]):
        assert listed_topic(case, TOPICS) == topic, case
        assert listed_topic(case, [other for other in TOPICS if other != topic]) is None, case


def test_a_question_about_a_policy_is_no_case_unless_the_operator_wants_it() -> None:
    for question in wordings.lines(NO_CASES):
        assert listed_topic(question, TOPICS) is None, question
    assert listed_topic("what is your refund policy?", TOPICS, questions=True) == "refunds"
    assert listed_topic("你们的退款政策是什么", TOPICS, questions=True) == "refunds"
    assert listed_topic("Where does this come from?", TOPICS, questions=True) is None


@pytest.mark.parametrize(
    ("text", "topics", "found"),
    [
        ("Are there NUTS in it?", ["allergy: nut, gluten"], "allergy"),
        ("Is this gluten free?", ["refunds", "allergy: nut, gluten"], "allergy"),
        ("I have an allergy", ["allergy: nut"], "allergy"),
        ("wooden hut, coconut", ["allergy: nut"], None),
        ("有麸质吗", ["allergy: 麸质"], "allergy"),
        ("I need a credit note", ["refunds: credit note"], "refunds"),
        ("I want my money back", ["Refunds"], "Refunds"),
        ("We order for a wedding", ["weddings"], "weddings"),
        ("a.c", ["x: a+c, ["], None),
        ("anything", [], None),
        ("anything", ["", ":", " : , "], None),
        ("Où est la société ?", ["firm: SOCIETE"], "firm"),
    ],
)
def test_an_operator_s_own_topics(text: str, topics: list[str], found: str | None) -> None:
    assert listed_topic(text, topics) == found
