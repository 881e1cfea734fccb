"""A space with random weights for the tiny tower and a tiny text encoder, as training writes it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from transformers import BertConfig, BertModel, BertTokenizer

from adapters.retrieval.saving import Precision, Trained, save_space
from assistant.fingerprint import part_fingerprint
from assistant.space.assembling import load_tower, tower_fingerprint
from assistant.space.choosing import embedded_space
from assistant.space.embedding import SentenceSpace
from assistant.space.files import SpaceAbout
from assistant.space.modules import ImageHead
from assistant.vision import fused
from tests import tiny
from tests.tiny_space import COLOURS

DIMENSIONS, WIDTH = 24, 32
PRECISION = Precision()
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,?!'-"


def tokenizer() -> BertTokenizer:
    """WordPiece that knows letters and colours: any English text goes in."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *COLOURS, *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    words = Tokenizer(
        models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]")
    )
    words.normalizer = normalizers.BertNormalizer(lowercase=True)
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return BertTokenizer(tokenizer_object=words)


def write_text(folder: Path) -> Path:
    """A two-layer BERT of width 32 in a directory."""
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(tokenizer()),
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=128,
        initializer_range=0.3,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def trained(base: Path, seed: int = 0) -> Trained:
    """Random changes of everything that may change."""
    torch.manual_seed(seed)
    tower = fused(load_tower(base))
    head = ImageHead(tower.config.head_channels, 2, 16, DIMENSIONS)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    changes = {
        name: 0.1 * torch.randn_like(parameter)
        for name, parameter in tower.named_parameters()
        if name.startswith(("stages.2", "head"))
    }
    layer = "encoder.layer.1.attention.self.query"
    text = {
        f"{layer}.lora_a": 0.3 * torch.randn(4, WIDTH),
        f"{layer}.lora_b": 0.3 * torch.randn(WIDTH, 4),
        "encoder.layer.1.output.dense.weight": 0.1 * torch.randn(WIDTH, 64),
    }
    return Trained(changes, head, text, nn.Linear(WIDTH, DIMENSIONS))


def about(base: Path, text: Path) -> SpaceAbout:
    """What `trained` is."""
    return SpaceAbout.model_validate(
        {
            "format": 1,
            "dimensions": DIMENSIONS,
            "tower": {"fingerprint": tower_fingerprint(base), "image_size": tiny.IMAGE_SIZE},
            "head": {"channels": 16, "queries": 2, "hidden": 16},
            "text": {
                "name": "tiny", "fingerprint": part_fingerprint(text),
                "max_tokens": 64, "width": WIDTH,
            },
            "calibration": {"words": (12.0, -6.0), "pictures": (20.0, -16.0), "threshold": 0.5},
        }
    )  # fmt: skip


def write(folder: Path, seed: int = 0, precision: Precision = PRECISION) -> tuple[Path, Path, Path]:
    """Directories of a space, its base and its text encoder, in ``folder``."""
    base, text = tiny.directory(), write_text(folder / "text")
    save_space(folder / "space", trained(base, seed), about(base, text), precision)
    return folder / "space", base, text


@cache
def random_space(folder: Path) -> SentenceSpace:
    """The embedder itself; of the same folder the same one."""
    space, base, text = write(folder)
    return embedded_space(space, "cpu", folder, base=base, text=text)
