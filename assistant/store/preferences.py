"""Settings of the page: anything that JSON holds, by key."""

from __future__ import annotations

import json
from typing import Any

from assistant.store.models import PreferenceRow
from assistant.store.room import Room
from assistant.store.text import to_json


class Preferences(Room):
    """The part of the store that keeps what a person chose."""

    def preference(self, key: str, default: Any = None, *, tenant: str = "") -> Any:
        """The value, or `default` where none was set.

        Raises:
            StoreError: it cannot be read.
        """
        with self.database.read() as session:
            row = session.get(PreferenceRow, (tenant, key))
        return default if row is None else json.loads(row.value)

    def set_preference(self, key: str, value: Any, *, tenant: str = "") -> None:
        """Set a value in place of an earlier one.

        Raises:
            InputError: JSON cannot hold it.
            StoreError: it cannot be written.
        """
        text = to_json(value, f"The setting {key}")
        with self.database.write() as session:
            session.merge(PreferenceRow(tenant=tenant, key=key, value=text))
