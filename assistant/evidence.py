"""A second opinion on a picture: what the encoder's own classifier sees, and how familiar it is.

The tower was pre-trained on ImageNet and still has that classifier: 1,000 names, of which the most
likely are told with their probability. How familiar a picture is comes from its distance to the
training pictures in the tower's pooled features (see `Domain`): far from all of them, an answer of
the language model is a guess, and `modest` says so.

    >>> evidence = judge(encoded.pooled, tower, shipped_domain())
    >>> evidence.names[0], evidence.familiar
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from assistant.errors import WeightsError
from assistant.prompts import CANT_TELL

UNFAMILIAR: Final = "This does not look like pictures I was trained on."
THRESHOLD: Final = 0.05
"""Share of familiar pictures, held out from training, that are called unfamiliar."""

NAMES_TOLD: Final = 5
NOTABLE: Final = 0.3
"""From this probability on a name is worth telling beside an answer."""

# The classifier was trained with smoothed labels and is too modest. At 0.8 its mean confidence in
# 550 photos of the Grocery Store Dataset that show one of 11 ImageNet classes, 0.68, comes near the
# share that it names rightly, 0.70; at 1.0 it is 0.50.
TEMPERATURE: Final = 0.8

# From this probability on a name is put before the question of an unfamiliar picture, see `hint`.
_CONFIDENT: Final = 0.5
_TENSORS: Final = ("mean", "projection", "centres", "kinds", "quantiles")


@dataclass(frozen=True)
class Evidence:
    """What the encoder sees without the language model.

    ``names`` are the most likely ImageNet names with their probability, the likeliest first;
    ``familiarity`` is the share of held-out training-like pictures that are less familiar.
    """

    names: tuple[tuple[str, float], ...]
    familiarity: float
    familiar: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON stores it."""
        return {
            "names": [[name, round(share, 4)] for name, share in self.names],
            "familiarity": round(self.familiarity, 4),
            "familiar": self.familiar,
        }


@dataclass(frozen=True)
class Domain:
    """Where the training pictures lie in the space of pooled features.

    The distance of a picture is the Mahalanobis distance to the nearest of several centres that
    share one covariance (Lee et al., "A simple unified framework for detecting
    out-of-distribution samples", NeurIPS 2018), in the main directions of the features' square
    roots, scaled to length one (Arandjelović and Zisserman, CVPR 2012, do so for SIFT): a few
    strong channels would decide alone otherwise. Each kind of training pictures has centres of its
    own and its own usual distances, since drawings of shapes lie far closer together than photos.

    Attributes:
        mean: ``[channels]``, of the transformed features.
        projection: ``[dimensions, channels]``, to directions in which the covariance is one.
        centres: ``[centres, dimensions]``.
        kinds: ``[centres]``, the number of the kind that a centre belongs to.
        quantiles: ``[kinds, n]``, rising distances of held-out pictures of each kind, at even steps
            from the nearest to the farthest.
    """

    mean: torch.Tensor
    projection: torch.Tensor
    centres: torch.Tensor
    kinds: torch.Tensor
    quantiles: torch.Tensor

    def distances(self, pooled: torch.Tensor) -> torch.Tensor:
        """To the nearest centre of each kind, ``[B, kinds]``, of features ``[B, channels]``."""
        projected = (spread(pooled) - self.mean) @ self.projection.T
        each = torch.cdist(projected, self.centres)
        kinds = self.kinds.long().expand_as(each)
        nearest = each.new_full((len(each), len(self.quantiles)), torch.inf)
        return nearest.scatter_reduce(1, kinds, each, "amin")

    def familiarity(self, pooled: torch.Tensor) -> torch.Tensor:
        """Share of held-out pictures that lie farther out, ``[B]`` of ``[B, channels]``.

        It is that of the kind in which the picture is most at home.
        """
        distances, marks = self.distances(pooled).T.contiguous(), self.quantiles.contiguous()
        steps = marks.shape[1] - 1
        above = torch.searchsorted(marks, distances).clamp(1, steps)  # [kinds, B]
        low, high = marks.gather(1, above - 1), marks.gather(1, above)
        part = ((distances - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
        return (1 - (above - 1 + part) / steps).amax(dim=0)

    def save(self, path: Path) -> None:
        """Write a safetensors file; the wide matrix in half precision."""
        save_file(
            {
                "mean": self.mean.contiguous(),
                "projection": self.projection.to(torch.float16).contiguous(),
                "centres": self.centres.contiguous(),
                "kinds": self.kinds.contiguous(),
                "quantiles": self.quantiles.contiguous(),
            },
            path,
        )

    @classmethod
    def load(cls, path: Path) -> Domain:
        """Read what `save` wrote.

        Raises:
            WeightsError: the file is not there or not such a file.
        """
        try:
            tensors = load_file(path)
            return cls(**{name: tensors[name].float() for name in _TENSORS})
        except (OSError, SafetensorError, KeyError) as error:
            raise WeightsError(
                f"{path} does not hold what tells familiar pictures from others; install "
                "Sightdesk again, or make it with `python -m adapters.domain`."
            ) from error


def spread(pooled: torch.Tensor) -> torch.Tensor:
    """Square roots of features that are never negative, scaled to length one; float32."""
    roots = pooled.float().clamp_min(0).sqrt()
    return torch.nn.functional.normalize(roots, dim=-1)


@cache
def shipped_domain() -> Domain:
    """Of the pictures that the shipped adapter was trained on."""
    return Domain.load(Path(__file__).with_name("domain.safetensors"))


@cache
def imagenet_names() -> tuple[str, ...]:
    """One common name a class, in the classifier's order; two pairs of classes share one."""
    text = Path(__file__).with_name("imagenet_names.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


@torch.inference_mode()
def judge(pooled: torch.Tensor, tower: Any, domain: Domain) -> Evidence:
    """The evidence of one picture.

    Args:
        pooled: ``[channels]``, the tower's ``pooler_output``.
        tower: has ``classify``, see `assistant.vision`.
    """
    logits = tower.classify(pooled[None].to(tower.device))[0].float().cpu()
    familiarity = float(domain.familiarity(pooled[None].float().cpu())[0])
    names = likeliest(logits, imagenet_names())
    return Evidence(names, familiarity, familiarity >= THRESHOLD)


def likeliest(logits: torch.Tensor, names: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """The most likely names with probability; classes of one name count together.

    Args:
        logits: ``[classes]``, as many as names.
    """
    shares: dict[str, float] = {}
    for name, share in zip(names, (logits / TEMPERATURE).softmax(-1).tolist(), strict=True):
        shares[name] = shares.get(name, 0.0) + share
    ranked = sorted(shares.items(), key=lambda pair: -pair[1])
    return tuple(ranked[:NAMES_TOLD])


def notable(evidence: Evidence) -> list[str]:
    """The names that are likely enough to be told, the likeliest first."""
    return [name for name, share in evidence.names if share >= NOTABLE]


def modest(answer: str, evidence: Evidence) -> str:
    """The answer, followed by a caution where the picture is unlike the training ones.

    An answer that says already that it cannot tell stays as it is.
    """
    if evidence.familiar or answer.strip() in ("", CANT_TELL) or UNFAMILIAR in answer:
        return answer
    return f"{answer.rstrip()} {caution(evidence)}"


def caution(evidence: Evidence) -> str:
    """What to say about an unfamiliar picture, with the encoder's guess where it has one."""
    names = notable(evidence)
    return f"{UNFAMILIAR} It may show: {', '.join(names)}." if names else UNFAMILIAR


def hint(evidence: Evidence) -> str | None:
    """Words to put before the question in the prompt, None where they do not help.

    ``tests.benchmarks.evidence_in_prompt`` measured, with the shipped adapter, that they help a
    little on unfamiliar pictures of which the encoder is sure (44 animals and things cut out on
    white: named rightly 8 times instead of 4), that they change nothing about questions on familiar
    ones, and that they cost right refusals there (62 questions: 49 instead of 52).
    """
    names = [name for name, share in evidence.names if share >= _CONFIDENT]
    if evidence.familiar or not names:
        return None
    return f"The picture may show: {', '.join(names)}."


def with_hint(question: str, seen: Sequence[Evidence]) -> str:
    """The question as it is put to the model: behind what the encoder sees, where that helps."""
    hints = [words for evidence in seen if (words := hint(evidence)) is not None]
    return " ".join([*dict.fromkeys(hints), question])


def needed_caution(answer: str, seen: Sequence[Evidence]) -> str | None:
    """What to say beside an answer about pictures of which one is unfamiliar, else None."""
    doubtful = next((evidence for evidence in seen if not evidence.familiar), None)
    if doubtful is None or modest(answer, doubtful) == answer:
        return None
    return caution(doubtful)
