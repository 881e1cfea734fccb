"""A Ray cluster for a job: one of this machine's own, or one that is there already.

Ray runs the code of whoever reaches its ports. The cluster that is started here listens on the
loopback address alone and asks for a token that only this process has; it sends no usage figures,
opens no dashboard, keeps its files in a folder that is removed, and ends with the job. A cluster
elsewhere is protected by whoever runs it.
"""

from __future__ import annotations

import io
import logging
import os
import secrets
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from assistant.errors import InputError, RemoteError

NEEDED: Final = (
    "Many machines need Ray, which is not installed: run pip install 'sightdesk[cluster]' on each "
    "of them, or leave --ray out."
)
_OBJECTS: Final = 128 * 2**20  # bytes of shared memory: only lists of names pass through it
_LONGEST_FOLDER: Final = 30  # characters: a socket's path may have 103 and Ray's own part takes 70
_TALKER: Final = "ray_listen_error_messages"


@dataclass(frozen=True)
class Cluster:
    """What a job may count on.

    Attributes:
        workers: how many it has.
        threads: that each computes with.
        gpus: that each has, 0 or 1.
        local: whether it was started here and ends with the job.
    """

    workers: int
    threads: int
    gpus: int
    local: bool


@contextmanager
def joined(
    workers: int | None = None, address: str | None = None, *, device: str = "auto"
) -> Iterator[Cluster]:
    """Join a cluster for a while, or start one on this machine where none is named.

    Args:
        workers: that each hold a model; by default one for each GPU or, without any, each core.
        address: ``host:port`` or ``auto`` of a cluster; by default what RAY_ADDRESS names.
        device: ``cpu`` leaves its GPUs alone.

    Raises:
        InputError: Ray is not installed, or the address cannot be used.
        RemoteError: the cluster cannot be started or reached.
    """
    if find_spec("ray") is None:
        raise InputError(NEEDED)
    address = address or os.environ.get("RAY_ADDRESS") or None
    if address is not None and "://" in address:
        raise InputError(
            f"{address} is no address of a cluster that this can join; run the command on one of "
            "its machines, with --ray-address auto or host:port."
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    count = workers or cores or 1
    threads = max(1, (cores or 1) // count)
    with _environment(local=address is None), _silence():
        import ray

        _hush()
        if ray.is_initialized():  # the caller's own, who also ends it
            yield _resources(ray, workers, device, local=False)
        elif address is not None:
            _start(ray, address=address)
            try:
                yield _resources(ray, workers, device, local=False)
            finally:
                ray.shutdown()
        else:
            with _folder() as folder:
                try:
                    _start(ray, address="local", num_cpus=count * threads, _temp_dir=str(folder),
                           object_store_memory=_OBJECTS)  # fmt: skip
                    _check_loopback(ray)
                    yield _resources(ray, count, device, local=True)
                finally:
                    ray.shutdown()


def _start(ray: Any, **options: Any) -> None:
    try:
        with _mute():
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="error", **options)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise RemoteError(
            f"The Ray cluster cannot be {'started' if options['address'] == 'local' else 'reached'}"
            f" ({reason}); check --ray-address, or leave --ray out."
        ) from error


def _resources(ray: Any, workers: int | None, device: str, *, local: bool) -> Cluster:
    """What the cluster has for so many workers."""
    there = ray.cluster_resources()
    gpus = int(there.get("GPU", 0)) if device != "cpu" else 0
    cores = int(there.get("CPU", 1)) or 1
    count = workers or gpus or cores
    return Cluster(count, max(1, cores // count), min(gpus, 1), local)


def _check_loopback(ray: Any) -> None:
    """End with an error rather than serve other machines."""
    host = ray.get_runtime_context().gcs_address.rpartition(":")[0].strip("[]")
    if not ip_address(host).is_loopback:
        raise RemoteError(
            f"Ray would listen on {host} for other machines too, since it was imported before this "
            "job: start it yourself with ray.init(), or import it later."
        )


@cache
def _token() -> str:
    """Ray reads it once a process."""
    return secrets.token_hex(32)


@contextmanager
def _environment(*, local: bool) -> Iterator[None]:
    """What Ray and the processes that it starts read from the environment, for a while."""
    wanted = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_BACKEND_LOG_LEVEL": "fatal",
        "RAY_DEDUP_LOGS": "0",
    }
    if local:
        wanted |= {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": os.environ.get("RAY_AUTH_TOKEN") or _token(),
            # Workers would otherwise wait for whatever else this machine does.
            "RAY_worker_niceness": "0",
            # Its name says otherwise: 0 is what lets Ray listen on the loopback address.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            # Any free port, so that two jobs do not meet on one.
            "AUTOSCALER_METRIC_PORT": "0",
        }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _folder() -> Iterator[Path]:
    """Where Ray keeps its sockets and logs, for this user alone."""
    parent = tempfile.gettempdir()
    if len(parent) > _LONGEST_FOLDER and os.access("/tmp", os.W_OK):
        parent = "/tmp"
    folder = Path(tempfile.mkdtemp(prefix="sd-ray-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _hush() -> None:
    """What Ray tells its own people; what matters comes as an error."""
    import_module("ray.data")  # sets the loggers up

    for name in ("ray", "ray.data"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL)
        for handler in logger.handlers:
            handler.setLevel(logging.CRITICAL)


@contextmanager
def _mute() -> Iterator[None]:
    """Nothing on the standard error of the process: Ray's own libraries write there unasked."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class _WithoutRay(io.TextIOBase):
    """Standard output without what Ray writes into it from a thread of its own."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def write(self, text: str) -> int:
        if threading.current_thread().name != _TALKER:
            self._real.write(text)
        return len(text)

    def flush(self) -> None:
        self._real.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@contextmanager
def _silence() -> Iterator[None]:
    """Results go to standard output; that a worker died is not one of them."""
    real = sys.stdout
    sys.stdout = _WithoutRay(real)
    try:
        yield
    finally:
        sys.stdout = real
