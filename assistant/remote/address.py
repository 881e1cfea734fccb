"""Where a base elsewhere is, and what it is called there: ``openai:MODEL@URL``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from assistant.errors import InputError
from assistant.settings import ELSEWHERE

_EXPECTED: Final = "give openai:MODEL@URL such as openai:llava-1.5-7b@http://localhost:8000/v1"
_LONGEST: Final = 2_000
# The first "@http" ends the model: models may be called with slashes, colons and even an "@".
_PARTS: Final = re.compile(r"openai:(?P<model>[^\s@].*?)@(?P<url>https?://.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """A model of a server.

    Attributes:
        model: its name there.
        url: http or https, with the path below which the API is, without a slash at its end.
    """

    model: str
    url: str

    @property
    def name(self) -> str:
        """What the base is called in answers and on the page; says nothing of the server."""
        return f"{ELSEWHERE}{self.model}"

    @property
    def server(self) -> str:
        """The server as messages name it, without the path."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


def parse(base: str) -> Address:
    """The address in a base's name.

    Raises:
        InputError: it is none. The sentence repeats nothing that may be a password.
    """
    base = base.strip()
    found = _PARTS.fullmatch(base) if len(base) <= _LONGEST and base.isprintable() else None
    if found is None:
        raise InputError(f"The base {ELSEWHERE}… is not complete; {_EXPECTED}.")
    url = found["url"]
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        port = -1
        parts = urlsplit("")
    if "@" in parts.netloc:
        raise InputError(
            "The address of the base holds a user or a password; leave them out and set "
            "SIGHTDESK_BASE_KEY."
        )
    if not parts.hostname or port == -1 or port == 0 or re.search(r"[\s\\]", url):
        raise InputError(f"The address of the base cannot be read; {_EXPECTED}.")
    if parts.query or parts.fragment:
        raise InputError(f"The address of the base has a query or a fragment; {_EXPECTED}.")
    return Address(found["model"].strip(), url.rstrip("/"))
