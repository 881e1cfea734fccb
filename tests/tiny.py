"""A tiny random LLaVA of the embedded base's form, built without network in a second.

Two Llama layers of width 32, a three-stage EfficientNet-Lite tower that makes four image tokens of
32x32 pixels, and a byte-level BPE with SmolLM2's special tokens under the same ids.
"""

from __future__ import annotations

import atexit
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from assistant.images import LoadedImage, open_image
from assistant.llava import CHAT_TEMPLATE, IMAGE_TOKEN
from assistant.vision import EfficientNetLiteConfig, EfficientNetLiteModel

IMAGE_SIZE = 32
GRID = 2
SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<repo_name>",
    "<reponame>",
    "<file_sep>",
    "<filename>",
    "<gh_stars>",
    "<issue_start>",
    "<issue_comment>",
    "<issue_closed>",
    "<jupyter_start>",
    "<jupyter_text>",
    "<jupyter_code>",
    "<jupyter_output>",
    "<jupyter_script>",
    "<empty_output>",
)
_CORPUS = (
    "user assistant system Describe the picture in one sentence. What product is this?",
    "What colour is the dog? A brown dog runs on the grass. Yes. No. Two men play music.",
    "I can't tell from this picture. A red apple, a green pear and a yellow banana.",
)


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE with a few merges: any text goes in and comes out unchanged."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(_CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
    )


def processor() -> LlavaProcessor:
    """The embedded base's processor at the tiny tower's size."""
    image_processor = ViTImageProcessorPil(
        size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        resample=2,
        image_mean=[127 / 255] * 3,
        image_std=[128 / 255] * 3,
        do_convert_rgb=True,
    )
    return LlavaProcessor(
        image_processor=image_processor,
        tokenizer=tokenizer(),
        patch_size=IMAGE_SIZE // GRID,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
        image_token=IMAGE_TOKEN,
    )


def tower_config() -> EfficientNetLiteConfig:
    """Three stages, one of them joined twice to the head: 16 + 8 + 12 + 3 channels."""
    return EfficientNetLiteConfig(
        stages=((1, 3, 1, 1, 8), (2, 3, 2, 2, 8), (1, 5, 2, 2, 12)),
        stem_channels=8,
        head_channels=16,
        feature_stages=(1, 2),
        grid=GRID,
        image_size=IMAGE_SIZE,
        num_classes=5,
    )


def tower(seed: int = 0) -> EfficientNetLiteModel:
    """A random tower whose output depends clearly on the picture."""
    torch.manual_seed(seed)
    model = EfficientNetLiteModel(tower_config())
    _spread(model)
    return model.eval()


def _spread(model: EfficientNetLiteModel) -> None:
    """Random weights, statistics and scales of the sizes that a trained tower has."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None and module.running_var is not None
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
        model.feature_mean.normal_(0, 0.2)
        model.feature_scale.uniform_(0.5, 1.5)


def model(seed: int = 0) -> LlavaForConditionalGeneration:
    """The random LLaVA, in float32 and evaluation mode."""
    words = tokenizer()
    text = LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        initializer_range=0.3,  # large enough that greedy choices are clear
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    config = LlavaConfig(
        vision_config=tower_config(),
        text_config=text,
        image_token_index=SPECIAL_TOKENS.index(IMAGE_TOKEN),
        image_seq_length=GRID**2,
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        tie_word_embeddings=True,
    )
    torch.manual_seed(seed)
    llava = LlavaForConditionalGeneration(config)
    _spread(llava.model.vision_tower)
    with torch.no_grad():
        for parameter in llava.model.multi_modal_projector.parameters():
            parameter.normal_(0, 0.3)
    llava.generation_config = GenerationConfig(
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    return llava.eval()


@cache
def directory() -> Path:
    """The tiny base in the standard format, saved once a process and removed at its end."""
    folder = tempfile.TemporaryDirectory(prefix="sightdesk-tiny-")
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "tiny"
    model().save_pretrained(path)
    processor().save_pretrained(path)
    return path


def pixels(seed: int, width: int = 40, height: int = 30) -> Image.Image:
    """A random picture of large coloured patches, different for every seed."""
    patches = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)


def picture(seed: int) -> LoadedImage:
    """Such a picture as the engine takes it."""
    return open_image(pixels(seed))


def picture_files(folder: Path, count: int) -> list[Path]:
    """``count`` such pictures as PNG files."""
    paths = [folder / f"{seed}.png" for seed in range(count)]
    for seed, path in enumerate(paths):
        pixels(seed).save(path)
    return paths
