"""One answer among those that are written together: what it reads next and what it has said."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch

from assistant.engine.adapters import Adapter
from assistant.engine.caches import Layers
from assistant.engine.constrained import Guide
from assistant.engine.decoding import Draft, Finish, keep, opened
from assistant.engine.holder import Holder
from assistant.engine.prompt import Prompt, embed
from assistant.engine.reading import Reader
from assistant.engine.streams import Desk, Words
from assistant.engine.together import ShelvedReader
from assistant.engine.values import Answer, EncodedImage, Sampling, Turn

Make = Callable[[int, Prompt, Layers | None], Reader]

_LONG: Final = 96  # tokens that most answers stay below


@dataclass(frozen=True)
class Request:
    """What is asked, and by whom.

    Attributes:
        turns, images: None where nothing is to be read ahead behind the answer.
        client: whose turn it takes.
    """

    prompt: Prompt
    sampling: Sampling
    adapter: Adapter
    tenant: str
    client: str
    guide: Guide | None = None
    turns: Sequence[Turn] | None = None
    images: Sequence[EncodedImage] = ()


class Row:
    """An answer from its question to its end; all but ``desk`` belongs to the scheduler.

    Args:
        engine: it holds model, tokenizer and caches.
    """

    def __init__(self, engine: Holder, request: Request) -> None:
        self.request = request
        self.client = request.client
        self.adapter = request.adapter
        self.desk = Desk()
        self.reader: Any = None
        self.pending: torch.Tensor = torch.empty(0)  # what is to be read, [T, hidden]
        self.reused = 0
        self.written = 0  # tokens of the answer
        self._engine = engine
        self._draft: Draft | None = None
        self._began = time.perf_counter()
        self._first: float | None = None
        self._words = Words(engine.tokenizer, request.sampling.stop, self._say)

    @property
    def cancelled(self) -> bool:
        """Whether its reader has gone away."""
        return self.desk.cancelled.is_set()

    @property
    def room(self) -> int:
        """Tokens that it may come to hold."""
        return len(self.request.prompt) + self.request.sampling.max_tokens

    @property
    def likeliest(self) -> bool:
        """Whether it says the likeliest token whatever that is."""
        return self._draft is not None and self._draft.likeliest

    def open(self, make: Make) -> None:
        """Begin: look for what is known of the prompt. The caller holds the model.

        Args:
            make: a reader on top of keys and values, for so many tokens.
        """
        engine, asked = self._engine, self.request
        limit = len(asked.prompt) - 1  # the output of one token chooses the first word
        expected = len(asked.prompt) + min(asked.sampling.max_tokens, _LONG)
        reader = opened(
            partial(make, expected, asked.prompt), asked.prompt, limit, engine.prefixes, self._scope
        )
        self.reader, self.reused = reader, reader.length
        self.pending = embed(engine.model, asked.prompt, self.reused)
        self._draft = Draft(
            engine.model, asked.prompt, asked.sampling, self._words.add, asked.guide
        )

    def go_on(self, logits: torch.Tensor, likeliest: int | None) -> bool:
        """Choose what follows; False where the answer is whole.

        Args:
            logits: ``[1, vocab]`` behind all that was pending.
            likeliest: the token that has the largest, where somebody knows.
        """
        assert self._draft is not None
        following = self._draft.go_on(logits, likeliest)
        self.written = len(self._draft.ids)
        if following:
            ids = torch.tensor(following, device=logits.device)
            self.pending = self._engine.model.get_input_embeddings()(ids)
        return bool(following)

    def end(self, finish: Finish | None = None) -> Answer:
        """Give the reader the answer as it is, and the cache what was read for it.

        Args:
            finish: in place of what ended it.
        """
        asked, draft = self.request, self._draft
        ids = tuple(draft.ids) if draft is not None else ()
        if finish is None:
            assert draft is not None
            finish = draft.finish
        if draft is not None and ids:
            keep(self.reader, asked.prompt.keys + ids, self._engine.prefixes, self._scope)
        self._words.end()
        text = self._words.text
        if finish != "cancelled" and not asked.sampling.stop:
            self._engine.prompts.remember(text, ids)
        seconds = time.perf_counter() - self._began
        computed = len(asked.prompt) - self.reused if draft is not None else 0
        answer = Answer(text, len(ids), seconds, finish, computed, self.reused, self._first)
        self.desk.answer = answer
        self._leave()
        return answer

    def fail(self, error: BaseException) -> None:
        """Give the reader an error in place of the answer."""
        self.desk.failure = error
        self._leave()

    @property
    def _scope(self) -> tuple[str, str]:
        return self.adapter.revision, self.request.tenant

    def _say(self, text: str) -> None:
        if self._first is None:
            self._first = time.perf_counter() - self._began
        self.desk.pieces.put(text)

    def _leave(self) -> None:
        if isinstance(self.reader, ShelvedReader):
            self.reader.leave()
        self.reader, self._draft = None, None
        self.pending = torch.empty(0)
        self.desk.pieces.put(None)
        self.desk.done.set()
