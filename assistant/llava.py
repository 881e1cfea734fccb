"""Build, save and load LLaVA models: the embedded one from its two parts, any other by name.

The embedded base is transformers' own `LlavaForConditionalGeneration` with the tower of
`assistant.vision`; a LLaVA-family model from a directory or the hub takes the same code path.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    GgufConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedModel,
)
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil
from transformers.utils.logging import disable_progress_bar

from assistant.errors import AdapterError, WeightsError, first_line
from assistant.families import family_of, make_ready
from assistant.lora_layers import is_lora
from assistant.settings import Settings
from assistant.vision import EfficientNetLiteConfig, EfficientNetLiteModel, convert_checkpoint
from assistant.weights import (
    Progress,
    downloads_directory,
    embedded_directory,
    embedded_parts,
    has_embedded,
)

if TYPE_CHECKING:
    from peft import PeftModel

disable_progress_bar()  # the callers show their own

# A spare token of SmolLM2's vocabulary stands for the picture. A new one would make 49,153 rows
# and end the parity with the GGUF.
IMAGE_TOKEN = "<jupyter_output>"
IMAGE_SIZE = 260
GRID = 6

_ABANDONED_S = 24 * 3600

# Pictures come before the words of their turn. There is no system prompt unless one is given:
# its tokens would be computed for every picture and were never part of the training.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\n' -}}"
    "{%- if message['content'] is string -%}{{- message['content'] -}}"
    "{%- else -%}"
    "{%- for part in message['content'] if part['type'] == 'image' -%}"
    "{{- '" + IMAGE_TOKEN + "\n' -}}{%- endfor -%}"
    "{%- for part in message['content'] if part['type'] == 'text' -%}"
    "{{- part['text'] -}}{%- endfor -%}"
    "{%- endif -%}"
    "{{- '<|im_end|>' -}}{%- if not loop.last or add_generation_prompt -%}{{- '\n' -}}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)


@dataclass(frozen=True)
class Base:
    """A loaded base: the model in evaluation mode and its processor."""

    name: str
    model: PreTrainedModel
    processor: Any


def embedded_processor(tokenizer: Any) -> LlavaProcessor:
    """The processor of the embedded base: squash to 260x260, ``(value - 127) / 128``."""
    image_processor = ViTImageProcessorPil(
        do_resize=True,
        size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        resample=2,  # bilinear
        do_rescale=True,
        rescale_factor=1 / 255,
        do_normalize=True,
        image_mean=[127 / 255] * 3,
        image_std=[128 / 255] * 3,
        do_convert_rgb=True,
    )
    return LlavaProcessor(
        image_processor=image_processor,
        tokenizer=tokenizer,
        patch_size=IMAGE_SIZE // GRID,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
        image_token=IMAGE_TOKEN,
    )


def compose(language_gguf: Path, vision_checkpoint: Path, target: Path) -> None:
    """Compose the embedded base from its parts and save it in the standard format.

    Args:
        language_gguf: SmolLM2-135M-Instruct as GGUF; its weights are dequantised.
        vision_checkpoint: EfficientNet-Lite2's ``.pth``, whose checksum the caller has verified.
        target: directory to create, see `appearing_whole`; one that is whole stays as it is.

    The projector is random: it means something only together with an adapter.
    """
    language = AutoModelForCausalLM.from_pretrained(
        language_gguf.parent,
        gguf_file=language_gguf.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.float32,
    )
    tokenizer = AutoTokenizer.from_pretrained(language_gguf.parent, gguf_file=language_gguf.name)
    tower = EfficientNetLiteModel(EfficientNetLiteConfig(image_size=IMAGE_SIZE, grid=GRID))
    weights = torch.load(vision_checkpoint, weights_only=True, map_location="cpu")
    tower.load_state_dict(
        convert_checkpoint(weights) | load_file(Path(__file__).with_name("features.safetensors"))
    )
    config = LlavaConfig(
        vision_config=tower.config,
        text_config=language.config,
        image_token_index=int(tokenizer.vocab[IMAGE_TOKEN]),
        image_seq_length=GRID**2,
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)  # the projector's initial values are part of the base's identity
    model: Any = LlavaForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(tower.state_dict())
    model.model.language_model.load_state_dict(language.model.state_dict())
    model.tie_weights()
    model.to(torch.bfloat16)
    model.config.dtype = torch.bfloat16
    model.generation_config = language.generation_config
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id

    with appearing_whole(target) as folder:
        model.save_pretrained(folder)
        embedded_processor(tokenizer).save_pretrained(folder)


@contextmanager
def appearing_whole(target: Path, *, replace: bool = True) -> Iterator[Path]:
    """A folder to fill, which becomes ``target`` at the end, so that ``target`` is always whole.

    Every process fills a folder of its own beside ``target``; it is removed on failure. Where
    another process has made ``target`` in the meantime, that one's stays.

    Args:
        replace: take a ``target`` without ``config.json`` for what a failure left, and replace it.

    Raises:
        FileExistsError: not ``replace``, and there is a ``target`` that is not an empty folder.
    """
    for left in target.parent.glob(f"{target.name}*.partial"):  # by a process that was killed
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(
        prefix=f"{target.name}.", suffix=".partial", dir=target.parent, ignore_cleanup_errors=True
    ) as room:
        # Nobody else may look into the room; what is made inside it has the usual permissions.
        folder = Path(room) / target.name
        folder.mkdir()
        yield folder
        try:
            folder.rename(target)
        except OSError as error:
            if not replace:
                raise FileExistsError(errno.EEXIST, "it exists", str(target)) from error
            if (target / "config.json").is_file():
                return
            shutil.rmtree(target, ignore_errors=True)
            folder.rename(target)


def ensure_embedded(settings: Settings, progress: Progress | None = None) -> Path:
    """Return the directory of the composed base, fetching and composing it the first time.

    Raises:
        WeightsError: no network, a damaged download, or a cache folder that cannot be written.
    """
    target = embedded_directory(settings)
    if has_embedded(settings):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        language, vision = embedded_parts(settings, progress)
        if progress is not None:
            progress("Composing the model (once)", None)
        compose(language, vision, target)
    except Exception as error:
        # Another process may have made the base by now, and taken the downloads away with it.
        if not has_embedded(settings):
            if not isinstance(error, OSError):
                raise
            raise WeightsError(
                f"The model cannot be stored in {settings.cache_dir} ({error.strerror or error}); "
                "make the folder writable, free some space, or set SIGHTDESK_CACHE_DIR to another "
                "one."
            ) from error
    shutil.rmtree(downloads_directory(settings), ignore_errors=True)
    return target


def load_base(
    path: str | Path, name: str, device: torch.device, dtype: torch.dtype | Literal["auto"]
) -> Base:
    """Load a LLaVA-family model and its processor from a directory or the hub.

    Args:
        dtype: ``"auto"`` keeps the one of the files. On a CPU their weights are then not copied
            into memory but read from the files as they are needed.

    Raises:
        WeightsError: there is no such model, or it is not one that answers about pictures, or of a
            family that is not supported (see `assistant.families`).
    """
    try:
        config = AutoConfig.from_pretrained(path)
        family = None
        if type(config) in AutoModelForImageTextToText._model_mapping:
            family = family_of(config)  # before anything large is read
        model: Any = AutoModelForImageTextToText.from_pretrained(
            path, dtype=dtype, attn_implementation="sdpa"
        )
        if family is not None and family.videos:
            from assistant.processors import load_processor

            processor = load_processor(path, config.model_type)
        else:  # as above, without five families' modules
            processor = AutoProcessor.from_pretrained(path)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = first_line(error)
        raise WeightsError(
            f"The base {name!r} cannot be loaded ({reason}); give 'embedded', a directory that "
            "holds a LLaVA-family model, or a hub id that this machine can reach."
        ) from error
    if family is not None:
        make_ready(model)
    model = model.to(device).eval()
    return Base(name=name, model=model, processor=processor)


def attach_adapter(base: Base, path: Path, name: str) -> Base:
    """Merge an adapter into a base and make it bfloat16.

    The base may have any precision: each layer becomes float32 while the adapter is merged into
    it, then bfloat16, so that there is never more than one layer in float32.

    Raises:
        AdapterError: the adapter was made for another base, or its configuration is damaged.
    """
    try:
        merged = merge_adapter(base.model, path, torch.bfloat16)
    except AdapterError as error:
        raise AdapterError(
            f"The adapter {name!r} does not fit the base {base.name!r}; "
            "use it with the base that it was trained on, or train it again."
        ) from error
    settle(merged, merged.device)
    return Base(name=base.name, model=merged.eval(), processor=base.processor)


def wrap_adapter(model: PreTrainedModel, path: Path) -> PeftModel:
    """Put an adapter around a model without merging it; the model itself is changed.

    Args:
        path: of a directory that `assistant.adapter_files` has checked.

    Raises:
        AdapterError: the adapter holds other tensors than the model has a place for.
    """
    from peft import PeftModel, get_peft_model_state_dict

    try:
        with warnings.catch_warnings():
            # peft asks transformers for a name that it renamed, and tells of keys that are missing,
            # which is an error here; users can do nothing with either.
            warnings.simplefilter("ignore", FutureWarning)
            adapted = PeftModel.from_pretrained(
                model, path, is_trainable=False, low_cpu_mem_usage=True
            )
            expected = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        with safe_open(path / "adapter_model.safetensors", "pt") as file:
            given = set(file.keys())
        if given != set(expected) or any(tensor.is_meta for tensor in expected.values()):
            raise ValueError("the tensors are others than the model's")
        _as_precise(adapted)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise AdapterError(
            f"The adapter in {path} does not fit the model; use it with the base that it was "
            "trained on, or train it again."
        ) from error
    return adapted


def _as_precise(adapted: PeftModel) -> None:
    """Bring what the file held in bfloat16 to the precision of the layers that it belongs to.

    peft would compute with, and round a merge to, what it found in the file.
    """
    from peft.utils.other import ModulesToSaveWrapper

    for module in adapted.modules():
        if is_lora(module):
            layer: Any = module.get_base_layer()
            for part in (module.lora_A, module.lora_B, module.lora_magnitude_vector):
                part.to(layer.weight.dtype)
        elif isinstance(module, ModulesToSaveWrapper):
            first = next(module.original_module.parameters(), None)
            module.modules_to_save.to(first.dtype if first is not None else None)


def merge_wrapped(adapted: PeftModel, dtype: torch.dtype | None = None) -> Any:
    """The model with the adapter in its weights, each layer merged in float32.

    Never to be used on quantized layers: merge first, then quantize.

    Args:
        dtype: of the layers that LoRA changed, afterwards; by default the one that each had.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.filterwarnings("ignore", "All adapters are already merged")
            for module in adapted.modules():
                if is_lora(module):
                    layer: Any = module.get_base_layer()
                    before = layer.weight.dtype
                    layer.float()
                    # What was brought to the layer's precision would round the change as well.
                    for part in (module.lora_A, module.lora_B, module.lora_magnitude_vector):
                        part.float()
                    module.merge(safe_merge=True)
                    layer.to(dtype or before)
            return adapted.merge_and_unload(safe_merge=True)
    except (ValueError, RuntimeError, NotImplementedError) as error:
        raise AdapterError(
            "The adapter cannot be merged: its weights are not finite, or it changes layers that "
            "cannot be merged; train it again."
        ) from error


def merge_adapter(model: PreTrainedModel, path: Path, dtype: torch.dtype | None = None) -> Any:
    """Merge an adapter directory into a model that is not quantized; see `merge_wrapped`.

    `assistant.engine.adapters` applies adapters to a running engine instead.

    Raises:
        AdapterError: it does not fit the model, or cannot be merged.
    """
    return merge_wrapped(wrap_adapter(model, path), dtype)


def locate_base(name: str, settings: Settings, progress: Progress | None = None) -> Path:
    """The directory of a base by name: composed, given, or a hub id's files in the hub's cache.

    Raises:
        WeightsError: it is not here and cannot be fetched.
    """
    if name == "embedded":
        return ensure_embedded(settings, progress)
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    kinds = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
    try:
        return Path(snapshot_download(name, allow_patterns=kinds))
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"The base {name!r} is neither 'embedded', nor a directory, nor a hub id that this "
            "machine can reach; correct it."
        ) from error


def settle(model: Any, device: torch.device, dtype: torch.dtype = torch.bfloat16) -> None:
    """Bring a model to a device and in one precision, all in memory of its own.

    Weights that lie in a mapped file would keep the whole file resident, what was replaced
    included. What loading has left over goes back to the system. Quantized layers stay as they
    are, and so do buffers that are computed: rotary frequencies in bfloat16 are too coarse.
    """
    for parameter in model.parameters():
        if type(parameter) is torch.nn.Parameter:
            parameter.data = parameter.data.to(device, dtype, copy=True)
    for module in model.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            stored = name not in module._non_persistent_buffers_set
            rounded = stored and buffer.is_floating_point()
            # A new tensor: the old one is a view, which keeps the file mapped.
            own = buffer.to(device, dtype if rounded else buffer.dtype, copy=True)
            setattr(module, name, own)
    release_memory()


def release_memory() -> None:
    """Give back to the system what loading has left over."""
    gc.collect()
    with suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
