"""How long, how large and how many, for what comes over the network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """Bounds of the server that no deployment has had a reason to change; tests do."""

    head_s: float = 15.0
    """Until a request's head is there, from when its connection is made or the one before ends."""

    stall_s: float = 20.0
    """Between two pieces of a body."""

    body_s: float = 30.0
    """For a whole body, and for each `body_rate` bytes of it another second."""

    body_rate: float = 4_096.0

    write_s: float = 30.0
    """In which a client must take `write_bytes` of what waits for it, or all."""

    write_bytes: int = 4_096

    linger_s: float = 3.0
    """For the rest of a body that is refused."""

    idle_s: int = 15
    """Between two requests of a connection."""

    connections: int = 1_000
    per_address: int = 100
    """Of one address on the internet; those of the own network may be a proxy's."""

    requests: int = 500
    """That are worked on at once, by all clients together."""

    bodies_bytes: int = 512 * 2**20
    """Of all bodies that are worked on at once."""

    json_depth: int = 100
    json_tokens: int = 200_000
    """Strings, brackets and commas."""
