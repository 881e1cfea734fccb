"""Captions: what each picture adds to the scores, so that samples of pictures can be scored.

BLEU of a corpus is made of sums over its pictures, ROUGE-L and CIDEr are means over them. CIDEr's
document frequencies are those of the whole data set in every sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from adapters.data.form import Example
from adapters.judge.figures import Figure, Judgement, Mistake
from adapters.judge.intervals import (
    Combine,
    Floats,
    estimate,
    estimate_difference,
)
from adapters.metrics import tokenize_caption

ORDERS = 4
# As pycocoevalcap has them: no division by 0, and a score that is not quite 0.
_TINY, _SMALL = 1e-15, 1e-9
MOST_MISTAKES = 24


@dataclass(frozen=True)
class CaptionStatistics:
    """Of each picture: ``bleu`` is ``[n, 10]`` (matches and n-grams of orders 1 to 4, words of the
    caption, words of the reference closest in length), ``rouge`` and ``cider`` are ``[n]``."""

    bleu: Floats
    rouge: Floats
    cider: Floats


def caption_statistics(
    texts: Sequence[str], references: Sequence[Sequence[str]]
) -> CaptionStatistics:
    """Count what the scores are made of; every reference must hold a word."""
    gold = {i: [tokenize_caption(text) for text in texts] for i, texts in enumerate(references)}
    said = {i: [tokenize_caption(text)] for i, text in enumerate(texts)}
    scorer = BleuScorer(n=ORDERS)
    for i, (caption,) in said.items():
        scorer += (caption, gold[i])
    counts = np.zeros((len(texts), 2 * ORDERS + 2))
    for row, parts in zip(counts, scorer.ctest, strict=True):
        row[:ORDERS], row[ORDERS:-2] = parts["correct"], parts["guess"]
        words = parts["testlen"]
        row[-2:] = words, min((abs(length - words), length) for length in parts["reflen"])[1]
    _, rouge = Rouge().compute_score(gold, said)
    _, cider = Cider().compute_score(gold, said)
    return CaptionStatistics(counts, np.asarray(rouge, float), np.asarray(cider, float))


def bleu(sums: Floats, order: int = ORDERS) -> Floats:
    """BLEU of summed counts ``[..., 10]`` (Papineni et al., ACL 2002), orders 1 to ``order``."""
    precisions = (sums[..., :order] + _TINY) / (sums[..., ORDERS : ORDERS + order] + _SMALL)
    ratios = (sums[..., -2] + _TINY) / (sums[..., -1] + _SMALL)
    brevity = np.exp(np.minimum(0.0, 1 - 1 / ratios))
    return np.exp(np.log(precisions).mean(axis=-1)) * brevity


def judge_captions(
    rows: Sequence[Example],
    own: Sequence[str],
    other: Sequence[str] | None,
    *,
    data: str,
    sha256: str | None,
    seed: int = 0,
    forgetting: bool = False,
) -> Judgement:
    """Score the captions of one adapter, or of two on the same pictures.

    Where ``forgetting`` is looked for, the captions that lost most are shown, else the poorest.
    """
    references = [row.references for row in rows]
    mine = caption_statistics(own, references)
    theirs = None if other is None else caption_statistics(other, references)
    figures = []
    for name, title, percent, part, combine in _measures():
        figures.append(
            _figure(
                name,
                title,
                percent,
                part(mine),
                None if theirs is None else part(theirs),
                combine,
                seed,
            )
        )
    notes = (
        "Intervals say how much the scores would move with other pictures of the same kind.",
        *(("A single picture has no CIDEr.",) if len(rows) == 1 else ()),
    )
    return Judgement(
        kind="captions",
        data=data,
        sha256=sha256,
        n=len(rows),
        pictures=len({row.images[0] for row in rows}),
        figures=tuple(figures),
        mistakes=tuple(_poorest(rows, own, other, mine, theirs, forgetting)),
        mistakes_total=len(rows),
        forgetting=forgetting,
        notes=notes,
    )


def _figure(
    name: str,
    title: str,
    percent: bool,
    own: Floats,
    other: Floats | None,
    combine: Combine,
    seed: int,
) -> Figure:
    mine = estimate(own, combine, len(own), seed=seed)
    if other is None:
        return Figure(name, title, mine, percent=percent)
    return Figure(
        name,
        title,
        mine,
        estimate(other, combine, len(other), seed=seed),
        estimate_difference(own, other, combine, len(own), seed=seed),
        percent=percent,
    )


def _measures() -> list[tuple]:
    """Name, title, whether in percent, what is summed, and how sums become a score."""

    def mean(sums: Floats) -> Floats:
        return sums[..., 0] / sums[..., 1]

    def per_picture(values: Floats) -> Floats:
        return np.stack([values, np.ones_like(values)], axis=1)

    orders = (4, 1, 2, 3)
    return [
        *(
            (f"bleu{k}", f"BLEU-{k}", True, lambda s: s.bleu, lambda sums, k=k: bleu(sums, k))
            for k in orders
        ),
        ("rougeL", "ROUGE-L", True, lambda s: per_picture(s.rouge), mean),
        ("cider", "CIDEr", False, lambda s: per_picture(s.cider), mean),
    ]


def _poorest(
    rows: Sequence[Example],
    own: Sequence[str],
    other: Sequence[str] | None,
    mine: CaptionStatistics,
    theirs: CaptionStatistics | None,
    lost: bool,
) -> list[Mistake]:
    """The captions with the lowest CIDEr, or those that ``lost`` most of it against the other's.

    Of equal ones, those with the lowest CIDEr, and then ROUGE-L.
    """
    worst = mine.cider - theirs.cider if lost and theirs is not None else mine.cider
    order = np.lexsort((mine.rouge, mine.cider, worst))[:MOST_MISTAKES]
    return [
        Mistake(
            where=rows[i].where,
            image=rows[i].images[0],
            truth=rows[i].references[:3],
            own=own[i],
            other=None if other is None else other[i],
            score=float(mine.cider[i]),
            other_score=None if theirs is None else float(theirs.cider[i]),
        )
        for i in order
    ]
