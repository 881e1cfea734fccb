"""Several texts read in one pass, each on top of its own past, whatever their lengths.

What a layer computes of a token alone (norms, products) is computed of the tokens of all texts at
once: the weights pass by once. Only attention looks at one text's keys and values. They stand on
*shelves*, side by side, so that for texts that read one token each, which is most of the time, it
is one call for a whole shelf, padded to the longest text on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final

import torch
from torch.nn import functional

from assistant.engine.caches import Layers
from assistant.engine.fast import Attend, FastReader, Llama
from assistant.engine.products import Spans
from assistant.engine.step import Bound

_SHORTEST: Final = 256  # tokens that a place on a shelf has room for; twice as many on the next
_SHELF: Final = 4096  # tokens of all places of a shelf together, as long as there are several
_MORE: Final = 32
_SPARSE: Final = 2  # places a text, up to which reading free ones as well is the quicker way


class Shelf:
    """Places of one size for keys and values.

    Args:
        room: tokens of a place.

    Attributes:
        layers: of each, ``[2, places, key heads, room, width]``, keys before values. There is
            nothing but numbers in it: what is not seen counts nothing, but must not be NaN.
        holders: who stands on which place.
    """

    def __init__(self, llama: Llama, room: int, like: torch.Tensor) -> None:
        self.room = room
        places = max(1, _SHELF // room)
        sides = llama.layers, 2, places, llama.shared, room, llama.width
        self._memory = like.new_zeros(sides, dtype=llama.remembered(like.dtype))
        self.layers = self._memory.unbind()
        self.free = list(reversed(range(places)))  # the first place last, so that it is taken first
        self.places = places
        self.holders: dict[int, ShelvedReader] = {}
        self._bound: tuple[Any, Bound | None] = (None, None)

    def take(self, holder: ShelvedReader) -> int:
        """The first place that is free."""
        place = self.free.pop()
        self.holders[place] = holder
        return place

    def give_back(self, place: int, length: int) -> None:
        """Let a place go, which so many tokens of were used."""
        self._memory[:, :, place, :, :length].zero_()
        del self.holders[place]
        self.free.append(place)
        self.free.sort(reverse=True)

    def at(self, place: int) -> torch.Tensor:
        """Keys and values of a place, ``[layers, 2, key heads, room, width]``."""
        return self._memory[:, :, place]

    def step(self, llama: Llama, count: int, speaker: str | None) -> Bound | None:
        """The step of the first ``count`` places at once, where a graph can compute it."""
        key = llama.step, count, llama.speaker(speaker)
        if self._bound[0] != key:
            self._bound = key, llama.bind(self._memory[:, :, :count], speaker)
        return self._bound[1]


class Shelves:
    """All shelves of one model; whoever calls holds the model."""

    def __init__(self) -> None:
        self._shelves: list[Shelf] = []

    def take(
        self, llama: Llama, room: int, like: torch.Tensor, holder: ShelvedReader
    ) -> tuple[Shelf, int]:
        """A shelf and a free place on it, for so many tokens at least."""
        size = max(_SHORTEST, 1 << (room - 1).bit_length())
        for shelf in self._shelves:
            if shelf.room == size and shelf.free:
                return shelf, shelf.take(holder)
        self._shelves.append(Shelf(llama, size, like))
        return self._shelves[-1], self._shelves[-1].take(holder)

    def tidy(self) -> None:
        """Let go of shelves that nothing stands on."""
        self._shelves = [shelf for shelf in self._shelves if len(shelf.free) < shelf.places]

    @property
    def nbytes(self) -> int:
        """Bytes of all shelves, used or not."""
        return sum(layer.nbytes for shelf in self._shelves for layer in shelf.layers)


class ShelvedReader(FastReader):
    """A `FastReader` whose memory stands on a shelf; `leave` gives the place back.

    Args:
        expected: tokens that it will probably come to hold.
    """

    def __init__(
        self, llama: Llama, shelves: Shelves, expected: int, layers: Layers | None = None
    ) -> None:
        self._shelves, self._expected = shelves, expected
        self.shelf: Shelf | None = None
        self.place = 0
        super().__init__(None, layers, llama)

    def leave(self) -> None:
        """Give the place back; nothing can be read any more."""
        if self.shelf is not None:
            self.shelf.give_back(self.place, self._length)
        self.shelf = self._memory = None

    def reach(self, like: torch.Tensor, count: int) -> None:
        """Have room for ``count`` more tokens."""
        if self._memory is None or self._memory.shape[3] < self._length + count:
            self._grow(like, count)

    def read_with(self, llama: Llama) -> None:
        """The model was changed: it is read as it is now."""
        self._llama = llama

    def _grow(self, like: torch.Tensor, count: int) -> torch.Tensor:
        shelf, place = self.shelf, self.place
        memory = super()._grow(like, count)
        if shelf is not None:
            shelf.give_back(place, self._length)
        return memory

    def _room(self, like: torch.Tensor, count: int = 0) -> torch.Tensor:
        room = max(self._length + count + _MORE, self._expected)
        self.shelf, self.place = self._shelves.take(self._llama, room, like, self)
        return self.shelf.at(self.place)


class _Row:
    """The next token of each of several texts on one shelf: they look at their pasts at once."""

    def __init__(
        self, llama: Llama, shelf: Shelf, readers: Sequence[ShelvedReader], like: torch.Tensor
    ) -> None:
        places = [reader.place for reader in readers]
        lengths = [reader.length for reader in readers]
        self._llama, self._shelf = llama, shelf
        self._places = torch.tensor(places, device=like.device)
        self._width, self._longest = max(places) + 1, max(lengths) + 1
        self._whole = self._width == len(places)  # no free place between them
        # What stands on no text's place sees the first token of it, so as to see something.
        ends = torch.tensor(lengths, device=like.device)
        seen = ends.new_zeros(self._width)
        seen[self._places] = ends
        behind = torch.arange(self._longest, device=like.device) > seen[:, None]
        sight = shelf.layers[0].new_zeros(behind.shape).masked_fill_(behind, -torch.inf)
        # Where a layer takes the keys of the new tokens, counted in vectors; then the values.
        heads = torch.arange(llama.shared, device=like.device)
        keys = (self._places[:, None] * len(heads) + heads) * shelf.room + ends[:, None]
        values = keys + shelf.places * len(heads) * shelf.room
        self._ends = torch.cat([keys.flatten(), values.flatten()])
        group = llama.heads // llama.shared
        self._sight = sight[:, None, None].expand(-1, 1, group, -1)

    def attend(self, number: int, both: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """See `assistant.engine.fast.Attend`; one token of each text."""
        llama, layer = self._llama, self._shelf.layers[number]
        heads, shared = llama.heads, llama.shared
        new = torch.stack([both[:, heads:], values]).to(layer.dtype)
        layer.view(-1, llama.width).index_copy_(0, self._ends, new.view(-1, llama.width))
        asked = both[:, :heads].to(layer.dtype)
        if not self._whole:
            asked = asked.new_zeros((self._width, heads, llama.width))
            asked[self._places] = both[:, :heads].to(layer.dtype)
        keys, values_there = layer[:, : self._width, :, : self._longest]
        found = functional.scaled_dot_product_attention(
            asked.reshape(self._width, shared, -1, llama.width),
            keys,
            values_there,
            self._sight,
            scale=llama.scale,
        )
        found = found.reshape(self._width, heads * llama.width).to(values.dtype)
        return found if self._whole else found[self._places]


def read_together(
    llama: Llama,
    readers: Sequence[ShelvedReader],
    parts: Sequence[torch.Tensor],
    told: Sequence[int],
    speakers: Sequence[str | None] | None = None,
) -> torch.Tensor:
    """Read the next part of several texts in one pass.

    Args:
        readers: all different.
        parts: ``[T, hidden]`` of each, of any lengths.
        told: numbers of those that logits are wanted of.
        speakers: the adapter of each, by its name beside the layers; by default all have the one
            that was in use when the model was looked up.

    Returns:
        Logits ``[told, vocab]`` for what follows the last token of each.
    """
    like = parts[0]
    for reader, part in zip(readers, parts, strict=True):
        reader.read_with(llama)
        reader.reach(like, len(part))
    if len(readers) == len(told) == 1:
        return readers[0].read(like, "" if speakers is None else speakers[0])
    stepped = _step(llama, readers, parts, told, speakers)
    if stepped is not None:
        return stepped
    looks: list[Attend] = []
    counts: list[int] = []  # tokens of each look
    order: list[int] = []  # numbers of the texts, as their tokens stand in the pass
    for numbers in _side_by_side(readers, parts):
        order += numbers
        counts.append(sum(len(parts[number]) for number in numbers))
        first = readers[numbers[0]]
        if len(numbers) > 1:
            assert first.shelf is not None
            row = _Row(llama, first.shelf, [readers[number] for number in numbers], like)
            looks.append(row.attend)
        else:
            looks.append(first.looking(parts[numbers[0]]))
    embeds = torch.cat([parts[number] for number in order])
    starts = [(readers[number].length, len(parts[number])) for number in order]
    places = torch.tensor([at for start, count in starts for at in range(start, start + count)])

    spans = None
    if speakers is not None:
        spans = _spans([(speakers[number], len(parts[number])) for number in order])

    def attend(number: int, both: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        each = zip(looks, both.split(counts), values.split(counts), strict=True)
        return torch.cat([look(number, own, its) for look, own, its in each])

    hidden = llama.read(embeds, places.to(like.device), attend, spans)
    ends = dict(zip(order, accumulate(count for _, count in starts), strict=True))
    last = [ends[number] - 1 for number in told]
    logits = llama.told(hidden[last]) if last else hidden[:0]
    for reader, part in zip(readers, parts, strict=True):  # nothing failed
        reader.moved(len(part))
    return logits


def _step(
    llama: Llama,
    readers: Sequence[ShelvedReader],
    parts: Sequence[torch.Tensor],
    told: Sequence[int],
    speakers: Sequence[str | None] | None,
) -> torch.Tensor | None:
    """As `read_together`, by the model's graph; None where these texts are not for that.

    They are, where each reads one token and all stand on one shelf with the same adapter. Places
    between them are read with them, and nothing comes of it: what is written behind the end of a
    text is written over by what it reads next.
    """
    step, shelf = llama.step, readers[0].shelf
    speaker, *others = {*speakers} if speakers is not None else {""}
    if step is None or shelf is None or others or any(len(part) != 1 for part in parts):
        return None
    if any(reader.shelf is not shelf for reader in readers):
        return None
    count = max(reader.place for reader in readers) + 1
    past = [shelf.holders[n].length if n in shelf.holders else 0 for n in range(count)]
    if count > _SPARSE * len(readers) or max(past) >= min(shelf.room, step.longest):
        return None
    bound = shelf.step(llama, count, speaker)
    if bound is None:
        return None
    embeds = parts[0].new_zeros((count, 1, parts[0].shape[1]))
    places = [reader.place for reader in readers]
    embeds[places, 0] = torch.cat(list(parts))
    logits = bound(embeds, past)
    for reader in readers:
        reader.moved(1)
    return logits[[places[number] for number in told]]


def _side_by_side(
    readers: Sequence[ShelvedReader], parts: Sequence[torch.Tensor]
) -> Iterator[list[int]]:
    """Numbers of the texts: together those that read one token each and stand on one shelf."""
    shelves: dict[Shelf, list[int]] = {}
    for number, (reader, part) in enumerate(zip(readers, parts, strict=True)):
        if len(part) == 1 and reader.shelf is not None:
            shelves.setdefault(reader.shelf, []).append(number)
        else:
            yield [number]
    for numbers in shelves.values():
        yield sorted(numbers, key=lambda number: readers[number].place)


def _spans(texts: Sequence[tuple[str | None, int]]) -> Spans:
    """Adapters and numbers of tokens as spans, neighbours of one adapter as one."""
    found: list[tuple[str | None, int, int]] = []
    end = 0
    for name, count in texts:
        start, end = end, end + count
        if found and found[-1][0] == name:
            start = found.pop()[1]
        found.append((name, start, end))
    return found
