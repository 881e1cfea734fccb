"""The engine: encode a picture once, then answer many questions about it.

Every door of the product asks this class; it alone runs the model. Calls are serialised by a
lock, and a stream that is abandoned stops the model at the next token.

Whatever answers takes an ``adapter``: the name or directory of one that is stacked on the ground
(see `assistant.engine.adapters`), the ground's own name, or None for the engine's default. Requests
of a batch may have different ones.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from assistant.engine import describing, gaze
from assistant.engine import labels as labelling
from assistant.engine.adapters import Adapter, ground_of
from assistant.engine.alone import draw_alone
from assistant.engine.beams import Allowed, beam_search
from assistant.engine.constrained import Constraint, Guide
from assistant.engine.decoding import beginnings, end_tokens, read_ahead, write
from assistant.engine.holder import Holder
from assistant.engine.loading import load_ground, prefix_files
from assistant.engine.places import places_pictures
from assistant.engine.prompt import Prompt
from assistant.engine.streams import Stream, Words
from assistant.engine.values import (
    GREEDY,
    Answer,
    EncodedImage,
    Gaze,
    Mode,
    Sampling,
    Turn,
    one_for_each,
)
from assistant.errors import InputError
from assistant.images import LoadedImage
from assistant.labelling import TOP, Labelled, LabelScores
from assistant.prompts import Detail
from assistant.quantize import checked_kind
from assistant.rerank import Evidence
from assistant.settings import Settings, get_settings
from assistant.weights import Progress


class Engine(Holder):
    """A base with adapters, ready to answer."""

    @classmethod
    def load(
        cls,
        base: str | None = None,
        adapter: str | None = None,
        *,
        quantize: str | None = None,
        settings: Settings | None = None,
        progress: Progress | None = None,
    ) -> Engine:
        """Load a base and an adapter by name; what is not given comes from the settings.

        An adapter that is stacked on its base is added to it and becomes the default.

        Raises:
            InputError: the quantization is unknown or cannot be done.
            WeightsError: the base cannot be fetched or read.
            AdapterError: the adapter is unknown, unsafe, damaged or made for another base.
        """
        settings = settings or get_settings()
        if quantize is not None:
            settings = settings.model_copy(update={"quantize": checked_kind(quantize)})
        chosen = adapter or settings.adapter or None
        loaded = load_ground(base or settings.base, chosen, settings, progress)
        merged = loaded.merged
        engine = cls(
            loaded.base,
            merged.name if merged is not None else None,
            {},
            prefix_bytes=settings.prefix_cache_bytes,
            settings=settings,
            ground=ground_of(merged, loaded.base.model),
            identify=loaded.identify,
        )
        engine.quantization, engine.prefixes.files = loaded.kind, prefix_files(loaded)
        if loaded.stacked is not None:
            engine.adapter = engine.add_adapter(str(loaded.stacked.path))
        return engine

    def stream(
        self,
        turns: Sequence[Turn],
        images: Sequence[EncodedImage] = (),
        *,
        sampling: Sampling = GREEDY,
        tenant: str = "",
        adapter: str | None = None,
        constraint: Constraint | None = None,
    ) -> Stream:
        """Yield the answer in pieces of whole words as they come.

        Closing the stream, or letting go of it, stops the model at the next token. Beam search has
        no words before its end: it then yields the whole answer at once.

        Args:
            constraint: the form that the answer has whatever the model would like to say.

        Raises:
            InputError: the question is empty, or a picture of a turn is not among ``images`` or
                was encoded for another adapter; a constraint that cannot be used, or with beams.
        """
        chosen = self.resolve(adapter)
        guide = self.guide(constraint, sampling)
        turns, images = tuple(turns), tuple(images)  # the caller's may have changed afterwards
        prompt = self.prompt(turns, images, chosen)

        def run(put: Callable[[str], None], cancelled: threading.Event) -> Answer:
            if sampling.beams == 1:
                return self._write(prompt, sampling, chosen, tenant, put, cancelled, guide)
            (answer,) = self._together([prompt], sampling, [chosen])
            put(answer.text)
            return answer

        def after(answer: Answer) -> None:
            # What has a form is for a program, which seldom asks the next question.
            plain = sampling.beams == 1 and not sampling.stop and guide is None
            if plain and answer.finish != "cancelled":
                self._read_ahead(turns, images, answer.text, chosen, tenant)

        return Stream(run, after)

    def _read_ahead(
        self,
        turns: Sequence[Turn],
        images: Sequence[EncodedImage],
        answer: str,
        adapter: Adapter,
        tenant: str,
    ) -> None:
        """Read what comes before the next question, unless somebody else has the model now."""
        ahead = self.prompts.ahead(turns, images, answer)
        if ahead is None or not self._lock.acquire(blocking=False):
            return
        try:
            with self.alone(adapter):
                scope = adapter.revision, tenant
                read_ahead(self.model, ahead, prefixes=self.prefixes, scope=scope)
        finally:
            self._lock.release()

    def _write(
        self,
        prompt: Prompt,
        sampling: Sampling,
        adapter: Adapter,
        tenant: str,
        put: Callable[[str], None],
        cancelled: threading.Event,
        guide: Guide | None = None,
    ) -> Answer:
        """Write an answer on top of what the tenant's prefix cache has."""
        began = time.perf_counter()
        first: list[float] = []

        def give(text: str) -> None:
            if not first:
                first.append(time.perf_counter() - began)
            put(text)

        words = Words(self.tokenizer, sampling.stop, give)
        with self.alone(adapter):
            written = write(
                self.model,
                prompt,
                sampling,
                prefixes=self.prefixes,
                scope=(adapter.revision, tenant),
                cancelled=cancelled,
                emit=words.add,
                guide=guide,
            )
        words.end()
        if written.finish != "cancelled" and not sampling.stop:
            self.prompts.remember(words.text, written.ids)
        return Answer(
            words.text,
            len(written.ids),
            time.perf_counter() - began,
            written.finish,
            written.computed,
            written.reused,
            first[0] if first else None,
        )

    def generate(
        self,
        turns: Sequence[Turn],
        images: Sequence[EncodedImage] = (),
        *,
        sampling: Sampling = GREEDY,
        tenant: str = "",
        adapter: str | None = None,
        constraint: Constraint | None = None,
    ) -> Answer:
        """Answer the last turn of one conversation, in the form of a constraint if one is given."""
        chosen = self.resolve(adapter)
        guide = self.guide(constraint, sampling)
        prompt = self.prompt(turns, images, chosen)
        if sampling.beams > 1:
            return self._together([prompt], sampling, [chosen])[0]
        silent, never = (lambda _text: None), threading.Event()
        return self._write(prompt, sampling, chosen, tenant, silent, never, guide)

    def chances(
        self,
        turns: Sequence[Turn],
        starts: Sequence[str],
        images: Sequence[EncodedImage] = (),
        *,
        tenant: str = "",
        adapter: str | None = None,
    ) -> list[float]:
        """How likely the answer to the last turn begins with each text, 0 to 1.

        The prompt is kept, so that writing the answer afterwards need not read it again.

        Raises:
            InputError: as for `stream`, or a text is empty.
        """
        chosen = self.resolve(adapter)
        prompt = self.prompt(turns, images, chosen)
        ids = [
            self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
            for text in starts
        ]
        if not all(ids):
            raise InputError("One of the beginnings is empty; give words.")
        scope = chosen.revision, tenant
        with self.alone(chosen):
            found = beginnings(self.model, prompt, ids, prefixes=self.prefixes, scope=scope)
        return [math.exp(value) for value in found]

    def generate_batch(
        self,
        conversations: Sequence[tuple[Sequence[Turn], Sequence[EncodedImage]]],
        *,
        sampling: Sampling = GREEDY,
        tenant: str = "",
        adapter: str | None = None,
        adapters: Sequence[str | None] | None = None,
    ) -> list[Answer]:
        """Answer the last turn of each conversation in one batch.

        Args:
            adapters: one for each conversation, in place of ``adapter`` for all.

        Raises:
            InputError: as for `stream`, or there are not as many adapters as conversations.
        """
        named = one_for_each(conversations, adapter, adapters)
        if len(conversations) == 1:
            ((turns, images),) = conversations
            return [
                self.generate(turns, images, sampling=sampling, tenant=tenant, adapter=named[0])
            ]
        chosen = [self.resolve(name) for name in named]
        prompts = [
            self.prompt(turns, images, each)
            for (turns, images), each in zip(conversations, chosen, strict=True)
        ]
        return self._together(prompts, sampling, chosen) if prompts else []

    def search(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        rows: Sequence[Adapter] | None = None,
        answers: int = 1,
        allowed: Allowed | None = None,
    ) -> list[list[tuple[int, ...]]]:
        """Token ids of the likeliest answers to each prompt, by beam search.

        Args:
            rows: the adapter of each prompt; the default one where none are given.
        """
        embeds, mask = self.padded(prompts)
        chosen = rows or [self.resolve(None)] * len(prompts)
        with self._lock, self._stack.speaking(chosen) as assign:
            return beam_search(
                self.model,
                embeds,
                mask,
                beams=sampling.beams,
                max_tokens=sampling.max_tokens,
                ends=end_tokens(self.model),
                answers=answers,
                allowed=allowed,
                assign=assign,
                places=self.places(prompts),
            )

    def _together(
        self, prompts: Sequence[Prompt], sampling: Sampling, rows: Sequence[Adapter]
    ) -> list[Answer]:
        """One answer to each prompt, all in one batch."""
        began = time.perf_counter()
        found = (self.search if sampling.beams > 1 else self.draw_ids)(prompts, sampling, rows=rows)
        seconds = (time.perf_counter() - began) / len(prompts)
        return [
            self.answer(ids, sampling, seconds, len(prompt))
            for prompt, (ids,) in zip(prompts, found, strict=True)
        ]

    def draw_ids(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        rows: Sequence[Adapter] | None = None,
        answers: int = 1,
    ) -> list[list[tuple[int, ...]]]:
        """Token ids of answers to each prompt in one batch, by transformers' own `generate`.

        Args:
            rows: as for `search`.
        """
        chosen = rows or [self.resolve(None)] * len(prompts)
        if places_pictures(self.model):
            return draw_alone(self, prompts, sampling, chosen, answers)
        embeds, mask = self.padded(prompts)
        options: dict[str, Any] = {
            "max_new_tokens": sampling.max_tokens,
            "num_return_sequences": answers,
            "do_sample": sampling.temperature > 0,
            "pad_token_id": self._pad,
        }
        if sampling.temperature > 0:
            options |= {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        if sampling.stop:
            options |= {"stop_strings": list(sampling.stop), "tokenizer": self.tokenizer}
        with (
            self._lock,
            self._stack.speaking(chosen) as assign,
            torch.inference_mode(),
            torch.random.fork_rng(enabled=True),
        ):
            assign([prompt for prompt in range(len(prompts)) for _ in range(answers)])
            if sampling.seed is not None:
                torch.manual_seed(sampling.seed)
            else:
                torch.seed()  # the fork begins where the last one did: draw anew
            drawn = self.model.generate(inputs_embeds=embeds, attention_mask=mask, **options)
        ends = end_tokens(self.model) | {self._pad}
        found = []
        for row in drawn.tolist():
            count = next((at for at, token in enumerate(row) if token in ends), len(row))
            found.append(tuple(row[:count]))
        return [found[first : first + answers] for first in range(0, len(found), answers)]

    @property
    def _pad(self) -> int:
        pad = self.tokenizer.pad_token_id
        return int(self.tokenizer.eos_token_id if pad is None else pad)

    def answer(
        self, ids: Sequence[int], sampling: Sampling, seconds: float, computed: int
    ) -> Answer:
        """An answer from its tokens, the end token left out."""
        text = self.tokenizer.decode(ids, skip_special_tokens=True).strip()
        for stop in sampling.stop:
            text = text.split(stop)[0]
        ended = len(ids) < sampling.max_tokens
        return Answer(text, len(ids), seconds, "stop" if ended else "length", computed)

    # --- what other modules do with all of this

    def describe(
        self,
        images: Sequence[EncodedImage],
        *,
        detail: Detail = "sentence",
        mode: Mode = "greedy",
        seed: int | None = None,
        adapter: str | None = None,
    ) -> list[Answer]:
        """Describe pictures, each on its own; see `assistant.engine.describing.describe`."""
        return describing.describe(
            self, images, detail=detail, mode=mode, seed=seed, adapter=adapter
        )

    def look(
        self,
        turns: Sequence[Turn],
        pictures: Sequence[LoadedImage],
        answer: str,
        *,
        adapter: str | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> list[Gaze]:
        """How much each word of an answer rests on each part of each picture."""
        return gaze.look(self, turns, pictures, answer, adapter=adapter, progress=progress)

    def candidates(
        self,
        image: EncodedImage,
        *,
        detail: Detail = "sentence",
        seed: int | None = None,
        adapter: str | None = None,
    ) -> list[tuple[str, Evidence]]:
        """Different descriptions of a picture, and what speaks for each."""
        chosen = self.resolve(adapter)
        (weighed,) = describing.weighed(self, [image], detail, seed, chosen)
        return [(answer.text, evidence) for answer, evidence in weighed]

    def label(
        self,
        images: Sequence[EncodedImage],
        *,
        adapter: str | None = None,
        labels: Sequence[str] | None = None,
        threshold: float | None = None,
        top: int = TOP,
    ) -> list[Labelled]:
        """One label of a list for each picture, or none; see `assistant.engine.labels.label`."""
        return labelling.label(
            self, images, adapter=adapter, labels=labels, threshold=threshold, top=top
        )

    def label_scores(
        self,
        images: Sequence[EncodedImage],
        *,
        adapter: str | None = None,
        labels: Sequence[str] | None = None,
    ) -> LabelScores:
        """What each part says of each label; see `assistant.engine.labels.label_scores`."""
        return labelling.label_scores(self, images, adapter=adapter, labels=labels)

    def recognise(
        self, images: Sequence[EncodedImage], *, threshold: float | None = None, top: int = TOP
    ) -> list[Labelled]:
        """ImageNet's name for each picture; see `assistant.engine.labels.recognise`."""
        return labelling.recognise(self, images, threshold=threshold, top=top)
