"""What a prediction is worth: caption, question-answering and label scores.

Captions are scored by the scorers of `pycocoevalcap` (BLEU, ROUGE-L, CIDEr). Those expect text that
the Stanford Penn Treebank tokenizer (CoreNLP 3.4.1, options ``-preserveLines -lowerCase``) has
split and from which a list of punctuation tokens has been removed; `tokenize_caption` does the same
without Java. This module knows no file, no engine and no picture.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from assistant.errors import InputError
from assistant.prompts import CANT_TELL

# Upper-case bracket names stay in the list although tokens are lower case when they are compared
# with it, so `-lrb-` survives: published scores were computed that way.
PUNCTUATION = frozenset(
    ("''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", *".?!,:;", "-", "--", "...")
)

_BRACKETS = {
    "(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-",
}  # fmt: skip

# Double quotes, dashes and ellipses become tokens that the list removes: a space does the same.
# Curly single quotes are apostrophes; soft hyphens and characters without width vanish.
_CHARACTERS = str.maketrans(
    dict.fromkeys('"“”„«»`–—―…', " ")
    | dict.fromkeys("\u2018\u2019\u201b\u2039\u203a", "'")
    | dict.fromkeys("\u00ad\u200b\u200d\ufe0f", "")
    | {"½": "1/2", "¼": "1/4", "¾": "3/4", "¢": " cents ", "£": "#", "€": "$"}
)
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": " "}

_SPLIT_WORDS = {
    "cannot": "can not",
    "gonna": "gon na",
    "gotta": "got ta",
    "wanna": "wan na",
    "gimme": "gim me",
    "lemme": "lem me",
}

# Words that keep their full stop, in any case: titles and company forms; places and roads; Latin
# and office words; months and days; states.
_ABBREVIATIONS = (
    "mrs?|ms|dr|jr|sr|prof|gen|sgt|capt|lt|col|cpl|maj|cmdr|adm|rev|gov|sen|rep|pres|hon|messrs|"
    "mme|mlle|ltd|corp|bros|assn|dept|inc|cos?|plc|esq|supt|det|insp|pvt|asst|atty|"
    "st|ave|rd|blvd|mt|ft|bldg|sq|ct|"
    r"etc|vs|al|est|cf|ph\.d|natl|intl|tel|ext|univ|assoc|mfg|"
    "jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|mon|tues?|wed|thu|thurs|fri|"
    "ala|ariz|calif|colo|conn|fla|ga|ind|kans?|ky|md|mich|minn|mo|mont|neb|nev|okla|penn|tenn|va|"
    "vt|wis|wyo"
)
# These are ordinary words in lower case and keep the full stop only when capitalised.
_CAPITALISED = "Ark|Del|Ill|La|Mass|Miss|Ore|Pa|Tex|Wash"
# These keep it only before a number ("no. 23").
_BEFORE_NUMBERS = "figs?|pp|nos?|art|op|ca"

_LETTER = r"[^\W\d_]"
_END = r"(?![^\W_])"
_UNIT = r"(?:\d+(?:[.,]\d+)+|(?:(?![nN]'[tT](?!\w))[^\W_])+)"
_COMPOUND = rf"{_UNIT}(?:(?:[-_‐‑]|(?<={_LETTER})[.!?](?={_LETTER})){_UNIT})*"  # noqa: RUF001

# Alternatives are tried in this order at each position.
_TOKEN = re.compile(
    "|".join(
        [
            r"</?[A-Za-z][^<>]*>",  # a markup tag
            r"(?:https?://|www\.)\S*[^\s.,;:!?'\])}]",
            r"\w[\w.+-]*@[\w.-]*\w",
            rf"[:;=]-?[()DPp]{_END}",  # a smiley
            rf"[nN]'[tT]{_END}",
            rf"'(?i:s|m|d|re|ve|ll){_END}",
            rf"'[nN]'|'(?i:n|em|til|cause){_END}|'(?i:t)(?=(?i:is|was){_END})",
            rf"(?<!\d)'\d(?:0s|\d){_END}",  # '90s
            rf"[yY]'(?={_LETTER})(?!(?i:s|m|d|re|ve|ll){_END})",
            rf"(?i:ma'am|[en]e?'er|s'mores|c'mon|hawai'i|qu'il|ol'){_END}",
            rf"(?:{_COMPOUND}-)?(?:[dlno]|[A-HJ-XZ])'(?!(?i:re|ve|ll){_END}){_LETTER}{{2,}}"
            rf"(?:-{_COMPOUND})?",  # o'clock, O'Neil-Smith
            # t.v. U.S.-based, a middle initial
            rf"[A-Za-z](?:\.[A-Za-z])*\.(?!{_LETTER})(?:-{_COMPOUND})?",
            rf"(?:(?i:{_ABBREVIATIONS})|{_CAPITALISED}|{_CAPITALISED.upper()})"
            rf"\.(?!{_LETTER})(?:-{_COMPOUND})?",
            rf"(?i:{_BEFORE_NUMBERS})\.(?=\s*\d)",
            rf"{_LETTER}+\.(?=,)",  # any word before "." and "," counts as an abbreviation
            r"[A-Z]+(?:&[A-Z]+)+",  # AT&T
            r"[A-Za-z]\+\+|[CFcf]\#",
            r"(?:US|HK|[A-Z])?\$",
            rf"[@\#]{_LETTER}\w*",
            r"[+-]?\d+(?::\d+)+",  # 5:30
            r"[+-]\d+(?:[.,]\d+)*|[+-]?\.\d+(?:[.,]\d+)*",
            rf"{_COMPOUND}(?:/{_COMPOUND}){{0,2}}",
            r"[?!]+|\*+|_+",
            r"\S",
        ]
    )
)


def tokenize_caption(text: str) -> str:
    """Lower-cased Penn Treebank tokens of `text` without punctuation, joined by single spaces.

    Splits contractions and possessives (``don't`` → ``do n't``, ``dog's`` → ``dog 's``), keeps
    hyphenated words, numbers and abbreviations such as ``t.v.`` whole, writes brackets as ``-lrb-``
    and so on, and leaves out the tokens in `PUNCTUATION`.

    Known departures from the Java tokenizer (none of them shows in the 35,000 captions of
    Flickr8k's train and dev splits, where both agree on every token):

    - accents are composed first (NFC);
    - an abbreviation outside this module's list loses its full stop, and "I." before a new sentence
      keeps it;
    - a contraction run together with the next word ("don'tdog"), a number with thousands run
      together with a word ("dog1,000"), a telephone number with brackets, a date of four or more
      parts, rare elisions ("j'ai") and unclosed markup are split differently;
    - a back quote or an acute accent in place of an apostrophe is a separator;
    - rules of five or more hyphens and a bracket already written as "-lrb-" lose their hyphens;
    - `„` is a separator;
    - characters outside the Basic Multilingual Plane, of which the Java version keeps
      some letters, are all dropped.
    """
    text = unicodedata.normalize("NFC", text)
    for entity, character in _ENTITIES.items():
        text = text.replace(entity, character)
    text = re.sub(r"[\U00010000-\U0010ffff]", " ", text.translate(_CHARACTERS))
    kept: list[str] = []
    for match in _TOKEN.findall(text):
        token = match.lower()
        token = _SPLIT_WORDS.get(token, token)
        if token not in PUNCTUATION:
            for bracket, name in _BRACKETS.items():
                token = token.replace(bracket, name)
            kept.append(token)
    return " ".join(kept)


@dataclass(frozen=True)
class CaptionScores:
    """Corpus scores; all but `cider` lie between 0 and 1, all are None without captions."""

    bleu1: float | None
    bleu2: float | None
    bleu3: float | None
    bleu4: float | None
    rougeL: float | None
    cider: float | None


def score_captions(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> CaptionScores:
    """Score one caption an image against the image's references, all as plain text.

    BLEU-1..4 (Papineni et al. 2002) over the corpus with the reference length closest to each
    candidate's; ROUGE-L (Lin 2004) with beta = 1.2, mean over images; CIDEr as pycocoevalcap
    computes it, which is the CIDEr-D of Vedantam et al. 2015 (clipped counts, length penalty with
    sigma = 6, times 10), document frequencies taken from these references. Both BLEU and CIDEr
    depend on the whole corpus: CIDEr of one image alone is 0.

    Raises:
        InputError: the lists differ in length, or a reference has no word.
    """
    _require_pairs(candidates, references)
    if not candidates:
        return CaptionScores(None, None, None, None, None, None)
    gold: dict[int, list[str]] = {}
    for index, texts in enumerate(references):
        gold[index] = [tokenize_caption(text) for text in texts]
        if not gold[index] or not all(gold[index]):
            raise InputError(
                f"The references {list(texts)!r} cannot be scored against; "
                "give at least one, each with at least one word."
            )
    predicted = {index: [tokenize_caption(text)] for index, text in enumerate(candidates)}
    bleu, _ = Bleu(4).compute_score(gold, predicted, verbose=0)
    rouge, _ = Rouge().compute_score(gold, predicted)
    cider, _ = Cider().compute_score(gold, predicted)
    return CaptionScores(*(float(value) for value in (*bleu, rouge, cider)))


_NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        (
            *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
            *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"),
            *("seventeen", "eighteen", "nineteen", "twenty"),
        )
    )
} | {"none": "0"}


def normalize_answer(text: str) -> str:
    """Bring an answer into the form in which answers are compared.

    After the VQA evaluation (Antol et al. 2015): lower case; commas inside numbers and apostrophes
    removed; other punctuation, except a decimal point, replaced by a space; the articles a, an, the
    removed; none and zero to twenty written in digits; runs of spaces collapsed. Unlike there,
    contractions are not restored: both sides lose their apostrophes alike.
    """
    text = unicodedata.normalize("NFC", text).lower()
    text = re.sub(r"(?<=\d),(?=\d)|['’`]", "", text)
    text = re.sub(r"(?<!\d)\.|\.(?!\d)|[^\w\s.]|_", " ", text)
    # A bare "a" is an answer ("Which letter is it?"), not an article.
    words = [word for word in text.split() if word not in {"a", "an", "the"}] or text.split()
    return " ".join(_NUMBER_WORDS.get(word, word) for word in words)


@dataclass(frozen=True)
class AnswerScores:
    """Fractions of questions; None where no question is of that kind.

    Attributes:
        accuracy, accuracy_yes_no, accuracy_open: answered right.
        told_unanswerable: answered with `CANT_TELL`, of the questions whose answer it is.
        refused_answerable: answered with `CANT_TELL`, of all others.
    """

    accuracy: float | None
    accuracy_yes_no: float | None
    accuracy_open: float | None
    told_unanswerable: float | None
    refused_answerable: float | None


def score_answers(predictions: Sequence[str], answers: Sequence[str]) -> AnswerScores:
    """Exact match after `normalize_answer`; yes/no questions are those answered yes or no.

    A refusal in words other than those of `CANT_TELL` is an answer like any other.

    Raises:
        InputError: the lists differ in length.
    """
    _require_pairs(predictions, answers)
    cant_tell = normalize_answer(CANT_TELL)
    by_kind: dict[bool, list[bool]] = {True: [], False: []}
    refused: dict[bool, list[bool]] = {True: [], False: []}
    for prediction, answer in zip(predictions, answers, strict=True):
        given, expected = normalize_answer(prediction), normalize_answer(answer)
        by_kind[expected in {"yes", "no"}].append(given == expected)
        refused[expected == cant_tell].append(given == cant_tell)
    return AnswerScores(
        accuracy=_fraction(by_kind[True] + by_kind[False]),
        accuracy_yes_no=_fraction(by_kind[True]),
        accuracy_open=_fraction(by_kind[False]),
        told_unanswerable=_fraction(refused[True]),
        refused_answerable=_fraction(refused[False]),
    )


def normalize_label(text: str) -> str:
    """Lower case, with every run of hyphens, underscores, punctuation and spaces as one space."""
    return " ".join(re.sub(r"[\W_]+", " ", unicodedata.normalize("NFC", text).lower()).split())


class LabelMatcher:
    """Finds the fine and the coarse label that a text names.

    Args:
        coarse_by_label: every label with its coarse label, or None where it has none.
        known_labels: further labels that a model may answer with, with their coarse labels where
            it is a mapping. None of them is the right fine label, but they keep
            "Orange-Bell-Pepper" from being read as "Orange" when no photo of it is in the data.
    """

    def __init__(
        self,
        coarse_by_label: dict[str, str | None],
        known_labels: Mapping[str, str] | Iterable[str] = (),
    ) -> None:
        further = dict(known_labels) if isinstance(known_labels, Mapping) else {}
        self._coarse_by_label: dict[str, str | None] = {**further, **coarse_by_label}
        coarse = [name for name in coarse_by_label.values() if name is not None]
        self._fine = _index([*coarse_by_label, *known_labels])
        self._coarse = _index(coarse)

    def fine(self, text: str) -> str | None:
        """The label that `text` is, or else the longest that it contains as whole words.

        Of equally long ones the last in the text wins: an English noun phrase ends in its head.
        """
        return _find(normalize_label(text), self._fine)

    def coarse(self, text: str) -> str | None:
        """The coarse label of the fine label that `text` names, or the one that it names itself.

        A text that is a coarse label, word for word, stands for it even if it contains a fine one.
        """
        words = normalize_label(text)
        if words not in self._fine and words in self._coarse:
            return self._coarse[words]
        label = self.fine(text)
        of_label = self._coarse_by_label.get(label) if label is not None else None
        return of_label if of_label is not None else _find(words, self._coarse)


@dataclass(frozen=True)
class LabelScores:
    """Fractions of right labels; None where there is nothing to count."""

    accuracy_fine: float | None
    accuracy_coarse: float | None


def score_labels(
    predictions: Sequence[str],
    labels: Sequence[tuple[str, str | None]],
    matcher: LabelMatcher,
) -> LabelScores:
    """Compare texts with (label, coarse label or None), labels normalised by `normalize_label`.

    Raises:
        InputError: the lists differ in length.
    """
    _require_pairs(predictions, labels)
    fine: list[bool] = []
    coarse: list[bool] = []
    for prediction, (label, coarse_label) in zip(predictions, labels, strict=True):
        fine.append(_same_label(matcher.fine(prediction), label))
        if coarse_label is not None:
            coarse.append(_same_label(matcher.coarse(prediction), coarse_label))
    return LabelScores(_fraction(fine), _fraction(coarse))


def _index(labels: Iterable[str]) -> dict[str, str]:
    """Map normalised labels to the first spelling of each."""
    index: dict[str, str] = {}
    for label in labels:
        if name := normalize_label(label):
            index.setdefault(name, label)
    return index


def _find(words: str, index: dict[str, str]) -> str | None:
    if words in index:
        return index[words]
    padded = f" {words} "
    found = [
        (len(name), padded.rfind(f" {name} "), label)
        for name, label in index.items()
        if f" {name} " in padded
    ]
    return max(found)[2] if found else None


def _same_label(found: str | None, label: str) -> bool:
    return found is not None and normalize_label(found) == normalize_label(label)


def _fraction(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _require_pairs(predictions: Sequence[object], expected: Sequence[object]) -> None:
    if len(predictions) != len(expected):
        raise InputError(
            f"{len(predictions)} predictions cannot be compared with {len(expected)} rows; "
            "give one prediction a row."
        )
