"""LLaVA's conversations: a JSON list, or JSON Lines, of

{"id", "image": "a.jpg" or ["a.jpg", …],
 "conversations": [{"from": "human", "value": "<image>\\nWhat is it?"},
                   {"from": "gpt", "value": "A pear."}, …]}
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from adapters.data.conversation import Role, Turn, exchanges_of
from adapters.data.form import Example
from adapters.data.notes import Notes, RowProblem, check_size, shown, split_name
from adapters.data.places import Places, image_value
from adapters.data.records import Record

_ROLES: dict[Any, Role] = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant",
    "system": "system",
}  # fmt: skip


def read_llava(file: Path, rows: Iterable[Record], notes: Notes, places: Places) -> None:
    """Read the rows of a file of conversations into ``notes``."""
    for line, record, size in rows:
        where = f"{file}:{line}"
        with notes.row(where):
            check_size(size)
            images = places.find_all(image_value(record, notes, where))
            exchanges = exchanges_of(_turns(record), len(images), notes, where)
            split = split_name(record.get("split"))
            notes.add(Example(where, images, exchanges=exchanges, split=split))


def _turns(record: dict[str, Any]) -> list[Turn]:
    turns = record.get("conversations")
    if not isinstance(turns, list):
        raise RowProblem(
            "missing-key",
            "'conversations' is no list of turns; "
            'write [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}].',
        )
    return [_turn(number, turn) for number, turn in enumerate(turns, start=1)]


def _turn(number: int, turn: object) -> Turn:
    if not isinstance(turn, dict):
        raise RowProblem(
            "bad-value", f'Turn {number} is no object; write {{"from": "human", "value": "…"}}.'
        )
    speaker = turn.get("from")
    role = _ROLES.get(speaker) if isinstance(speaker, str) else None
    if role is None:
        raise RowProblem(
            "turn-order",
            f"Turn {number} is from {shown(speaker)!r}, whom nobody knows; write human or gpt.",
        )
    return Turn(role, turn.get("value"))
