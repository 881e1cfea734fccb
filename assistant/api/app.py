"""The server as one ASGI app, put together from its routes.

app = create_app(service)

chat.py         /v1/chat/completions: chat_request.py in, chat_answer.py out, answered by
                straight.py (a LLaVA) or by_agent.py (the agent)
models.py       /v1/models
embeddings.py   /v1/embeddings
images.py       /v1/images
image_search.py /v1/images/search
threads.py      /v1/threads
tickets.py      /v1/tickets
health.py       /healthz, /readyz, /metrics
docs.py         /docs, /openapi.json
widget/         /widget
guard.py        who may ask, how much, and what is written down of it

service.py      what they share: engine, store, desks, agents
turns.py        a few at a time at what is dear
sse.py          blocking work in threads, stopped when its client goes (watch.py)
errors.py       errors in OpenAI's shape
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import anyio.to_thread
from fastapi import FastAPI

from assistant.api import (
    chat,
    docs,
    embeddings,
    errors,
    guard,
    health,
    image_search,
    images,
    models,
    threads,
    tickets,
    widget,
    wire,
)
from assistant.api.metrics import CountsRequests
from assistant.api.routes import Route
from assistant.api.service import Service
from assistant.api.watch import stoppable
from assistant.mcp_server.http import mcp_app

ABOUT: Final = """\
A support desk that can see. What OpenAI has under /v1 is as OpenAI has it here, so that its clients
work with this server's address and /v1 as their base URL. A key goes into the header
`Authorization: Bearer KEY`; errors have OpenAI's shape, whatever went wrong.
"""

_THREADS: Final = 100
"""For what asks the database; answers have threads of their own."""


def create_app(service: Service) -> FastAPI:
    """The app that answers with a service's engine, store and agent.

    The service is the caller's to close, after the app has ended.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        async with AsyncExitStack() as stack:
            stack.callback(chatting.close)
            await stack.enter_async_context(mcp.running())
            yield

    app = FastAPI(
        title="Sightdesk",
        version=service.version,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        strict_content_type=False,
        redirect_slashes=False,
    )
    app.state.service = service
    app.router.route_class = Route
    errors.install(app)
    for module in (chat, models, embeddings, image_search, images, threads, tickets, health):
        app.include_router(module.router)
    docs.install(app)
    mcp = mcp_app(service, watched=stoppable, origins=service.settings.allowed_origins)
    app.router.routes.extend(mcp.routes)
    guard.install(app, service)
    # Outside the guard: a page of another origin must be able to read its refusals too.
    chatting = widget.install(app, service)
    app.add_middleware(CountsRequests, metrics=service.metrics)
    return app


def server_options(grace_s: float) -> dict[str, Any]:
    """How uvicorn is to run the app.

    Args:
        grace_s: seconds for what runs when the server is stopped.
    """
    return {
        **wire.server_options(),
        "log_level": "warning",
        "proxy_headers": False,
        # A little more than the engine has: what it hands back is still to be told.
        "timeout_graceful_shutdown": int(grace_s) + 2,
    }
