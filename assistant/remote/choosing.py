"""Labels of pictures by a server: one of a list, how sure that is, or none of them.

Where the server tells the chances of tokens, the labels are lettered, and the chances of the
letters are those of the labels: one token of an answer, and all of them at once. A long list is
asked in parts, whose winners meet in a last one. Where it tells none, the answer is held to the
list by a JSON schema and asked for several times; the share of the votes is all that is known then,
and what they do not agree on is called unsure: no label is given.

Neither is calibrated, as the label heads of adapters here are.
"""

from __future__ import annotations

import json
import math
import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from assistant.engine.values import EncodedImage, Sampling, Turn
from assistant.labelling import LONGEST_LABEL, Labelled, check_threshold, checked_list
from assistant.prompts import spoken_label
from assistant.remote import forms
from assistant.remote.asking import request
from assistant.remote.completion import Completion
from assistant.remote.weighing import TOP_CHANCES, asking_chances, note_chances

if TYPE_CHECKING:
    from assistant.remote.engine import RemoteEngine

NONE: Final = "none of these"
MOST_LABELS: Final = 500
"""Of a list: it is asked in parts of `PART`, and each part shows the server the picture again."""

PART: Final = TOP_CHANCES - 1  # and the letter of none
SURE: Final = 0.5
"""Share of the chances, or of the votes, from which a label is given."""

VOTES: Final = 3
_WARM: Final = 0.7
_NAME_WORDS: Final = 6
_LETTERS: Final = string.ascii_uppercase
_LETTERED: Final = (
    "Which of these does the picture show?\n{options}\nAnswer with its letter, and nothing else."
)
_LISTED: Final = (
    "Which of these does the picture show?\n{options}\n"
    'Answer with JSON of the form {{"label": "…"}}, and nothing else.'
)
_NAMED: Final = (
    "What is the main thing in this picture? Name it in one to three words, no sentence."
)


def label(
    engine: RemoteEngine,
    images: Sequence[EncodedImage],
    *,
    labels: Sequence[str],
    coarse: Mapping[str, str],
    model: str,
    threshold: float | None,
    top: int,
) -> list[Labelled]:
    """One of the labels for each picture, or none of them.

    Args:
        coarse: label to coarse label.
        model: which model of the server is asked.

    Raises:
        InputError: a list that cannot be used, or a threshold out of range.
        SightdeskError: the server cannot be asked.
    """
    wanted = _checked(labels)
    least = _least(threshold)
    found = []
    for image in images:
        shares = _by_chances(engine, image, wanted, model)
        if shares is None:
            shares = _by_votes(engine, image, wanted, model)
        found.append(_labelled(shares, wanted, coarse, least, top))
    return found


def recognise(
    engine: RemoteEngine,
    images: Sequence[EncodedImage],
    *,
    model: str,
    threshold: float | None,
    top: int,
) -> list[Labelled]:
    """What each picture shows, in the model's own words: these are no names of a known list.

    How sure it is: the chance of those words, where the server tells it, else the share of `VOTES`
    answers that agree.
    """
    least = _least(threshold)
    found = []
    for image in images:
        body = _body(model, image, _NAMED, 16)
        asked = asking_chances(engine, body, 1)
        told = engine.client.complete(asked)
        shares: dict[str, float] = {}
        if note_chances(engine, told):
            shares[_named(told)] = math.exp(sum(token.chance for token in told.tokens))
        else:
            others = [body | {"temperature": _WARM, "seed": number} for number in range(1, VOTES)]
            votes = Counter(map(_named, [told, *engine.together(others)]))
            shares = {name: count / VOTES for name, count in votes.items()}
        shares.pop("", None)
        found.append(_labelled(shares, list(shares), {}, least, top))
    return found


def _least(threshold: float | None) -> float:
    check_threshold(threshold)
    return SURE if threshold is None else threshold


def _checked(labels: Sequence[str]) -> list[str]:
    too_many = (
        f"There are {{count:,}} labels; a model elsewhere takes between 1 and {MOST_LABELS}: give "
        "fewer, or use a base on this machine."
    )
    return checked_list(labels, MOST_LABELS, too_many)


def _body(model: str, image: EncodedImage, question: str, most: int) -> dict[str, Any]:
    turns = [Turn("user", question, (image.id,))]
    return request(model, turns, [image], Sampling(max_tokens=most))


# --- by chances


def _by_chances(
    engine: RemoteEngine, image: EncodedImage, labels: Sequence[str], model: str
) -> dict[str, float] | None:
    """Shares of the labels and of none, None where the server tells no chances."""
    here = list(labels)
    while True:
        if not engine.client.dialect.takes("logprobs"):
            return None
        parts = [here[start : start + PART] for start in range(0, len(here), PART)]
        bodies = [
            asking_chances(engine, _body(model, image, _lettered(part), 1), TOP_CHANCES)
            for part in parts
        ]
        # The first alone: it tells whether the others need be asked.
        first = engine.client.complete(bodies[0])
        if not note_chances(engine, first):
            return None
        told = [first, *engine.together(bodies[1:])]
        shares = [_shares(each, part) for each, part in zip(told, parts, strict=True)]
        if any(each is None for each in shares):
            return None
        known = [each for each in shares if each is not None]
        if len(known) == 1:
            return known[0]
        # Of each part those that may be right; one at least falls away, so that this ends.
        winners = {
            name: share
            for each in known
            for name, share in sorted(each.items(), key=lambda item: -item[1])[: PART // 4]
            if name != NONE
        }
        order = sorted(winners, key=lambda name: -winners[name])
        here = order[: max(PART, len(here) // 4)]


def _lettered(part: Sequence[str]) -> str:
    options = [*map(spoken_label, part), NONE]
    lines = [f"{letter}. {name}" for letter, name in zip(_LETTERS, options, strict=False)]
    return _LETTERED.format(options="\n".join(lines))


def _shares(told: Completion, part: Sequence[str]) -> dict[str, float] | None:
    """Probabilities of the options; None where the answer did not begin with a letter of one."""
    options = [*part, NONE]
    summed = dict.fromkeys(options, 0.0)
    first = told.tokens[0]
    for text, chance in dict(first.others or ((first.text, first.chance),)).items():
        letter = text.strip().rstrip(".):").upper()
        place = _LETTERS.find(letter) if len(letter) == 1 else -1
        if 0 <= place < len(options):
            summed[options[place]] += math.exp(chance)
    total = sum(summed.values())
    # What else it wanted to say was more likely than all of these.
    return {name: share / total for name, share in summed.items()} if total > 0.05 else None


# --- by votes


def _by_votes(
    engine: RemoteEngine, image: EncodedImage, labels: Sequence[str], model: str
) -> dict[str, float]:
    spoken = {spoken_label(name): name for name in labels}
    question = _LISTED.format(options="\n".join(f"- {name}" for name in (*spoken, NONE)))
    body = _body(model, image, question, 64 + LONGEST_LABEL // 2)
    body["response_format"] = forms.choice_format([*spoken, NONE])
    bodies = [body, *(body | {"temperature": _WARM, "seed": at} for at in range(1, VOTES))]
    votes = Counter(_voted(told.text, spoken) for told in engine.together(bodies))
    return {name: votes[name] / VOTES for name in votes}


def _voted(text: str, spoken: Mapping[str, str]) -> str:
    """The label that an answer names, also where the server passed over the schema."""
    try:
        found = json.loads(text)
        said = str(found["label"]) if isinstance(found, dict) else str(found)
    except (ValueError, KeyError, RecursionError):
        said = text
    plain = {_plain(name): label for name, label in spoken.items()}
    if _plain(said) in plain:
        return plain[_plain(said)]
    if _plain(NONE) in _plain(said):
        return NONE
    within = [name for name in plain if re.search(rf"\b{re.escape(name)}\b", _plain(said))]
    # "apple" is also in "a green apple" where both are labels.
    longest = max(within, key=len, default="")
    if longest and all(name in longest for name in within):
        return plain[longest]
    return NONE


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w]+", " ", text.casefold()).split())


def _named(told: Completion) -> str:
    words = re.sub(r"[\"“”*.\n]+", " ", told.text).split()
    while words and words[0].casefold() in ("a", "an", "the"):
        words = words[1:]
    return " ".join(words[:_NAME_WORDS]).casefold()[:LONGEST_LABEL]


def _labelled(
    shares: Mapping[str, float],
    labels: Sequence[str],
    coarse: Mapping[str, str],
    least: float,
    top: int,
) -> Labelled:
    known = set(labels)
    order = sorted((name for name in shares if name in known), key=lambda name: -shares[name])
    scores = tuple((name, min(1.0, shares[name])) for name in order[:top])
    if not scores:
        # At least one of the list is always told, as the engine does.
        scores = ((labels[0], 0.0),) if labels else ((NONE, 0.0),)
    name, share = scores[0]
    given = share >= least and share > 0 and shares.get(NONE, 0.0) <= share
    return Labelled(name if given else None, coarse.get(name) if given else None, share, scores)
