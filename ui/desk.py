"""What one tab has open: a conversation, what waits to be sent, what is to be said.

It knows the store and survives its failures: what cannot be saved is kept in this tab (`Scratch`)
until it can. It draws nothing and asks no model. It is kept by reference while an answer is
streamed: a stopped script may touch this object, but no longer Streamlit's state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from assistant.enhance import Enhancement
from assistant.errors import ConflictError, StoreError
from assistant.store import Exchange, NewExchange, Thread, ThreadSummary
from ui.conversation import MAX_PHOTOS, PAGE, about, question_for
from ui.photos import Photo, apply
from ui.preferences import KEY, Preferences
from ui.scratch import Scratch, as_thumb

if TYPE_CHECKING:
    from assistant.engine import EncodedImage, Gaze
    from assistant.images import LoadedImage
    from assistant.store import State, Store

THREADS_PAGE = 20
WAIT_SECONDS = 15.0
"""An answer that is stopped ends at its next word, or once its photos are encoded."""


@dataclass(frozen=True)
class Job:
    """An answer that is to be written: for `exchange`, the last one of the conversation."""

    exchange: Exchange
    again: bool = False
    without: bool = False
    """For the photos as they were taken; the answer goes beside the one that is there."""
    from_box: bool = False
    """The message box sent it, and shows a stop button itself."""


@dataclass
class Desk:
    """One tab's state.

    Args:
        open_store: gives the store that all tabs share, or raises StoreError.
    """

    open_store: Callable[[], Store]
    keeper: Store | Scratch | None = None
    thread_id: str | None = None
    title: str = ""
    exchanges: list[Exchange] = field(default_factory=list)
    """The last ones, in order; values only: photos stay with the store."""
    total: int = 0
    shown: int = PAGE
    parked: list[Scratch] = field(default_factory=list)
    """Conversations that were left before they could be saved."""
    trouble: str | None = None
    """Why nothing is being saved."""
    preferences: Preferences = field(default_factory=Preferences)
    tray: list[Photo] = field(default_factory=list)
    """Photos that go with the next message."""
    how: Enhancement = field(default_factory=Enhancement)
    """What is done to the photos of the next message."""
    sliders: int = 0
    """Counts up when the sliders are to show `how` again instead of what was last set."""
    draft: str | None = None
    hint: bool = False
    notices: list[str] = field(default_factory=list)
    """Errors to be shown once."""
    editing: str | None = None
    dialog: tuple[str, str] | None = None
    busy: Lock = field(default_factory=Lock)
    """Held while an answer is written: the run that stops it starts before it has ended."""
    revision: int = 0
    """Counts the answers that were kept: a button belongs to what was drawn after one of them."""
    drawn: int = 0
    """Exchanges that the page showed when it was last drawn."""
    threads_shown: int = THREADS_PAGE
    encoded: dict[str, EncodedImage] = field(default_factory=dict)
    gazes: dict[str, list[Gaze]] = field(default_factory=dict)
    _begun: bool = False

    # --- opening

    def begin(self, thread_id: str | None = None) -> str | None:
        """Open the store, once, and the conversation that the address names.

        Returns:
            The id of a conversation that is not there, if it is not.
        """
        if self._begun:
            return None
        self._begun = True
        try:
            self.keeper = store = self.open_store()
            self.preferences = Preferences.read(store.preference(KEY))
        except StoreError as error:
            self.fall_back(error)
        self.how = self.preferences.starting_enhancement()
        if thread_id and not self.open(thread_id):
            return thread_id
        return None

    def open(self, thread_id: str) -> bool:
        """Show a conversation; False where it cannot be read, which leaves a new one."""
        if self.trouble is not None and not self.retry():
            return False
        self.start_anew()
        assert self.keeper is not None
        try:
            self._show(self.keeper.thread(thread_id, last=self.shown))
        except StoreError:
            return False
        return True

    def start_anew(self) -> None:
        """Leave the conversation for a new one."""
        if isinstance(self.keeper, Scratch):
            if self.keeper.unsaved:
                self.parked.append(self.keeper)
            self.keeper = Scratch(self.keeper.store)
        self.thread_id, self.title, self.exchanges, self.total = None, "", [], 0
        self.shown, self.editing, self.dialog, self.hint = PAGE, None, None, False
        self.encoded.clear()
        self.gazes.clear()

    def wait(self, seconds: float = WAIT_SECONDS) -> None:
        """Let an answer that was just stopped be kept, so that it is there to be shown."""
        if self.busy.acquire(timeout=seconds):
            self.busy.release()

    def reload(self) -> None:
        """Read the conversation again."""
        if self.thread_id is None or self.keeper is None:
            return
        try:
            self._show(self.keeper.thread(self.thread_id, last=self.shown))
        except StoreError as error:
            self.fall_back(error)

    def show_earlier(self) -> None:
        """Read one page more."""
        self.shown += PAGE
        self.reload()

    def _show(self, thread: Thread) -> None:
        self.thread_id, self.title = thread.id, thread.title
        self.exchanges, self.total = list(thread.exchanges), thread.total

    @property
    def last(self) -> Exchange | None:
        """The last exchange, as this tab knows it."""
        return self.exchanges[-1] if self.exchanges else None

    @property
    def last_position(self) -> int | None:
        """What this tab believes to be the last position."""
        return self.last.position if self.last else None

    @property
    def hidden(self) -> int:
        """Exchanges that are not read."""
        return max(0, self.total - len(self.exchanges))

    def find(self, exchange_id: str) -> Exchange | None:
        """An exchange that is shown."""
        return next((e for e in self.exchanges if e.id == exchange_id), None)

    # --- lists

    def threads(self, search: str) -> tuple[list[ThreadSummary], int]:
        """Conversations for the list, and how many there are."""
        store = self._store()
        if store is None:
            return [], 0
        try:
            found = store.threads(search, limit=self.threads_shown)
            total = len(found)
            if total == self.threads_shown:
                total = store.count_threads(search)
        except StoreError as error:
            self.fall_back(error)
            return [], 0
        return found, total

    def waiting_tickets(self) -> int:
        """How many customers wait for a person; 0 where that cannot be read."""
        store = self._store()
        try:
            return store.count_waiting() if store is not None else 0
        except StoreError:
            return 0

    def _store(self) -> Store | None:
        return self.keeper.store if isinstance(self.keeper, Scratch) else self.keeper

    # --- asking

    def ask(self, text: str, photos: Sequence[Photo], *, left_out: int = 0) -> Exchange | None:
        """Keep a question, with its photos, before it is answered; None where it was not kept.

        Then the notices say why, and text and photos wait to be sent again.
        """
        how, shown, given = self.how, list(photos), [photo.image for photo in photos]
        if how.active and not shown:
            shown = self.latest_photos()
            given = [photo.image for photo in shown]
        if how.active:
            given = apply(shown, how)
        new = NewExchange(
            question=question_for(text),
            shown=text.strip(),
            images=tuple(photo.image.id for photo in shown),
            used=tuple(image.id for image in given),
            names=tuple(photo.name for photo in shown),
            enhancement=how.to_dict() if how.active else None,
            details={
                **({} if shown else {"about": list(about(self.exchanges))}),
                **({"left_out": [left_out, MAX_PHOTOS]} if left_out else {}),
            },
        )
        pictures = {photo.image.id: photo for photo in shown}
        for photo, image in zip(shown, given, strict=True):
            pictures.setdefault(image.id, Photo(photo.name, image))
        return self._add(new, list(pictures.values()))

    def ask_again(self, exchange: Exchange, text: str) -> Exchange | None:
        """Put an edited question in the place of `exchange`; what follows is dropped."""
        assert self.keeper is not None and self.thread_id is not None
        self.editing = None
        try:
            if self.keeper.thread(self.thread_id, last=1).last_position != self.last_position:
                raise ConflictError("Another tab wrote to this conversation.")
            # Dropping an exchange may delete its photos; what was just put stays.
            pictures = [
                Photo(name, self.picture(id))
                for id, name in dict(
                    [
                        *zip(exchange.used, exchange.names, strict=False),
                        *zip(exchange.images, exchange.names, strict=False),
                    ]
                ).items()
            ]
            for photo in pictures:
                self.keeper.put_image(photo.image, name=photo.name)
            self.keeper.truncate(self.thread_id, exchange.position)
        except ConflictError:
            self._met_another_tab()
            return None
        except StoreError as error:
            return self.ask_again(exchange, text) if self.fall_back(error) else None
        self.exchanges = [e for e in self.exchanges if e.position < exchange.position]
        self.total = exchange.position
        new = NewExchange(
            question=question_for(text),
            shown=text.strip(),
            images=exchange.images,
            used=exchange.used,
            names=exchange.names,
            enhancement=exchange.enhancement,
            details={"about": exchange.details["about"]} if "about" in exchange.details else {},
        )
        return self._add(new, pictures)

    def _add(self, new: NewExchange, pictures: Sequence[Photo]) -> Exchange | None:
        assert self.keeper is not None
        try:
            if self.thread_id is None:
                self.thread_id = self.keeper.create_thread().id
            for photo in pictures:
                self.keeper.put_image(photo.image, name=photo.name)
            exchange = self.keeper.add_exchange(self.thread_id, new, after=self.last_position)
        except ConflictError:
            if self._only_a_person_wrote():
                return self._add(new, pictures)
            self.draft, self.tray = new.shown, list(pictures)[:MAX_PHOTOS]
            self._met_another_tab()
            return None
        except StoreError as error:
            if isinstance(self.keeper, Scratch):
                self.notices.append(str(error))
                return None
            if self.fall_back(error):
                return self._add(new, pictures)
            self.draft = new.shown
            return None
        self.exchanges.append(exchange)
        self.total += 1
        self.tray, self.hint, self.draft = [], False, None
        self._reset_how()
        if not self.title:
            self.reload()
        return exchange

    def _reset_how(self) -> None:
        self.how = self.preferences.starting_enhancement()
        self.sliders += 1

    def _only_a_person_wrote(self) -> bool:
        """Whether what came meanwhile, which is shown from now on, is by a person of the desk."""
        before = self.last_position
        self.reload()
        new = [e for e in self.exchanges if before is None or e.position > before]
        return bool(new) and all(exchange.details.get("by") == "person" for exchange in new)

    def _met_another_tab(self) -> None:
        self.notices.append("conflict")
        self.reload()

    # --- answers

    def keep_answer(
        self, exchange: Exchange, *, answer: str, state: State, details: dict[str, Any],
        error: str | None = None,
    ) -> None:  # fmt: skip
        """Keep what was written, whole or in part; a failure of the store loses nothing."""
        assert self.keeper is not None
        self.revision += 1
        values: dict[str, Any] = {
            "answer": answer, "state": state, "details": details, "error": error,
        }  # fmt: skip
        try:
            self.keeper.set_answer(exchange.id, **values)
        except StoreError as problem:
            if self.fall_back(problem):
                self.keeper.set_answer(exchange.id, **values)
        self.gazes.pop(exchange.id, None)
        self.reload()

    def set_feedback(self, exchange_id: str, thumb: int | None, correction: str | None) -> None:
        """Keep what the visitor thinks of an answer."""
        assert self.keeper is not None
        given: dict[str, Any] = {"thumb": as_thumb(thumb), "correction": correction or None}
        try:
            self.keeper.set_feedback(exchange_id, **given)
        except StoreError as error:
            if self.fall_back(error):
                self.keeper.set_feedback(exchange_id, **given)
        self.reload()

    # --- photos

    def picture(self, id: str) -> LoadedImage:
        """A picture of this conversation.

        Raises:
            SightdeskError: it cannot be read.
        """
        assert self.keeper is not None
        return self.keeper.load_image(id)

    def latest_photos(self) -> list[Photo]:
        """The photos that the conversation is about, as they were taken."""
        for exchange in reversed(self.exchanges):
            if exchange.images:
                pairs = zip(exchange.images, exchange.names, strict=False)
                return [Photo(name, self.picture(id)) for id, name in pairs]
        return []

    def names(self) -> dict[str, str]:
        """File names by image id, of pictures as shown and as used."""
        return {
            id: name
            for exchange in self.exchanges
            for ids in (exchange.images, exchange.used)
            for id, name in zip(ids, exchange.names, strict=False)
        }

    # --- trouble

    def fall_back(self, error: StoreError) -> bool:
        """Go on without the store; False where it is the conversation that is gone, not the store.

        Then a new one is open, and a notice says so.
        """
        if isinstance(self.keeper, Scratch):
            self.trouble = str(error)
            return True
        if self._is_gone():
            self.start_anew()
            self.notices.append("gone")
            return False
        self.trouble = str(error)
        self.keeper = Scratch.take_over(
            self.keeper, self.thread_id, self.title, self.exchanges, self.total
        )
        return True

    def _is_gone(self) -> bool:
        store = self._store()
        if self.keeper is None or store is None or self.thread_id is None:
            return False
        try:
            store.threads(limit=1)
        except StoreError:
            return False
        try:
            self.keeper.thread(self.thread_id, last=1)
        except StoreError:
            return True
        return False

    def retry(self) -> bool:
        """Try to save what this tab keeps; True where all is saved."""
        current = self.keeper
        if not isinstance(current, Scratch):
            self.trouble = None
            return True
        try:
            store = self.open_store()
            while self.parked:
                self.parked[0].save(store)
                self.parked.pop(0)
            thread_id = current.save(store)
        except StoreError as error:
            self.trouble = str(error)
            return False
        self.keeper, self.trouble = store, None
        if thread_id is not None and self.exchanges:
            self.thread_id = thread_id
            self.encoded.clear()
            self.gazes.clear()
            self.reload()
        return self.trouble is None

    def set_preferences(self, preferences: Preferences) -> None:
        """Keep the settings."""
        changed = preferences.enhancement != self.preferences.enhancement
        self.preferences = preferences
        if changed:
            self._reset_how()
        store = self._store()
        if store is None:
            return
        try:
            store.set_preference(KEY, preferences.to_dict())
        except StoreError as error:
            self.fall_back(error)
