"""Pictures and rows compared with each other: copies within a split, and leaks between splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from adapters.data.form import Dataset, Example, Finding, Severity
from adapters.data.near import near_pairs
from adapters.data.notes import shown
from adapters.data.pictures import Look, Trouble, good, stack


@dataclass(frozen=True)
class _Use:
    """A row that shows a picture, and the split that the row is in."""

    split: str
    example: Example
    path: Path
    foreign: bool

    @property
    def named(self) -> str:
        """Where the picture is, for a message."""
        place = f"{shown(self.path.name)} in {shown(self.example.where, 200)}"
        return f"{place} ({shown(self.example.split)})" if self.example.split else place


def compare(
    dataset: Dataset, others: Sequence[Dataset], looks: Mapping[Path, Look | Trouble]
) -> list[Finding]:
    """Copies, near copies and leaks, at most one finding of each kind a picture of a row.

    Where two splits of ``dataset`` share a picture, the training row is the one to leave out; where
    it shares one with another set, its own.
    """
    uses: dict[str, list[_Use]] = defaultdict(list)
    for use, look in _uses(dataset, others, looks):
        uses[look.id].append(use)
    found = _same_rows(dataset, looks)
    repeated = {finding.where for finding in found}
    for same in uses.values():
        found += _same_picture(same, repeated)
    found += _near_pictures(uses, looks)
    order = {example.where: place for place, example in enumerate(dataset.examples)}
    return sorted(found, key=lambda finding: order.get(finding.where, -1))


def _uses(
    dataset: Dataset, others: Sequence[Dataset], looks: Mapping[Path, Look | Trouble]
) -> Iterator[tuple[_Use, Look]]:
    for one in (dataset, *others):
        foreign = one is not dataset
        for example in one.examples:
            # Rows without a split are trained on.
            split = one.name if foreign else example.split or "train"
            for path in dict.fromkeys(example.images):
                look = looks[path]
                if isinstance(look, Look):
                    yield _Use(split, example, path, foreign), look


def _same_rows(dataset: Dataset, looks: Mapping[Path, Look | Trouble]) -> list[Finding]:
    """Rows of one split that show and say the same."""
    found = []
    first: dict[object, Example] = {}
    for example in dataset.examples:
        shows = tuple(getattr(looks[path], "id", path) for path in example.images)
        says = (example.references, example.label, example.exchanges, example.split)
        earlier = first.setdefault((shows, says), example)
        if earlier is not example:
            found.append(
                Finding(
                    "duplicate-row",
                    example.where,
                    f"The row is the same as {shown(earlier.where, 200)}; remove one.",
                    "warning",
                    example.images[0],
                )
            )
    return found


def _same_picture(uses: Sequence[_Use], repeated: set[str]) -> Iterator[Finding]:
    """What is to be said of all the rows that show one picture."""
    first: dict[tuple[bool, str], _Use] = {}
    labelled: dict[str, _Use] = {}
    told: set[Path] = set()
    for use in uses:
        earlier = first.setdefault((use.foreign, use.split), use)
        if use.foreign:
            continue
        known = labelled.setdefault(use.split, use) if use.example.label is not None else use
        if known.example.label != use.example.label:
            yield _pair(
                "label-conflict",
                use,
                known,
                f"The picture is labelled {shown(use.example.label)!r} here and "
                f"{shown(known.example.label)!r} as {known.named}; keep one.",
            )
        elif (
            earlier.path != use.path and use.path not in told and use.example.where not in repeated
        ):
            told.add(use.path)
            yield _pair(
                "duplicate-image",
                use,
                earlier,
                f"The picture has the same pixels as {earlier.named}; keep one.",
            )
    for use in uses:
        elsewhere = next((other for other in first.values() if _leaks(use, other)), None)
        if elsewhere is not None:
            yield _pair(
                "leak",
                use,
                elsewhere,
                f"The same picture is {elsewhere.named}; scores there would flatter, so the row "
                f"is left out here.",
                "error",
            )


def _near_pictures(
    uses: Mapping[str, list[_Use]], looks: Mapping[Path, Look | Trouble]
) -> Iterator[Finding]:
    """What is to be said of pictures that only look the same; each is told of once."""
    known = {name: look for name, look in good(looks).items() if name in uses}
    # One row of each split speaks for a picture, however many show it.
    speakers = [
        list({(use.foreign, use.split): use for use in uses[name][::-1]}.values()) for name in known
    ]
    told: set[tuple[str, str]] = set()
    for low, high in near_pairs(*stack(known.values())):
        for use, other in product(speakers[high], speakers[low]):
            if _leaks(other, use):
                use, other = other, use
            leaks = _leaks(use, other)
            kind = "near-leak" if leaks else "near-duplicate"
            if use.foreign or (kind, use.example.where) in told:
                continue
            told.add((kind, use.example.where))
            labels = {use.example.label, other.example.label}
            differ = f", labelled {shown(other.example.label)!r}" if len(labels) > 1 else ""
            advice = "keep them in one split" if leaks else "keep one if it is a copy"
            yield _pair(
                kind, use, other, f"The picture looks like {other.named}{differ}; {advice}."
            )


def _leaks(use: _Use, other: _Use) -> bool:
    """Whether ``use`` is the one to give up where both show one picture."""
    return not use.foreign and (other.foreign or _rank(use.split) < _rank(other.split))


def _rank(split: str) -> tuple[int, str]:
    """Training rows are given up first, test rows last."""
    return {"train": 0, "val": 2, "test": 3}.get(split, 1), split


def _pair(
    kind: str, use: _Use, other: _Use, message: str, severity: Severity = "warning"
) -> Finding:
    return Finding(kind, use.example.where, message, severity, use.path, other.path)
