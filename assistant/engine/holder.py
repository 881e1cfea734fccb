"""What an engine holds: the model and its lock, the adapters on it, the caches, encoded pictures.

Whatever takes an ``adapter`` takes the name or directory of one that is stacked on the ground (see
`assistant.engine.adapters`), the ground's own name, or None for the default one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from assistant.engine import eyes
from assistant.engine.adapters import GROUND, Adapter, Adapters
from assistant.engine.caches import ImageCache
from assistant.engine.constrained import Constraint, Guide, Guides
from assistant.engine.decoding import end_tokens
from assistant.engine.lock import ModelLock
from assistant.engine.places import places_of_rows
from assistant.engine.prefixes import PrefixCache
from assistant.engine.prompt import Prompt, PromptBuilder, embed, widened
from assistant.engine.tongue import Assign
from assistant.engine.values import EncodedImage, Sampling, Turn
from assistant.errors import InputError
from assistant.evidence import Evidence, judge, shipped_domain
from assistant.fingerprint import BaseIdentity
from assistant.images import LoadedImage
from assistant.llava import Base
from assistant.quantize import Kind
from assistant.settings import Settings, get_settings

_BEGINNINGS = 16  # whose tokens are known
_IMAGE_BYTES = 32 * 2**20  # some 700 pictures of the embedded base


class Holder:
    """A base with adapters; it sees, and whoever writes takes the model from here.

    Args:
        adapter: what is merged into the base, None where nothing is.
        labels: that adapter's.
        ground: the same with all that is known of it; in place of the two above.
        identify: says what base and merged adapter are, to be compared with what others were
            trained on.

    Attributes:
        adapter: the one that answers where none is given; it may be set to another one's name.
    """

    def __init__(
        self,
        base: Base,
        adapter: str | None,
        labels: dict[str, str],
        *,
        prefix_bytes: int,
        settings: Settings | None = None,
        ground: Adapter | None = None,
        identify: Callable[[], BaseIdentity] | None = None,
    ) -> None:
        self.name = base.name
        self.adapter = adapter
        self.quantization: Kind = "none"
        self.model: Any = base.model
        self.processor = base.processor
        self.device: torch.device = base.model.device
        self.tokenizer: Any = base.processor.tokenizer
        self.prompts = PromptBuilder(base.processor, base.model.config.image_token_id)
        self.prefixes = PrefixCache(prefix_bytes)
        self._beginning = lru_cache(_BEGINNINGS)(self.prompts.beginning)
        vocabulary = int(base.model.config.get_text_config().vocab_size)
        self.guides = Guides(self.tokenizer, vocabulary, end_tokens(base.model))
        self.tower: Any = getattr(base.model.model, "vision_tower", None)
        eyes.warm(base.model)
        self._images = ImageCache(_IMAGE_BYTES)
        self._lock = ModelLock()
        self._stack = Adapters(
            base.model,
            ground or Adapter(adapter or GROUND, labels=labels),
            base.name,
            settings or get_settings(),
            bare=adapter is None,
            identify=identify,
            lock=self._lock,
        )
        # A view of the last positions would make torch copy the whole output layer once a row.
        self.model.get_output_embeddings().register_forward_pre_hook(
            lambda _layer, given: (given[0].clone(memory_format=torch.contiguous_format),)
        )

    # --- adapters

    @property
    def ground(self) -> Adapter:
        """What everything is stacked on."""
        return self._stack.ground

    @property
    def adapters(self) -> list[str]:
        """Names of those that are ready, the ground first."""
        return self._stack.names

    @property
    def labels(self) -> dict[str, str]:
        """Label to coarse label of the default adapter."""
        return self.resolve(None).labels

    def resolve(self, adapter: str | Adapter | None) -> Adapter:
        """The adapter of this name or directory, loaded if need be; None is the default.

        Raises:
            AdapterError: there is none, it is damaged, or it was made for another base.
        """
        if isinstance(adapter, Adapter):
            return adapter
        name = adapter or self.adapter
        return self.ground if name is None else self._stack.get(name)

    def add_adapter(self, adapter: str | Path) -> str:
        """Make an adapter ready by name or directory, anew where its files changed; its name.

        Raises:
            AdapterError: as for `resolve`.
        """
        return self._stack.add(str(adapter)).name

    def drop_adapter(self, name: str) -> None:
        """Let go of an adapter and its memory; the ground answers where it was the default.

        Raises:
            InputError: it is the ground, or not there.
        """
        self._stack.drop(name)
        if self.adapter == name:
            self.adapter = None if self.ground.name == GROUND else self.ground.name

    def choices(self) -> list[str]:
        """Names of all adapters that fit, ready or not, the ground first."""
        return self._stack.choices()

    def has(self, adapter: str) -> bool:
        """Whether an adapter of this name can be used here, also one that runs a desk."""
        return self._stack.has(adapter)

    def check_seen(self, images: Sequence[EncodedImage], adapter: Adapter) -> None:
        """Whether pictures were encoded with what an adapter sees with.

        Raises:
            InputError: one was not.
        """
        for image in images:
            if image.eyes != adapter.eyes.revision:
                raise InputError(
                    f"The image {image.id[:12]} was encoded for another adapter than "
                    f"{adapter.name!r}; encode it with adapter={adapter.name!r}."
                )

    def fits(self, image: EncodedImage, adapter: str | Adapter | None = None) -> bool:
        """Whether a picture was encoded as an adapter sees it, so that it need not be again."""
        return image.eyes == self.resolve(adapter).eyes.revision

    def check_ready(self, adapter: Adapter) -> None:
        """Whether an adapter is still what its name stands for.

        Raises:
            AdapterError: it was dropped or replaced meanwhile.
        """
        self._stack.check_ready([adapter])

    @property
    def changes(self) -> int:
        """Grows whenever the language model's layers become others: an adapter came or went."""
        return self._stack.tongue.changes

    @property
    def lock(self) -> ModelLock:
        """Held while the model is used or changed."""
        return self._lock

    @contextmanager
    def speaking(self, rows: Sequence[Adapter]) -> Iterator[Assign]:
        """As `alone`, for whoever has the lock; see `assistant.engine.adapters.Adapters`."""
        with self._stack.speaking(rows) as assign:
            yield assign

    @contextmanager
    def alone(self, adapter: str | Adapter | None = None) -> Iterator[None]:
        """While it is entered, nobody else runs the model, and it speaks as the adapter does."""
        chosen = self.resolve(adapter)
        with self._lock, self._stack.speaking([chosen]):
            yield

    # --- pictures

    def encode_image(
        self, image: LoadedImage, *, tenant: str = "", adapter: str | Adapter | None = None
    ) -> EncodedImage:
        """Encode one picture."""
        return self.encode_images([image], tenant=tenant, adapter=adapter)[0]

    def encode_images(
        self,
        images: Sequence[LoadedImage],
        *,
        tenant: str = "",
        adapter: str | Adapter | None = None,
    ) -> list[EncodedImage]:
        """Encode pictures in one pass of the vision tower and the projector; known ones are not."""
        chosen = self.resolve(adapter)
        scope = chosen.eyes.revision, tenant
        known = self._images.get(scope, [image.id for image in images])
        new = list({image.id: image for image in images if image.id not in known}.values())
        if new:
            for encoded in self.encode_anew(new, adapter=chosen):
                known[encoded.id] = encoded
                self._images.put(scope, encoded)
        return [known[image.id] for image in images]

    def encode_anew(
        self, images: Sequence[LoadedImage], *, adapter: str | Adapter | None = None
    ) -> list[EncodedImage]:
        """Encode pictures without looking for them in the cache or keeping them there."""
        chosen = self.resolve(adapter)
        with self._lock:
            return eyes.encode(self.model, self.processor, images, chosen.eyes)

    def evidence(self, image: EncodedImage) -> Evidence | None:
        """What the ground's own classifier sees; None where the base's tower has none.

        A picture that an adapter's own tower encoded is looked at by the ground's the first time.
        """
        if not eyes.knows_imagenet(self.tower):
            return None
        with self._lock:
            pooled = eyes.ground_pooled(image, self.tower)
            return None if pooled is None else judge(pooled, self.tower, shipped_domain())

    # --- prompts

    def prompt(
        self, turns: Sequence[Turn], images: Sequence[EncodedImage], adapter: Adapter
    ) -> Prompt:
        """A conversation as the model reads it.

        Raises:
            InputError: there is no question, or a picture is missing or was encoded for another
                adapter.
        """
        shown = {id_ for turn in turns for id_ in turn.images}
        self.check_seen([image for image in images if image.id in shown], adapter)
        return self.prompts.build(turns, images)

    def guide(self, constraint: Constraint | None, sampling: Sampling) -> Guide | None:
        """What leads one answer through a form; None where there is no form.

        Raises:
            InputError: the form cannot be used, or not with beams.
        """
        if constraint is None:
            return None
        if sampling.beams > 1:
            raise InputError("Beam search cannot follow a form; give beams=1.")
        return self.guides.start(constraint)

    def padded(self, prompts: Sequence[Prompt]) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings ``[B, L, hidden]`` and mask ``[B, L]``, padded on the left."""
        rows = widened([embed(self.model, prompt) for prompt in prompts])
        length = max(len(row) for row in rows)
        embeds = rows[0].new_zeros((len(rows), length, rows[0].shape[1]))
        mask = torch.zeros((len(rows), length), dtype=torch.long, device=self.device)
        for number, row in enumerate(rows):
            embeds[number, length - len(row) :] = row
            mask[number, length - len(row) :] = 1
        return embeds, mask

    def places(self, prompts: Sequence[Prompt]) -> torch.Tensor | None:
        """Positions ``[3, B, L]`` of what `padded` gives; None where each token can be counted."""
        return places_of_rows(self.model, prompts)

    def share_beginning(
        self, turns: Sequence[Turn], *, adapter: str | Adapter | None = None
    ) -> int:
        """Let all tenants have what is computed of the first turns of conversations in common.

        Only for turns that are no one's secret, such as instructions that ship with the product:
        how quickly an answer begins tells whether somebody has asked with them before. Where the
        engine was loaded by name, what is computed of them outlives the process.

        Args:
            turns: whole ones; a question follows. Registering them computes nothing, and once
                more does nothing.

        Returns:
            How many tokens are the same whatever is asked.

        Raises:
            InputError: a turn shows a picture.
            AdapterError: as for `resolve`.
        """
        keys = self._beginning(tuple(turns))
        self.prefixes.share(self.resolve(adapter).revision, keys)
        return len(keys)

    def forget(self, tenant: str | None = None) -> None:
        """Drop what was computed for a tenant, or for all."""
        self.prefixes.forget(tenant)
        self._images.forget(tenant)
