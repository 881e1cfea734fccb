"""Pairs and groups of pictures that look the same though their pixels differ.

They are near when their sketches are (`assistant.sketch`): resized, recompressed, squashed. Of
9,640 photos of goods and of scenes no two are near, and the nearest two, taken one after the other,
differ in 28 bits.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from assistant.sketch import MAX_BITS, MAX_COLOUR

_PAIRS_AT_ONCE = 1 << 20


def near_pairs(bits: np.ndarray, colours: np.ndarray) -> list[tuple[int, int]]:
    """All pairs (i, j), i < j, of near pictures, sorted.

    Two hashes that differ in d bits are equal in one of any d + 1 parts that they are cut into, so
    only pictures that share such a part are compared: no pair is missed, and 10,000 pictures take
    seconds. Bits are dealt out to the parts at random, since neighbours say nearly the same.

    Args:
        bits: ``[n, 4]`` uint64.
        colours: ``[n, 768]`` uint8.
    """
    found: set[tuple[int, int]] = set()
    single = np.unpackbits(bits.view(np.uint8), axis=1)
    dealt = np.random.default_rng(0).permutation(single.shape[1])
    for part in np.array_split(dealt, MAX_BITS + 1):
        keys = single[:, part] @ (1 << np.arange(len(part)))
        for first, second in _pairs_with_equal(keys):
            apart = np.bitwise_count(bits[first] ^ bits[second]).sum(axis=1)
            close = apart <= MAX_BITS
            first, second = first[close], second[close]
            differ = np.abs(colours[first].astype(np.int16) - colours[second]).mean(axis=1)
            same = differ <= MAX_COLOUR
            found.update(zip(first[same].tolist(), second[same].tolist(), strict=True))
    return sorted(found)


def groups(count: int, pairs: list[tuple[int, int]]) -> list[int]:
    """For each of ``count`` things the smallest of those that pairs tie it to, itself included."""
    parent = list(range(count))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = one = parent[parent[one]]
        return one

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return [root(one) for one in range(count)]


def _pairs_with_equal(keys: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Index pairs, i < j, of equal keys, in arrays of bounded size."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) + 1
    # How many later members of its run each place is paired with.
    lengths = np.diff(ends, prepend=0)
    later = np.repeat(ends, lengths) - 1 - np.arange(len(keys))
    start = 0
    while start < len(keys):
        # Enough places for an array of pairs, one at least.
        summed = np.cumsum(later[start:])
        stop = start + max(1, int(np.searchsorted(summed, _PAIRS_AT_ONCE, side="right")))
        counts = later[start:stop]
        first = np.repeat(np.arange(start, stop), counts)
        within = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
        if len(first):
            yield order[first], order[first + 1 + within]
        start = stop
