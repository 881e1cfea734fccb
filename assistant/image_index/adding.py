"""Folders into the index: what is new is embedded, what moved moves, what is gone leaves.

A process that is killed loses the batch under way, and the next one does the rest. What is gone
leaves last, of all folders of a run, when it is known that it did not move.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from assistant.embedder import Report
from assistant.errors import BusyError, InputError, SightdeskError
from assistant.image_index.finders.base import silent
from assistant.image_index.folder import FolderReport, FolderRun, How
from assistant.image_index.state import check_embedder
from assistant.image_index.values import Indexed
from assistant.store.failures import explained
from assistant.store.image_rows import ImageStateRow

if TYPE_CHECKING:
    from assistant.image_index.core import ImageIndex


def add_folder(
    index: ImageIndex,
    folder: Path,
    *,
    progress: Report | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Indexed:
    """See `ImageIndex.add`.

    Raises:
        InputError: there is no such folder, or the index is of another embedder.
        BusyError: another process indexes at this moment.
        StoreError: the database cannot be written; what was written before stays.
    """
    adding = Adding(index, [folder], progress=progress, cancelled=cancelled)
    adding.run()
    (report,) = adding.reports
    if report.error is not None:
        raise report.error
    return report.indexed


class Adding:
    """One run over several folders: moves between them are seen, since all is removed last.

    Args:
        index: that takes the pictures.
        folders: to index. A part of an indexed folder is looked at alone; indexed folders inside
            one of these become part of it.
        progress: is told what is done.
        cancelled: asked after each picture; where it says yes, the batch is finished and written.
        follow_links: whether links that lead out of a folder are followed.
        anew: forget all vectors, also those of other embedders, and read everything again.

    Attributes:
        reports: one a folder, in their order, also of what was done before an error.
    """

    def __init__(
        self,
        index: ImageIndex,
        folders: Sequence[Path],
        *,
        progress: Report | None = None,
        cancelled: Callable[[], bool] | None = None,
        follow_links: bool = False,
        anew: bool = False,
    ) -> None:
        self.index, self.keeper = index, index._keeper
        self.how = How(
            progress or silent,
            cancelled or (lambda: False),
            follow_links,
            anew,
        )
        self.reports = [FolderReport(folder) for folder in folders]

    @property
    def stopped(self) -> bool:
        """Whether it was cancelled."""
        return any(report.stopped for report in self.reports)

    def run(self) -> None:
        """Index all; a folder that cannot be is told in its report, and the others are done.

        Raises:
            BusyError: another process indexes at this moment.
            InputError: the index is of another embedder.
        """
        done: list[FolderRun] = []
        with self._alone():
            self._check_embedder()
            for report in self.reports:
                if self.stopped:
                    break
                try:
                    folder = self._place(report)
                    folder.run()
                    done.append(folder)
                except SightdeskError as error:
                    report.error = error
            removed = False
            for folder in done:
                try:
                    removed |= not self.stopped and folder.remove_what_is_gone()
                except SightdeskError as error:
                    folder.told.error = error
            try:
                self.index._finder.settle(thoroughly=removed)
            except SightdeskError as error:
                self.reports[-1].error = self.reports[-1].error or error

    def _check_embedder(self) -> None:
        """Before anything is read: embedding takes long, and could not be kept."""
        if self.how.anew:
            self.keeper.start_anew()
            return
        with self.index.store.database.read() as session:
            state = session.get(ImageStateRow, self.index.tenant)
            if state is not None:
                check_embedder(state, self.index.embedder)

    def _place(self, report: FolderReport) -> FolderRun:
        """Which indexed folder it is, or is a part of."""
        real = Path(os.path.realpath(report.folder.expanduser()))
        try:
            os.scandir(real).close()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise InputError(
                f"{report.title} cannot be read as a folder ({reason}); name a folder of pictures."
            ) from error
        inside: list[str] = []
        for known in self.index.folders():
            if real == known.path:
                continue
            if not _hides(known.path, real) and known.path.is_dir():
                below = real.relative_to(known.path).as_posix()
                return FolderRun(self.index, self.how, report, known.path, below, [])
            if not _hides(real, known.path):
                inside.append(known.id)
        return FolderRun(self.index, self.how, report, real, "", inside)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        settings = self.index.store.settings
        name = hashlib.sha256(self.index.tenant.encode()).hexdigest()[:16]
        lock = FileLock(settings.data_dir / f"indexing-{name}.lock")
        with explained(f"The data folder {settings.data_dir}"):
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout as error:
                raise BusyError(
                    "Another process indexes folders at this moment; wait until it is done.", 60
                ) from error
        try:
            yield
        finally:
            lock.release()


def _hides(root: Path, path: Path) -> bool:
    """Whether a walk through a folder does not come to another, which is not inside or hidden."""
    if not path.is_relative_to(root):
        return True
    return any(part.startswith(".") for part in path.relative_to(root).parts)
