"""Which product a text is about: the one whose name stands in it whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assistant.grounding.texts import Text, read
from assistant.grounding.words import stems
from assistant.sources import Source

_BETWEEN = 1
"""Words that may stand in a name; a list of ingredients has those of many names, far apart."""


def named_labels(text: str, sources: Sequence[Source]) -> frozenset[str]:
    """Labels of the products that a text names whole, where no other source has more of its words.

    ``"how heavy is a red delicious apple?"`` → ``Red-Delicious`` and not ``Golden-Delicious``; but
    not ``Orange`` of ``"which orange juices do you have?"`` beside ``Bravo-Orange-Juice``. Several
    where it names several, or compares one with another.
    """
    said = read(text[:2_000])
    parts = {source.label: stems(source.label) for source in sources if source.label}
    found = _whole(said, said.stems, {label: own for label, own in parts.items() if own})
    most = max((len(parts[label]) for label in found), default=0)
    nearer = any(
        len((parts[source.label] | stems(source.title)) & said.stems) > most
        for source in sources
        if source.label and source.label not in found
    )
    return frozenset() if nearer else found


def whole_labels(text: Text, parts: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Those of the labels whose stems stand together, without those that others are part of.

    What a text only compares with ("sweeter than Royal Gala") is not what it is about.
    """
    return _whole(text, text.stems - text.compared, parts)


def _whole(
    text: Text, subject: frozenset[str], parts: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    in_order = [word.stem for word in text.words if word.stem in subject]
    found = {
        label: own
        for label, own in parts.items()
        if own <= subject and _together(own, in_order, len(own) + _BETWEEN)
    }
    return frozenset(
        label for label, own in found.items() if not any(own < other for other in found.values())
    )


def _together(own: frozenset[str], in_order: Sequence[str], size: int) -> bool:
    """Whether so many neighbouring words have them all."""
    places = range(max(1, len(in_order) - size + 1))
    return any(own <= set(in_order[place : place + size]) for place in places)
