"""The engine: encode a picture once, then answer many questions about it.

Every door of the product asks this class; it alone runs the model. Calls are serialised by a
lock, and a stream that is abandoned stops the model at the next token.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch

from assistant.adapter_files import find_adapter
from assistant.engine import describing, gaze
from assistant.engine.beams import Allowed, beam_search
from assistant.engine.caches import ImageCache, PrefixCache, Scope
from assistant.engine.decoding import end_tokens, write
from assistant.engine.prompt import Prompt, PromptBuilder, embed
from assistant.engine.streams import Stream, Words
from assistant.engine.values import GREEDY, Answer, EncodedImage, Gaze, Mode, Sampling, Turn
from assistant.errors import InputError, WeightsError
from assistant.evidence import Evidence as Sight
from assistant.evidence import imagenet_names, judge, shipped_domain
from assistant.images import LoadedImage
from assistant.llava import Base, attach_adapter, ensure_embedded, load_base, settle
from assistant.prompts import Detail
from assistant.quantize import Kind, checked_kind, choose_quantization, quantize_model
from assistant.rerank import Evidence
from assistant.settings import Settings, get_settings
from assistant.vision import EfficientNetLiteModel
from assistant.weights import Progress

_IMAGE_BYTES = 32 * 2**20  # some 700 pictures of the embedded base


class Engine:
    """A base with an adapter, ready to answer."""

    def __init__(
        self,
        base: Base,
        adapter: str | None,
        labels: dict[str, str],
        *,
        prefix_bytes: int,
    ) -> None:
        self.name = base.name
        self.adapter = adapter
        self.quantization: Kind = "none"
        self.labels = labels
        self.model: Any = base.model
        self.processor = base.processor
        self.device: torch.device = base.model.device
        self.tokenizer: Any = base.processor.tokenizer
        self.prompts = PromptBuilder(base.processor, base.model.config.image_token_id)
        self.prefixes = PrefixCache(prefix_bytes)
        self._images = ImageCache(_IMAGE_BYTES)
        self._lock = threading.RLock()
        # A view of the last positions would make torch copy the whole output layer once a row.
        self.model.get_output_embeddings().register_forward_pre_hook(
            lambda _layer, given: (given[0].clone(memory_format=torch.contiguous_format),)
        )

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

        Raises:
            InputError: the quantization is unknown or cannot be done.
            WeightsError: the base cannot be fetched or read.
            AdapterError: the adapter is unknown, unsafe, damaged or made for another base.
        """
        settings = settings or get_settings()
        if quantize is not None:
            settings = settings.model_copy(update={"quantize": checked_kind(quantize)})
        name = base or settings.base
        chosen = adapter or settings.adapter or None
        report = progress or (lambda _message, _fraction: None)
        files = None
        if name == "embedded" or chosen is not None:
            files = find_adapter(chosen, settings)
        device = _device(settings)
        path = ensure_embedded(settings, progress) if name == "embedded" else name
        report("Loading the model", None)
        # On the CPU, where it takes no memory before it is merged, quantized and moved.
        loaded = load_base(path, name, torch.device("cpu"), "auto")
        if settings.quantize == "auto":
            report("Measuring what is fastest here", None)
        text_config = loaded.model.config.get_text_config()
        kind = choose_quantization(settings, text_config, device=device).kind
        if files is not None:
            report("Loading the adapter", None)
            loaded = attach_adapter(loaded, files.path, files.name)
        if not hasattr(loaded.processor, "image_token"):
            raise WeightsError(
                f"The base {name!r} does not take pictures; give one of the LLaVA family."
            )
        if kind != "none":
            report("Quantizing the model", None)
            quantize_model(loaded.model, kind, device)
        settle(loaded.model, device)
        engine = cls(
            loaded,
            files.name if files is not None else None,
            files.labels if files else {},
            prefix_bytes=settings.prefix_cache_bytes,
        )
        engine.quantization = kind
        return engine

    def encode_image(self, image: LoadedImage, *, tenant: str = "") -> EncodedImage:
        """Encode one picture."""
        return self.encode_images([image], tenant=tenant)[0]

    def encode_images(
        self, images: Sequence[LoadedImage], *, tenant: str = ""
    ) -> list[EncodedImage]:
        """Encode pictures in one pass of the vision tower and the projector; known ones are not."""
        scope = self._scope(tenant)
        known = self._images.get(scope, [image.id for image in images])
        new = list({image.id: image for image in images if image.id not in known}.values())
        if new:
            for encoded in self.encode_anew(new):
                known[encoded.id] = encoded
                self._images.put(scope, encoded)
        return [known[image.id] for image in images]

    def encode_anew(self, images: Sequence[LoadedImage]) -> list[EncodedImage]:
        """Encode pictures without looking for them in the cache or keeping them there."""
        pixels = self.processor.image_processor(
            [image.pixels for image in images], return_tensors="pt"
        )
        values = pixels["pixel_values"].to(self.device, self.model.dtype)
        values = values.contiguous(memory_format=torch.channels_last)
        pooled: list[torch.Tensor | None] = [None] * len(images)

        def look(_module: Any, _inputs: Any, output: Any) -> None:
            summary = getattr(output, "pooler_output", None)
            if summary is not None and len(summary) == len(images):
                pooled[:] = summary.float()

        with self._lock, torch.inference_mode():
            tower = self._tower
            hook = tower.register_forward_hook(look) if tower is not None else None
            try:
                features = self.model.get_image_features(pixel_values=values).pooler_output
            finally:
                if hook is not None:
                    hook.remove()
        return [
            EncodedImage(image.id, feature, summary)
            for image, feature, summary in zip(images, features, pooled, strict=True)
        ]

    def stream(
        self,
        turns: Sequence[Turn],
        images: Sequence[EncodedImage] = (),
        *,
        sampling: Sampling = GREEDY,
        tenant: str = "",
    ) -> Stream:
        """Yield the answer in pieces of whole words as they come.

        Closing the stream, or letting go of it, stops the model at the next token. Beam search has
        no words before its end: it then yields the whole answer at once.

        Raises:
            InputError: the question is empty, or a picture of a turn is not among ``images``.
        """
        prompt = self.prompts.build(turns, images)

        def run(put: Callable[[str], None], cancelled: threading.Event) -> Answer:
            if sampling.beams == 1:
                return self._write(prompt, sampling, tenant, put, cancelled)
            (answer,) = self._together([prompt], sampling)
            put(answer.text)
            return answer

        return Stream(run)

    def _write(
        self,
        prompt: Prompt,
        sampling: Sampling,
        tenant: str,
        put: Callable[[str], None],
        cancelled: threading.Event,
    ) -> Answer:
        """Write an answer on top of what the tenant's prefix cache has."""
        began = time.perf_counter()
        first: list[float] = []

        def give(text: str) -> None:
            if not first:
                first.append(time.perf_counter() - began)
            put(text)

        words = Words(self.tokenizer, sampling.stop, give)
        with self._lock:
            written = write(
                self.model,
                prompt,
                sampling,
                prefixes=self.prefixes,
                scope=self._scope(tenant),
                cancelled=cancelled,
                emit=words.add,
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
    ) -> Answer:
        """Answer the last turn of one conversation."""
        prompt = self.prompts.build(turns, images)
        if sampling.beams > 1:
            return self._together([prompt], sampling)[0]
        return self._write(prompt, sampling, tenant, lambda _text: None, threading.Event())

    def generate_batch(
        self,
        conversations: Sequence[tuple[Sequence[Turn], Sequence[EncodedImage]]],
        *,
        sampling: Sampling = GREEDY,
        tenant: str = "",
    ) -> list[Answer]:
        """Answer the last turn of each conversation in one batch."""
        if len(conversations) == 1:
            ((turns, images),) = conversations
            return [self.generate(turns, images, sampling=sampling, tenant=tenant)]
        prompts = [self.prompts.build(turns, images) for turns, images in conversations]
        if not prompts:
            return []
        return self._together(prompts, sampling)

    def search(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        answers: int = 1,
        allowed: Allowed | None = None,
    ) -> list[list[tuple[int, ...]]]:
        """Token ids of the likeliest answers to each prompt, by beam search."""
        embeds, mask = self._padded(prompts)
        with self._lock:
            return beam_search(
                self.model,
                embeds,
                mask,
                beams=sampling.beams,
                max_tokens=sampling.max_tokens,
                ends=end_tokens(self.model),
                answers=answers,
                allowed=allowed,
            )

    def _together(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Answer]:
        """One answer to each prompt, all in one batch."""
        began = time.perf_counter()
        found = (self.search if sampling.beams > 1 else self.draw_ids)(prompts, sampling)
        seconds = (time.perf_counter() - began) / len(prompts)
        return [
            self.answer(ids, sampling, seconds, len(prompt))
            for prompt, (ids,) in zip(prompts, found, strict=True)
        ]

    def draw_ids(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, answers: int = 1
    ) -> list[list[tuple[int, ...]]]:
        """Token ids of answers to each prompt in one batch, by transformers' own `generate`."""
        embeds, mask = self._padded(prompts)
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
        with self._lock, torch.inference_mode(), torch.random.fork_rng(enabled=True):
            if sampling.seed is not None:
                torch.manual_seed(sampling.seed)
            else:
                torch.seed()  # the fork begins where the last one did: draw anew
            rows = self.model.generate(inputs_embeds=embeds, attention_mask=mask, **options)
        ends = end_tokens(self.model) | {self._pad}
        found = []
        for row in rows.tolist():
            count = next((at for at, token in enumerate(row) if token in ends), len(row))
            found.append(tuple(row[:count]))
        return [found[first : first + answers] for first in range(0, len(found), answers)]

    @property
    def _pad(self) -> int:
        pad = self.tokenizer.pad_token_id
        return int(self.tokenizer.eos_token_id if pad is None else pad)

    def _padded(self, prompts: Sequence[Prompt]) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings ``[B, L, hidden]`` and mask ``[B, L]``, padded on the left."""
        rows = [embed(self.model, prompt) for prompt in prompts]
        length = max(len(row) for row in rows)
        embeds = rows[0].new_zeros((len(rows), length, rows[0].shape[1]))
        mask = torch.zeros((len(rows), length), dtype=torch.long, device=self.device)
        for number, row in enumerate(rows):
            embeds[number, length - len(row) :] = row
            mask[number, length - len(row) :] = 1
        return embeds, mask

    def answer(
        self, ids: Sequence[int], sampling: Sampling, seconds: float, computed: int
    ) -> Answer:
        """An answer from its tokens, the end token left out."""
        text = self.tokenizer.decode(ids, skip_special_tokens=True).strip()
        for stop in sampling.stop:
            text = text.split(stop)[0]
        ended = len(ids) < sampling.max_tokens
        return Answer(text, len(ids), seconds, "stop" if ended else "length", computed)

    def forget(self, tenant: str | None = None) -> None:
        """Drop what was computed for a tenant, or for all."""
        self.prefixes.forget(tenant)
        self._images.forget(tenant)

    def alone(self) -> AbstractContextManager[object]:
        """While it is entered, nobody else runs the model."""
        return self._lock

    @property
    def _tower(self) -> Any:
        return getattr(self.model.model, "vision_tower", None)

    def _scope(self, tenant: str) -> Scope:
        return self.adapter or "", tenant

    # --- what engine.describing does with all of this

    def describe(
        self,
        images: Sequence[EncodedImage],
        *,
        detail: Detail = "sentence",
        mode: Mode = "greedy",
        seed: int | None = None,
    ) -> list[Answer]:
        """Describe pictures, each on its own; see `assistant.engine.describing.describe`."""
        return describing.describe(self, images, detail=detail, mode=mode, seed=seed)

    def look(
        self,
        turns: Sequence[Turn],
        pictures: Sequence[LoadedImage],
        answer: str,
        *,
        progress: Callable[[float], None] | None = None,
    ) -> list[Gaze]:
        """How much each word of an answer rests on each part of each picture."""
        return gaze.look(self, turns, pictures, answer, progress=progress)

    def evidence(self, image: EncodedImage) -> Sight | None:
        """What the tower's own classifier sees; None where the base's tower has none."""
        if image.pooled is None or not isinstance(self._tower, EfficientNetLiteModel):
            return None
        if self._tower.config.num_classes != len(imagenet_names()):
            return None
        return judge(image.pooled, self._tower, shipped_domain())

    def candidates(
        self, image: EncodedImage, *, detail: Detail = "sentence", seed: int | None = None
    ) -> list[tuple[str, Evidence]]:
        """Different descriptions of a picture, and what speaks for each."""
        (weighed,) = describing.weighed(self, [image], detail, seed)
        return [(answer.text, evidence) for answer, evidence in weighed]

    def label(self, images: Sequence[EncodedImage]) -> list[str]:
        """The most likely of the adapter's labels for each picture.

        Raises:
            InputError: the adapter has no labels.
        """
        return describing.label(self, images)


def _device(settings: Settings) -> torch.device:
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise InputError("SIGHTDESK_DEVICE is cuda, but there is no CUDA device; set it to cpu.")
    if settings.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(settings.device)
