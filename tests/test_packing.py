"""Packing: one packed row costs what separate rows cost, and only answers are learnt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from adapters.objectives import packed_loss
from adapters.packing import Branch, PromptTokens, Segment, Tree, collate, fill_rows
from adapters.recipe import Recipe
from adapters.train import prepare
from tests import tiny

PROCESSOR: Any = tiny.processor()
IMAGE_ID = PROCESSOR.tokenizer.convert_tokens_to_ids(PROCESSOR.image_token)
PAD_ID = PROCESSOR.tokenizer.pad_token_id
PROMPTS = PromptTokens(PROCESSOR.tokenizer, IMAGE_ID, tiny.GRID**2)

BRANCHES: tuple[tuple[Branch, ...], ...] = (
    (
        Branch("Describe the picture.", ("A dog runs.", "A brown dog on grass.", "Grass.")),
        Branch("Is there a dog?", ("Yes.",), 2.0, ("What colour is it?", "Brown.")),
        Branch("Who is it?", ("I can't tell from this picture.",), 2.0),
    ),
    (
        Branch("What product is this?", ("Banana.",), 2.0),
        # The follow-up hangs below the last of the two answers.
        Branch("What is it?", ("A pear.", "A green pear."), 0.5, ("Is it ripe?", "No.")),
    ),
    (Branch("What do you see?", ("Two men play music.",)),),
)


def trees() -> list[Tree]:
    return [PROMPTS.tree(number, branches) for number, branches in enumerate(BRANCHES)]


def path_to(tree: Tree, index: int) -> list[Segment]:
    """The segments from the root to this one."""
    path: list[Segment] = []
    while index >= 0:
        path.insert(0, tree.segments[index])
        index = tree.segments[index].parent
    return path


def separate_loss(llava: Any, some: Sequence[Tree], pictures: torch.Tensor) -> torch.Tensor:
    """The same weighted mean, every answer in a row of its own and through the whole LLaVA."""
    total, weight = torch.zeros(()), 0.0
    for tree in some:
        for index, segment in enumerate(tree.segments):
            if not segment.weight:
                continue
            ids = torch.tensor([id_ for part in path_to(tree, index) for id_ in part.ids])
            size = len(segment.ids)
            output = llava(input_ids=ids[None], pixel_values=pictures[tree.image][None])
            logits = output.logits[0, -size - 1 : -1]
            loss = F.cross_entropy(logits, torch.tensor(segment.ids), reduction="sum")
            total = total + segment.weight * loss
            weight += segment.weight * size
    return total / weight


def gradients(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            yield name, parameter.grad.clone()
            parameter.grad = None


@pytest.mark.parametrize("rows", [1, 2, 3], ids=["one row", "some share", "own rows"])
def test_packed_loss_and_gradients_equal_those_of_separate_rows(rows: int) -> None:
    model: Any = prepare(tiny.model(), Recipe(rank=4, alpha=8))
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # zero at first, which would hide the gradient of A
            parameter.data.normal_(0, 0.1)
    llava = model.get_base_model()
    pictures = torch.randn(len(BRANCHES), 3, tiny.IMAGE_SIZE, tiny.IMAGE_SIZE)
    with torch.no_grad():
        features = llava.model.vision_tower(pictures).last_hidden_state

    batch = collate([trees()[start::rows] for start in range(rows)], PAD_ID)
    packed = packed_loss(model, batch, features[list(batch.images)])
    packed.backward()
    from_packed = dict(gradients(model))

    separate = separate_loss(llava, trees(), pictures)
    separate.backward()
    from_separate = dict(gradients(model))

    torch.testing.assert_close(packed, separate, atol=1e-5, rtol=0)
    assert from_packed.keys() == from_separate.keys()
    assert any("linear_1" in name for name in from_packed)
    assert any("lora_A" in name for name in from_packed)
    for name, gradient in from_packed.items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(gradient, from_separate[name], atol=1e-5, rtol=1e-5, msg=name)


def test_only_the_assistants_tokens_are_targets() -> None:
    batch = collate([trees()], PAD_ID)
    decode = PROCESSOR.tokenizer.decode
    learnt = decode(batch.targets).split("<|im_end|>")
    assert learnt.pop() == ""
    answers: list[str] = []
    for number in batch.images:
        for branch in BRANCHES[number]:
            answers += branch.answers
            if branch.follow_up is not None:
                answers.append(branch.follow_up[1])
    assert learnt == answers
    # What stands in the row after its source is the target too, unless a sibling's branch does.
    ids = batch.ids.flatten()
    following = ids[batch.sources + 1] == batch.targets
    starts = decode(ids[batch.sources[~following]])
    assert set(starts) == {"\n"}, "only the end of a question has several continuations"


def test_weights_go_with_their_branch() -> None:
    tree = PROMPTS.tree(0, [Branch("a", ("b",), 2.0), Branch("c", ("d", "e"), 0.5)])
    batch = collate([[tree]], PAD_ID)
    assert batch.weights.tolist() == [2.0] * 2 + [0.5] * 4


def test_padding_and_other_trees_stay_unseen() -> None:
    first, second, third = trees()
    batch = collate([[first, third], [second]], PAD_ID)
    assert batch.images == (0, 2, 1)
    visible = batch.visible[:, 0]
    assert batch.ids.shape == (2, len(first) + len(third))
    assert not visible[0, len(first) :, : len(first)].any()
    assert not visible[0, : len(first), len(first) :].any()
    padding = visible[1, len(second) :]
    assert padding.sum() == len(padding), "a padded query sees itself alone"
    assert not visible[1, : len(second), len(second) :].any()
    assert not torch.triu(visible, diagonal=1).any()


@given(st.lists(st.integers(1, 300), max_size=24))
def test_rows_lose_nothing_and_are_even(lengths: list[int]) -> None:
    some = [Tree(n, (Segment((7,) * size, -1),)) for n, size in enumerate(lengths)]
    rows = fill_rows(some)
    assert sorted(tree.image for row in rows for tree in row) == list(range(len(some)))
    sizes = [sum(map(len, row)) for row in rows]
    assert all(sizes)
    assert not rows or max(sizes) <= sum(sizes) / len(rows) + max(lengths)  # Graham's bound


def test_rows_are_as_long_as_pays() -> None:
    def row_count(lengths: Sequence[int]) -> int:
        return len(fill_rows([Tree(0, (Segment((7,) * size, -1),)) for size in lengths]))

    assert row_count([100] * 4) > 1, "attention over trees that do not see each other is wasted"
    assert row_count([200, 30, 30, 30, 30, 30, 30]) == 2, "so is padding"


def templated(conversation: Sequence[tuple[str, str]], *, ask: bool) -> list[int]:
    """Ids from the processor: picture in the first turn, image tokens expanded."""
    messages = []
    for number, (role, text) in enumerate(conversation):
        parts = [{"type": "text", "text": text}]
        if number == 0:
            parts.append({"type": "image"})
        messages.append({"role": role, "content": parts})
    text = PROCESSOR.apply_chat_template(messages, add_generation_prompt=ask)
    ids: list[int] = PROCESSOR(text=text, images=tiny.pixels(0))["input_ids"][0]
    return ids


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).map(str.strip)
SPOKEN = WORDS.filter(lambda text: bool(text) and "<" not in text)


@given(SPOKEN, SPOKEN, SPOKEN, SPOKEN)
@settings(deadline=None, max_examples=30)
def test_ids_are_those_of_the_chat_template(
    question: str, answer: str, after: str, last: str
) -> None:
    asked = (*PROMPTS.image(), *PROMPTS.question(question))
    assert list(asked) == templated([("user", question)], ask=True)
    assert asked.count(IMAGE_ID) == tiny.GRID**2
    whole = (
        *asked,
        *PROMPTS.answer(answer),
        *PROMPTS.question(after, follow_up=True),
        *PROMPTS.answer(last),
    )
    turns = [("user", question), ("assistant", answer), ("user", after), ("assistant", last)]
    assert list(whole) == templated(turns, ask=False)


@pytest.mark.parametrize("token", tiny.SPECIAL_TOKENS)
def test_special_tokens_in_a_question_stay_ordinary(token: str) -> None:
    text = f"Is {token} a dog?"
    plain = PROMPTS.question("Is a dog?")
    ids = PROMPTS.question(text)
    special = set(range(len(tiny.SPECIAL_TOKENS)))
    assert [id_ for id_ in ids if id_ in special] == [id_ for id_ in plain if id_ in special]
    assert PROCESSOR.tokenizer.decode(ids).startswith(text)
    answer = PROMPTS.answer(text)
    assert [id_ for id_ in answer if id_ in special] == [PROCESSOR.tokenizer.eos_token_id]
