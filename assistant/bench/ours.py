"""This engine, measured through what its doors use: `Engine`, and `SharedEngine` for many at once.

Nothing is measured that a visitor would not get: pictures are prepared, prompts built and words
put together within the time that is taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from assistant.batching import SharedEngine
from assistant.bench.task import (
    ANSWER,
    DECODE,
    FOLLOW_UPS,
    OPENING,
    QUESTION,
    SHORT,
    Task,
    crowded,
    synchronise,
    unending,
)
from assistant.bench.values import AT_ONCE, OURS
from assistant.engine import Engine, Sampling, Turn
from assistant.settings import Settings

# A visitor reads an answer before the next question; meanwhile the engine reads ahead, which must
# not fall into another contender's time either.
READING_S = 0.5


class Ours:
    """This engine.

    Args:
        engine: nobody else uses it meanwhile.
    """

    name = OURS

    def __init__(self, engine: Engine, task: Task, settings: Settings) -> None:
        self._engine, self._task = engine, task
        self._settings = settings.model_copy(update={"batch_size": max(AT_ONCE)})
        self.what = f"{engine.name}, kept as {engine.quantization}"
        self.jobs: Mapping[str, Callable[[], dict[str, float]]] = {
            "encode": self.encode,
            "prefill": self.prefill,
            "decode": self.decode,
            "answer": self.answer,
            "followup": self.follow_up,
            "together": self.together,
        }

    def encode(self) -> dict[str, float]:
        """Seconds from a decoded photo to what the language model reads of it."""
        began = time.perf_counter()
        self._engine.encode_anew([self._task.photo])
        synchronise(self._engine.device)
        return {"encode": time.perf_counter() - began}

    def prefill(self) -> dict[str, float]:
        """Tokens a second of a prompt that nothing is known of, to its first token."""
        self._engine.forget()
        turns = [self._task.prefill.turn]
        answer = self._engine.generate(turns, sampling=Sampling(max_tokens=1))
        return {"prefill": answer.computed / answer.seconds}

    def decode(self) -> dict[str, float]:
        """Tokens a second behind a prompt that was read before.

        Of it, the last token is read again: as many tokens are read as are written.
        """
        self._engine.forget()
        turns = [self._task.decode.turn]
        with unending(self._engine.model):
            first = self._engine.generate(turns, sampling=Sampling(max_tokens=1))
            answer = self._engine.generate(turns, sampling=Sampling(max_tokens=DECODE))
        if answer.computed > 1:  # no prefix is kept: the prompt was read both times
            return {"decode": (answer.tokens - 1) / (answer.seconds - first.seconds)}
        return {"decode": answer.tokens / answer.seconds}

    def answer(self) -> dict[str, float]:
        """Seconds from a new photo and a question to the first word, and to the last of 32."""
        self._engine.forget()
        turns = [Turn("user", QUESTION, (self._task.photo.id,))]
        with unending(self._engine.model):
            first, whole, _ = self._ask(turns, ANSWER)
        return {"first_word": first, "answer": whole}

    def follow_up(self) -> dict[str, float]:
        """Seconds to the first word of the third question about a photo.

        With what is known of the conversation, and once more after all of that was dropped.
        """
        self._engine.forget()
        turns = [Turn("user", OPENING, (self._task.photo.id,))]
        for question in FOLLOW_UPS:
            text = self._ask(turns, SHORT)[2]
            turns += [Turn("assistant", text), Turn("user", question)]
        cached = self._ask(turns, SHORT)[0]
        self._engine.forget()
        return {"follow_up": cached, "follow_up_uncached": self._ask(turns, SHORT)[0]}

    def _ask(self, turns: list[Turn], tokens: int) -> tuple[float, float, str]:
        """Seconds to the first word and to the last, the photo's encoding included; the answer."""
        began = time.perf_counter()
        seen = self._engine.encode_image(self._task.photo)
        with self._engine.stream(turns, [seen], sampling=Sampling(max_tokens=tokens)) as stream:
            text = next(stream, "")
            first = time.perf_counter() - began
            text += "".join(stream)
            whole = time.perf_counter() - began
        time.sleep(READING_S)
        return first, whole, text

    def together(self) -> dict[str, float]:
        """Tokens a second in total of so many clients, each with a photo of its own and a question.

        Clients share nothing: each is a tenant, for whom photo and prompt are computed anew.
        """
        found: dict[str, float] = {}
        with unending(self._engine.model):
            shared = SharedEngine(self._engine, settings=self._settings)
            try:
                for count in AT_ONCE:
                    self._engine.forget()
                    found[f"at_once_{count}"] = self._crowd(shared, count)
                    time.sleep(READING_S)
            finally:
                shared.close()
        self._engine.forget()
        return found

    def _crowd(self, shared: SharedEngine, count: int) -> float:
        photo, sampling = self._task.photo, Sampling(max_tokens=ANSWER)

        def visit(number: int) -> float:
            turns, tenant = [Turn("user", QUESTION, (photo.id,))], f"bench {number}"
            seen = shared.encode_images([photo], tenant=tenant)
            return shared.generate(turns, seen, sampling=sampling, tenant=tenant).tokens

        return crowded(visit, count)

    def close(self) -> None:
        """Nothing to be done: the engine is the caller's."""
