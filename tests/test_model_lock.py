"""The engine's lock: in turn of clients, shared between steps and everybody else's work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from assistant.engine.lock import ModelLock, client


def waiting(lock: ModelLock) -> int:
    return sum(len(line) for line in lock._line.values()) + (lock._steps is not None)


def until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_one_thread_at_a_time_has_it_and_may_take_it_again() -> None:
    lock = ModelLock()
    with lock, lock:
        found: list[bool] = []
        other = threading.Thread(target=lambda: found.append(lock.acquire(blocking=False)))
        other.start()
        other.join()
        assert found == [False]
    assert lock.acquire(blocking=False)
    lock.release()
    with pytest.raises(RuntimeError):
        lock.release()


def test_who_waits_too_long_leaves_the_line() -> None:
    lock = ModelLock()
    found: list[bool] = []
    with lock:
        for steps in (False, True):

            def wait(steps: bool = steps) -> None:
                found.append(lock.acquire(timeout=0.02, steps=steps))

            thread = threading.Thread(target=wait)
            thread.start()
            thread.join()
        assert waiting(lock) == 0
    assert found == [False, False]
    with lock:
        pass


def test_clients_take_turns_whatever_number_of_requests_each_has() -> None:
    lock = ModelLock()
    order: list[str] = []

    def work(name: str) -> None:
        client.set(name)
        with lock:
            order.append(name)

    threads = []
    with lock:
        for count, name in enumerate(["many", "many", "many", "one", "two"], 1):
            threads.append(threading.Thread(target=work, args=(name,)))
            threads[-1].start()
            until(lambda count=count: waiting(lock) == count)  # type: ignore[misc]
    for thread in threads:
        thread.join()
    assert order == ["many", "one", "two", "many", "many"]


def test_neither_steps_nor_other_work_starves() -> None:
    lock = ModelLock()
    stop = time.monotonic() + 1.0
    taken = {"steps": 0.0, "work": 0.0}
    longest = {"steps": 0.0, "work": 0.0}

    def steps() -> None:
        while time.monotonic() < stop:
            began = time.monotonic()
            assert lock.acquire(steps=True)
            longest["steps"] = max(longest["steps"], time.monotonic() - began)
            held = time.monotonic()
            while True:
                time.sleep(0.002)
                if lock.due or time.monotonic() > stop:
                    break
            taken["steps"] += time.monotonic() - held
            lock.release()

    def work() -> None:
        while time.monotonic() < stop:
            began = time.monotonic()
            with lock:
                waited = time.monotonic() - began
                longest["work"] = max(longest["work"], waited)
                time.sleep(0.005)
                taken["work"] += 0.005

    threads = [threading.Thread(target=steps)] + [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert min(taken.values()) > 0.25
    assert longest["steps"] < 0.7


def test_steps_keep_the_model_as_long_as_nobody_else_wants_it() -> None:
    lock = ModelLock()
    lock.acquire(steps=True)
    assert not lock.due

    def take() -> None:
        with lock:
            pass

    thread = threading.Thread(target=take)
    thread.start()
    until(lambda: waiting(lock) == 1)
    until(lambda: lock.due)
    lock.release()
    thread.join()
