"""A desk with the demo's shop and a scripted model behind the real server, for tests of the widget.

python -m tests.scripted_widget PORT

Variables: SCRIPTED_DELAY, seconds between two words; SIGHTDESK_WIDGET_ORIGINS, as ever.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from assistant.api.service import Service
from assistant.settings import Settings, get_settings
from tests.scripted_desk import Counter, fill
from tests.test_knowledge.conftest import BagOfWords


@contextmanager
def scripted_service(
    settings: Settings | None = None, *, delay: float = 0.0, shop: bool = True
) -> Iterator[tuple[Service, Counter]]:
    """A service whose agent is a counter's."""
    settings = settings or get_settings()
    if shop:
        fill(settings.data_dir / "files", settings=settings)
    counter = Counter(delay=delay)
    engine: Any = object()
    with Service.open(settings, engine=engine, embedder=BagOfWords()) as service:
        opened: Any = service
        opened._open_agent = lambda tenant: counter.open(service.desk(tenant))
        yield service, counter


def main(port: int) -> None:
    """Serve on a port of this machine until the process is ended."""
    import uvicorn

    from assistant.api.app import create_app

    delay = float(os.environ.get("SCRIPTED_DELAY", "0.05"))
    with scripted_service(delay=delay) as (service, _):
        uvicorn.run(create_app(service), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]))
