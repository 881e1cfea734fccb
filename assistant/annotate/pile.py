"""The pictures of a review, held small: what each is sorted and counted by, and who decided what.

It knows nothing of files and locks (see `assistant.annotate.review`): results and decisions are
handed to it one by one, in the order in which they were written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, Literal

from assistant.annotate.wordings import spelling_key

if TYPE_CHECKING:
    from assistant.annotate.decisions import Decision
    from assistant.annotate.values import Annotation

Which = Literal["aside", "all"]

_UNKNOWN: Final = 2.0


@dataclass(frozen=True)
class Counts:
    """How far a review is, in different pictures.

    Attributes:
        left: not decided yet, `aside` among them, skipped ones too.
        aside: of these, those that the model was not sure of.
        bad: files that could not be opened; nobody can decide about them.
    """

    accepted: int = 0
    corrected: int = 0
    rejected: int = 0
    left: int = 0
    aside: int = 0
    bad: int = 0

    @property
    def done(self) -> int:
        """Decided."""
        return self.accepted + self.corrected + self.rejected

    @property
    def total(self) -> int:
        """All that can be decided about."""
        return self.done + self.left


@dataclass
class Entry:
    """What is held of a picture.

    Attributes:
        paths: the files that show it, and the byte at which the line of each begins.
    """

    paths: dict[str, int]
    aside: bool
    confidence: float
    guess: str | None

    @property
    def at(self) -> int:
        """Where the line of its first file begins."""
        return next(iter(self.paths.values()))

    @property
    def rank(self) -> tuple[bool, float, int]:
        """What was set aside comes first, then the least sure, then the first."""
        return (not self.aside, self.confidence, self.at)


class Pile:
    """All pictures by their image ids, and what was decided about them.

    Args:
        labels: those that the job chose from, each with its coarser one, or an empty text.

    Attributes:
        entries: by image id.
        decisions: the last one of each picture, also of those that the results do not have (any
            more); none where it was taken back.
        recent: image ids that were decided about, the latest last.
        coarse: what is known of labels.
    """

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.entries: dict[str, Entry] = {}
        self.decisions: dict[str, Decision] = {}
        self.recent: dict[str, None] = {}
        self.coarse = {label: coarse for label, coarse in labels.items() if coarse}
        self._spellings: dict[str, str] = {}
        for label in labels:
            self._know(label)
        self._by_path: dict[str, str] = {}
        self._bad: set[str] = set()
        self._order: list[str] = []
        self._sorted = True
        self._tally: Counter[tuple[str, bool]] = Counter()
        self._guesses: set[str] = set()

    # --- what is handed over

    def take(self, at: int, row: Annotation) -> None:
        """A line of the results; a later one of the same file stands in its place."""
        before = self._by_path.pop(row.image, None)
        if before is not None:
            self._leave(before, row.image)
        self._bad.discard(row.image)
        if row.status == "bad" or not row.image_id:
            self._bad.add(row.image)
            return
        self._by_path[row.image] = row.image_id
        for label in filter(None, (row.label, *(name for name, _ in row.scores))):
            self._know(label)
        if row.coarse_label and row.label:
            self.coarse.setdefault(row.label, row.coarse_label)
        entry = self.entries.get(row.image_id)
        if entry is not None:
            entry.paths[row.image] = at
            return
        # Of a confidence that nobody knows nothing can be said: it comes after the known ones.
        sure = _UNKNOWN if row.confidence is None else row.confidence
        self.entries[row.image_id] = Entry({row.image: at}, row.status == "aside", sure, row.guess)
        if row.guess:
            self._guesses.add(row.guess)
        self._order.append(row.image_id)
        self._sorted = False
        self._count(row.image_id, 1)

    def _leave(self, image_id: str, path: str) -> None:
        """A file shows another picture by now."""
        entry = self.entries[image_id]
        del entry.paths[path]
        if not entry.paths:
            self._count(image_id, -1)
            del self.entries[image_id]
            self._order.remove(image_id)

    def apply(self, decision: Decision) -> None:
        """A line of the decisions."""
        image_id = decision.image_id
        known = image_id in self.entries
        if known:
            self._count(image_id, -1)
        self.recent.pop(image_id, None)
        if decision.verdict == "open":
            self.decisions.pop(image_id, None)
        else:
            self.decisions[image_id] = decision
            self.recent[image_id] = None
        if decision.label:
            self._know(decision.label)
            if decision.coarse_label:
                self.coarse.setdefault(decision.label, decision.coarse_label)
        if known:
            self._count(image_id, 1)

    def _count(self, image_id: str, by: int) -> None:
        entry, decision = self.entries[image_id], self.decisions.get(image_id)
        verdict = decision.verdict if decision is not None and decision.done else "left"
        self._tally[verdict, entry.aside] += by

    # --- what it tells

    @property
    def counts(self) -> Counts:
        """How far it is."""

        def of(verdict: str) -> int:
            return self._tally[verdict, True] + self._tally[verdict, False]

        return Counts(
            accepted=of("accept"),
            corrected=of("correct"),
            rejected=of("reject"),
            left=of("left"),
            aside=self._tally["left", True],
            bad=len(self._bad),
        )

    @property
    def guesses(self) -> list[str]:
        """All labels that the model gave or would have given."""
        return sorted(self._guesses, key=str.casefold)

    def upcoming(self, which: Which, label: str | None) -> Iterator[str]:
        """Image ids in the order in which they are to be looked at; skipped ones are the last."""
        if not self._sorted:
            self._order.sort(key=lambda each: self.entries[each].rank)
            self._sorted = True
        skipped = (each for each in self.recent if not self.decisions[each].done)
        fresh = (each for each in self._order if each not in self.decisions)
        for image_id in chain(fresh, skipped):
            entry = self.entries.get(image_id)
            if entry is None or (which == "aside" and not entry.aside):
                continue
            if label is None or label == entry.guess:
                yield image_id

    # --- labels

    @property
    def labels(self) -> list[str]:
        """All that are known: the job's, those that were found, and corrections."""
        return sorted(self._spellings.values(), key=str.casefold)

    def spelt(self, label: str) -> str:
        """A label as it is known, where it differs in case, blanks and hyphens only."""
        return self._spellings.get(spelling_key(label), label)

    def _know(self, label: str) -> None:
        self._spellings.setdefault(spelling_key(label), label)
