"""The page's words in both languages, untrusted text made safe, and a theme that can be read."""

from __future__ import annotations

import ast
import string
import tomllib
from pathlib import Path

import pytest

import ui
from assistant.evidence import UNFAMILIAR
from ui.plain import escape_markdown, label, name_model, one_line
from ui.preferences import MAX_SEED, Preferences
from ui.words import CATALOGUE, Words, choose_language

ROOM = Path(ui.__file__).parent
LEAST_CONTRAST = 4.5
"""WCAG 2.2, success criterion 1.4.3, level AA."""


def used_keys() -> set[str]:
    """First arguments of all calls `say("…")` or `ask("…")`, which must be constants."""
    found = set()
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("say", "self._say", "ask"):
                assert isinstance(node.args[0], ast.Constant), f"{path.name}: {ast.unparse(node)}"
                found.add(str(node.args[0].value))
    return found


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_key_is_used_and_every_used_key_exists() -> None:
    assert used_keys() == set(CATALOGUE)


@pytest.mark.parametrize("key", CATALOGUE)
def test_a_key_has_both_languages_with_the_same_fields(key: str) -> None:
    english, chinese = CATALOGUE[key]
    assert english.strip() == english != ""
    assert chinese.strip() == chinese != ""
    assert fields(english) == fields(chinese)
    if key not in ("camera_name",) and any(letter.isalpha() for letter in english):
        translated = any("\u4e00" <= letter <= "\u9fff" for letter in chinese)
        assert translated, "Chinese is missing"


def test_the_doubt_is_the_engine_s_own_sentence() -> None:
    assert Words("en")("unfamiliar") == UNFAMILIAR


@pytest.mark.parametrize(
    ("wanted", "locale", "language"),
    [
        ("auto", None, "en"),
        ("auto", "zh-CN", "zh"),
        ("auto", "zh_Hant_TW", "zh"),
        ("auto", "de-DE", "en"),
        ("en", "zh-CN", "en"),
        ("zh", "en-GB", "zh"),
        ("klingon", "zh", "zh"),
    ],
)
def test_the_language_is_the_chosen_one_then_the_browser_s(
    wanted: str, locale: str | None, language: str
) -> None:
    assert choose_language(wanted, locale) == language


@pytest.mark.parametrize("mark", list("\\`*_{}[]()<>#+-.!|~$:&@/"))
def test_every_markdown_mark_is_escaped(mark: str) -> None:
    assert escape_markdown(f"a{mark}b") == f"a\\{mark}b"


@pytest.mark.parametrize("text", ["http://a.b/c", "HTTPS://a.b", "www.a.b", "me@a.b"])
def test_an_address_is_no_link(text: str) -> None:
    escaped = escape_markdown(text)
    assert "\u2060" in escaped
    assert escaped.replace("\\", "").replace("\u2060", "") == text


@pytest.mark.parametrize(
    ("text", "longest", "line"),
    [
        ("What is  in\nthis picture?", 100, "What is in this picture?"),
        ("What is in this picture?", 12, "What is in…"),
        ("What is in this picture?", 11, "What is in…"),
        ("What is in this picture?", 10, "What is…"),
        ("图里有什么东西呢", 5, "图里有什…"),
        ("", 5, ""),
    ],
)
def test_one_line_is_cut_at_a_word(text: str, longest: int, line: str) -> None:
    assert one_line(text, longest) == line
    assert len(line) <= longest


def test_a_label_is_cut_before_it_is_escaped() -> None:
    assert label("a_b " * 50, 8) == "a\\_b a\\_b…"


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {"temperature": "hot", "max_tokens": True, "seed": "x", "enhancement": {"denoise": 9}},
        {"temperature": float("nan"), "unknown": 1},
    ],
)
def test_preferences_that_cannot_be_used_are_as_by_default(values: object) -> None:
    read = Preferences.read(values)
    assert (read.temperature, read.max_tokens, read.seed) == (0.0, 96, None)
    assert not read.starting_enhancement().active


def test_preferences_are_kept_within_bounds_and_come_back() -> None:
    wild = Preferences.read({"temperature": 99, "max_tokens": 10**9, "seed": -5})
    assert (wild.temperature, wild.max_tokens, wild.seed) == (1.5, 512, 0)
    assert Preferences.read({"seed": 2**70}).seed == MAX_SEED
    kept = Preferences("zh", 0.5, 64, 3, {"contrast": 1.5})
    assert Preferences.read(kept.to_dict()).starting_enhancement().contrast == 1.5


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(first: str, second: str) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("shade", ["light", "dark"])
def test_the_theme_can_be_read(shade: str) -> None:
    theme = tomllib.loads((ROOM / ".streamlit" / "config.toml").read_text())["theme"][shade]
    backgrounds = [theme["backgroundColor"], theme["secondaryBackgroundColor"]]
    backgrounds += [value for name, value in theme["sidebar"].items() if "ackground" in name]
    for background in backgrounds:
        for text in (theme["textColor"], theme["grayTextColor"], theme["linkColor"]):
            assert contrast(text, background) >= LEAST_CONTRAST, f"{text} on {background}"
    assert contrast(theme["primaryColor"], "#ffffff") >= LEAST_CONTRAST, "white on a button"


def test_who_answered_is_said_once() -> None:
    assert name_model("embedded", "embedded", "none") == "embedded"
    assert name_model("embedded", "shop", "nf4") == "embedded · shop · nf4"
    assert name_model("embedded", None, None) == "embedded"
    assert name_model("a*b", "c", "") == "a\\*b · c"
