"""Opens tickets and tells the webhook in a process that is killed at a step of it, then again.

    python tests/killed_steps.py FOLDER WEBHOOK [DATABASE_URL]

A step is a statement of the database, a commit, a call of the webhook: it is killed before each of
them and after the last two. For each step a child is killed (SIGKILL) there and another does the
same anew, with the same key, as an agent that resumes does; steps are counted up until a child gets
through. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

import assistant.webhook as webhook
from assistant.settings import Settings
from assistant.store import Store

SECRET = "a secret of the tests"
LEASE = 0.05


def main() -> None:
    folder, url, *database = sys.argv[1:]
    settings = Settings(
        data_dir=Path(folder),
        webhook_url=url,
        webhook_secret=SecretStr(SECRET),
        database_url=database[0] if database else None,
    )
    Store.open(settings).close()
    webhook.LEASE_SECONDS = LEASE
    webhook._certificates()  # once, before the children
    killed = 0
    step = 0
    while True:
        step += 1
        if not _in_child(lambda key=f"key-{step}", last=step: _work(settings, key, last)):  # type: ignore[misc]
            break
        killed += 1
        time.sleep(LEASE)
        while _in_child(lambda key=f"key-{step}": _work(settings, key, None)):  # type: ignore[misc]
            pass
    print(json.dumps({"killed": killed, "keys": step}))


def _in_child(work: Callable[[], None]) -> bool:
    """Whether the child was killed."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, "the work failed by itself"
    return False


def _work(settings: Settings, key: str, last: int | None) -> None:
    """Open, add, tell; killed at the step of this number."""
    with Store.open(settings) as store:
        count = 0

        def pass_by(*_: Any, **__: Any) -> None:
            nonlocal count
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)

        for target, name in (
            (Engine, "before_cursor_execute"),
            (Engine, "commit"),
            (Session, "after_commit"),
        ):
            event.listen(target, name, pass_by)
        post = webhook._post

        async def watched(*arguments: Any) -> Any:
            pass_by()
            answer = await post(*arguments)
            pass_by()
            return answer

        webhook._post = watched  # type: ignore[assignment]
        ticket = store.open_ticket(key=key, thread_id="t", reason="asked", kind="asked")
        store.add_to_ticket(ticket.id, "Hello?", key=f"{key}-more")
        deadline = time.monotonic() + 20
        while any(call.state == "due" for call in store.deliveries(ticket.id)):
            webhook.deliver_due(settings, store=store)
            assert time.monotonic() < deadline, "the webhook was not told"
            time.sleep(0.01)


if __name__ == "__main__":
    main()
