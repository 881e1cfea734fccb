"""What is asked of a job, and what it says of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from assistant.errors import InputError
from assistant.labelling import MOST_LABELS, TOP, check_threshold, checked_list
from assistant.prompts import DESCRIBE, Detail

if TYPE_CHECKING:
    from assistant.image_index.scanning import OnDisk

Kind = Literal["label", "describe"]
Status = Literal["ok", "aside", "bad"]
Mode = Literal["greedy", "beam", "sample", "rerank"]

LONGEST_TEXT: Final = 4_096
"""Characters of a description that are kept."""


@dataclass(frozen=True)
class Task:
    """What is done with each picture of a job.

    Attributes:
        kind: give each picture a label, or a description.
        labels: the list to choose from; None is the adapter's own or, without one, ImageNet's.
        adapter: the one that was asked for by name or directory; None is whatever the engine came
            with, whose labels nobody asked for.
        sure: confidence below which a picture is set aside for a person; None is the measured one.
        top: likeliest labels that are kept with a label.
        detail, mode, seed: of a description, as `Engine.describe` takes them.

    Raises:
        InputError: something of it cannot be used.
    """

    kind: Kind
    labels: tuple[str, ...] | None = None
    adapter: str | None = None
    sure: float | None = None
    top: int = TOP
    detail: Detail = "sentence"
    mode: Mode = "greedy"
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InputError(f"A job is to label or describe, not {str(self.kind)[:40]!r}.")
        if self.detail not in DESCRIBE:
            raise InputError(f"detail is {self.detail!r}; give one of: {', '.join(DESCRIBE)}.")
        if self.mode not in get_args(Mode):
            raise InputError(f"mode is {self.mode!r}; give one of: {', '.join(get_args(Mode))}.")
        if not 1 <= self.top <= 1_000:
            raise InputError(f"top is {self.top}; give a number from 1 to 1000.")
        check_threshold(self.sure)
        if self.labels is not None:
            too_many = f"There are {{count}} labels; give between 1 and {MOST_LABELS:,}."
            object.__setattr__(
                self, "labels", tuple(checked_list(list(self.labels), MOST_LABELS, too_many))
            )

    def to_dict(self) -> dict[str, Any]:
        """As ``job.json`` stores it."""
        return asdict(self) | {"labels": None if self.labels is None else list(self.labels)}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Task:
        """What `to_dict` gave.

        Raises:
            InputError: it is no such thing.
        """
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        try:
            if known.get("labels") is not None:
                known["labels"] = tuple(map(str, known["labels"]))
            return cls(**known)
        except (TypeError, AttributeError) as error:
            raise InputError("The task of this job cannot be read; start it anew.") from error


@dataclass(frozen=True)
class Annotation:
    """What a job says of one picture; a line of ``results.jsonl``.

    Attributes:
        image: its path relative to the folder, with ``/`` between the parts.
        image_id: see `assistant.images`; empty where it could not be opened.
        width, height: pixels, upright; 0 where it could not be opened.
        label: None for a description, and where no label is likely enough.
        coarse_label: the coarser one that the label belongs to.
        confidence: 0 to 1. Of a label: the probability of the likeliest one. Of a description: the
            geometric mean of its words' probabilities, where the engine tells them.
        scores: the likeliest labels with their probability, the likeliest first.
        caption: the description.
        status: ``ok``; ``aside``: not sure enough, for a person to look at; ``bad``: not opened.
        trouble: one sentence, for what is aside or bad.
        model, adapter, quantization: what said it.
        size, modified_ns: of the file when it was read, bytes and nanoseconds since 1970: one that
            changed since is done again.
    """

    image: str
    image_id: str = ""
    width: int = 0
    height: int = 0
    label: str | None = None
    coarse_label: str | None = None
    confidence: float | None = None
    scores: tuple[tuple[str, float], ...] = ()
    caption: str | None = None
    status: Status = "ok"
    trouble: str | None = None
    model: str = ""
    adapter: str | None = None
    quantization: str = ""
    size: int = 0
    modified_ns: int = 0

    @property
    def guess(self) -> str | None:
        """The label, or the likeliest one where it is set aside; None for a description."""
        return self.label or (self.scores[0][0] if self.scores else None)

    def of_file(self, file: OnDisk, width: int, height: int) -> Annotation:
        """The same of a file that was read, whose picture has so many pixels."""
        return replace(
            self, image=file.path, size=file.size, modified_ns=file.modified_ns, width=width,
            height=height,
        )  # fmt: skip

    @classmethod
    def bad(cls, file: OnDisk, trouble: str | None) -> Annotation:
        """That a file could not be opened, or the model failed on it."""
        return cls(
            file.path, status="bad", trouble=trouble, size=file.size, modified_ns=file.modified_ns
        )

    def to_dict(self) -> dict[str, Any]:
        """As one line of ``results.jsonl`` has it; what is not there is left out."""
        row = asdict(self) | {"scores": [[name, round(share, 4)] for name, share in self.scores]}
        always = {"image", "image_id", "status"}
        if self.confidence is not None:
            row["confidence"] = round(self.confidence, 4)
            always.add("confidence")
        return {key: value for key, value in row.items() if key in always or value not in _EMPTY}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Annotation:
        """What `to_dict` gave; fields that nobody knows are passed over.

        Raises:
            ValueError: it is no such thing.
        """
        known: dict[str, Any] = {}
        for name, kinds in _KINDS.items():
            value = row.get(name)
            if value is None:
                continue
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise ValueError(f"{name} is {str(value)[:40]!r}")
            known[name] = value
        if not known.get("image") or known.get("status", "ok") not in get_args(Status):
            raise ValueError("it names no picture, or has no known status")
        bytes.fromhex(known.get("image_id", ""))  # else it is no image id
        known["scores"] = tuple((str(name), float(share)) for name, share in row.get("scores", ()))
        return cls(**known)


_EMPTY: Final[tuple[Any, ...]] = (None, "", [], 0)
_KINDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("image", "image_id", "label", "coarse_label", "caption"), str),
    **dict.fromkeys(("status", "trouble", "model", "adapter", "quantization"), str),
    **dict.fromkeys(("width", "height", "size", "modified_ns"), int),
    "confidence": (int, float),
}
