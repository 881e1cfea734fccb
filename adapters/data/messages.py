"""OpenAI's messages with pictures: JSON Lines, or a JSON list, of

    {"messages": [{"role": "user", "content": [
                      {"type": "text", "text": "What is it?"},
                      {"type": "image_url", "image_url": {"url": "a.jpg"}}]},
                  {"role": "assistant", "content": "A pear."}, …]}

The address is a path (relative to the file), a ``file:`` address or a data URI. An assistant's
message may have a ``weight``, as in OpenAI's fine-tuning. Rows that keep their pictures beside the
messages (``"images": [...]``) and mark them with ``<image>`` in the text are read too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from adapters.data.conversation import MARK, Role, Turn, exchanges_of
from adapters.data.form import Example
from adapters.data.notes import Notes, RowProblem, check_size, shown, split_name
from adapters.data.places import Places, check_count, image_value
from adapters.data.records import Record
from adapters.rows import MAX_ROW_BYTES

_ROLES: dict[Any, Role] = {
    "user": "user", "assistant": "assistant", "system": "system", "developer": "system",
}  # fmt: skip
_MAX_PARTS = 200


def read_messages(file: Path, rows: Iterable[Record], notes: Notes, places: Places) -> None:
    """Read the rows of a file of messages into ``notes``."""
    for line, record, size in rows:
        where = f"{file}:{line}"
        with notes.row(where):
            addresses: list[object] = []
            turns = _turns(record, addresses)
            check_count(len(addresses))
            # Pictures inside the text make a row long, and are bounded each on its own.
            inside = sum(len(one) for one in addresses if isinstance(one, str))
            check_size(size - inside, MAX_ROW_BYTES)
            beside = image_value(record, notes, where)
            if addresses and beside is not None:
                raise RowProblem(
                    "image-marks",
                    "The row has pictures in its messages and beside them; keep one of the two.",
                )
            exchanges_of(turns, _count(addresses, beside), Notes(), where)
            # Only now, so that nothing is unpacked of a row that is left out.
            images = tuple(map(places.find, addresses)) or places.find_all(beside)
            exchanges = exchanges_of(turns, len(images), notes, where)
            split = split_name(record.get("split"))
            notes.add(Example(where, images, exchanges=exchanges, split=split))


def _count(addresses: list[object], beside: object) -> int:
    return len(addresses) or (len(beside) if isinstance(beside, list) else int(beside is not None))


def _turns(record: dict[str, Any], addresses: list[object]) -> list[Turn]:
    """The turns, with a mark in the text for each picture that is appended to ``addresses``."""
    messages = record.get("messages")
    if not isinstance(messages, list):
        raise RowProblem(
            "missing-key",
            '\'messages\' is no list; write [{"role": "user", "content": […]}, …].',
        )
    return [_turn(number, message, addresses) for number, message in enumerate(messages, start=1)]


def _turn(number: int, message: object, addresses: list[object]) -> Turn:
    if not isinstance(message, dict):
        raise RowProblem(
            "bad-value", f'Message {number} is no object; write {{"role": …, "content": …}}.'
        )
    named = message.get("role")
    role = _ROLES.get(named) if isinstance(named, str) else None
    if role is None:
        raise RowProblem(
            "turn-order",
            f"Message {number} is of the role {shown(named)!r}, which cannot be learnt; "
            f"keep user and assistant.",
        )
    weight = message.get("weight", 1)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
        raise RowProblem(
            "bad-value", f"The weight of message {number} is not between 0 and 1; correct it."
        )
    content = message.get("content")
    if isinstance(content, list):
        content = _joined(number, content, addresses)
    return Turn(role, content, float(weight))


def _joined(number: int, parts: list[object], addresses: list[object]) -> str:
    if len(parts) > _MAX_PARTS:
        raise RowProblem(
            "long-row", f"Message {number} has {len(parts):,} parts; keep {_MAX_PARTS} or fewer."
        )
    texts = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(part, dict) and kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif isinstance(part, dict) and kind == "image_url":
            given = part.get("image_url")
            addresses.append(given.get("url") if isinstance(given, dict) else given)
            texts.append(MARK)
        else:
            raise RowProblem(
                "bad-value",
                f"Message {number} has a part that is neither text nor image_url "
                f"({shown(kind, 40)}); correct it.",
            )
    return "\n".join(texts)
