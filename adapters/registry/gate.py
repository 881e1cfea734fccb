"""The gate: what must hold of an adapter's scores before it is taken in."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.adapter_files import AdapterFiles, find_adapter, is_number
from assistant.errors import AdapterError, InputError
from assistant.settings import Settings, get_settings

_RELATIONS = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_FORM = re.compile(
    r"\s*(?:(?P<data>.+):)?\s*(?P<score>[A-Za-z0-9_]+)\s*(?P<relation>>=|<=|>|<)\s*(?P<bound>\S+)\s*"
)


@dataclass(frozen=True)
class Requirement:
    """A score, a relation and what it is compared with.

    Attributes:
        data: the data set of the score; None means every set that has such a score.
        bound: a number, or the name of an adapter whose score of the same set is the bound.
    """

    data: str | None
    score: str
    relation: str
    bound: float | str

    def __str__(self) -> str:
        place = f"{self.data}:" if self.data is not None else ""
        return f"{place}{self.score}{self.relation}{self.bound}"


def parse_requirement(text: str) -> Requirement:
    """Read ``accuracy_fine>0.8``, ``grocery/val:accuracy_fine>=0.8`` or ``cider>=embedded``.

    Raises:
        InputError: it is of another form.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise InputError(
            f"The requirement {text[:100]!r} cannot be read; write it like accuracy_fine>0.8, with "
            "one of >, >=, <, <=, and a number or the name of an adapter."
        )
    bound: float | str
    try:
        bound = float(found["bound"])
    except ValueError:
        bound = found["bound"]
    if bound == "" or (isinstance(bound, float) and not math.isfinite(bound)):
        raise InputError(f"The requirement {text[:100]!r} has no bound; give a number.")
    if isinstance(bound, str) and re.match(r"[=<>!]", bound):
        raise InputError(f"The requirement {text[:100]!r} has two relations; give one.")
    data = found["data"]
    return Requirement(data.strip() if data else None, found["score"], found["relation"], bound)


def check_requirements(
    files: AdapterFiles, requirements: Sequence[Requirement], settings: Settings | None = None
) -> None:
    """Whether all of them hold; a score that was not measured holds nothing.

    Raises:
        AdapterError: one does not hold, or its score is missing.
    """
    for requirement in requirements:
        places = [requirement.data] if requirement.data is not None else list(files.scores)
        found = {
            data: value
            for data in places
            if (value := _score(files, data, requirement.score)) is not None
        }
        if not found:
            raise AdapterError(
                f"The adapter {files.name!r} has no score for {str(requirement)!r} "
                f"(it has {scores_in_words(files)}); measure it with `sightdesk adapters evaluate`."
            )
        for data, value in found.items():
            bound = requirement.bound
            if isinstance(bound, str):
                bound = _of_another(bound, data, requirement, settings or get_settings())
            if not _RELATIONS[requirement.relation](value, bound):
                raise AdapterError(
                    f"The adapter {files.name!r} is refused: its {requirement.score} on {data!r} "
                    f"is {value:g}, and {requirement.relation} {bound:g} is required; train it "
                    "further, or require less."
                )


def scores_in_words(files: AdapterFiles) -> str:
    """Every score that an adapter has, by data set, for a sentence."""
    said = [
        f"{data}: {', '.join(name for name in scores if _score(files, data, name) is not None)}"
        for data, scores in files.scores.items()
    ]
    return "; ".join(said)[:500] or "none"


def _score(files: AdapterFiles, data: str, name: str) -> float | None:
    value = files.scores.get(data, {}).get(name)
    return float(value) if is_number(value) else None


def _of_another(name: str, data: str, requirement: Requirement, settings: Settings) -> float:
    other = find_adapter(name, settings)
    value = _score(other, data, requirement.score)
    if value is None:
        raise AdapterError(
            f"The adapter {name!r} has no {requirement.score} on {data!r} to compare with "
            f"(it has {scores_in_words(other)}); measure it there, or give a number."
        )
    return value
