"""The engine: encode a picture once, then answer many questions about it.

Every door of the product asks this class; it alone runs the model. Calls are serialised by a
lock, and a stream that is abandoned stops the model at the next token.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, cast

import torch
from PIL import Image
from transformers import StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

from assistant.adapter_files import find_adapter
from assistant.engine.values import GREEDY, Answer, EncodedImage, Mode, Sampling, Turn
from assistant.errors import InputError, WeightsError
from assistant.images import LoadedImage, open_image
from assistant.llava import Base, attach_adapter, ensure_embedded, load_base
from assistant.prompts import DESCRIBE, LABEL_QUESTION, Detail, spoken_label
from assistant.rerank import AGREEMENT_WEIGHT, HABIT_WEIGHT, Evidence, score, weigh
from assistant.settings import Settings, get_settings
from assistant.weights import Progress

_BEAM_CANDIDATES, _DRAWN_CANDIDATES = 4, 6
_DESCRIBE_SAMPLING: Final = {
    "greedy": GREEDY,
    "beam": Sampling(beams=4),
    "sample": Sampling(temperature=0.7, top_p=0.9),
}


class _Cancelled(StoppingCriteria):
    """Ends a generation when its reader has gone."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.BoolTensor:
        stopped = torch.full((len(input_ids),), self.event.is_set(), device=input_ids.device)
        return cast(torch.BoolTensor, stopped)


class Engine:
    """A base with an adapter, ready to answer."""

    def __init__(self, base: Base, adapter: str | None, labels: dict[str, str]) -> None:
        self.name = base.name
        self.adapter = adapter
        self.labels = labels
        self.model: Any = base.model
        self.processor = base.processor
        self.device: torch.device = base.model.device
        self._tokenizer = base.processor.tokenizer
        self._image_token: str = base.processor.image_token
        self._special = _special_tokens(self._tokenizer, self._image_token)
        self._lock = threading.RLock()
        self._blank: EncodedImage | None = None

    @classmethod
    def load(
        cls,
        base: str | None = None,
        adapter: str | None = None,
        *,
        settings: Settings | None = None,
        progress: Progress | None = None,
    ) -> Engine:
        """Load a base and an adapter by name; what is not given comes from the settings.

        Raises:
            WeightsError: the base cannot be fetched or read.
            AdapterError: the adapter is unknown, unsafe, damaged or made for another base.
        """
        settings = settings or get_settings()
        name = base or settings.base
        chosen = adapter or settings.adapter or None
        report = progress or (lambda _message, _fraction: None)
        files = None
        if name == "embedded" or chosen is not None:
            files = find_adapter(chosen, settings)
        device = _device(settings)
        path = ensure_embedded(settings, progress) if name == "embedded" else name
        report("Loading the model", None)
        # The adapter is merged in full precision; only then does the model become bfloat16.
        dtype = torch.float32 if files is not None else torch.bfloat16
        loaded = load_base(path, name, device, dtype)
        if files is not None:
            report("Loading the adapter", None)
            loaded = attach_adapter(loaded, files.path, files.name)
        if not hasattr(loaded.processor, "image_token"):
            raise WeightsError(
                f"The base {name!r} does not take pictures; give one of the LLaVA family."
            )
        return cls(loaded, files.name if files is not None else None, files.labels if files else {})

    def encode_image(self, image: LoadedImage) -> EncodedImage:
        """Encode one picture."""
        return self.encode_images([image])[0]

    def encode_images(self, images: Sequence[LoadedImage]) -> list[EncodedImage]:
        """Encode pictures in one pass of the vision tower and the projector."""
        if not images:
            return []
        pixels = self.processor.image_processor(
            [image.pixels for image in images], return_tensors="pt"
        )
        values = pixels["pixel_values"].to(self.device, self.model.dtype)
        values = values.contiguous(memory_format=torch.channels_last)
        with self._lock, torch.inference_mode():
            features = self.model.get_image_features(pixel_values=values).pooler_output
        return [EncodedImage(image.id, f) for image, f in zip(images, features, strict=True)]

    def stream(
        self,
        turns: Sequence[Turn],
        images: Sequence[EncodedImage] = (),
        *,
        sampling: Sampling = GREEDY,
    ) -> Iterator[str]:
        """Yield the answer in pieces of whole words as they come.

        Closing the iterator, or any exception in its reader, stops the model at the next token.
        Beam search has no words before its end: it then yields the whole answer at once.
        """
        if sampling.beams > 1 or sampling.stop:
            yield self.generate(turns, images, sampling=sampling).text
            return
        inputs = self._inputs([(turns, images)])
        streamer = TextIteratorStreamer(
            self._tokenizer,
            skip_prompt=False,
            skip_special_tokens=True,
        )
        cancelled = _Cancelled()
        failure: list[BaseException] = []

        def run() -> None:
            try:
                self._run(inputs, sampling, streamer=streamer, cancelled=cancelled)
            except BaseException as error:  # handed to the reader, which raises it
                failure.append(error)
                streamer.end()

        worker = threading.Thread(target=run, name="sightdesk-generate", daemon=True)
        worker.start()
        try:
            for piece in streamer:
                if piece:
                    yield piece
        finally:
            cancelled.event.set()
            worker.join()
        if failure:
            raise failure[0]

    def generate(
        self,
        turns: Sequence[Turn],
        images: Sequence[EncodedImage] = (),
        *,
        sampling: Sampling = GREEDY,
    ) -> Answer:
        """Answer the last turn of one conversation."""
        return self.generate_batch([(turns, images)], sampling=sampling)[0]

    def generate_batch(
        self,
        conversations: Sequence[tuple[Sequence[Turn], Sequence[EncodedImage]]],
        *,
        sampling: Sampling = GREEDY,
    ) -> list[Answer]:
        """Answer the last turn of each conversation in one batch."""
        if not conversations:
            return []
        started = time.perf_counter()
        tokens = self._run(self._inputs(conversations), sampling)
        seconds = (time.perf_counter() - started) / len(conversations)
        return [self._answer(row, sampling, seconds) for row in tokens]

    def describe(
        self,
        images: Sequence[EncodedImage],
        *,
        detail: Detail = "sentence",
        mode: Mode = "beam",
        seed: int | None = None,
    ) -> list[Answer]:
        """Describe pictures, each on its own.

        Args:
            detail: a few words, one sentence, or a few sentences.
            mode: most likely word by word, beam search, drawn at random (with ``seed``), or the
                best of several candidates (see `assistant.rerank`), which takes longest.
        """
        if detail not in DESCRIBE:
            raise InputError(f"detail is {detail!r}; give one of: {', '.join(DESCRIBE)}.")
        if mode == "rerank":
            return self._describe_reranked(images, detail, seed)
        sampling = _DESCRIBE_SAMPLING.get(mode)
        if sampling is None:
            modes = ", ".join([*_DESCRIBE_SAMPLING, "rerank"])
            raise InputError(f"mode is {mode!r}; give one of: {modes}.")
        return self.generate_batch(
            [_request(image, DESCRIBE[detail]) for image in images],
            sampling=replace(sampling, seed=seed),
        )

    def candidates(
        self, image: EncodedImage, *, detail: Detail = "sentence", seed: int | None = None
    ) -> list[tuple[str, Evidence]]:
        """Different descriptions of a picture, and what speaks for each."""
        (weighed,) = self._weighed([image], detail, seed)
        return [(answer.text, evidence) for answer, evidence in weighed]

    def _describe_reranked(
        self, images: Sequence[EncodedImage], detail: Detail, seed: int | None
    ) -> list[Answer]:
        if not images:
            return []
        started = time.perf_counter()
        weighed = self._weighed(images, detail, seed)
        seconds = (time.perf_counter() - started) / len(images)
        best = (
            max(candidates, key=lambda c: score(c[1], HABIT_WEIGHT, AGREEMENT_WEIGHT))[0]
            for candidates in weighed
        )
        return [replace(answer, seconds=seconds) for answer in best]

    def _weighed(
        self, images: Sequence[EncodedImage], detail: Detail, seed: int | None
    ) -> list[list[tuple[Answer, Evidence]]]:
        """Different candidates for each picture, and what speaks for each."""
        inputs = self._inputs([_request(image, DESCRIBE[detail]) for image in images])
        beam = _DESCRIBE_SAMPLING["beam"]
        drawn = replace(_DESCRIBE_SAMPLING["sample"], seed=seed)
        rows = [
            self._run(inputs, beam, answers=_BEAM_CANDIDATES),
            self._run(inputs, drawn, answers=_DRAWN_CANDIDATES),
        ]
        blank = self._embed(*_request(self._grey(), DESCRIBE[detail]))
        prompts = zip(inputs["inputs_embeds"], inputs["attention_mask"].bool(), strict=True)
        weighed = []
        for number, (padded, there) in enumerate(prompts):
            found: dict[str, tuple[Answer, tuple[int, ...]]] = {}
            for of_all, count in zip(rows, (_BEAM_CANDIDATES, _DRAWN_CANDIDATES), strict=True):
                for row in of_all[number * count : (number + 1) * count]:
                    answer = self._answer(row, drawn, 0.0)
                    ids = row[: answer.tokens + (answer.finish == "stop")]
                    found.setdefault(answer.text, (answer, tuple(ids.tolist())))
            answers = [answer for answer, _ in found.values()]
            with self._lock:
                evidence = weigh(
                    self.model,
                    padded[there],
                    blank,
                    [ids for _, ids in found.values()],
                    list(found),
                )
            weighed.append(list(zip(answers, evidence, strict=True)))
        return weighed

    def _grey(self) -> EncodedImage:
        """A picture that shows nothing."""
        if self._blank is None:
            self._blank = self.encode_image(open_image(Image.new("RGB", (64, 64), (127, 127, 127))))
        return self._blank

    def label(self, images: Sequence[EncodedImage]) -> list[str]:
        """The most likely of the adapter's labels for each picture.

        Raises:
            InputError: the adapter has no labels.
        """
        if not self.labels:
            raise InputError(
                f"The adapter {self.adapter!r} has no labels; train one on labelled pictures."
            )
        if not images:
            return []
        answers = {self._label_ids(label): label for label in self.labels}
        following: dict[tuple[int, ...], set[int]] = {}
        for ids in answers:
            for end in range(len(ids)):
                following.setdefault(ids[:end], set()).add(ids[end])

        def allowed(_batch: int, ids: torch.Tensor) -> list[int]:
            return sorted(following.get(tuple(ids.tolist()), [self._tokenizer.eos_token_id]))

        rows = self._run(
            self._inputs([_request(image, LABEL_QUESTION) for image in images]),
            Sampling(max_tokens=max(map(len, answers)), beams=4),
            allowed=allowed,
        )
        given = [tuple(row.tolist()) for row in rows]
        return [next(answers[ids] for ids in answers if row[: len(ids)] == ids) for row in given]

    def _label_ids(self, label: str) -> tuple[int, ...]:
        """The tokens of the answer that stands for a label, as in training, and the end token."""
        spoken = spoken_label(label) + "."
        ids = self._tokenizer.encode(spoken, add_special_tokens=False, split_special_tokens=True)
        return (*ids, self._tokenizer.eos_token_id)

    def _inputs(
        self, conversations: Sequence[tuple[Sequence[Turn], Sequence[EncodedImage]]]
    ) -> dict[str, torch.Tensor]:
        """Embeddings ``[B, L, hidden]`` and mask ``[B, L]``, padded on the left."""
        rows = [self._embed(turns, images) for turns, images in conversations]
        length = max(len(row) for row in rows)
        hidden = rows[0].shape[1]
        embeds = torch.zeros(
            (len(rows), length, hidden), dtype=self.model.dtype, device=self.device
        )
        mask = torch.zeros((len(rows), length), dtype=torch.long, device=self.device)
        for number, row in enumerate(rows):
            embeds[number, length - len(row) :] = row
            mask[number, length - len(row) :] = 1
        return {"inputs_embeds": embeds, "attention_mask": mask}

    def _embed(self, turns: Sequence[Turn], images: Sequence[EncodedImage]) -> torch.Tensor:
        """One conversation as ``[L, hidden]``, the pictures' features in their places."""
        last = turns[-1] if turns else None
        if last is None or last.role == "assistant" or not self._plain(last.text):
            raise InputError("The question is empty; ask something about the picture.")
        known = {image.id: image for image in images}
        messages, shown = [], []
        for turn in turns:
            parts: list[dict[str, str]] = []
            for id_ in turn.images:
                if id_ not in known:
                    raise InputError(f"The image {id_[:12]} is not there; encode it first.")
                shown.append(known[id_].features)
                parts.append({"type": "image"})
            parts.append({"type": "text", "text": self._plain(turn.text)})
            messages.append({"role": turn.role, "content": parts})
        text = self.processor.apply_chat_template(messages, add_generation_prompt=True)
        pieces = text.split(self._image_token)
        expanded = pieces[0] + "".join(
            self._image_token * len(features) + piece
            for features, piece in zip(shown, pieces[1:], strict=True)
        )
        ids = self._tokenizer(expanded, return_tensors="pt", add_special_tokens=False)
        ids = ids["input_ids"][0].to(self.device)
        with torch.inference_mode():
            embeds: torch.Tensor = self.model.get_input_embeddings()(ids)
            if shown:
                places = (ids == self.model.config.image_token_id).unsqueeze(-1)
                features = torch.cat(shown).to(embeds.device, embeds.dtype)
                embeds = embeds.masked_scatter(places, features)
        return embeds

    def _plain(self, text: str) -> str:
        """The text without special tokens, which would end the turn or stand for a picture."""
        # What is no Unicode (bytes of another encoding on a command line) becomes "?".
        encodable = text.encode("utf-8", "replace").decode("utf-8")
        return self._special.sub(" ", encodable).strip()

    def _run(
        self,
        inputs: dict[str, torch.Tensor],
        sampling: Sampling,
        *,
        streamer: TextIteratorStreamer | None = None,
        cancelled: _Cancelled | None = None,
        allowed: Callable[[int, torch.Tensor], list[int]] | None = None,
        answers: int = 1,
    ) -> torch.Tensor:
        """New token ids ``[B * answers, N]``, padded on the right with the end token."""
        options: dict[str, Any] = {
            "max_new_tokens": sampling.max_tokens,
            "num_beams": sampling.beams,
            "num_return_sequences": answers,
            "do_sample": sampling.temperature > 0,
            "pad_token_id": self._tokenizer.pad_token_id or self._tokenizer.eos_token_id,
            "prefix_allowed_tokens_fn": allowed,
        }
        if sampling.temperature > 0:
            options |= {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        if sampling.stop:
            options |= {"stop_strings": list(sampling.stop), "tokenizer": self._tokenizer}
        if cancelled is not None:
            options["stopping_criteria"] = StoppingCriteriaList([cancelled])
        if streamer is not None:
            options["streamer"] = streamer
        with self._lock, torch.inference_mode(), torch.random.fork_rng(enabled=True):
            if cancelled is not None and cancelled.event.is_set():
                return torch.empty(0)  # its reader went while another answer was being made
            if sampling.seed is not None:
                torch.manual_seed(sampling.seed)
            else:
                torch.seed()  # the fork begins where the last one did: draw anew
            result: torch.Tensor = self.model.generate(**inputs, **options)
        return result

    def _answer(self, row: torch.Tensor, sampling: Sampling, seconds: float) -> Answer:
        ids = row.tolist()
        ends = {self._tokenizer.eos_token_id, self._tokenizer.pad_token_id}
        count = next((at for at, token in enumerate(ids) if token in ends), len(ids))
        text = self._tokenizer.decode(ids[:count], skip_special_tokens=True).strip()
        for stop in sampling.stop:
            text = text.split(stop)[0]
        ended = count < sampling.max_tokens
        return Answer(text, count, seconds, "stop" if ended else "length")


def _request(image: EncodedImage, text: str) -> tuple[list[Turn], list[EncodedImage]]:
    return [Turn("user", text, (image.id,))], [image]


def _special_tokens(tokenizer: Any, image_token: str) -> re.Pattern[str]:
    """Matches every special token; ``all_special_tokens`` lists only those that have a role."""
    added = tokenizer.added_tokens_decoder.values()
    tokens = {image_token, *tokenizer.all_special_tokens}
    tokens |= {token.content for token in added if token.special}
    longest_first = sorted(tokens, key=len, reverse=True)
    return re.compile("|".join(re.escape(token) for token in longest_first if token))


def _device(settings: Settings) -> torch.device:
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise InputError("SIGHTDESK_DEVICE is cuda, but there is no CUDA device; set it to cpu.")
    if settings.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(settings.device)
