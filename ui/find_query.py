"""What is looked for on the page "Find", and the same as an address, which can be shared.

>>> Query.read({"q": "a red kite", "label": ["toy"]}).address()
{'q': 'a red kite', 'label': ['toy']}

Whatever the address holds becomes a query: what makes no sense in it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal, get_args

from assistant.image_index import Filter

Sort = Literal["likeness", "newest", "oldest", "name"]
Size = Literal["small", "medium", "large"]

SORTS: Final[tuple[Sort, ...]] = get_args(Sort)
SIZES: Final[tuple[Size, ...]] = get_args(Size)
LONGEST: Final = 500
"""Characters of words; what is longer is cut."""

EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)
MOST_LEAST: Final = 95
_MOST_LABELS: Final = 50
_SMALLEST: Final = {"medium": 1000, "large": 2000}
_LARGEST: Final = {"small": 800}


@dataclass(frozen=True)
class Query:
    """A search.

    Attributes:
        words: what the picture should show.
        like: image id of an indexed picture that it should be like.
        labels: any of them.
        folder: id of an indexed folder.
        since: the first day.
        until: the last day.
        size: small has no side over 800 pixels, medium none below 1,000, large none below 2,000.
        least: per cent of likelihood below which a picture is left out; None for what the
            embedder was measured to need.
        sort: in which order.
        alike: near-duplicates are looked for, and nothing else.
    """

    words: str = ""
    like: str = ""
    labels: tuple[str, ...] = ()
    folder: str = ""
    since: date | None = None
    until: date | None = None
    size: Size | None = None
    least: int | None = None
    sort: Sort = "likeness"
    alike: bool = False

    @classmethod
    def read(cls, address: Mapping[str, Any]) -> Query:
        """What an address asks for."""

        def one(name: str, longest: int = LONGEST) -> str:
            value = address.get(name, "")
            value = value[0] if isinstance(value, list) and value else value
            return value[:longest].strip() if isinstance(value, str) else ""

        given = address.get("label", [])
        given = [given] if isinstance(given, str) else given
        labels = [label[:LONGEST].strip() for label in given[:_MOST_LABELS]]
        size, sort, least = one("size"), one("sort"), one("least", 4)
        return cls(
            words=" ".join(one("q").split()),
            like=one("like", 64),
            labels=tuple(dict.fromkeys(filter(None, labels))),
            folder=one("folder", 64),
            since=_day(one("since")),
            until=_day(one("until")),
            size=next((known for known in SIZES if known == size), None),
            least=min(int(least), MOST_LEAST) if least.isascii() and least.isdigit() else None,
            sort=next((known for known in SORTS if known == sort), "likeness"),
            alike=one("alike") == "1",
        )

    def address(self) -> dict[str, str | list[str]]:
        """The same as parameters of an address; what is not asked for is left out."""
        given: dict[str, str | Sequence[str] | None] = {
            "q": self.words,
            "like": self.like,
            "label": list(self.labels),
            "folder": self.folder,
            "since": None if self.since is None else self.since.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
            "size": self.size,
            "least": None if self.least is None else str(self.least),
            "sort": None if self.sort == "likeness" else self.sort,
            "alike": "1" if self.alike else None,
        }
        return {
            name: value if isinstance(value, str) else list(value)
            for name, value in given.items()
            if value
        }

    @property
    def filters(self) -> int:
        """How many filters are set."""
        dates = self.since is not None or self.until is not None
        return sum(map(bool, (self.labels, self.folder, dates, self.size, self.least is not None)))

    @property
    def where(self) -> Filter:
        """The filters, as the index takes them; days begin at midnight here."""
        return Filter(
            labels=self.labels,
            folder=self.folder,
            since=None if self.since is None else _midnight(self.since),
            until=None if self.until is None else _midnight(self.until + timedelta(days=1)),
            min_side=_SMALLEST.get(self.size or ""),
            max_side=_LARGEST.get(self.size or ""),
        )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day).astimezone()


def _day(text: str) -> date | None:
    """A day that can be asked for."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if EARLIEST <= day <= LATEST else None
