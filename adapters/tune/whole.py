"""Stage two for bases of other families: each conversation is read whole, in a row of its own.

Packing (`adapters.packing`) is made for the embedded base's template and its fixed number of image
tokens. Here the engine's own way of writing a conversation is used instead, with whatever template,
number of image tokens and places of them a family has, so that what is learnt is what is asked.
Tower and projector are frozen: a picture is encoded when it is drawn.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch.nn import functional as F

from adapters.tune.examples import Known, branches
from adapters.tune.language import LanguageTask, Pictured
from adapters.tune.settings import Tuning
from assistant.engine.decoding import end_tokens
from assistant.engine.eyes import Eyes, encode
from assistant.engine.places import places_of
from assistant.engine.prompt import Prompt, PromptBuilder, embed, widened
from assistant.engine.values import EncodedImage, Turn
from assistant.images import LoadedImage, open_image
from assistant.llava import Base

_KNOWN = 64  # encoded pictures that are kept; those of one epoch would not fit into memory


@dataclass(frozen=True)
class Asked:
    """A conversation up to a question, and the answer that is to be learnt, its end included."""

    prompt: Prompt
    answer: tuple[int, ...]
    weight: float

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


class Writer:
    """Writes conversations as the engine does, and answers as the template has them."""

    def __init__(self, model: Any, processor: Any) -> None:
        self._model, self._processor = model, processor
        self._tokenizer = processor.tokenizer
        self._builder = PromptBuilder(processor, model.config.image_token_id)
        self._ends = end_tokens(model) or {int(self._tokenizer.eos_token_id)}
        self.encoded = lru_cache(_KNOWN)(self._encoded)

    def _encoded(self, path: Path) -> EncodedImage:
        picture: LoadedImage = open_image(path)
        (image,) = encode(self._model, self._processor, [picture], Eyes())
        return image

    def write(self, paths: Sequence[Path], said: Sequence[tuple[str, str]], weight: float) -> Asked:
        """Questions and answers about pictures; the last answer is learnt."""
        images = [self.encoded(path) for path in paths]
        turns: list[Turn] = []
        for number, (question, answer) in enumerate(said):
            shown = tuple(image.id for image in images) if number == 0 else ()
            turns.append(Turn("user", question, shown))
            if number < len(said) - 1:
                turns.append(Turn("assistant", answer))
        prompt = self._builder.build(turns, images)
        return Asked(prompt, self._answer(said[-1][0], said[-1][1]), weight)

    def _answer(self, question: str, text: str) -> tuple[int, ...]:
        """The tokens of an answer as the template writes it behind the start of its turn."""
        question, text = self._builder.plain(question), self._builder.plain(text)
        asked = [{"role": "user", "content": [{"type": "text", "text": question}]}]
        said = [*asked, {"role": "assistant", "content": [{"type": "text", "text": text}]}]
        before = self._processor.apply_chat_template(asked, add_generation_prompt=True)
        whole = self._processor.apply_chat_template(said, add_generation_prompt=False)
        behind = whole.removeprefix(before) if whole.startswith(before) else text
        ids = self._tokenizer(behind, add_special_tokens=False)["input_ids"]
        for place, token in enumerate(ids):
            if token in self._ends:
                return tuple(ids[: place + 1])
        # The template ends the assistant's turn with no token of its own.
        ids = self._tokenizer(behind.rstrip(), add_special_tokens=False)["input_ids"]
        end = self._tokenizer.eos_token_id
        return (*ids, int(end) if end in self._ends else min(self._ends))


class WholeTask(LanguageTask):
    """See the module; takes a `Writer` in place of a `PromptTokens`."""

    def _tree(self, source: Pictured, index: int, rng: random.Random) -> Any:
        known = source.knowns[index]
        writer: Any = self._prompts
        branch = rng.choice(branches(known, rng))
        follow_up = () if branch.follow_up is None else (branch.follow_up,)
        said = [(branch.question, rng.choice(branch.answers)), *follow_up, *branch.then]
        last = rng.randrange(len(said)) + 1
        return writer.write(known.images, said[:last], branch.weight)

    def _loss(self, trees: Sequence[Any], *, augment: bool) -> torch.Tensor:
        llava: Any = self._model.get_base_model()
        total: Any = 0.0
        count = 0.0
        with torch.autocast(self._model.device.type, torch.bfloat16, enabled=self._autocast):
            for asked in trees:
                losses = answer_losses(llava, asked.prompt, asked.answer)
                total = total + asked.weight * losses.sum()
                count += asked.weight * len(losses)
        loss: torch.Tensor = total / count
        return loss


def whole_task(
    adapted: PeftModel,
    recipe: Tuning,
    base: Base,
    own: Sequence[Known],
    held: Sequence[Known],
    replay: Sequence[Known],
) -> WholeTask:
    """The task for a base, whose model ``adapted`` is around."""
    writer: Any = Writer(base.model, base.processor)
    return WholeTask(
        adapted,
        recipe,
        writer,
        Pictured(own, {}, None, None),
        Pictured(held, {}, None, None),
        Pictured(replay, {}, None, None) if replay else None,
        pad_id=0,  # nothing is padded
        autocast=base.model.dtype == torch.bfloat16,
    )


def answer_losses(model: Any, prompt: Prompt, answer: Sequence[int]) -> torch.Tensor:
    """Cross-entropy of each token of an answer behind a prompt, ``[tokens]``, with its graph."""
    ids = torch.tensor(answer, device=model.device)
    words = model.get_input_embeddings()(ids[:-1])
    # Out of inference mode: what learns keeps its input.
    given = torch.cat(widened([embed(model, prompt).clone(), words]))
    places = places_of(model, prompt)
    if places is not None:
        behind = places[0, -1] + torch.arange(1, len(ids))
        places = torch.cat([places, behind.expand(3, -1)], 1)[:, None].to(model.device)
    hidden = model.model.language_model(
        inputs_embeds=given[None], position_ids=places, use_cache=False
    ).last_hidden_state[0, -len(ids) :]
    logits = model.get_output_embeddings()(hidden).float()
    return F.cross_entropy(logits, ids, reduction="none")
