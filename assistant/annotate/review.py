"""A person looks through what a job found: what is unsure first; accept, correct, reject.

    >>> review = Review(Job.open(Path("found")))
    >>> card = review.upcoming(limit=1)[0]
    >>> review.decide(card.image_id, "correct", label="Kiwi")
    >>> training_rows(review.job).file
    PosixPath('/…/found/training.jsonl')

Pictures are told apart by their image id: files with the same pixels are looked at once, and a
picture that changed on disk, and was labelled anew, is a new one. Decisions are kept in a file of
their own (`assistant.annotate.decisions`); results are read, never written, also while the job
runs. Of each picture only a few numbers are held; the rest of its line is read when it is shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import Final

from assistant.adapter_files import find_adapter
from assistant.annotate.decisions import Decision, DecisionLog, Verdict
from assistant.annotate.job import REVIEW_FILE, Job
from assistant.annotate.pile import Counts, Pile, Which
from assistant.annotate.training_set import TrainingSet, write_training_set
from assistant.annotate.values import Annotation
from assistant.annotate.wordings import checked_caption, checked_label
from assistant.errors import MissingError, SightdeskError, StoreError
from assistant.settings import Settings, get_settings

_LONGEST_LINE: Final = 2**20


@dataclass(frozen=True)
class Card:
    """A picture to decide about.

    Attributes:
        annotation: what the model said.
        copies: files in the folder with the same pixels, this one included.
        decision: what a person said last, if anything.
    """

    annotation: Annotation
    copies: int
    decision: Decision | None

    @property
    def image_id(self) -> str:
        """The picture's name."""
        return self.annotation.image_id


class Review:
    """The review of one job, for any number of threads; other processes may review it too.

    Raises:
        StoreError: the job's results or decisions cannot be read.
    """

    def __init__(self, job: Job, *, settings: Settings | None = None) -> None:
        self.job = job
        self._guard = RLock()
        self._job_labels = _labels_of(job, settings or get_settings())
        self._begin()
        self.refresh()

    def _begin(self) -> None:
        self._pile = Pile(self._job_labels)
        self._log = DecisionLog(self.job.path / REVIEW_FILE)
        self._read = 0  # bytes of the results

    # --- reading

    def refresh(self) -> None:
        """Take in what the job and other reviewers have written since.

        Raises:
            StoreError: a file cannot be read.
        """
        with self._guard:
            try:
                size = self.job.results.stat().st_size
            except OSError:
                size = 0
            if size < self._read or self._log.shrunk:
                self._begin()
            if size > self._read:
                for at, row in self._new_rows():
                    self._pile.take(at, row)
            for decision in self._log.news():
                self._pile.apply(decision)

    def _new_rows(self) -> Iterator[tuple[int, Annotation]]:
        try:
            with self.job.results.open("rb") as opened:
                opened.seek(self._read)
                while (line := opened.readline(_LONGEST_LINE)).endswith(b"\n"):
                    at, self._read = self._read, self._read + len(line)
                    try:
                        row = Annotation.of(json.loads(line))
                    except (ValueError, TypeError, AttributeError, RecursionError):
                        continue  # the job itself says what to do about a damaged line
                    yield at, row
        except OSError as error:
            raise self._unreadable(error) from error

    # --- what there is

    @property
    def counts(self) -> Counts:
        """How far it is."""
        with self._guard:
            return self._pile.counts

    @property
    def labels(self) -> list[str]:
        """All labels that are known: the job's, those that were found, and corrections."""
        with self._guard:
            return self._pile.labels

    def spelt(self, label: str) -> str:
        """A label as it is known, where it differs in case, blanks and hyphens only."""
        with self._guard:
            return self._pile.spelt(label)

    @property
    def guesses(self) -> list[str]:
        """What the model's labels are, or would be; none where it described."""
        with self._guard:
            return self._pile.guesses

    def coarse_of(self, label: str) -> str | None:
        """The coarser label that one belongs to, where that is known."""
        with self._guard:
            return self._pile.coarse.get(label)

    def upcoming(
        self, which: Which = "all", *, label: str | None = None, limit: int = 20
    ) -> list[Card]:
        """What is to be decided next: set aside first, the least sure first; skipped ones last.

        Args:
            which: ``aside`` for no others than those that the model was not sure of.
            label: no others than those of this guess.
            limit: how many at most.

        Raises:
            StoreError: the results cannot be read.
        """
        with self._guard:
            return self._cards(list(islice(self._pile.upcoming(which, label), limit)))

    def recent(self, limit: int = 20) -> list[Card]:
        """The pictures that were decided about or skipped last, the latest last."""
        with self._guard:
            known = [each for each in self._pile.recent if each in self._pile.entries]
            return self._cards(known[-limit:])

    def card(self, image_id: str) -> Card:
        """One picture.

        Raises:
            MissingError: the job has no such one (any more).
            StoreError: the results cannot be read.
        """
        with self._guard:
            if image_id not in self._pile.entries:
                raise MissingError("The job has no such picture any more; load the page again.")
            return self._cards([image_id])[0]

    def decided(self) -> Iterator[tuple[Decision, list[Annotation]]]:
        """All accepted and corrected pictures, each with what was found in its files, by path.

        Raises:
            StoreError: the results cannot be read.
        """
        with self._guard:
            found = [
                (decision, sorted(entry.paths.items()))
                for image_id, entry in self._pile.entries.items()
                if (decision := self._pile.decisions.get(image_id)) is not None
                and decision.verdict in ("accept", "correct")
            ]
        found.sort(key=lambda one: one[1])
        for decision, places in found:
            yield decision, self._rows(at for _, at in places)

    def _cards(self, image_ids: Sequence[str]) -> list[Card]:
        entries = [self._pile.entries[each] for each in image_ids]
        rows = self._rows(entry.at for entry in entries)
        return [
            Card(row, len(entry.paths), self._pile.decisions.get(image_id))
            for image_id, entry, row in zip(image_ids, entries, rows, strict=True)
        ]

    def _rows(self, places: Iterable[int]) -> list[Annotation]:
        found = list[Annotation]()
        if not (places := list(places)):
            return found
        try:
            with self.job.results.open("rb") as opened:
                for place in places:
                    opened.seek(place)
                    found.append(Annotation.of(json.loads(opened.readline(_LONGEST_LINE))))
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error
        return found

    def _unreadable(self, error: Exception) -> StoreError:
        reason = getattr(error, "strerror", None) or error
        return StoreError(
            f"{self.job.results} cannot be read ({reason}); check the disk, then load it anew."
        )

    # --- deciding

    def decide(
        self,
        image_id: str,
        verdict: Verdict,
        *,
        label: str | None = None,
        caption: str | None = None,
    ) -> Decision:
        """Keep a decision; it is on the disk when this returns.

        Args:
            label: for ``correct``, the right one; for ``accept`` it is the model's own. One that
                is known but for case, blanks and hyphens is spelt as it is known.
            caption: as ``label``, where the job describes.

        Raises:
            InputError: there is nothing to accept, or what is right cannot be used.
            MissingError: the job has no such picture.
            StoreError: it cannot be kept.
        """
        with self._guard:
            row = self.card(image_id).annotation
            coarse = None
            if verdict not in ("accept", "correct"):
                label = caption = None
            elif self.job.kind == "describe":
                label, caption = None, row.caption if verdict == "accept" else caption
                caption = checked_caption(caption)
                verdict = "accept" if caption == row.caption else "correct"
            else:
                label, caption = row.guess if verdict == "accept" else label, None
                label = self._pile.spelt(checked_label(label))
                verdict = "accept" if label == row.guess else "correct"
                # The model's own word on it, else what is known of the label.
                coarse = row.coarse_label if label == row.label else self._pile.coarse.get(label)
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            decision = Decision(image_id, verdict, row.image, label, coarse, caption, at)
            self._log.add([decision])
            self.refresh()
            return decision

    def undo(self, image_id: str | None = None) -> str | None:
        """Take back what was decided about a picture, by default the one decided last.

        Returns:
            The picture that is open again; None where nothing was decided.

        Raises:
            MissingError, StoreError: as `decide` does.
        """
        with self._guard:
            if image_id is None:
                image_id = next(reversed(self._pile.recent), None)
            if image_id is None or image_id not in self._pile.decisions:
                return None
            self.decide(image_id, "open")
            return image_id


def training_rows(job: Job, file: Path | None = None) -> TrainingSet:
    """Write what was accepted and corrected as a training set; see `write_training_set`.

    Raises:
        InputError: nothing was accepted or corrected yet.
        StoreError: a file cannot be read or written.
    """
    return write_training_set(Review(job), file)


def _labels_of(job: Job, settings: Settings) -> dict[str, str]:
    """The labels that a job chose from, with the coarser ones; empty where nobody knows."""
    if job.task.labels is not None:
        return dict.fromkeys(job.task.labels, "")
    if job.kind != "label" or job.task.adapter is None:
        return {}
    try:
        return find_adapter(job.task.adapter, settings).labels
    except SightdeskError:  # it is gone, or elsewhere
        return {}
