"""The language of short texts, and what the agent says in each."""

from __future__ import annotations

import string

import pytest

from assistant.languages import LANGUAGES, SAID, language_of, say
from tests import language_texts

MOST_FIELDS = {"ticket": "K7M29QXD", "most": 2000}


def lines(block: str) -> list[str]:
    return [line.strip() for line in block.splitlines() if line.strip()]


def right(texts: dict[str, str]) -> float:
    pairs = [(language, line) for language, block in texts.items() for line in lines(block)]
    return sum(language_of(line) == language for language, line in pairs) / len(pairs)


def test_short_texts_are_told_apart() -> None:
    for language in ("en", "zh", "es", "de", "fr"):
        assert len(lines(language_texts.TEXTS[language])) >= 15
    assert right(language_texts.TEXTS) >= 0.99
    assert right(language_texts.UNSEEN) >= 0.95
    assert right(language_texts.LATEST) >= 0.90


@pytest.mark.parametrize(
    "text",
    ["", " ", "42", "🍌", "?!", "\0", "\ud800", "https://example.org/was/ist/das", "der@die.das",
     "EAN 4012345678901", "Golden Delicious", "Pink Lady 1kg", "A" * 10_000],
)  # fmt: skip
def test_what_says_nothing_is_english(text: str) -> None:
    assert language_of(text) == "en"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What does 红富士 mean?", "en"),
        ("Golden Delicious 多少钱", "zh"),
        ("сколько стоит Golden Delicious Apple", "ru"),
        ("Apple の産地は", "ja"),
        ("我喜歡カラオケ這個詞在台北很多人用", "zh"),
        ("WO KOMMT DAS HER", "de"),
        ("ｈｏｌａ，ｇｒａｃｉａｓ", "es"),
        ("j’ai une question", "fr"),
        ("این چیست؟ گل", "fa"),
        ("Звідки це їде", "uk"),
    ],
)
def test_mixed_and_odd_writing(text: str, language: str) -> None:
    assert language_of(text) == language


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", SAID)
def test_every_sentence_is_there_in_every_language(key: str) -> None:
    texts = SAID[key]
    assert len(texts) == len(LANGUAGES)
    for language, text in zip(LANGUAGES, texts, strict=True):
        assert text.strip() == text != ""
        assert fields(text) == fields(texts[0])
        assert fields(text) <= set(MOST_FIELDS)
        said = say(key, language, **MOST_FIELDS)
        assert "{" not in said
        assert not set(said) & set("\ufffd\x80Â"), "no mojibake"
        assert "  " not in said
        chinese = any("\u4e00" <= letter <= "\u9fff" for letter in said)
        assert chinese == (language == "zh")
        if len(said) > 25:
            assert language_of(said) == language, said
    assert len(set(texts)) == len(texts)


def test_others_get_english() -> None:
    assert say("ask_which", "sv") == say("ask_which", "en") == "Which one do you mean?"
    assert "K7M29QXD" in say("handed_over", "zh", ticket="K7M29QXD")
    with pytest.raises(KeyError):
        say("no such key", "en")
    with pytest.raises(KeyError):
        say("handed_over", "en")
