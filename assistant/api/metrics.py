"""Figures for Prometheus: what was asked, how it went, how long it took, what waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from assistant.api.service import Service

# From what needs no model to long answers on a busy laptop, in seconds.
_SECONDS: Final = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 20, 40, 80, 160)
_METHODS: Final = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_UNKNOWN: Final = "(none)"


class Metrics:
    """The figures of one server, in a registry of their own.

    Args:
        service: asked for what is true at the moment of reading.
    """

    def __init__(self, service: Service) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "sightdesk_requests", "Requests by route, method and status.",
            ["route", "method", "status"], registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "sightdesk_request_seconds", "Seconds from a request to the end of its answer.",
            ["route"], buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self._tokens = Counter(
            "sightdesk_tokens", "Tokens by model and kind: prompt, cached, completion.",
            ["model", "kind"], registry=self.registry,
        )  # fmt: skip
        self._images = Counter(
            "sightdesk_images_encoded", "Pictures that were given to the engine.",
            registry=self.registry,
        )  # fmt: skip
        self._embedded = Counter(
            "sightdesk_images_embedded", "Pictures that were made vectors for clients.",
            registry=self.registry,
        )  # fmt: skip
        self._searches = Counter(
            "sightdesk_image_searches", "Searches among indexed pictures by whether any was found.",
            ["found"], registry=self.registry,
        )  # fmt: skip
        self._outcomes = Counter(
            "sightdesk_agent_answers", "Answers of the agent by outcome.", ["outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._gone = Counter(
            "sightdesk_clients_gone", "Answers that were stopped because the client went away.",
            registry=self.registry,
        )  # fmt: skip
        self.registry.register(_Now(service))

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)

    def encoded(self, count: int) -> None:
        """Pictures were given to the engine."""
        self._images.inc(count)

    def embedded(self, count: int) -> None:
        """Pictures were made vectors for a client."""
        self._embedded.inc(count)

    def searched(self, found: bool) -> None:
        """Indexed pictures were searched."""
        self._searches.labels("yes" if found else "no").inc()

    def used(self, model: str, prompt: int, cached: int, completion: int) -> None:
        """An answer took so many tokens."""
        for kind, count in (("prompt", prompt), ("cached", cached), ("completion", completion)):
            self._tokens.labels(model, kind).inc(count)

    def ended(self, outcome: str) -> None:
        """The agent's answer had this outcome."""
        self._outcomes.labels(outcome).inc()

    def left(self) -> None:
        """A client went away before its answer was whole."""
        self._gone.inc()

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered."""
        method = method if method in _METHODS else "other"
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)


class CountsRequests:
    """Middleware that counts requests by the route's pattern, never by what is in the path."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI says."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", None) or _UNKNOWN
            seconds = time.perf_counter() - began
            self.metrics.request(route, scope["method"], status or 499, seconds)


class _Now(Collector):
    """What is true at the moment of reading."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def describe(self) -> list[Metric]:
        """Nothing: the names need not be known when it is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The gauges, and what the engine counts itself."""
        service = self._service
        yield GaugeMetricFamily("sightdesk_ready", "Whether the model is loaded.", service.ready)
        yield GaugeMetricFamily(
            "sightdesk_answers_running", "Answers that are being worked on.", service.running
        )
        load: Any = service.load_figures()
        for name, words in (("waiting", "Requests that wait"), ("running", "Requests that run")):
            value = getattr(load, name, None)
            if value is not None:
                yield GaugeMetricFamily(
                    f"sightdesk_engine_{name}", f"{words} in the engine.", value
                )
        for name, words in (
            ("tokens_total", "Tokens that the engine wrote."),
            ("answers_total", "Answers that the engine wrote."),
            ("cancelled_total", "Answers that were stopped."),
        ):
            value = getattr(load, name, None)
            if value is not None:
                yield CounterMetricFamily(f"sightdesk_engine_{name[:-6]}", words, value)
