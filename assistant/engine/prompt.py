"""A conversation as the model reads it: token ids, with the features of pictures in their places.

What users and files say is text, never structure: special tokens that are written out in it are
taken away, so that no text ends a turn or stands for a picture.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch

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
    """

    ids: tuple[int, ...]
    keys: tuple[int | str, ...]
    features: tuple[torch.Tensor, ...]
    pictures: tuple[str, ...]

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
        said = [*turns, Turn("assistant", answer)]
        asked = [self.build([*said, Turn("user", probe)], images) for probe in _PROBES]
        places = zip(*(prompt.keys for prompt in asked), strict=False)
        length = sum(1 for _ in takewhile(lambda keys: len(set(keys)) == 1, places))
        whole = asked[0]
        if self._image_token_id in whole.ids[length:]:
            return None
        return Prompt(whole.ids[:length], whole.keys[:length], whole.features, whole.pictures)

    def _assembled(
        self, rendered: str, shown: Sequence[EncodedImage], said: Sequence[tuple[int, ...]]
    ) -> Prompt:
        first, *others = rendered.split(self._image_token)
        text = first + "".join(
            self._image_token * len(image.features) + piece
            for image, piece in zip(shown, others, strict=True)
        )
        ids: list[int] = []
        for number, piece in enumerate(_MARKED.split(text)):
            if number % 2:
                ids += said[int(piece)]
            elif piece:
                ids += self._ids(piece)
        keys: list[int | str] = list(ids)
        places = iter([image.id for image in shown for _ in image.features])
        for place, token in enumerate(ids):
            if token == self._image_token_id:
                keys[place] = next(places)
        features = tuple(image.features for image in shown)
        return Prompt(tuple(ids), tuple(keys), features, tuple(image.id for image in shown))

    def plain(self, text: str) -> str:
        """The text without special tokens, which would end the turn or stand for a picture."""
        # What is no Unicode (bytes of another encoding on a command line) becomes "?".
        encodable = text.encode("utf-8", "replace").decode("utf-8")
        unmarked = encodable.replace(_MARK, " ").replace(_MARK_END, " ")
        return self._special.sub(" ", unmarked).strip()


@torch.inference_mode()
def embed(model: Any, prompt: Prompt, start: int = 0) -> torch.Tensor:
    """Embeddings ``[L - start, hidden]`` of a prompt from a place on."""
    ids = torch.tensor(prompt.ids[start:], dtype=torch.long, device=model.device)
    embeds: torch.Tensor = model.get_input_embeddings()(ids)
    places = ids == model.config.image_token_id
    count = int(places.sum())
    if count:
        features = torch.cat(prompt.features)[-count:].to(embeds.device, embeds.dtype)
        embeds = embeds.masked_scatter(places.unsqueeze(-1), features)
    return embeds


def _special_tokens(tokenizer: Any, image_token: str) -> re.Pattern[str]:
    """Matches every special token; ``all_special_tokens`` lists only those that have a role."""
    added = tokenizer.added_tokens_decoder.values()
    tokens = {image_token, *tokenizer.all_special_tokens}
    tokens |= {token.content for token in added if token.special}
    longest_first = sorted(tokens, key=len, reverse=True)
    return re.compile("|".join(re.escape(token) for token in longest_first if token))
