"""The training mixture: what is asked about a picture each time it comes round.

Each source turns a picture into branches of a prompt tree, drawn anew at every visit from a random
generator that depends only on the seed and the step.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from adapters.packing import Branch
from adapters.questions import QA, CaptionQuestions, clean_caption
from adapters.rows import read_captions, read_labels
from assistant.errors import DataError
from assistant.prompts import CANT_TELL, DESCRIBE, LABEL_QUESTION, spoken_label

_MOST_CAPTIONS = 8  # a visit: rows stay short, whatever the data
SENTENCE_REQUESTS = (
    "Describe this picture in one sentence.",
    "What is in this picture?",
    "Caption this image.",
    "What do you see?",
    "What is happening in this photo?",
    "Give a one-sentence description of the image.",
    "Describe the photo.",
    "Tell me what is in the image.",
)
LABEL_REQUESTS = (
    "Which product is this?",
    "What product is in the picture?",
    "What is this?",
    "Name the product in this photo.",
    "What kind of item is shown here?",
    "Label this picture.",
)
COARSE_REQUESTS = (
    "What kind of product is this, in general?",
    "Which product category is this?",
    "What type of food is this?",
)
SHOP_UNKNOWN = (
    "How much does it cost?",
    "What is the price of this product?",
    "When does it expire?",
    "Which shop is this?",
    "Who will buy this?",
    "How many calories does it have?",
    "Where was it grown?",
    "Who packed this?",
)


class Source(Protocol):
    """Pictures and what can be asked about them."""

    name: str
    paths: Sequence[Path]

    def branches(self, index: int, rng: random.Random) -> list[Branch]:
        """What to ask about picture ``index`` this time."""
        ...


@dataclass
class CaptionSource:
    """Captioned pictures (Flickr8k's form): descriptions, and questions made from the captions."""

    name: str
    paths: Sequence[Path]
    references: Sequence[Sequence[str]]
    questions_a_visit: int = 2

    def __post_init__(self) -> None:
        self.questions = CaptionQuestions(self.references)

    @classmethod
    def read(cls, *files: Path) -> CaptionSource:
        """Rows ``{"image", "references": [...]}``; image paths are relative to their file."""
        rows = [row for file in files for row in read_captions(file)]
        return cls("captions", [row.path for row in rows], [row.references for row in rows])

    def branches(self, index: int, rng: random.Random) -> list[Branch]:
        """All captions behind one request, sometimes another length, and a few questions."""
        references = self.references[index]
        request = DESCRIBE["sentence"] if rng.random() < 0.6 else rng.choice(SENTENCE_REQUESTS)
        said = dict.fromkeys(clean_caption(text) for text in references)
        captions = tuple(text for text in said if text)[:_MOST_CAPTIONS]
        branches = [Branch(request, captions)] if captions else []
        for detail, wording, answer in self.questions.describe_requests(references, rng):
            if rng.random() < 0.15:
                asked = DESCRIBE[detail] if rng.random() < 0.6 else wording
                branches.append(Branch(asked, (answer,)))
        pairs = self._draw(references, rng)
        while pairs:
            pair = pairs.pop()
            follow_up = None
            if pairs and rng.random() < 0.15:
                after = pairs.pop()
                follow_up = (after.question, after.answer)
            branches.append(Branch(pair.question, (pair.answer,), 2.0, follow_up))
        return branches

    def _draw(self, references: Sequence[str], rng: random.Random) -> list[QA]:
        found = self.questions.generate(references, rng, per_kind=2)
        presence = [pair for pair in found if pair.kind == "presence"]
        unanswerable = [pair for pair in found if pair.kind == "unanswerable"]
        others = [pair for pair in found if pair.kind not in ("presence", "unanswerable")]
        rng.shuffle(others)
        chosen = presence[: rng.choice((1, 1, 2))] + unanswerable[: rng.choice((0, 0, 1))]
        chosen += others[: max(self.questions_a_visit - len(chosen), 1)]
        rng.shuffle(chosen)
        return chosen


@dataclass
class LabelSource:
    """Labelled pictures: the label, its coarse label, and what a picture of goods cannot tell."""

    name: str
    paths: Sequence[Path]
    labels: Sequence[str]
    coarse: Sequence[str | None]

    @classmethod
    def read(cls, *files: Path) -> LabelSource:
        """Rows ``{"image", "label", "coarse_label"?}``; image paths are relative to the file."""
        rows = [row for file in files for row in read_labels(file)]
        return cls(
            "labels",
            [row.path for row in rows],
            [row.label for row in rows],
            [row.coarse_label for row in rows],
        )

    def branches(self, index: int, rng: random.Random) -> list[Branch]:
        """The label, and at times one more question."""
        request = LABEL_QUESTION if rng.random() < 0.6 else rng.choice(LABEL_REQUESTS)
        branches = [Branch(request, (spoken_label(self.labels[index]) + ".",), 2.0)]
        coarse = self.coarse[index]
        if coarse and rng.random() < 0.2:
            branches.append(Branch(rng.choice(COARSE_REQUESTS), (spoken_label(coarse) + ".",), 2.0))
        if rng.random() < 0.1:
            branches.append(Branch(rng.choice(SHOP_UNKNOWN), (CANT_TELL,), 2.0))
        return branches


@dataclass
class PairSource:
    """Pictures with question–answer pairs (easy-VQA's form)."""

    name: str
    paths: Sequence[Path]
    pairs: Sequence[Sequence[tuple[str, str]]]
    questions_a_visit: int = 9

    @classmethod
    def easy_vqa(cls) -> PairSource:
        """The training split inside the `easy-vqa` package.

        Raises:
            DataError: the package is not installed.
        """
        easy_vqa = import_easy_vqa()
        asked: dict[int, list[tuple[str, str]]] = {}
        for question, answer, image in zip(*easy_vqa.get_train_questions(), strict=True):
            asked.setdefault(image, []).append((question, answer))
        folder = Path(easy_vqa.__file__).parent / "data" / "train" / "images"
        return cls("pairs", [folder / f"{image}.png" for image in asked], list(asked.values()))

    def branches(self, index: int, rng: random.Random) -> list[Branch]:
        """A sample of the picture's pairs."""
        pairs = list(self.pairs[index])
        rng.shuffle(pairs)
        return [
            Branch(sentence(question), (sentence(answer) + ".",))
            for question, answer in pairs[: self.questions_a_visit]
        ]


def import_easy_vqa() -> Any:
    """The `easy-vqa` package.

    Raises:
        DataError: it is not installed.
    """
    try:
        import easy_vqa
    except ModuleNotFoundError as error:
        raise DataError(
            "easy-VQA is not installed; run `pip install easy-vqa==1.0` or leave it out."
        ) from error
    return easy_vqa


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]
