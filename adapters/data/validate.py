"""Everything that can be wrong with a data set, found before a training spends hours on it.

    >>> report = validate(read_dataset(Path("photos.jsonl")))
    >>> report.errors, report.warnings, report.dataset.examples

Readers have checked the rows already; here every picture is opened, and pictures, labels and splits
are compared with each other. `Report.dataset` holds the rows that a training may use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapters.data.compare import compare
from adapters.data.form import Dataset, Example, Finding
from adapters.data.kinds import title, weight
from adapters.data.labels import check_labels
from adapters.data.pictures import Look, Progress, Trouble, good, look_at, paths_of
from assistant.settings import Settings

SMALL = 64
"""Pixels of the shorter side below which a picture shows little."""


@dataclass(frozen=True)
class Report:
    """What validation found.

    Attributes:
        dataset: the rows that can be used, with all findings.
        rows: rows that were read, the unusable ones among them.
        pictures: different pictures in the rows that can be used.
        classes: rows of each label, most first.
        splits: rows of each split that the data names.
        looks: what was seen of each picture, of the other sets' too (see `adapters.data.splits`).
    """

    dataset: Dataset
    rows: int
    pictures: int
    classes: dict[str, int]
    splits: dict[str, int]
    looks: Mapping[Path, Look | Trouble]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, of readers and of validation."""
        return self.dataset.findings

    @property
    def errors(self) -> int:
        """How many findings cost a row, or should stop a training."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        """How many are only told."""
        return len(self.findings) - self.errors

    @property
    def usable(self) -> int:
        """How many rows a training may use."""
        return len(self.dataset.examples)

    def by_kind(self) -> dict[str, list[Finding]]:
        """The findings of each kind, the weightiest first, in the order of the data."""
        kinds: dict[str, list[Finding]] = {}
        for finding in self.findings:
            kinds.setdefault(finding.kind, []).append(finding)
        return dict(
            sorted(kinds.items(), key=lambda one: (one[1][0].severity != "error", weight(one[0])))
        )

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "name": self.dataset.name,
            "format": self.dataset.format,
            "rows": self.rows,
            "usable": self.usable,
            "pictures": self.pictures,
            "errors": self.errors,
            "warnings": self.warnings,
            "splits": self.splits,
            "classes": self.classes,
            "kinds": {
                kind: {"title": title(kind), "severity": found[0].severity, "count": len(found)}
                for kind, found in self.by_kind().items()
            },
            "findings": [
                {
                    "kind": finding.kind,
                    "severity": finding.severity,
                    "where": finding.where,
                    "message": finding.message,
                }
                for finding in self.findings
            ],
        }


def validate(
    dataset: Dataset,
    *,
    others: Sequence[Dataset] = (),
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Report:
    """Open every picture and compare everything with everything.

    Args:
        others: further sets, such as the validation part, with which ``dataset`` must share no
            picture; nothing else is said of them.
        progress: called with the pictures opened so far, and all.
    """
    examples = [example for one in (dataset, *others) for example in one.examples]
    looks = look_at(paths_of(examples), settings=settings, progress=progress)
    findings = [*dataset.findings, *_picture_findings(dataset.examples, looks)]
    whole = replace(dataset, examples=_without_errors(dataset.examples, findings))
    findings += compare(whole, others, looks)
    usable = _without_errors(whole.examples, findings)
    findings += check_labels(usable, dataset.name)
    lost = {finding.where for finding in findings if finding.severity == "error"}
    lost -= {example.where for example in usable} | {dataset.name}
    clean = replace(dataset, examples=usable, findings=tuple(findings))
    labels = Counter(example.label for example in usable if example.label is not None)
    splits = Counter(example.split for example in usable if example.split is not None)
    return Report(
        dataset=clean,
        rows=len(usable) + len(lost),
        pictures=len(good({path: looks[path] for path in paths_of(usable)})),
        classes=dict(sorted(labels.items(), key=lambda one: (-one[1], one[0]))),
        splits=dict(sorted(splits.items())),
        looks=looks,
    )


def _picture_findings(
    examples: Iterable[Example], looks: Mapping[Path, Look | Trouble]
) -> list[Finding]:
    found = []
    small: set[Path] = set()
    for example in examples:
        for path in dict.fromkeys(example.images):
            look = looks[path]
            if isinstance(look, Trouble):
                kind = "missing-image" if look.missing else "bad-image"
                found.append(Finding(kind, example.where, look.message))
            elif min(look.width, look.height) < SMALL and path not in small:
                small.add(path)
                found.append(
                    Finding(
                        "small-image",
                        example.where,
                        f"The picture has {look.width} × {look.height} pixels and shows little; "
                        f"take a larger one if there is one.",
                        "warning",
                        path,
                    )
                )
    return found


def _without_errors(
    examples: Iterable[Example], findings: Iterable[Finding]
) -> tuple[Example, ...]:
    bad = {finding.where for finding in findings if finding.severity == "error"}
    return tuple(example for example in examples if example.where not in bad)
