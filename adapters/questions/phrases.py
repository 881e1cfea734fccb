"""What a caption's subject does, cut to a short phrase that still reads as whole."""

from __future__ import annotations

from adapters.questions.captions import Caption, is_verb
from adapters.questions.cleaning import detokenize
from adapters.questions.lists import word_set
from adapters.questions.verbs import (
    ADJECTIVES,
    DETERMINERS,
    FUNCTION,
    GERUNDS,
    POSSESSIVES,
    PREPOSITIONS,
    SAYS_LITTLE,
    THIRD,
    TRANSITIVE,
)
from adapters.questions.vocabulary import vocabulary

_STOP = word_set(
    """, . ; : " ' ! ? ( ) - -- while as who that which wearing because where when so but whilst
    during is are was were has have he she they it with"""
)
_WEAK_END = (
    (PREPOSITIONS - {"down", "up", "around", "off", "over", "along", "by", "inside", "outside",
                     "past", "through", "across", "below", "above", "out", "behind"})
    | DETERMINERS
    | POSSESSIVES
    | {"and", "or", "'s", "to", "very", "just", "only", "also", "not", "so", "then"}
)  # fmt: skip


# "off the top of a hill" is cut before "off", never before "of".
_CUTS = PREPOSITIONS - {"of"}


def action_phrase(caption: Caption, *, most: int = 8, gerund_of: str) -> str:
    """``running through the snow``: the action in ``most`` words or fewer, or ""."""
    tokens = caption.tokens
    words = [gerund_of]
    surface = vocabulary().surface
    many = caption.subjects[0].plural or len(caption.subjects) > 1
    at = caption.verb_at + 1
    while at < len(tokens):
        token = tokens[at]
        if token in _STOP and not (token == "with" and len(words) == 1):
            break
        if token in THIRD and token not in surface and tokens[at - 1] in surface and not many:
            # "riding a surfboard comes up": the second verb of the sentence
            break
        if token == "and" and at + 1 < len(tokens):
            after = tokens[at + 1]
            if is_verb(after) or after in FUNCTION:
                break
        words.append(caption.written[at])
        at += 1
    while len(words) > most:
        cut = 0
        for index in range(2, min(len(words), most + 1)):
            if words[index] in _CUTS and words[index - 1] not in PREPOSITIONS:
                cut = index
        if not cut:
            return ""
        words = words[:cut]
    while len(words) > 1 and _dangles(words):
        words.pop()
    each_other = words[-2:] in _EACH_OTHER
    if words[-1] in ADJECTIVES and words[-1] not in vocabulary().surface and not each_other:
        return ""
    if len(words) == 1 and GERUNDS.get(gerund_of, "") in TRANSITIVE | SAYS_LITTLE:
        return ""
    return detokenize(words)


# A participle whose by- or in-phrase was cut off.
_HANGING = frozenset(
    {"dressed", "surrounded", "covered", "made", "threw", "thrown", "held", "lined"}
)
_EACH_OTHER = (["each", "other"], ["one", "another"])


def _dangles(words: list[str]) -> bool:
    if words[-2:] in _EACH_OTHER:
        return False
    last = words[-1].lower()
    gerund_like = last.endswith("ing") and last not in _NOUNS_IN_ING
    return last in _WEAK_END | _HANGING or (gerund_like and last not in vocabulary().surface)


_NOUNS_IN_ING = word_set(
    """clothing wedding ceiling evening morning landing painting building railing clearing ring
    string setting something nothing thing crossing opening parking skiing sledding swimming surfing
    awning piercing earring spring wing pudding"""
)
