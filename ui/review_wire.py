"""What the board of the review page and the server say to each other.

The browser decides about what it has and goes on; its messages hold every decision that it has not
heard of yet, each with a number, so that one message that is overtaken by the next loses nothing
and one that comes twice changes nothing. The server keeps them in their order, tells up to which
one it has, and sends what comes next. What the browser sends is checked like any other input. It
knows nothing of Streamlit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, get_args

from assistant.annotate.decisions import Verdict
from assistant.errors import BusyError, InputError, MissingError, SightdeskError, StoreError

if TYPE_CHECKING:
    from assistant.annotate.pile import Which
    from assistant.annotate.review import Card, Review
    from ui.review_previews import Previews

AHEAD: Final = 9
"""Cards that the browser holds: the one that is shown and the strip."""

MADE_AHEAD: Final = 6
"""Cards behind these whose pictures are made already, so that one goes out with each answer."""

CHOICES: Final = 9
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
RECENT: Final = 12
MOST_MOVES: Final = 50
_PICTURES_AT_ONCE: Final = 3
_FIRST_PATIENCE_S: Final = 2.0
_LONGEST_TEXT: Final = 5_000
_MOST_HAVE: Final = 200


@dataclass(frozen=True)
class Move:
    """One decision; ``text`` is the label or description that is right."""

    number: int
    image_id: str
    verdict: Verdict
    text: str | None = None


@dataclass(frozen=True)
class Said:
    """A message of a browser.

    Attributes:
        client: which board; anew each time one is put up.
        moves: decisions that it does not know to be kept, in order.
        have: pictures that it has.
        labels: of which list of labels it has, the name.
    """

    client: str = ""
    moves: tuple[Move, ...] = ()
    have: frozenset[str] = frozenset()
    labels: str = ""

    @classmethod
    def read(cls, value: object) -> Said:
        """What can be understood of it; the rest counts as nothing."""
        if not isinstance(value, Mapping):
            return cls()
        moves = value.get("moves")
        have = value.get("have")
        found = [_move(each) for each in moves[:MOST_MOVES]] if isinstance(moves, list) else []
        return cls(
            client=str(value.get("client", ""))[:64],
            moves=tuple(sorted((move for move in found if move), key=lambda move: move.number)),
            have=frozenset(map(str, have[:_MOST_HAVE])) if isinstance(have, list) else frozenset(),
            labels=str(value.get("labels", ""))[:64],
        )


def _move(value: object) -> Move | None:
    if not isinstance(value, Mapping):
        return None
    number, image_id = value.get("n"), value.get("id")
    wanted, text = value.get("verdict"), value.get("text")
    verdict = next((each for each in VERDICTS if each == wanted), None)
    if not isinstance(number, int) or isinstance(number, bool) or not isinstance(image_id, str):
        return None
    if verdict is None:
        return None
    text = text[:_LONGEST_TEXT] if isinstance(text, str) else None
    return Move(number, image_id[:128], verdict, text)


@dataclass
class Heard:
    """Up to where the decisions of a browser are kept, and what came of the others.

    Attributes:
        trouble: why the rest is not kept; the browser sends it again.
        refused: numbers of those that cannot be kept, each with a sentence.
    """

    number: int = 0
    trouble: str = ""
    refused: dict[int, str] = field(default_factory=dict)


def take(said: Said, heard: Heard, review: Review) -> None:
    """Keep what is new in a message, in order; note in ``heard`` what came of it."""
    heard.trouble = ""
    for move in said.moves:
        if move.number <= heard.number:
            continue
        try:
            review.decide(move.image_id, move.verdict, label=move.text, caption=move.text)
        except (InputError, MissingError) as error:
            heard.refused[move.number] = str(error)
        except (StoreError, BusyError) as error:
            heard.trouble = str(error)
            return
        heard.number = move.number


@dataclass(frozen=True)
class View:
    """Which pictures are looked at."""

    which: Which = "all"
    label: str | None = None

    @property
    def key(self) -> str:
        """A name for it."""
        return f"{self.which}/{self.label or ''}"


def answer(
    review: Review, view: View, said: Said, heard: Heard, previews: Previews
) -> dict[str, Any]:
    """What the browser is told: what is kept, what comes next, and pictures that it lacks.

    Raises:
        StoreError: the results cannot be read.
    """
    later = review.upcoming(view.which, label=view.label, limit=AHEAD + MADE_AHEAD)
    cards, later = later[:AHEAD], later[AHEAD:]
    recent = review.recent(RECENT)
    counts = review.counts
    names = review.labels
    key = hashlib.sha256("\n".join(names).encode("utf-8", "replace")).hexdigest()[:16]
    return {
        "kind": review.job.kind,
        "view": view.key,
        "heard": {
            "client": said.client,
            "number": heard.number,
            "trouble": heard.trouble,
            "refused": [[number, text] for number, text in list(heard.refused.items())[-5:]],
        },
        "cards": [card_of(card, review) for card in cards],
        "recent": [card_of(card, review) for card in recent],
        "counts": {
            "done": counts.done,
            "aside": counts.aside,
            "left": counts.left,
            "total": counts.total,
        },
        "labels": {"key": key, "names": None if said.labels == key else names},
        "pictures": pictures_of([*cards, *recent[:-4:-1]], later, review, said, previews),
    }


def card_of(card: Card, review: Review) -> dict[str, Any]:
    """A card as the browser draws it."""
    row, decision = card.annotation, card.decision
    guess = row.guess
    return {
        "id": row.image_id,
        "name": row.image,
        "width": row.width,
        "height": row.height,
        "aside": row.status == "aside",
        "trouble": row.trouble or "",
        "sure": row.confidence,
        "guess": guess,
        "coarse": row.coarse_label or (review.coarse_of(guess) if guess else None),
        "choices": [[name, share] for name, share in row.scores[:CHOICES]],
        "caption": row.caption or "",
        "copies": card.copies,
        "verdict": decision.verdict if decision is not None else "",
        "right": (decision.label or decision.caption or "") if decision is not None else "",
    }


def pictures_of(
    cards: list[Card], later: list[Card], review: Review, said: Said, previews: Previews
) -> dict[str, dict[str, Any]]:
    """Pictures of cards that the browser lacks and that are made by now, the first ones first.

    All of them are begun, and those of ``later`` cards after them. Nothing is waited for but the
    very first picture of a board, and not while there are decisions whose being kept is to be told.
    """
    found: dict[str, dict[str, Any]] = {}
    lacking = [card for card in cards if card.image_id not in said.have]
    paths = {}
    for card in [*lacking, *later]:
        try:
            path = review.job.picture(card.annotation.image)
        except SightdeskError as error:
            found[card.image_id] = {"trouble": str(error)}
            continue
        previews.ask(path)
        paths[card.image_id] = path
    for card in later:
        paths.pop(card.image_id, None)
    patience = _FIRST_PATIENCE_S if not (said.have or said.moves) else 0.0
    for image_id, path in paths.items():
        preview = previews.get(path, patience)
        patience = 0.0
        if preview is not None:
            found[image_id] = {
                "jpeg": preview.jpeg,
                "trouble": preview.trouble,
                "changed": preview.image_id not in ("", image_id),
            }
        if len(found) >= _PICTURES_AT_ONCE:
            break
    return found
