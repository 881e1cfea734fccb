"""Plain transformers: what one would write without this project.

The same base with the same adapter merged into it, in bfloat16, and `generate`; none of this
project's layers, readers or caches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from transformers.generation.streamers import BaseStreamer

from assistant.adapter_files import find_adapter
from assistant.bench.task import (
    ANSWER,
    DECODE,
    FOLLOW_UPS,
    OPENING,
    QUESTION,
    Task,
    synchronise,
)
from assistant.bench.values import AT_ONCE, PLAIN
from assistant.llava import Base, attach_adapter, load_base, locate_base
from assistant.settings import Settings
from assistant.weights import Progress

# What the earlier questions of the conversation were answered with; it has no cache to fill.
_ANSWERS = ("There is fruit in this picture.", "It is green, and partly brown.")


def load_plain(
    name: str,
    chosen: str | None,
    settings: Settings,
    device: torch.device,
    progress: Progress | None = None,
) -> Base:
    """A base in bfloat16 with its adapters merged.

    Args:
        chosen: adapter name or directory; None is what ships, for the embedded base.

    Raises:
        WeightsError, AdapterError: as for `Engine.load`.
    """
    base = load_base(
        locate_base(name, settings, progress), name, torch.device("cpu"), torch.bfloat16
    )
    files = find_adapter(chosen, settings) if name == "embedded" or chosen is not None else None
    if files is not None and files.stacked and name == "embedded":
        below = find_adapter("embedded", settings)
        base = attach_adapter(base, below.path, below.name)
    if files is not None:
        base = attach_adapter(base, files.path, files.name)
    model: Any = base.model
    return Base(name, model.to(device).eval(), base.processor)


class Stamps(BaseStreamer):
    """Notes when each token comes; `generate` gives it the prompt first."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.times: list[float] = []
        self._prompt = True

    def put(self, value: Any) -> None:
        """Take a token."""
        if not self._prompt:
            self.times.append(time.perf_counter() - self.began)
        self._prompt = False

    def end(self) -> None:
        """Nothing more comes."""


class Plain:
    """Transformers' own `generate`."""

    name = PLAIN

    def __init__(self, base: Base, task: Task) -> None:
        self._model: Any = base.model
        self._processor, self._task = base.processor, task
        self.what = f"{base.name} in bfloat16, generate()"
        self.jobs: Mapping[str, Callable[[], dict[str, float]]] = {
            "encode": self.encode,
            "prefill": self.prefill,
            "decode": self.decode,
            "answer": self.answer,
            "followup": self.follow_up,
            "together": self.together,
        }

    @torch.inference_mode()
    def encode(self) -> dict[str, float]:
        """Seconds from a decoded photo to what the language model reads of it."""
        began = time.perf_counter()
        given = self._processor.image_processor(self._task.photo.pixels, return_tensors="pt")
        given = given.to(self._model.device, torch.bfloat16)
        self._model.get_image_features(**given)
        synchronise(self._model.device)
        return {"encode": time.perf_counter() - began}

    def prefill(self) -> dict[str, float]:
        """Tokens a second of a prompt, to its first token."""
        ids = self._task.prefill.ids
        return {"prefill": len(ids) / self._write(self._text(ids), 1).times[0]}

    def decode(self) -> dict[str, float]:
        """Tokens a second from the first token on."""
        times = self._write(self._text(self._task.decode.ids), DECODE + 1).times
        return {"decode": (len(times) - 1) / (times[-1] - times[0])}

    def answer(self) -> dict[str, float]:
        """Seconds from a photo and a question to the first token, and to the last of 32."""
        stamps = Stamps()
        self._write(self._asked([(QUESTION, None)]), ANSWER, stamps)
        return {"first_word": stamps.times[0], "answer": stamps.times[-1]}

    def follow_up(self) -> dict[str, float]:
        """Seconds to the first token of the third question: the conversation is read anew."""
        stamps = Stamps()
        asked = zip((OPENING, *FOLLOW_UPS), (*_ANSWERS, None), strict=True)
        self._write(self._asked(list(asked)), 1, stamps)
        return {"follow_up": stamps.times[0], "follow_up_uncached": stamps.times[0]}

    def together(self) -> dict[str, float]:
        """Tokens a second in total of so many photos and questions in one batch."""
        found = {}
        for count in AT_ONCE:
            began = time.perf_counter()
            self._generate(self._asked([(QUESTION, None)], count), ANSWER)
            found[f"at_once_{count}"] = count * ANSWER / (time.perf_counter() - began)
        return found

    def close(self) -> None:
        """Nothing to be done: the memory goes with it."""

    def _text(self, ids: tuple[int, ...]) -> dict[str, torch.Tensor]:
        given = torch.tensor([ids], device=self._model.device)
        return {"input_ids": given, "attention_mask": torch.ones_like(given)}

    def _asked(self, turns: list[tuple[str, str | None]], count: int = 1) -> Any:
        """Inputs of questions with their answers about the photo, as a batch of ``count``."""
        messages: list[dict[str, Any]] = []
        for number, (question, answer) in enumerate(turns):
            words = [{"type": "text", "text": question}]
            messages.append({"role": "user", "content": [] if number else [{"type": "image"}]})
            messages[-1]["content"] += words
            if answer is not None:
                said = [{"type": "text", "text": answer}]
                messages.append({"role": "assistant", "content": said})
        prompt = self._processor.apply_chat_template(messages, add_generation_prompt=True)
        given = self._processor(
            images=[self._task.photo.pixels] * count, text=[prompt] * count, return_tensors="pt"
        )
        return given.to(self._model.device, torch.bfloat16)

    def _write(self, given: Any, tokens: int, stamps: Stamps | None = None) -> Stamps:
        stamps = stamps or Stamps()
        self._generate(given, tokens, stamps)
        if len(stamps.times) != tokens:
            raise RuntimeError(f"it wrote {len(stamps.times)} tokens in place of {tokens}")
        return stamps

    @torch.inference_mode()
    def _generate(self, given: Any, tokens: int, streamer: Stamps | None = None) -> None:
        tokenizer = self._processor.tokenizer
        pad = tokenizer.pad_token_id
        self._model.generate(
            **given,
            do_sample=False,
            min_new_tokens=tokens,
            max_new_tokens=tokens,
            pad_token_id=tokenizer.eos_token_id if pad is None else pad,
            streamer=streamer,
        )
