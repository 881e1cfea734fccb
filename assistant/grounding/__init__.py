"""Grounding: whether what is said stands in the passages and pictures that it rests on.

    for sentence in sentences(answer):
        support = check(sentence, sources, question)
        if support.supported: ...           # cites sources[support.source]

No model: numbers with their units, names and content words of a sentence must stand in one source,
with the same negations, and the product that the sentence names must be the source's. Cheap enough
to stand between two sentences of a stream. What counts as a sentence is in `cutting`, numbers in
`numbers`, word forms and synonyms in `words` and `tables`, the judgement in `judging`.

`tests/benchmarks/grounding.py` measures it: how many true sentences are dropped, how many corrupted
ones pass.
"""

from assistant.grounding.cutting import marks, sentences, without_marks
from assistant.grounding.judging import Support, check, unknown_subject
from assistant.grounding.naming import named_labels
from assistant.grounding.topics import is_off_topic

__all__ = [
    "Support",
    "check",
    "is_off_topic",
    "marks",
    "named_labels",
    "sentences",
    "unknown_subject",
    "without_marks",
]
