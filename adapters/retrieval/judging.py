"""`sightdesk evaluate retrieval`: how well captions find their pictures, and pictures captions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adapters.evaluate import Options, Results, with_pictures
from adapters.retrieval.metrics import Rankings, score_retrieval
from adapters.rows import CaptionRow, bad_row, read_captions
from adapters.samples import opened_predictions, sampled
from assistant.errors import ImageError
from assistant.images import open_image
from assistant.space import PictureEmbedder, Vectors

_ALL = Options()


@dataclass(frozen=True)
class Encoded:
    """Pictures and captions as vectors.

    Attributes:
        images: the pictures, as the data name them.
        texts: the captions of all pictures, one after the other.
        pictures: ``[n, d]``.
        captions: ``[m, d]``.
        own: ``[m]``, the picture that each caption is of.
        skipped: rows whose picture cannot be opened.
    """

    images: list[str]
    texts: list[str]
    pictures: Vectors
    captions: Vectors
    own: NDArray[np.int64]
    skipped: int


def evaluate_retrieval(embedder: PictureEmbedder, data: Path, options: Options = _ALL) -> Results:
    """Search the pictures of `data` by every caption, and its captions by every picture.

    A caption's right picture is its own; a picture's right captions are its references. Rows of one
    picture count as one. With `options.predictions` one JSON object a query is written, with the
    ten best: ``{"query": caption, "ranked": [images]}`` and ``{"image", "ranked": [captions]}``.

    Returns:
        t2i_r1, t2i_r5, t2i_r10, i2t_r1, i2t_r5, i2t_r10 (fractions), n (pictures); with `skip_bad`
        also skipped (rows).

    Raises:
        DataError: `data` or one of its rows or pictures cannot be used.
        InputError: an option cannot be used, or the predictions cannot be written.
        WeightsError, AdapterError: the embedder cannot be loaded.
    """
    drawn = sampled(check_retrieval(data, options), options.limit, options.seed)
    with opened_predictions(options.predictions, [data]) as out:
        encoded = encode_rows(embedder, drawn, options)
        scores, rankings = score_retrieval(encoded.pictures, encoded.captions, encoded.own)
        if out is not None:
            out.writelines(_predictions(encoded, rankings))
    results: Results = {**asdict(scores)}
    if options.skip_bad:
        results["skipped"] = encoded.skipped
    return results


def encode_rows(
    embedder: PictureEmbedder, rows: Sequence[CaptionRow], options: Options = _ALL
) -> Encoded:
    """The vectors of all pictures of rows, each once, and of all their captions.

    Raises:
        DataError: a picture cannot be opened, unless `options.skip_bad`.
        WeightsError, AdapterError: the embedder cannot be loaded.
    """
    report = options.progress or (lambda done, total: None)
    by_image: dict[Path, list[CaptionRow]] = {}
    for row in rows:
        by_image.setdefault(row.path, []).append(row)
    texts = list(dict.fromkeys(text for row in rows for text in row.references))
    total = len(by_image) + len(texts)
    report(0, total)
    bad: list[CaptionRow] = []
    kept: list[list[CaptionRow]] = []
    pictures: list[Vectors] = []
    pairs = _opened(by_image.values(), options, bad)
    while batch := list(islice(pairs, options.batch_size)):
        pictures.append(embedder.encode_pictures([pixels for _, pixels in batch]))
        kept += [group for group, _ in batch]
        report(len(kept), total)
    vectors: list[Vectors] = []
    step = 16 * options.batch_size
    for start in range(0, len(texts), step):
        vectors.append(embedder.encode_texts(texts[start : start + step]))
        report(min(start + step, len(texts)) + len(by_image), total)
    place = {text: number for number, text in enumerate(texts)}
    said = [
        (text, number)
        for number, group in enumerate(kept)
        for row in group
        for text in row.references
    ]
    none = np.zeros((0, embedder.dimensions), np.float32)
    return Encoded(
        images=[group[0].image for group in kept],
        texts=[text for text, _ in said],
        pictures=np.concatenate([none, *pictures]),
        captions=np.concatenate([none, *vectors])[[place[text] for text, _ in said]],
        own=np.array([number for _, number in said], np.int64),
        skipped=len(bad),
    )


def check_retrieval(data: Path, options: Options) -> list[CaptionRow]:
    """The rows of `data`, checked before a model is loaded; no picture is opened yet.

    Raises:
        DataError: as `evaluate_retrieval`.
    """
    return with_pictures(read_captions(data), options)


def _opened(
    groups: Iterable[list[CaptionRow]],
    options: Options,
    bad: list[CaptionRow],
) -> Iterator[tuple[list[CaptionRow], Image.Image]]:
    """Rows of one picture with its pixels; those whose picture cannot be opened go to `bad`."""
    for rows in groups:
        try:
            yield rows, open_image(rows[0].path).pixels
        except ImageError as error:
            if not options.skip_bad:
                raise bad_row(
                    rows[0].where,
                    f"the image {rows[0].image!r} cannot be used ({str(error).rstrip('.')}), "
                    "replace it or skip bad images (--skip-bad)",
                ) from error
            bad.extend(rows)


def _predictions(encoded: Encoded, rankings: Rankings) -> Iterator[str]:
    images, texts = encoded.images, encoded.texts
    for text, row in zip(texts, rankings.images, strict=True):
        yield _line({"query": text, "ranked": [images[place] for place in row]})
    for image, row in zip(images, rankings.captions, strict=True):
        yield _line({"image": image, "ranked": [texts[place] for place in row]})


def _line(content: dict[str, object]) -> str:
    return json.dumps(content, ensure_ascii=False) + "\n"
