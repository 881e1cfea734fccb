"""How likely each of many answers is, exactly, sharing all that they have in common.

Answers are tokens; those that begin alike make a tree, which is read in one pass behind the prompt,
each token seeing the prompt and its own beginning alone. The result is that of reading every answer
by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from assistant.engine.prompt import widened

Answers = Sequence[tuple[int, ...]]

# Tokens of one pass, and of one block of the output layer, which makes a vector as long as the
# vocabulary of each.
_PASS, _BLOCK = 1024, 128


@torch.inference_mode()
def log_likelihoods(
    model: Any,
    embeds: torch.Tensor,
    mask: torch.Tensor,
    answers: Answers,
    places: torch.Tensor | None = None,
) -> torch.Tensor:
    """Log-likelihood of each answer after each prompt, ``[B, answers]`` in float32.

    Args:
        model: a LLaVA-family model.
        embeds: ``[B, L, hidden]``, prompts padded on the left.
        mask: ``[B, L]``, 0 where padded.
        answers: token ids, none empty, the end token included.
        places: ``[3, B, L]`` positions, where they are not what is counted.
    """
    cache = DynamicCache()
    positions = (mask.cumsum(-1) - 1).clamp(min=0) if places is None else places
    read = model.model.language_model(
        inputs_embeds=embeds, attention_mask=mask, position_ids=positions, cache=cache,
        use_cache=True,
    )  # fmt: skip
    last = read.last_hidden_state[:, -1:]
    layers = [(x.keys, x.values) for x in cache.layers if type(x) is DynamicLayer]
    if len(layers) < len(cache.layers):
        # Layers that see a window only cannot be given a mask of ours.
        return _one_by_one(model, embeds, mask, answers, positions)
    behind = positions[..., -1:] + 1
    found = embeds.new_empty((len(embeds), len(answers)), dtype=torch.float32)
    # In order, labels that begin alike are neighbours.
    order = sorted(range(len(answers)), key=lambda number: answers[number])
    room = max(1, _PASS // len(embeds))
    start = 0
    while start < len(order):
        tree = _Tree()
        while start < len(order) and tree.add(order[start], answers[order[start]], room):
            start += 1
        found[:, tree.numbers] = _of_tree(model, layers, mask, last, tree, behind)
    return found


class _Tree:
    """Answers that share their beginnings: a node is a beginning, an edge a token that follows."""

    def __init__(self) -> None:
        self.tokens: list[int] = []  # of each node, the root (the prompt) left out
        self.parents: list[int] = []  # -1 is the root
        self.depths: list[int] = []
        self.numbers: list[int] = []  # of the answers
        self.paths: list[list[int]] = []  # edges of each answer
        self._edges: dict[tuple[int, int], int] = {}
        self._nodes: dict[tuple[int, int], int] = {}

    @property
    def edges(self) -> list[tuple[int, int]]:
        """Node and token of each edge."""
        return list(self._edges)

    def add(self, number: int, answer: tuple[int, ...], room: int) -> bool:
        """Take an answer; False where it has no room, unless it is the first."""
        node, fresh = -1, 0
        for token in answer[:-1]:
            node = self._nodes.get((node, token), -2) if node > -2 else -2
            fresh += node == -2
        if self.numbers and len(self.tokens) + fresh > room:
            return False
        node, path = -1, []
        for place, token in enumerate(answer):
            path.append(self._edges.setdefault((node, token), len(self._edges)))
            if place == len(answer) - 1:
                break
            if (node, token) not in self._nodes:
                self._nodes[node, token] = len(self.tokens)
                self.tokens.append(token)
                self.parents.append(node)
                self.depths.append(place)
            node = self._nodes[node, token]
        self.numbers.append(number)
        self.paths.append(path)
        return True

    def sight(self) -> torch.Tensor:
        """``[nodes, nodes]``: each node sees itself and what it follows."""
        seen = torch.eye(len(self.tokens), dtype=torch.bool)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                seen[node] |= seen[parent]
        return seen


def _of_tree(
    model: Any,
    layers: Sequence[Any],
    mask: torch.Tensor,
    last: torch.Tensor,
    tree: _Tree,
    behind: torch.Tensor,
) -> torch.Tensor:
    """Log-likelihoods ``[B, answers of the tree]`` on top of the prompts' keys and values.

    Args:
        behind: ``[B, 1]``, or ``[3, B, 1]``, where the first token after each prompt stands.
    """
    count = len(mask)
    hidden = last
    if tree.tokens:
        device = last.device
        ids = torch.tensor(tree.tokens, device=device)
        words = model.get_input_embeddings()(ids).expand(count, -1, -1)
        # ``[B, 1, nodes, L + nodes]``: a node sees the prompt and its own beginning.
        prompts = mask.bool()[:, None, None].expand(-1, 1, len(ids), -1)
        nodes = tree.sight().to(device)[None, None].expand(count, 1, -1, -1)
        sight = torch.cat([prompts, nodes], dim=-1)
        hidden_from = torch.zeros(sight.shape, dtype=words.dtype, device=device)
        hidden_from.masked_fill_(~sight, torch.finfo(words.dtype).min)
        depths = torch.tensor(tree.depths, device=device)
        said = model.model.language_model(
            inputs_embeds=words,
            attention_mask=hidden_from,
            position_ids=behind + depths,
            cache=DynamicCache([(keys, values) for keys, values in layers]),
            use_cache=True,
        )
        hidden = torch.cat([last, said.last_hidden_state], dim=1)
    each = _edge_chances(model, hidden, tree.edges)
    longest = max(map(len, tree.paths))
    padded = [[*path, *[each.shape[1]] * (longest - len(path))] for path in tree.paths]
    each = torch.cat([each, each.new_zeros((count, 1))], dim=1)
    return each[:, torch.tensor(padded, device=each.device)].sum(-1)


def _edge_chances(
    model: Any, hidden: torch.Tensor, edges: Sequence[tuple[int, int]]
) -> torch.Tensor:
    """Log-probability of each edge's token after its node, ``[B, edges]`` in float32.

    Args:
        hidden: ``[B, 1 + nodes, hidden]``, the root first.
    """
    by_node = sorted(range(len(edges)), key=lambda number: edges[number][0])
    result = hidden.new_empty((len(hidden), len(edges)), dtype=torch.float32)
    output = model.get_output_embeddings()
    room = max(1, _BLOCK // len(hidden))
    for first in range(0, hidden.shape[1], room):
        block = range(first, min(first + room, hidden.shape[1]))
        mine = [number for number in by_node if edges[number][0] + 1 in block]
        logits = output(hidden[:, first : block.stop]).float()
        total = logits.logsumexp(-1)
        nodes = torch.tensor([edges[number][0] + 1 - first for number in mine])
        tokens = torch.tensor([edges[number][1] for number in mine])
        result[:, mine] = logits[:, nodes, tokens] - total[:, nodes]
    return result


def _one_by_one(
    model: Any,
    embeds: torch.Tensor,
    mask: torch.Tensor,
    answers: Answers,
    positions: torch.Tensor | None = None,
) -> torch.Tensor:
    """The same, every answer read behind its own copy of the prompt."""
    if positions is None:
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
    found = torch.empty((len(embeds), len(answers)), dtype=torch.float32, device=embeds.device)
    table = model.get_input_embeddings()
    for column, answer in enumerate(answers):
        ids = torch.tensor(answer, device=embeds.device)
        words = table(ids[:-1])
        following = positions[..., -1:] + 1 + torch.arange(len(words), device=embeds.device)
        words = widened([embeds[0], words])[1].expand(len(embeds), -1, -1)
        whole = torch.cat([mask, mask.new_ones((len(mask), len(ids) - 1))], dim=1)
        read = model.model.language_model(
            inputs_embeds=torch.cat([embeds, words], dim=1),
            attention_mask=whole,
            position_ids=torch.cat([positions, following], -1),
            use_cache=False,
        )
        hidden = read.last_hidden_state[:, -len(ids) :]
        chances = model.get_output_embeddings()(hidden).float().log_softmax(-1)
        found[:, column] = chances.gather(-1, ids.expand(len(embeds), -1)[..., None]).sum((1, 2))
    return found
