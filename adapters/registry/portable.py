"""A model in the standard Hugging Face format that loads without this project.

The embedded base's tower is not one of transformers': its code is `assistant.vision`, which imports
nothing of ours and is copied beside the weights. A second module gives transformers the classes to
ask for; importing it registers the tower.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from assistant import vision

TOWER_MODULE, MODEL_MODULE = "sightdesk_vision", "modeling_sightdesk"
_MODEL_CODE = f'''"""LLaVA of transformers, with the vision tower of this folder registered."""

from transformers import LlavaConfig, LlavaForConditionalGeneration

from .{TOWER_MODULE} import EfficientNetLiteConfig, EfficientNetLiteModel

__all__ = [
    "EfficientNetLiteConfig",
    "EfficientNetLiteModel",
    "SightdeskConfig",
    "SightdeskForConditionalGeneration",
]


class SightdeskConfig(LlavaConfig):
    """A LLaVA configuration whose tower is the one of this folder."""


class SightdeskForConditionalGeneration(LlavaForConditionalGeneration):
    """A LLaVA model whose tower is the one of this folder."""

    config_class = SightdeskConfig
'''
_AUTO_MAP = {
    "AutoConfig": f"{MODEL_MODULE}.SightdeskConfig",
    "AutoModelForImageTextToText": f"{MODEL_MODULE}.SightdeskForConditionalGeneration",
}


def needs_code(model: Any) -> bool:
    """Whether plain transformers cannot load a model without the code of its tower."""
    tower = getattr(getattr(model, "model", model), "vision_tower", None)
    return isinstance(tower, vision.EfficientNetLiteModel)


def save_portable(model: Any, processor: Any, folder: Path) -> None:
    """Write model, processor and, where it is needed, the tower's code into a folder."""
    _forget_places(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    if needs_code(model):
        code = Path(str(vision.__file__)).read_text(encoding="utf-8")
        (folder / f"{TOWER_MODULE}.py").write_text(code, encoding="utf-8")
        (folder / f"{MODEL_MODULE}.py").write_text(_MODEL_CODE, encoding="utf-8")
        file = folder / "config.json"
        config = json.loads(file.read_text(encoding="utf-8"))
        config["auto_map"] = _AUTO_MAP
        file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    for path in folder.iterdir():
        if path.is_file():
            path.chmod(0o644)  # safetensors writes files that only their owner may read


def _forget_places(model: Any) -> None:
    """Configurations remember the folder that they came from, which is nobody else's matter."""
    config = model.config
    for part in (
        config,
        getattr(config, "text_config", None),
        getattr(config, "vision_config", None),
    ):
        for key in ("_name_or_path", "_model_name_or_path"):
            if part is not None and getattr(part, key, None):
                setattr(part, key, "")
