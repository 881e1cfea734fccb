"""A conversation as the model reads it: token ids, with the features of pictures in their places.

What users and files say is text, never structure: special tokens that are written out in it are
taken away, so that no text ends a turn or stands for a picture.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from typing import Any

import torch
from torch.nn.functional import pad

from assistant.engine.values import EncodedImage, Turn
from assistant.errors import InputError

_REMEMBERED = 512
# Private-use characters that no tokenizer joins with their neighbours; stripped from what is asked.
_MARK, _MARK_END = "\ue0f0", "\ue0f1"
# Questions whose tokens have nothing in common.
_PROBES = ("What", "1", "é")
_MARKED = re.compile(f"{_MARK}(\\d+){_MARK_END}")


@dataclass(frozen=True)
class Prompt:
    """What comes before an answer.

    Attributes:
        ids: token ids; each token of a picture is the model's image token.
        keys: what tells each place from others, for caches: a token id, or the id of a picture.
        features: ``[tokens, hidden]`` of each picture, in the order of their places.
        pictures: ids of the pictures, in the same order.
        grids: rows and columns of the pictures' tokens, in the same order, where rotary positions
            tell them apart; see `assistant.engine.places`.
    """

    ids: tuple[int, ...]
    keys: tuple[int | str, ...]
    features: tuple[torch.Tensor, ...]
    pictures: tuple[str, ...]
    grids: tuple[tuple[int, int] | None, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


class PromptBuilder:
    """Turns conversations into prompts by the processor's own chat template."""

    def __init__(self, processor: Any, image_token_id: int) -> None:
        self._processor = processor
        self._tokenizer = processor.tokenizer
        self._image_token: str = processor.image_token
        self._image_token_id = image_token_id
        self._special = _special_tokens(self._tokenizer, self._image_token)
        self._said: OrderedDict[str, tuple[int, ...]] = OrderedDict()
        # Not so where the tokenizer puts a space before every text that it is given.
        self._joins = self._ids("What? A dog.") == self._ids("What?") + self._ids(" A dog.")

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def remember(self, text: str, ids: Sequence[int]) -> None:
        """Note the tokens that the model wrote an answer with.

        Later turns then hold the answer in these tokens, as the cache does, and not in those that
        the tokenizer would choose for the same text.
        """
        if not self._joins or self._image_token_id in ids:  # no picture stands for one of these
            return
        self._said[text] = tuple(ids)
        self._said.move_to_end(text)
        while len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)

    def answer_ids(self, text: str) -> tuple[int, ...]:
        """The tokens of an answer: those that the model wrote it with, if it did."""
        text = self.plain(text)
        return self._said.get(text) or tuple(self._ids(text))

    def build(self, turns: Sequence[Turn], images: Sequence[EncodedImage]) -> Prompt:
        """The prompt of a conversation that ends with a question.

        Raises:
            InputError: there is no question, or a turn shows a picture that is not in ``images``.
        """
        last = turns[-1] if turns else None
        if last is None or last.role == "assistant" or not self.plain(last.text):
            raise InputError("The question is empty; ask something about the picture.")
        known = {image.id: image for image in images}
        messages: list[dict[str, Any]] = []
        shown: list[EncodedImage] = []
        said: list[tuple[int, ...]] = []
        for turn in turns:
            parts: list[dict[str, str]] = []
            for id_ in turn.images:
                if id_ not in known:
                    raise InputError(f"The image {id_[:12]} is not there; encode it first.")
                shown.append(known[id_])
                parts.append({"type": "image"})
            text = self.plain(turn.text)
            written = self._said.get(text) if turn.role == "assistant" else None
            if written is not None:
                said.append(written)
                text = f"{_MARK}{len(said) - 1}{_MARK_END}"
            parts.append({"type": "text", "text": text})
            messages.append({"role": turn.role, "content": parts})
        rendered = self._processor.apply_chat_template(messages, add_generation_prompt=True)
        return self._assembled(rendered, shown, said)

    def ahead(
        self, turns: Sequence[Turn], images: Sequence[EncodedImage], answer: str
    ) -> Prompt | None:
        """A conversation and its answer up to where the next question begins.

        It is found by asking different questions, so that it holds for any template and tokenizer.
        None where a template moves pictures behind the question.
        """
        whole, length = self._before_questions([*turns, Turn("assistant", answer)], images)
        if self._image_token_id in whole.ids[length:]:
            return None
        return replace(whole, ids=whole.ids[:length], keys=whole.keys[:length])

    def beginning(self, turns: Sequence[Turn]) -> tuple[int | str, ...]:
        """What a conversation begins with before its first question, whatever that is.

        Raises:
            InputError: a turn shows a picture.
        """
        whole, length = self._before_questions(turns, ())
        return whole.keys[:length]

    def _before_questions(
        self, turns: Sequence[Turn], images: Sequence[EncodedImage]
    ) -> tuple[Prompt, int]:
        """Some question behind turns, and how many tokens are the same whatever is asked."""
        asked = [self.build([*turns, Turn("user", probe)], images) for probe in _PROBES]
        places = zip(*(prompt.keys for prompt in asked), strict=False)
        length = sum(1 for _ in takewhile(lambda keys: len(set(keys)) == 1, places))
        return asked[0], length

    def _assembled(
        self, rendered: str, shown: Sequence[EncodedImage], said: Sequence[tuple[int, ...]]
    ) -> Prompt:
        first, *others = rendered.split(self._image_token)
        features = tuple(image.features_among(len(shown)) for image in shown)
        text = first + "".join(
            (image.layout or self._image_token * len(its)) + piece
            for image, its, piece in zip(shown, features, others, strict=True)
        )
        ids: list[int] = []
        pieces = _MARKED.split(text)
        for number, piece in enumerate(pieces):
            if number % 2:
                ids += said[int(piece)]
                continue
            if piece.endswith(" ") and number + 1 < len(pieces) and self._begins_bare:
                piece = piece[:-1]  # what the model wrote stood right behind the turn's beginning
            ids += self._ids(piece) if piece else []
        keys: list[int | str] = list(ids)
        # A picture that is told by fewer tokens among others is not the same to a cache.
        names = [
            image.id if its is image.features else f"{image.id} among others"
            for image, its in zip(shown, features, strict=True)
        ]
        places = iter([name for name, its in zip(names, features, strict=True) for _ in its])
        for place, token in enumerate(ids):
            if token == self._image_token_id:
                keys[place] = next(places)
        pictures = tuple(image.id for image in shown)
        grids = tuple(image.grid for image in shown)
        return Prompt(tuple(ids), tuple(keys), features, pictures, grids)

    @cached_property
    def _begins_bare(self) -> bool:
        """Whether an answer is begun without the space that templates put before a given one."""
        asked = [{"role": "user", "content": [{"type": "text", "text": _PROBES[0]}]}]
        rendered: str = self._processor.apply_chat_template(asked, add_generation_prompt=True)
        return not rendered.endswith(" ")

    def plain(self, text: str) -> str:
        """The text without special tokens, which would end the turn or stand for a picture."""
        # What is no Unicode (bytes of another encoding on a command line) becomes "?".
        encodable = text.encode("utf-8", "replace").decode("utf-8")
        unmarked = encodable.replace(_MARK, " ").replace(_MARK_END, " ")
        return self._special.sub(" ", unmarked).strip()


@torch.inference_mode()
def embed(model: Any, prompt: Prompt, start: int = 0) -> torch.Tensor:
    """Embeddings ``[L - start, hidden]`` of a prompt from a place on.

    They are wider where a family's pictures add to more than the first layer, see
    `assistant.families.make_ready`; what is not a picture adds nothing.
    """
    ids = torch.tensor(prompt.ids[start:], dtype=torch.long, device=model.device)
    embeds: torch.Tensor = model.get_input_embeddings()(ids)
    places = ids == model.config.image_token_id
    count = int(places.sum())
    if count:
        features = torch.cat(prompt.features)[-count:].to(embeds.device, embeds.dtype)
        embeds = widened([embeds, features])[0]
        embeds = embeds.masked_scatter(places.unsqueeze(-1), features)
    return embeds


def widened(parts: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Embeddings ``[T, width]``, all as wide as the widest of them."""
    width = max(part.shape[-1] for part in parts)
    return [
        part if part.shape[-1] == width else pad(part, (0, width - part.shape[-1]))
        for part in parts
    ]


def _special_tokens(tokenizer: Any, image_token: str) -> re.Pattern[str]:
    """Matches every special token; ``all_special_tokens`` lists only those that have a role."""
    added = tokenizer.added_tokens_decoder.values()
    tokens = {image_token, *tokenizer.all_special_tokens}
    tokens |= {token.content for token in added if token.special}
    longest_first = sorted(tokens, key=len, reverse=True)
    return re.compile("|".join(re.escape(token) for token in longest_first if token))
