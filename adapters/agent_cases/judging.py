"""What is right about a reply, and what the replies to all cases come to.

A *wrong* fact is told from a *missing* one:

- wrong: the answer holds a phrase of `contains_none`, or a sentence that cites sources and is not
  carried by any of them (`assistant.grounding`);
- missing: it holds none of `contains_any`, and nothing wrong.

An answer where the case wants none (abstained, handed over) is neither; it is seen in `outcomes`
and counted in `answered_without_knowledge`.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.agent_cases.cases import Case
from assistant.grounding import check, marks, sentences, without_marks
from assistant.sources import Source

FAILED = "failed"
"""The outcome of a case that ended in an error."""


@dataclass(frozen=True)
class Observed:
    """What the agent did at the last turn.

    Attributes:
        answer: with its marks.
        sources: what they stand for, in order of their numbers.
        tools: names of the calls, in order.
        outcome: answered, abstained, handed_over or failed.
        seconds: of the last turn.
        calls: how many calls were made.
        unreal_calls: those that named no tool or no picture that exists, as ``name(arguments)``.
        steps: seconds of the parts of the turn, as the agent gives them.
        labelled: what `label_image` said, in any turn.
    """

    answer: str
    sources: tuple[Source, ...] = ()
    tools: tuple[str, ...] = ()
    outcome: str = "answered"
    seconds: float = 0.0
    calls: int = 0
    unreal_calls: tuple[str, ...] = ()
    steps: dict[str, float] = field(default_factory=dict)
    labelled: tuple[str, ...] = ()

    @property
    def citations(self) -> list[str]:
        """What it cites, as `cites_any` names it: label and source of passages, image ids."""
        found: list[str] = []
        for source in self.sources:
            names = (source.label, source.origin) if source.kind == "passage" else (source.id,)
            found += [name for name in names if name and name not in found]
        return found


@dataclass(frozen=True)
class Judged:
    """A case with what came of it.

    Attributes:
        checks: for each thing that the case expects, whether it is so.
        wrong: wrong facts: forbidden phrases, and sentences that their sources do not carry.
    """

    case: Case
    observed: Observed
    checks: dict[str, bool]
    wrong: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all is as expected and no fact is wrong."""
        return all(self.checks.values()) and not self.wrong and self.observed.outcome != FAILED

    @property
    def missing(self) -> bool:
        """Whether the expected fact is not there, and nothing wrong in its place."""
        return not self.checks.get("contains_any", True) and not self.wrong

    @property
    def right_label(self) -> bool:
        """Whether its photo was told rightly; False where it was not looked at."""
        label = self.case.label
        return label is not None and any(
            said.partition(" (")[0].partition(",")[0] == label for said in self.observed.labelled
        )

    def as_json(self) -> dict[str, Any]:
        """The row of the result."""
        row = {
            "id": self.case.id,
            "passed": self.passed,
            "tools": list(self.observed.tools),
            "citations": self.observed.citations,
            "outcome": self.observed.outcome,
            "answer": self.observed.answer,
            "seconds": round(self.observed.seconds, 3),
            "not_as_expected": [name for name, right in self.checks.items() if not right],
            "wrong": list(self.wrong),
        }
        return row if self.case.kind is None else row | {"kind": self.case.kind}

    def prediction(self) -> dict[str, Any]:
        """The row of the predictions file."""
        row = self.as_json()
        return {key: row[key] for key in ("id", "answer", "tools", "citations", "outcome")}


def judge(case: Case, observed: Observed) -> Judged:
    """Hold a reply against what the case expects."""
    expect = case.expect
    said = _folded(without_marks(observed.answer))
    checks: dict[str, bool] = {}
    if expect.tools is not None:
        checks["tools"] = list(observed.tools) == expect.tools
    if expect.contains_any is not None:
        checks["contains_any"] = any(_folded(phrase) in said for phrase in expect.contains_any)
    if expect.contains_none is not None:
        checks["contains_none"] = not any(_folded(x) in said for x in expect.contains_none)
    if expect.cites_any is not None:
        cited = {name.casefold() for name in observed.citations}
        checks["cites_any"] = any(name.casefold() in cited for name in expect.cites_any)
    if expect.outcome is not None:
        checks["outcome"] = observed.outcome in expect.outcome.split("_or_")
    wrong = [phrase for phrase in expect.contains_none or [] if _folded(phrase) in said]
    wrong += _uncarried(observed, case.turns[-1].text)
    return Judged(case, observed, checks, tuple(wrong))


def totals(judged: Sequence[Judged]) -> dict[str, Any]:
    """Counts and shares over all cases; a share with nothing behind it is None.

    Returns:
        n, passed, pass_rate; tools, facts (contains_any), citations and outcome, each {n, right,
        rate}; wrong_facts and missing_facts (cases); outcomes {expected: {found: n}};
        answered_without_knowledge and wrongly_refused, each {n, count, rate}; given_right_label,
        the same of passed cases whose photo was told rightly; calls {n, real, rate,
        unreal}; failed; seconds_median and seconds_p90 of the last turns; kinds {kind: the same
        figures in short}.
    """
    found = _figures(judged)
    outcomes: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for each in judged:
        if each.case.expect.outcome is not None:
            outcomes[each.case.expect.outcome][each.observed.outcome] += 1
    unreal = [call for each in judged for call in each.observed.unreal_calls]
    calls = sum(each.observed.calls for each in judged)
    found["outcomes"] = {name: dict(row) for name, row in sorted(outcomes.items())}
    found["answered_without_knowledge"] = _count(
        each.observed.outcome == "answered"
        for each in judged
        if each.case.expect.outcome not in (None, "answered")
    )
    found["wrongly_refused"] = _count(
        each.observed.outcome in ("abstained", "handed_over")
        for each in judged
        if each.case.expect.outcome == "answered"
    )
    found["calls"] = {
        "n": calls,
        "real": calls - len(unreal),
        "rate": _rate(calls - len(unreal), calls),
        "unreal": unreal[:20],
    }
    found["given_right_label"] = _count(each.passed for each in judged if each.right_label)
    found["failed"] = sum(each.observed.outcome == FAILED for each in judged)
    kinds = sorted({each.case.kind for each in judged if each.case.kind is not None})
    if kinds:
        found["kinds"] = {
            kind: _figures([each for each in judged if each.case.kind == kind]) for kind in kinds
        }
    return found


def _figures(judged: Sequence[Judged]) -> dict[str, Any]:
    passed = sum(each.passed for each in judged)
    seconds = sorted(each.observed.seconds for each in judged)

    def right(name: str) -> dict[str, Any]:
        found = [each.checks[name] for each in judged if name in each.checks]
        return {"n": len(found), "right": sum(found), "rate": _rate(sum(found), len(found))}

    return {
        "n": len(judged),
        "passed": passed,
        "pass_rate": _rate(passed, len(judged)),
        "tools": right("tools"),
        "facts": right("contains_any"),
        "citations": right("cites_any"),
        "outcome": right("outcome"),
        "wrong_facts": sum(bool(each.wrong) for each in judged),
        "missing_facts": sum(each.missing for each in judged),
        "seconds_median": round(statistics.median(seconds), 3) if seconds else None,
        "seconds_p90": round(seconds[int(0.9 * (len(seconds) - 1))], 3) if seconds else None,
    }


def _uncarried(observed: Observed, question: str) -> list[str]:
    """Sentences that cite sources which do not carry them."""
    return [
        sentence
        for sentence in sentences(observed.answer)
        if marks(sentence) and not check(sentence, observed.sources, question).supported
    ]


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _count(found: Iterable[bool]) -> dict[str, Any]:
    listed = list(found)
    return {"n": len(listed), "count": sum(listed), "rate": _rate(sum(listed), len(listed))}


def _rate(count: int, of: int) -> float | None:
    return round(count / of, 4) if of else None
