"""What a server does not take, learned from its refusals.

Servers differ in which of OpenAI's optional fields they take. All are sent; one that a server names
in a refusal is left out from then on.
"""

from __future__ import annotations

import threading
from typing import Any, Final

from assistant.remote.troubles import Refusal

# Leaving one out changes how an answer is drawn or counted, never what is asked.
_OPTIONAL: Final = (
    "response_format", "top_logprobs", "logprobs", "stream_options", "seed", "top_p",
    "temperature", "stop",
)  # fmt: skip
_RENAMED: Final = {"max_tokens": "max_completion_tokens"}
_WITH: Final = {"logprobs": ("top_logprobs",), "top_logprobs": ("logprobs",)}


class Dialect:
    """The fields of requests to one server; may be used from several threads."""

    def __init__(self) -> None:
        self._left_out: set[str] = set()
        self._renamed: dict[str, str] = {}
        self._guard = threading.Lock()

    def takes(self, field: str) -> bool:
        """Whether a field was never refused."""
        with self._guard:
            return field not in self._left_out

    def lacks(self, *fields: str) -> None:
        """Note that a server takes a field and does nothing with it."""
        with self._guard:
            self._left_out.update(fields)

    def put(self, body: dict[str, Any]) -> dict[str, Any]:
        """A request as the server takes it."""
        with self._guard:
            return {
                self._renamed.get(name, name): value
                for name, value in body.items()
                if name not in self._left_out
            }

    def learn(self, refusal: Refusal, sent: dict[str, Any]) -> bool:
        """Whether a refusal was about a field that need not be sent, and is worth another try."""
        if refusal.status not in (400, 422, 501):
            return False
        said = f"{refusal.param} {refusal.message}".lower()
        with self._guard:
            for name, other in _RENAMED.items():
                if name in sent and other in said:
                    self._renamed[name] = other
                    return True
            for name in _OPTIONAL:
                if name in sent and name in said:
                    self._left_out.update((name, *_WITH.get(name, ())))
                    return True
        return False
