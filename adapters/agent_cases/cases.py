"""Cases of conversations in JSON Lines: their form, and a reader that names file:line.

Keys that are not known are ignored. Paths of pictures are relative to the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from adapters.rows import bad_row, records
from assistant.errors import DataError

MAX_TURNS = 50
MAX_IMAGES = 20
MAX_TEXT = 20_000

Outcome = Literal["answered", "abstained", "handed_over"]
Expected = Literal["answered", "abstained", "handed_over", "abstained_or_handed_over"]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Phrase = Annotated[str, Field(min_length=1, max_length=1_000)]
Phrases = Annotated[list[Phrase], BeforeValidator(_listed)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Turn(_Part):
    """What the customer sends at once."""

    text: str = Field(default="", max_length=MAX_TEXT)
    images: list[Annotated[str, Field(min_length=1, max_length=4096)]] = Field(
        default_factory=list, max_length=MAX_IMAGES
    )


class Expect(_Part):
    """What a good desk does at the last turn; what is None is not looked at.

    Attributes:
        tools: names of the calls, in order.
        contains_any: at least one of these stands in the answer (marks apart, case ignored).
        contains_none: none of these does.
        cites_any: at least one citation is of this passage source or label.
        outcome: how it ended.
    """

    tools: list[str] | None = None
    contains_any: Phrases | None = None
    contains_none: Phrases | None = None
    cites_any: Phrases | None = None
    outcome: Expected | None = None


class Case(_Part):
    """A conversation, and what is expected of the reply to its last turn.

    Attributes:
        kind: totals are given for each kind, if there are any.
        label: of the product that its photo shows; totals are given of cases where it was told
            rightly, apart from what the encoder got wrong.
        where: file:line.
    """

    id: str = Field(min_length=1, max_length=200)
    turns: list[Turn] = Field(min_length=1, max_length=MAX_TURNS)
    expect: Expect = Field(default_factory=Expect)
    kind: str | None = Field(default=None, max_length=100)
    label: str | None = Field(default=None, max_length=500)
    where: str = Field(default="", exclude=True)
    folder: Path = Field(default=Path(), exclude=True)

    def path(self, image: str) -> Path:
        """Where a picture of it is."""
        return self.folder / image


def read_cases(file: Path) -> list[Case]:
    """All cases of a file, checked; no picture is opened, but all are there.

    Raises:
        DataError: the file or a case cannot be used, with file:line.
    """
    cases: list[Case] = []
    seen: dict[str, str] = {}
    for where, record in records(file):
        case = _case(where, file.parent, record)
        if case.id in seen:
            raise bad_row(where, f"the id {case.id!r} was used at {seen[case.id]}, give another")
        seen[case.id] = where
        cases.append(case)
    if not cases:
        raise DataError(f"{file} holds no cases; give a file with one JSON object a line.")
    return cases


def _case(where: str, folder: Path, record: dict[str, Any]) -> Case:
    if isinstance(record.get("id"), int):
        record["id"] = str(record["id"])
    known = {key: value for key, value in record.items() if key not in {"where", "folder"}}
    try:
        case = Case.model_validate(known)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the row"
        raise bad_row(
            where, f"{place!r} cannot be used ({first['msg'].rstrip('.')}), correct it"
        ) from error
    case = case.model_copy(update={"where": where, "folder": folder})
    for number, turn in enumerate(case.turns, start=1):
        if not turn.text.strip() and not turn.images:
            raise bad_row(where, f"turn {number} is empty, give it text or images")
        for image in turn.images:
            if "\0" in image or not case.path(image).is_file():
                raise bad_row(
                    where,
                    f"there is no image file {image!r} (looked for {case.path(image)}), correct "
                    "the path, which is relative to the cases file",
                )
    return case
