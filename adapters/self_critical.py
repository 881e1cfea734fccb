"""Self-critical training: descriptions learn from what they score, not from imitation.

For each picture the model draws several descriptions. Each is scored against the picture's
references, and its log-likelihood is weighted by how much better it is than the others drawn for
the same picture: REINFORCE (Rennie et al., Self-critical Sequence Training, CVPR 2017) with the
leave-one-out mean as its baseline (Luo, A Better Variant of Self-Critical Sequence Training, 2020).
Some of the whole mixture goes on as cross-entropy, so that questions and labels are not forgotten
and descriptions stay human.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider_scorer import CiderScorer
from transformers import DynamicCache

from adapters.metrics import tokenize_caption
from adapters.mixture import CaptionSource
from adapters.objectives import Counters, Drawn, Feeder, embed, llava_of, packed_loss
from adapters.packing import PromptTokens, Segment, Tree
from adapters.recipe import Recipe
from assistant.prompts import DESCRIBE

MAX_TOKENS = 40
_TYPICAL_TOKENS = 13
_BLEU_WEIGHT = 2.0  # a caption's BLEU-4 is a third of its CIDEr, and both should count


class CaptionReward:
    """CIDEr-D plus twice BLEU-4 of single captions, document frequencies taken from a corpus.

    Args:
        corpus: the references of every picture, as plain text.
    """

    def __init__(self, corpus: Sequence[Sequence[str]]) -> None:
        self._references = [[tokenize_caption(text) for text in texts] for texts in corpus]
        counter = CiderScorer()
        for texts in self._references:
            counter += (None, texts)
        counter.compute_doc_freq()
        self._frequencies = _Frequencies(counter.document_frequency)

    def __call__(self, index: int, captions: Sequence[str]) -> np.ndarray:
        """Rewards ``[captions]`` of descriptions of picture ``index``."""
        references = self._references[index]
        tokenized = [tokenize_caption(text) for text in captions]
        cider = _CorpusCider(self._frequencies, len(self._references))
        for text in tokenized:
            cider += (text, references)
        numbers = range(len(tokenized))
        _, bleu = Bleu(4).compute_score(
            dict.fromkeys(numbers, references), {n: [tokenized[n]] for n in numbers}, verbose=0
        )
        rewards: np.ndarray = np.array(cider.compute_cider()) + _BLEU_WEIGHT * np.array(bleu[3])
        return rewards


class _Frequencies(dict[tuple[str, ...], float]):
    """Unknown n-grams are in no document, and asking about them does not add them."""

    def __missing__(self, _: tuple[str, ...]) -> float:
        return 0.0


class _CorpusCider(CiderScorer):
    """pycocoevalcap's scorer with document frequencies from elsewhere than what it scores."""

    def __init__(self, frequencies: dict[tuple[str, ...], float], pictures: int) -> None:
        super().__init__()
        self.document_frequency = frequencies
        self._pictures = pictures

    @property
    def ref_len(self) -> float:
        """Log of the number of pictures in the corpus."""
        return math.log(self._pictures)

    @ref_len.setter
    def ref_len(self, _: float | None) -> None:
        """The number of scored captions is not the size of the corpus."""


def advantages(rewards: np.ndarray) -> np.ndarray:
    """Each reward less the mean of the others: ``[samples]`` to ``[samples]``."""
    count = len(rewards)
    result: np.ndarray = (rewards - rewards.mean()) * count / (count - 1)
    return result


@torch.no_grad()
def draw_answers(
    llava: Any, prompts: torch.Tensor, samples: int, generator: torch.Generator
) -> list[list[tuple[int, ...]]]:
    """Answers drawn from the model's own distribution, the end token included.

    Args:
        prompts: ``[B, L, hidden]``, embedded prompts of one length.
        samples: answers a prompt; the prompt is read once for all of them.

    Returns:
        Token ids for each prompt and sample, at most `MAX_TOKENS`.
    """
    language, end = llava.model.language_model, llava.generation_config.eos_token_id
    cache = DynamicCache()
    output = language(inputs_embeds=prompts, past_key_values=cache, use_cache=True)
    cache.batch_repeat_interleave(samples)
    last = output.last_hidden_state[:, -1].repeat_interleave(samples, 0)
    running = list(range(len(last)))
    drawn: list[list[int]] = [[] for _ in running]
    for _ in range(MAX_TOKENS):
        logits = llava.lm_head(last).float()
        logits[:, llava.config.image_token_id] = -torch.inf  # it would ask for a picture's features
        tokens = _drawn(logits.softmax(-1), generator)
        for row, token in zip(running, tokens[:, 0].tolist(), strict=True):
            drawn[row].append(token)
        going = [place for place, row in enumerate(running) if drawn[row][-1] != end]
        if not going:
            break
        if len(going) < len(running):
            running = [running[place] for place in going]
            places = torch.tensor(going, device=prompts.device)
            cache.batch_select_indices(places)
            tokens = tokens[places]
        output = language(
            inputs_embeds=llava.get_input_embeddings()(tokens),
            past_key_values=cache,
            use_cache=True,
        )
        last = output.last_hidden_state[:, -1]
    return [
        [tuple(ids) for ids in drawn[start : start + samples]]
        for start in range(0, len(drawn), samples)
    ]


def _drawn(chances: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One token ``[rows, 1]`` for each row of ``[rows, vocab]``, by inverting the distribution.

    `torch.multinomial` draws a random number for every entry of the vocabulary, which takes longer
    than the model on a CPU.
    """
    up_to = chances.double().cumsum(-1)
    total = up_to[:, -1:]
    height = torch.rand(total.shape, dtype=total.dtype, device=total.device, generator=generator)
    # The first place whose sum exceeds the height, so that what is impossible is never drawn.
    places = torch.searchsorted(up_to, height * total, right=True)
    return places.clamp(max=chances.shape[-1] - 1)


class SelfCritical:
    """Rewarded descriptions of captioned pictures, anchored by some of the whole mixture."""

    def __init__(
        self,
        feeder: Feeder,
        captions: CaptionSource,
        prompts: PromptTokens,
        recipe: Recipe,
        tokenizer: Any,
    ) -> None:
        self._feeder, self._recipe, self._tokenizer = feeder, recipe, tokenizer
        self._number = feeder.number(captions)
        self._reward = CaptionReward(captions.references)
        self._picture = prompts.image()
        self._question = prompts.question(DESCRIBE["sentence"])
        prompt = len(self._picture) + len(self._question)
        self._pictures = max(1, recipe.tokens // (prompt + recipe.samples * _TYPICAL_TOKENS))

    def counters(self) -> Counters:
        """Counters of a fresh run: the mixture's, and one more for the rewarded pictures."""
        counters = self._feeder.counters()
        return Counters([*counters.visits, 0], [*counters.spent, 0])

    def draw(self, model: Any, counters: Counters) -> Drawn:
        """Draw descriptions, reward them, and return the loss with the anchor's added."""
        llava = llava_of(model)
        images, trees, rewards = [], [], []
        for _ in range(self._pictures):
            index, rng = self._feeder.visit(self._number, counters.visits[-1])
            images.append((self._number, index, self._feeder.variant(self._number, rng)))
            counters.visits[-1] += 1
        drawn = self._draw(llava, images, counters)
        for image, answers in zip(images, drawn, strict=True):
            texts = self._tokenizer.batch_decode(answers, skip_special_tokens=True)
            reward = self._reward(image[1], texts)
            rewards.append(float(reward.mean()))
            tree = self._tree(image, answers, advantages(reward))
            if len(tree.segments) > 2:  # not when all were alike
                trees.append(tree)
        tokens = sum(len(ids) for answers in drawn for ids in answers)
        trees = [_scaled(tree, 1 / tokens) for tree in trees]
        counters.spent[-1] += sum(map(len, trees))
        # The feeder looks at the sources' entries only, so the last one stays ours.
        anchor = self._feeder.trees(counters, self._recipe.anchor_tokens)
        weight = sum(len(segment.ids) * segment.weight for t in anchor for segment in t.segments)
        trees += [_scaled(tree, self._recipe.anchor / weight) for tree in anchor]
        batch, features = self._feeder.batch(trees)
        loss = packed_loss(model, batch, features, mean=False)
        answered = len(images) * self._recipe.samples
        return Drawn(loss, answered, sum(map(len, trees)), reward=float(np.mean(rewards)))

    def _draw(
        self, llava: Any, images: Sequence[tuple[int, int, int]], counters: Counters
    ) -> list[list[tuple[int, ...]]]:
        seed = random.Random(f"{self._recipe.seed} samples {counters.visits[-1]}").getrandbits(62)
        generator = torch.Generator(llava.device).manual_seed(seed)
        ids = torch.tensor([self._picture + self._question] * len(images), device=llava.device)
        features = torch.stack([self._feeder.features(image) for image in images])
        with torch.no_grad():
            prompts = embed(llava, ids, features)
        # Compiled layers are for packed rows; one token at a time would compile them anew.
        with torch.compiler.set_stance("force_eager"):
            return draw_answers(llava, prompts, self._recipe.samples, generator)

    def _tree(
        self, image: tuple[int, int, int], answers: Sequence[tuple[int, ...]], gains: np.ndarray
    ) -> Tree:
        """Equal answers become one segment that has the sum of their advantages."""
        weights: dict[tuple[int, ...], float] = {}
        for ids, gain in zip(answers, gains, strict=True):
            weights[ids] = weights.get(ids, 0.0) + float(gain)
        told = [Segment(ids, 1, weight) for ids, weight in weights.items() if abs(weight) > 1e-6]
        return Tree(image, (Segment(self._picture, -1), Segment(self._question, 0), *told))


def _scaled(tree: Tree, factor: float) -> Tree:
    segments = (replace(segment, weight=segment.weight * factor) for segment in tree.segments)
    return Tree(tree.image, tuple(segments))
