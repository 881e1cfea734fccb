"""One batch of pictures in, what a task says of each out; whoever calls has opened them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from assistant.annotate.seeing import encode_many
from assistant.annotate.values import LONGEST_TEXT, Annotation, Task

if TYPE_CHECKING:
    from assistant.engine import EncodedImage, Engine
    from assistant.images import LoadedImage
    from assistant.labelling import Labelled

SURE: Final = 0.43
"""Of a description, the mean probability of its tokens below which a person should look at it.

Of 120 pictures of Flickr8k's dev split a quarter are below, whose descriptions have a CIDEr of
0.19 against the five of people; the others have 0.70.
"""

UNSURE: Final = "Not sure enough of it"
UNFAMILIAR: Final = "Unlike the pictures that the model was trained on"


def annotate_pictures(
    engine: Engine, pictures: Sequence[LoadedImage], task: Task
) -> list[Annotation]:
    """Label or describe one batch; ``image`` of each is its image id until a path is given.

    Args:
        engine: loaded with the task's adapter as its default, see `seeing.engine_for`.
        pictures: as many as should be open at once; `running.BATCH` is what measures best.

    Raises:
        InputError: the list of labels cannot be used, or the model knows no labels.
    """
    if not pictures:
        return []
    encoded = encode_many(engine, pictures)
    rows = (_labelled if task.kind == "label" else _described)(engine, encoded, task)
    made_by: dict[str, Any] = {
        "model": engine.name,
        "adapter": engine.adapter,
        "quantization": str(engine.quantization),
    }
    return [
        Annotation(picture.id, picture.id, picture.width, picture.height, **row, **made_by)
        for picture, row in zip(pictures, rows, strict=True)
    ]


def _labelled(engine: Engine, encoded: Sequence[EncodedImage], task: Task) -> list[dict[str, Any]]:
    if task.labels is None and task.adapter is None:
        # Who chose no adapter did not choose the labels that one happens to come with.
        found = engine.recognise(encoded, threshold=task.sure, top=task.top)
    else:
        found = engine.label(
            encoded,
            labels=None if task.labels is None else list(task.labels),
            threshold=task.sure,
            top=task.top,
        )
    return [_of_label(each) for each in found]


def _of_label(found: Labelled) -> dict[str, Any]:
    row: dict[str, Any] = {
        "label": found.label,
        "coarse_label": found.coarse,
        "confidence": found.confidence,
        "scores": found.scores,
    }
    if found.label is None:
        row |= {"status": "aside", "trouble": f"{UNSURE}: {100 * found.confidence:.0f} %."}
    return row


def _described(engine: Engine, encoded: Sequence[EncodedImage], task: Task) -> list[dict[str, Any]]:
    from assistant.annotate.writing import can_write, write_together

    said: list[tuple[str, float | None]]
    if task.mode == "greedy" and can_write(engine):
        said = [*write_together(engine, encoded, task.detail)]
    else:
        answers = engine.describe(encoded, detail=task.detail, mode=task.mode, seed=task.seed)
        said = [(answer.text, None) for answer in answers]
    return [
        _of_text(engine, image, text, sure, task)
        for image, (text, sure) in zip(encoded, said, strict=True)
    ]


def _of_text(
    engine: Engine, image: EncodedImage, text: str, sure: float | None, task: Task
) -> dict[str, Any]:
    row: dict[str, Any] = {"caption": " ".join(text.split())[:LONGEST_TEXT], "confidence": sure}
    evidence = engine.evidence(image)
    least = SURE if task.sure is None else task.sure
    if evidence is not None and not evidence.familiar:
        row |= {"status": "aside", "trouble": f"{UNFAMILIAR}."}
    elif not row["caption"] or (sure is not None and sure < least):
        shown = "it is empty" if sure is None else f"{100 * sure:.0f} %"
        row |= {"status": "aside", "trouble": f"{UNSURE}: {shown}."}
    return row
