"""Scores against values worked out by hand, and tokens against those of the Java tokenizer."""

from __future__ import annotations

import math
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.metrics import (
    PUNCTUATION,
    AnswerScores,
    CaptionScores,
    LabelMatcher,
    LabelScores,
    normalize_answer,
    normalize_label,
    score_answers,
    score_captions,
    score_labels,
    tokenize_caption,
)
from assistant.errors import InputError

# Right-hand sides: Stanford CoreNLP 3.4.1, `PTBTokenizer -preserveLines -lowerCase`, less the
# punctuation list of pycocoevalcap.
TOKENS = {
    "A man doesn't like the dog's bone.": "a man does n't like the dog 's bone",
    "I can't, won't; cannot gonna": "i ca n't wo n't can not gon na",
    "I'M DON'T it’s isn’t": "i 'm do n't it 's is n't",
    "I'm you're we've they'll he'd": "i 'm you 're we 've they 'll he 'd",
    "couldn't've I'd've": "could n't 've i 'd 've",
    "dog 's ball . do n't": "dog 's ball do n't",
    "the boys' ball and James's hat": "the boys ball and james 's hat",
    "the t.v. is on a T.V. in the U.S.": "the t.v. is on a t.v. in the u.s.",
    "5:30 pm p.m. 5 p.m. a.m.": "5:30 pm p.m. 5 p.m. a.m.",
    "Mr. Smith and Dr. Jones vs. etc.": "mr. smith and dr. jones vs. etc.",
    "No. 23 number no.": "no. 23 number no",
    "named B. and c. on plan d.": "named b. and c. on plan d.",
    "wait... for it .. . . . …": "wait for it",
    "word…word word...word": "word word word word",
    "\"quoted\" 'single' ``latex'' “curly” \u2018curly single\u2019": (
        "quoted single latex curly curly single"
    ),
    "says 'hi there', he 'hello": "says hi there he hello",
    "a (red) car [blue] {green}": "a -lrb- red -rrb- car -lsb- blue -rsb- -lcb- green -rcb-",
    "a well-known half-dressed t-shirt black-and-white": (
        "a well-known half-dressed t-shirt black-and-white"
    ),
    "word--word a -- b - c – d — e -dash dash-": "word word a b c d e dash dash",
    "10,000 people 3.5 miles 1/2 5th 4x4 20-year-old": (
        "10,000 people 3.5 miles 1/2 5th 4x4 20-year-old"
    ),
    "$5.00 50% #3 the '90s 80's ½": "$ 5.00 50 % # 3 the '90s 80 's 1/2",
    "5'10\" 6' 2\"": "5 10 6 2",
    "a man & woman AT&T r&b": "a man & woman at&t r & b",
    "he said:hello;there and/or he/she w/o w/": "he said hello there and/or he/she w/o w /",
    "rock 'n' roll o'clock O'Neil 'em 'tis y'all": "rock 'n' roll o'clock o'neil 'em 't is y' all",
    "Really?! No!!! What? Yes!": "really ?! no !!! what yes",
    "dogs running .end of sentence.Next one": "dogs running end of sentence.next one",
    "café naïve 東京 😀": "café naïve 東京",
    "tab\tseparated  double\u00a0space": "tab separated double space",
    " ": "",
}


@pytest.mark.parametrize(("text", "tokens"), TOKENS.items())
def test_tokens_are_those_of_the_java_tokenizer(text: str, tokens: str) -> None:
    assert tokenize_caption(text) == tokens


@given(st.text(max_size=60))
def test_any_text_gives_tokens_without_punctuation(text: str) -> None:
    tokens = tokenize_caption(text).split(" ")
    assert not PUNCTUATION.intersection(tokens)
    assert not any(re.search(r"\s", token) for token in tokens)


def test_accents_count_as_the_same_word_however_they_are_coded() -> None:
    assert tokenize_caption("cafe\u0301") == tokenize_caption("caf\u00e9")


def score(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> CaptionScores:
    return score_captions(candidates, references)


def test_a_perfect_corpus_scores_one() -> None:
    captions = ["A dog runs on the grass .", "Two men play music in a bar ."]
    scores = score(captions, [[captions[0], "A puppy ."], [captions[1]]])
    assert [scores.bleu1, scores.bleu2, scores.bleu3, scores.bleu4] == pytest.approx([1.0] * 4)
    assert scores.rougeL == pytest.approx(1.0)


def test_case_and_punctuation_do_not_count() -> None:
    assert score(["a dog runs on grass"], [["A dog runs , on grass !"]]).bleu4 == pytest.approx(1.0)


def test_repeated_words_count_as_often_as_in_one_reference() -> None:
    # Papineni et al. 2002, example 2: 2 of 7.
    scores = score(["the the the the the the the"], [["the cat is on the mat"]])
    assert scores.bleu1 == pytest.approx(2 / 7)
    assert scores.bleu2 == pytest.approx(0.0, abs=1e-4)


def test_bleu_pools_counts_over_the_corpus() -> None:
    # n-grams found: 5/6 + 4/4, 3/5 + 3/3, 2/4 + 2/2, 1/3 + 1/1; lengths are equal.
    scores = score(
        ["a dog runs on the grass", "two men play music"],
        [["a dog runs on green grass"], ["two men play music"]],
    )
    assert scores.bleu1 == pytest.approx(9 / 10)
    assert scores.bleu2 == pytest.approx((9 / 10 * 6 / 8) ** (1 / 2))
    assert scores.bleu3 == pytest.approx((9 / 10 * 6 / 8 * 4 / 6) ** (1 / 3))
    assert scores.bleu4 == pytest.approx((9 / 10 * 6 / 8 * 4 / 6 * 2 / 4) ** (1 / 4))


@pytest.mark.parametrize(
    ("lengths", "closest"), [((7, 9), 7), ((3, 9), 3), ((4, 6), 4), ((6, 20), 6), ((5, 6), 5)]
)
def test_brevity_penalty_uses_the_closest_reference_length(
    lengths: tuple[int, int], closest: int
) -> None:
    words = [f"w{number}" for number in range(20)]
    references = [" ".join(words[:length]) for length in lengths]
    expected = math.exp(1 - closest / 5) if closest > 5 else 1.0
    assert score([" ".join(words[:5])], [references]).bleu4 == pytest.approx(expected)


def test_rouge_l_by_hand() -> None:
    # Longest common subsequence 3: precision 3/3, recall 3/4, beta 1.2.
    rouge = score(["a dog runs"], [["a dog quickly runs"]]).rougeL
    assert rouge == pytest.approx((1 + 1.2**2) * 0.75 / (0.75 + 1.2**2 * 1.0))


def test_cider_by_hand() -> None:
    # "a" is in both images, so it weighs nothing; "dog" and "a dog" match fully, so two of the four
    # n-gram lengths give 1 for the first image; nothing matches for the second.
    scores = score(["a dog", "a cat"], [["a dog"], ["a bird"]])
    assert scores.cider == pytest.approx(10 * (2 / 4 + 0) / 2)


def cider_d(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Vedantam et al. 2015, equations 1 to 4 with the clipping and penalty of CIDEr-D."""

    def grams(text: str, n: int) -> Counter[tuple[str, ...]]:
        words = text.split()
        return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))

    total = 0.0
    for n in range(1, 5):
        seen = Counter(
            gram for texts in references for gram in set().union(*(grams(t, n) for t in texts))
        )

        def weigh(
            text: str, n: int = n, seen: Counter[tuple[str, ...]] = seen
        ) -> dict[tuple[str, ...], float]:
            rarity = {g: math.log(len(candidates) / max(1, seen[g])) for g in grams(text, n)}
            return {gram: count * rarity[gram] for gram, count in grams(text, n).items()}

        for candidate, texts in zip(candidates, references, strict=True):
            c = weigh(candidate)
            for text in texts:
                r = weigh(text)
                dot = sum(min(c[gram], r[gram]) * r[gram] for gram in c.keys() & r.keys())
                norm = math.hypot(*c.values()) * math.hypot(*r.values())
                difference = len(candidate.split()) - len(text.split())
                penalty = math.exp(-(difference**2) / (2 * 6.0**2))
                total += penalty * dot / norm / len(texts) if norm else 0.0
    return 10 * total / 4 / len(candidates)


def test_cider_follows_the_paper() -> None:
    candidates = [
        "a dog runs on the green grass",
        "two men play music",
        "a man man man rides a bike",
    ]
    references = [
        ["a dog runs on green grass", "the brown dog runs over the green grass quickly"],
        ["two men play loud music", "men play music", "a band"],
        ["a man rides a bike", "one man rides a red bike down a hill"],
    ]
    expected = cider_d(candidates, references)
    assert expected > 1
    assert score(candidates, references).cider == pytest.approx(expected)


def test_scorers_print_nothing_and_start_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a process or a connection was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(socket, "socket", refuse)
    score(["a dog"], [["a dog"]])
    assert capfd.readouterr() == ("", "")
    assert not any(name.startswith("pycocoevalcap.tokenizer") for name in sys.modules)


def test_an_empty_caption_scores_zero() -> None:
    scores = score(["", "..."], [["a dog runs"], ["a cat sits"]])
    assert scores.bleu1 == pytest.approx(0.0, abs=1e-4)
    assert (scores.rougeL, scores.cider) == (0.0, 0.0)


def test_no_captions_have_no_scores() -> None:
    assert set(vars(score([], [])).values()) == {None}


@pytest.mark.parametrize("references", [[], [["a dog"], ["a cat"]], [[]], [["..."]]])
def test_captions_need_references_with_words(references: list[list[str]]) -> None:
    with pytest.raises(InputError):
        score(["a dog"], references)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Yes.", "yes"),
        ("The red  Circle!", "red circle"),
        ("Two dogs", "2 dogs"),
        ("none", "0"),
        ("1,000", "1000"),
        ("3.5 m.", "3.5 m"),
        ("t-shirt", "t shirt"),
        ("don't know", "dont know"),
        ("the man's hat", "mans hat"),
        ("A", "a"),
        ("light_blue", "light blue"),
        ("", ""),
    ],
)
def test_normalize_answer(text: str, normal: str) -> None:
    assert normalize_answer(text) == normal


def test_answers_are_counted_by_kind() -> None:
    scores = score_answers(
        ["Yes", "no.", "a circle", "2", "blue"], ["yes", "yes", "circle", "two", "red"]
    )
    assert scores == AnswerScores(3 / 5, 1 / 2, 2 / 3, None, 0.0)


def test_kinds_without_a_question_have_no_accuracy() -> None:
    assert score_answers(["red"], ["red"]) == AnswerScores(1.0, None, 1.0, None, 0.0)
    assert score_answers(["no"], ["yes"]) == AnswerScores(0.0, 0.0, None, None, 0.0)
    assert score_answers([], []) == AnswerScores(None, None, None, None, None)


def test_refusals_are_counted_where_they_are_right_and_where_not() -> None:
    told = "I can't tell from this picture."
    scores = score_answers(
        [told, "i can’t tell from this picture", "Two euros.", told, "red", "Yes", "I can't tell."],
        [told, told, told, "yes", "red", "yes", "blue"],
    )
    assert scores == AnswerScores(4 / 7, 1 / 2, 3 / 5, 2 / 3, 1 / 4)
    assert score_answers(["no"], [told]) == AnswerScores(0.0, None, 0.0, 0.0, None)


@pytest.mark.parametrize("text", ["Royal-Gala", "royal gala", "ROYAL_GALA", " royal  gala. "])
def test_labels_match_whatever_their_spelling(text: str) -> None:
    assert normalize_label(text) == "royal gala"


COARSE: dict[str, str | None] = {
    "Royal-Gala": "Apple",
    "Orange": "Orange",
    "Red-Bell-Pepper": "Pepper",
    "Juice": "Drink",
    "Orange-Juice": "Drink",
    "Leek": None,
}


@pytest.mark.parametrize(
    ("text", "fine", "coarse"),
    [
        ("royal_gala", "Royal-Gala", "Apple"),
        ("This is a Royal Gala apple.", "Royal-Gala", "Apple"),
        ("Apple", None, "Apple"),
        ("some pepper", None, "Pepper"),
        ("a carton of orange juice", "Orange-Juice", "Drink"),
        ("an orange, not juice", "Orange", "Orange"),
        ("oranges", None, None),
        ("leek", "Leek", None),
        ("", None, None),
        ("a dog", None, None),
    ],
)
def test_label_matching(text: str, fine: str | None, coarse: str | None) -> None:
    matcher = LabelMatcher(COARSE)
    assert (matcher.fine(text), matcher.coarse(text)) == (fine, coarse)


def test_of_two_labels_as_long_the_last_one_wins() -> None:
    matcher = LabelMatcher({"Lemon": "Fruit", "Leeks": "Vegetable"})
    assert matcher.fine("lemon and leeks") == "Leeks"
    assert matcher.fine("leeks and lemon") == "Lemon"


def test_a_known_label_is_not_taken_for_one_that_it_contains() -> None:
    text = "Orange-Bell-Pepper"
    assert LabelMatcher(COARSE).fine(text) == "Orange"
    matcher = LabelMatcher(COARSE, known_labels=[text])
    assert (matcher.fine(text), matcher.coarse(text)) == (text, "Pepper")


def test_label_scores() -> None:
    scores = score_labels(
        ["royal gala", "Apple", "leek", "orange"],
        [("Royal-Gala", "Apple"), ("Royal-Gala", "Apple"), ("Leek", None), ("Juice", "Drink")],
        LabelMatcher(COARSE),
    )
    assert scores == LabelScores(accuracy_fine=2 / 4, accuracy_coarse=2 / 3)
    assert score_labels(["leek"], [("Leek", None)], LabelMatcher(COARSE)) == LabelScores(1.0, None)
    assert score_labels([], [], LabelMatcher(COARSE)) == LabelScores(None, None)


def test_predictions_and_rows_must_pair_up() -> None:
    with pytest.raises(InputError):
        score_answers(["yes"], [])
    with pytest.raises(InputError):
        score_labels([], [("Leek", None)], LabelMatcher(COARSE))


def test_the_coarse_label_of_a_label_that_is_not_in_the_data() -> None:
    matcher = LabelMatcher({"Royal-Gala": "Apple"}, {"Granny-Smith": "Apple"})
    assert matcher.fine("Granny Smith.") == "Granny-Smith"
    assert matcher.coarse("Granny Smith.") == "Apple"
