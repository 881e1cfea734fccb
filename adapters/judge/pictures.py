"""Pictures of what was judged: the confusion matrix, and confidence against accuracy.

Drawn without pyplot, which keeps figures in a global place. As SVG they stay sharp, their labels
can be found, and letters that matplotlib has no font for are drawn by the reader's browser.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from adapters.judge.calibration import BINS, Calibration
from adapters.judge.labels import Confusion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PictureFormat = Literal["svg", "png"]

MOST_CLASSES = 120
_LONGEST_LABEL = 40
_OWN, _OTHER, _INK = "#2563a8", "#b4570a", "#1c2733"


def draw_confusion(confusion: Confusion, kind: PictureFormat = "svg") -> bytes:
    """The matrix: blue where the label was right, orange where another one was given.

    Labels of one coarse label are in a frame.
    Colours are shares of the row, numbers are pictures. Of more than `MOST_CLASSES` classes, those
    with the most mistakes are shown, the others as one.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    rows, columns, coarse, counts = _most_confused(confusion)
    side = max(3.2, 0.2 * len(columns))
    margin = 0.075 * max(len(_short(name)) for name in (*rows, *columns)) + 0.5
    figure = Figure(figsize=(side + margin, 0.2 * len(rows) + margin + 0.4), layout="constrained")
    axes = figure.add_subplot(xlabel="what it said", ylabel="what it is")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = np.eye(len(rows), len(columns), dtype=bool)
    colours = np.zeros((*counts.shape, 4))
    for name, mask in (("Blues", right), ("Oranges", ~right)):
        shown = mask & (counts > 0)
        colours[shown] = matplotlib.colormaps[name](0.25 + 0.65 * shares[shown])
    axes.imshow(colours, interpolation="none", aspect="equal")
    for i, j in np.argwhere(counts):
        ink = "white" if shares[i, j] > 0.5 else _INK
        axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=6, color=ink)
    for i in range(1, len(rows)):
        for line in (axes.axhline, axes.axvline):
            line(i - 0.5, color="#e8ecf0", linewidth=0.4, zorder=0.5)
    for name in dict.fromkeys(coarse):
        first, size = coarse.index(name), coarse.count(name)
        if size > 1:
            place, side = (first - 0.5, first - 0.5), size
            axes.add_patch(Rectangle(place, side, side, fill=False, color="#6b7a89", linewidth=0.8))
    # A dollar sign would begin a formula, and labels are anybody's text.
    axes.set_xticks(
        range(len(columns)), list(map(_short, columns)), rotation=90, fontsize=7, parse_math=False
    )
    axes.set_yticks(range(len(rows)), list(map(_short, rows)), fontsize=7, parse_math=False)
    axes.tick_params(length=0, labeltop=len(rows) > 30)
    axes.spines[:].set_color("#9aa7b4")
    return _saved(figure, kind)


def draw_reliability(
    own: Calibration,
    other: Calibration | None,
    names: tuple[str, str],
    kind: PictureFormat = "svg",
) -> bytes:
    """How often it is right (above), and how often it is so sure (below), by confidence."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    middles = (np.arange(BINS) + 0.5) / BINS
    counts = np.array(own.counts)
    some = counts > 0
    above.plot([0, 1], [0, 1], color="#9aa7b4", linewidth=1, linestyle="--")
    accuracy = np.array(own.accuracy)
    above.bar(middles[some], accuracy[some], width=0.9 / BINS, color=_OWN, label=_short(names[0]))
    if other is not None:
        used = np.array(other.counts) > 0
        sure, right = np.array(other.confidence)[used], np.array(other.accuracy)[used]
        above.plot(sure, right, "o-", color=_OTHER, markersize=4, label=_short(names[1]))
    above.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is right")
    for text in above.legend(frameon=False, loc="upper left", fontsize=8).get_texts():
        text.set_parse_math(False)
    below.bar(middles, counts, width=0.9 / BINS, color=_OWN)
    below.set(xlabel="confidence", ylabel="pictures")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    return _saved(figure, kind)


def _most_confused(
    confusion: Confusion,
) -> tuple[list[str], list[str], list[str], np.ndarray]:
    """Rows, columns, coarse labels of the rows and counts, with the clearest classes as one."""
    counts = confusion.counts
    rows, columns = list(confusion.labels), list(confusion.columns)
    if len(rows) <= MOST_CLASSES:
        return rows, columns, list(confusion.coarse), counts
    square = counts[:, : len(rows)]
    wrong = counts.sum(axis=1) + square.sum(axis=0) - 2 * np.diag(square)
    kept = np.sort(np.argsort(-wrong, kind="stable")[: MOST_CLASSES - 1])
    rest = np.setdiff1d(np.arange(len(rows)), kept)
    extra = np.arange(len(rows), len(columns))  # "none of these", if it is there
    lumped = np.vstack([counts[kept], counts[rest].sum(axis=0)])
    lumped = np.hstack(
        [lumped[:, kept], lumped[:, rest].sum(axis=1, keepdims=True), lumped[:, extra]]
    )
    name = f"{len(rest):,} others"
    names = [*(rows[i] for i in kept), name]
    return (
        names,
        [*names, *columns[len(rows) :]],
        [*(confusion.coarse[i] for i in kept), name],
        lumped,
    )


def _short(name: str) -> str:
    # Control characters are not allowed in XML, and so not in SVG.
    clean = "".join(letter if letter.isprintable() else " " for letter in name)
    return clean if len(clean) <= _LONGEST_LABEL else clean[: _LONGEST_LABEL - 1] + "…"


def _saved(figure: Figure, kind: PictureFormat) -> bytes:
    import matplotlib

    buffer = io.BytesIO()
    options: dict[str, Any] = {"metadata": {"Date": None}} if kind == "svg" else {"dpi": 130}
    style: Any = {"svg.fonttype": "none", "svg.hashsalt": "sightdesk"}
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # labels may be in any script
        figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()
