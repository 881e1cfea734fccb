"""`RemoteEngine`: a vision model of another server, with the methods of `Engine`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from assistant.engine.constrained import Constraint
from assistant.engine.describing import SAMPLING, sampling_for
from assistant.engine.streams import Stream
from assistant.engine.values import GREEDY, Answer, EncodedImage, Mode, Sampling, Turn, one_for_each
from assistant.errors import InputError, SightdeskError
from assistant.labelling import TOP, Labelled
from assistant.prompts import DESCRIBE, Detail
from assistant.remote import choosing, forms, weighing
from assistant.remote.address import parse
from assistant.remote.asking import WholeWords, as_answer, request
from assistant.remote.completion import Completion
from assistant.remote.holder import RemoteHolder, own_labels
from assistant.rerank import Evidence
from assistant.settings import Settings, get_settings
from assistant.weights import Progress

FORM_TRIES: Final = 3
"""How often an answer that has not its form is asked for."""


class RemoteEngine(RemoteHolder):
    """A model of an OpenAI-compatible server, ready to answer.

    An adapter is a model of the same server, which is chosen by the request's ``model``. What needs
    the model's inside (`look`) is not there.
    """

    @classmethod
    def open(
        cls,
        base: str | None = None,
        adapter: str | None = None,
        *,
        settings: Settings | None = None,
        progress: Progress | None = None,
    ) -> RemoteEngine:
        """Look whether the server is there and has the model; as `Engine.load`.

        Raises:
            InputError: the address cannot be used.
            RemoteError: the server is down, asks for a key, or has no such model.
            AdapterError: it has no such adapter.
        """
        settings = settings or get_settings()
        address = parse(base or settings.base)
        engine = cls(address, settings)
        if progress is not None:
            progress(f"Asking {address.server}", None)
        try:
            chosen = adapter or settings.adapter or None
            engine.check(chosen)
            engine.adapter = engine.add_adapter(chosen) if chosen else None
        except BaseException:
            engine.close()
            raise
        return engine

    # --- answers

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
        """Yield the answer in pieces of whole words as they come; see `Engine.stream`.

        Closing the stream closes the connection, and the server stops. An answer with a form, or by
        beam search (see `weighing`), comes as a whole at its end.

        Raises:
            InputError: as `Engine.stream`.
        """
        body = self._request(turns, images, sampling, adapter)
        if constraint is not None or sampling.beams > 1:
            self._check(sampling, constraint)

            def whole(put: Callable[[str], None], cancelled: threading.Event) -> Answer:
                if constraint is not None:
                    answer = self._formed(body, sampling, constraint, cancelled)
                else:
                    answer = weighing.likeliest(self, body, sampling)
                put(answer.text)
                return answer

            return Stream(whole)

        def run(put: Callable[[str], None], cancelled: threading.Event) -> Answer:
            began = time.perf_counter()
            words = WholeWords(sampling.stop, put)
            told = self.client.stream(body, words.add, cancelled)
            if told.finish != "cancelled":
                words.end()
            first = words.began - began if words.began is not None else None
            return as_answer(told, began, text=words.text, first=first)

        return Stream(run)

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
        self._check(sampling, constraint)
        body = self._request(turns, images, sampling, adapter)
        if constraint is not None:
            return self._formed(body, sampling, constraint, threading.Event())
        if sampling.beams > 1:
            return weighing.likeliest(self, body, sampling)
        began = time.perf_counter()
        return _shortened(self.client.complete(body), began, sampling)

    def generate_batch(
        self,
        conversations: Sequence[tuple[Sequence[Turn], Sequence[EncodedImage]]],
        *,
        sampling: Sampling = GREEDY,
        tenant: str = "",
        adapter: str | None = None,
        adapters: Sequence[str | None] | None = None,
    ) -> list[Answer]:
        """Answer the last turn of each conversation, all asked at the same time.

        Raises:
            InputError: as `Engine.generate_batch`.
            SightdeskError: one of them failed; the first of the failures.
        """
        named = one_for_each(conversations, adapter, adapters)
        bodies = [
            self._request(turns, images, sampling, name)
            for (turns, images), name in zip(conversations, named, strict=True)
        ]
        if sampling.beams > 1:
            return [weighing.likeliest(self, body, sampling) for body in bodies]
        began = time.perf_counter()
        return [_shortened(told, began, sampling) for told in self.together(bodies)]

    def chances(
        self,
        turns: Sequence[Turn],
        starts: Sequence[str],
        images: Sequence[EncodedImage] = (),
        *,
        tenant: str = "",
        adapter: str | None = None,
    ) -> list[float]:
        """How likely the answer begins with each text, 0 to 1; see `weighing.chances`.

        Raises:
            InputError: as for `stream`, or a text is empty.
        """
        if not all(text.strip() for text in starts):
            raise InputError("One of the beginnings is empty; give words.")
        body = self._request(turns, images, GREEDY, adapter)
        return weighing.chances(self, body, starts)

    def together(self, bodies: Sequence[dict[str, Any]]) -> list[Completion]:
        """Answers to several requests, asked at the same time.

        Raises:
            SightdeskError: the first failure, where there is one.
        """
        found: list[Completion] = []
        for told in self.client.complete_all(bodies):
            if isinstance(told, SightdeskError):
                raise told
            found.append(told)
        return found

    # --- what is made of answers

    def describe(
        self,
        images: Sequence[EncodedImage],
        *,
        detail: Detail = "sentence",
        mode: Mode = "greedy",
        seed: int | None = None,
        adapter: str | None = None,
    ) -> list[Answer]:
        """Describe pictures, each on its own; see `Engine.describe`.

        Raises:
            InputError: there is no such detail or mode.
        """
        sampling = sampling_for(detail, mode, seed)
        if sampling is None:
            return [
                weighing.best(self.weighed(image, detail=detail, seed=seed, adapter=adapter))
                for image in images
            ]
        return self.generate_batch(
            [([Turn("user", DESCRIBE[detail], (image.id,))], [image]) for image in images],
            sampling=sampling,
            adapter=adapter,
        )

    def candidates(
        self,
        image: EncodedImage,
        *,
        detail: Detail = "sentence",
        seed: int | None = None,
        adapter: str | None = None,
    ) -> list[tuple[str, Evidence]]:
        """Different descriptions of a picture, and what speaks for each; see `weighing.weigh`."""
        found = self.weighed(image, detail=detail, seed=seed, adapter=adapter)
        return [(answer.text, evidence) for answer, evidence in found]

    def weighed(
        self, image: EncodedImage, *, detail: Detail, seed: int | None, adapter: str | None
    ) -> list[tuple[Answer, Evidence]]:
        """The same with what each took."""
        turns = [Turn("user", DESCRIBE[detail], (image.id,))]
        body = self._request(turns, [image], SAMPLING["sample"], adapter)
        return weighing.weigh(self, body, seed)

    def label(
        self,
        images: Sequence[EncodedImage],
        *,
        adapter: str | None = None,
        labels: Sequence[str] | None = None,
        threshold: float | None = None,
        top: int = TOP,
    ) -> list[Labelled]:
        """One label of a list for each picture, or none; see `choosing.label`.

        The labels of an adapter that is installed here are known by its name, also where the server
        has no such model: its base is asked then.

        Raises:
            InputError: no list, one that cannot be used, or a threshold out of range.
        """
        own: dict[str, str] = {}
        name = adapter or self.adapter
        if name is not None:
            own = own_labels(name, self.settings)
        served = adapter if adapter is None or self.has(adapter) or not own else self.address.model
        model = self.model_of(served)
        if labels is None and not own:
            return self.recognise(images, threshold=threshold, top=top)
        return choosing.label(
            self,
            images,
            labels=sorted(own) if labels is None else labels,
            coarse=own,
            model=model,
            threshold=threshold,
            top=top,
        )

    def recognise(
        self, images: Sequence[EncodedImage], *, threshold: float | None = None, top: int = TOP
    ) -> list[Labelled]:
        """What each picture shows, in the model's own words; see `choosing.recognise`."""
        return choosing.recognise(
            self, images, model=self.model_of(None), threshold=threshold, top=top
        )

    # --- how

    def _request(
        self,
        turns: Sequence[Turn],
        images: Sequence[EncodedImage],
        sampling: Sampling,
        adapter: str | None,
    ) -> dict[str, Any]:
        return request(self.model_of(adapter), turns, images, sampling)

    def _check(self, sampling: Sampling, constraint: Constraint | None) -> None:
        if constraint is not None and sampling.beams > 1:
            raise InputError("Beam search cannot follow a form; give beams=1.")

    def _formed(
        self,
        body: dict[str, Any],
        sampling: Sampling,
        constraint: Constraint,
        cancelled: threading.Event,
    ) -> Answer:
        """An answer in its form, asked for again where it has not that form."""
        began = time.perf_counter()
        wanted = forms.response_format(constraint)
        if wanted is not None:
            body = body | {"response_format": wanted}
        for number in range(FORM_TRIES):
            if number:
                # What was said without a choice would be said again.
                warmer = max(sampling.temperature, 0.4)
                body = body | {"temperature": warmer, "seed": (sampling.seed or 0) + number}
            told = self.client.stream(body, lambda _piece: True, cancelled)
            if told.finish == "cancelled":
                return as_answer(told, began)
            text = forms.formed(told.text, constraint, cut=told.finish == "length")
            if text is not None:
                answer = _shortened(told, began, sampling)
                return answer if sampling.stop else replace(answer, text=text)
        raise self.client.troubles.unformed()


def _shortened(told: Completion, began: float, sampling: Sampling) -> Answer:
    text = told.text
    for stop in sampling.stop:
        text = text.split(stop)[0]
    return as_answer(told, began, text=text)
