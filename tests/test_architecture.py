"""The architecture, read from the syntax trees: who imports whom, and what nobody does."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("assistant", "adapters", "ui")
LONGEST_MODULE = 450

# Each room of assistant/ with those directly left of it; it may import these and all left of them.
LEFT_OF: dict[str, tuple[str, ...]] = {
    "errors": (),
    "closing": (),
    "prompts": (),
    "settings": ("errors",),
    "sources": (),
    "desk_prompts": ("sources",),
    "demo": (),
    "grounding": ("sources",),
    "languages": (),
    "handover": (),
    "exif": (),
    "images": ("exif", "settings"),
    "enhance": ("images",),
    "fetching": ("images",),
    "weights": ("images",),
    "adapter_files": ("weights",),
    "fingerprint": ("adapter_files",),
    "vision": ("weights",),
    "packed": (),
    "background": (),
    "whole_file": (),
    "onnx_bytes": (),
    "eight_bits": ("onnx_bytes",),
    "onnx_tower": ("onnx_bytes", "vision"),
    "json_file": (),
    "shape": (),
    "quantize": ("eight_bits", "json_file", "packed", "settings", "shape"),
    "families": ("errors",),
    "processors": (),
    "llava": ("families", "lora_layers", "processors", "quantize", "vision"),
    "needs": ("llava",),
    "merged": ("llava",),
    "lora_layers": (),
    "slower": ("needs",),
    "rerank": (),
    "evidence": ("errors", "prompts"),
    "labelling": ("errors", "prompts"),
    "engine": (
        "background",
        "fingerprint",
        "evidence",
        "images",
        "labelling",
        "llava",
        "lora_layers",
        "merged",
        "onnx_tower",
        "prompts",
        "rerank",
        "whole_file",
    ),
    "batching": ("closing", "engine"),
    "bench": ("batching", "demo"),
    "remote": ("batching", "closing"),
    "engines": ("remote",),
    "default_engine": ("engines",),
    "annotate": ("engines", "image_index"),
    "chat_model": (
        "default_engine",
        "desk_prompts",
        "fetching",
        "grounding",
        "knowledge",
        "sources",
    ),
    "store": ("images", "closing"),
    "embedder": ("settings",),
    "embeddings": ("embedder",),
    "space": ("embedder", "fingerprint", "llava", "onnx_tower"),
    "knowledge": ("embedder", "images", "store"),
    "sketch": (),
    "image_index": ("images", "knowledge", "sketch", "space", "store"),
    "retriever": ("knowledge",),
    "image_retriever": ("image_index",),
    "vector_store": ("embeddings", "retriever"),
    "webhook": ("store",),
    "ocr": ("images",),
    "tools": (
        "closing",
        "default_engine",
        "image_index",
        "knowledge",
        "ocr",
        "sources",
        "whole_file",
    ),
    "agent": ("chat_model", "tools", "store", "handover", "grounding", "languages", "webhook"),
    "telling": ("agent",),
    "widget": (),
    "api": ("agent", "batching", "demo", "mcp_server", "telling", "widget"),
    "cli": ("agent", "annotate", "api", "bench", "demo", "enhance", "slower"),
    "mcp_server": ("agent",),
}
FOREIGN_TO = {
    "assistant": {"adapters", "ui"},
    "adapters": {"ui"},
    "ui": {"torch", "transformers"},
}
PICKLES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name, its text and its syntax tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The part after the top level: `engine` for assistant.engine and assistant.engine.x."""
        return self.name.partition(".")[2].partition(".")[0]

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))


@cache
def modules() -> tuple[Module, ...]:
    found = []
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        found.append(Module(name, path, text, ast.parse(text, str(path))))
    return tuple(found)


def imports(module: Module) -> Iterator[str]:
    """Every dotted name a module may import, wherever the import stands in it."""
    package = module.name if module.path.name == "__init__.py" else module.name.rpartition(".")[0]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            parts = [*above, node.module] if node.level else [node.module]
            source = ".".join(part for part in parts if part)
            yield from (f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and dotted(node.func).endswith("import_module"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def dotted(node: ast.expr) -> str:
    """`a.b.c` for such an expression, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return ""


def calls(module: Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.Call))


def left_of(room: str) -> set[str]:
    direct = LEFT_OF[room]
    return set(direct).union(*(left_of(other) for other in direct))


def reaches(name: str, targets: set[str]) -> bool:
    return name.split(".")[0] in targets


def foreign_imports(module: Module) -> list[str]:
    room = module.name.split(".")[0]
    return [name for name in imports(module) if reaches(name, FOREIGN_TO[room])]


def rightward_imports(module: Module) -> list[str]:
    if not module.name.startswith("assistant.") or module.room not in LEFT_OF:
        return []
    allowed = left_of(module.room) | {module.room}
    rooms = (name.split(".") for name in imports(module) if name.startswith("assistant."))
    return [".".join(parts) for parts in rooms if parts[1] not in allowed]


def image_decoding(module: Module) -> list[str]:
    if module.name == "assistant.images" or module.name.startswith("assistant.images."):
        return []
    found = [name for name in imports(module) if name == "PIL.Image.open"]
    names = (dotted(call.func) for call in calls(module))
    return found + [name for name in names if name.endswith(("Image.open", ".imread"))]


def pickle_use(module: Module) -> list[str]:
    found = [name for name in imports(module) if reaches(name, PICKLES)]
    for call in calls(module):
        if dotted(call.func) != "torch.load":
            continue
        safe = any(
            word.arg == "weights_only"
            and isinstance(word.value, ast.Constant)
            and word.value.value is True
            for word in call.keywords
        )
        if not safe:
            found.append(f"torch.load without weights_only=True in line {call.lineno}")
    return found


def parsed(name: str, source: str) -> Module:
    path = ROOT.joinpath(*name.split(".")).with_suffix(".py")
    return Module(name, path, source, ast.parse(source))


def test_the_rooms_are_there() -> None:
    assert {module.name for module in modules()} >= set(ROOMS)


@pytest.mark.parametrize("module", modules(), ids=str)
def test_imports_only_go_left(module: Module) -> None:
    assert not foreign_imports(module)
    assert not rightward_imports(module)


@pytest.mark.parametrize("module", modules(), ids=str)
def test_only_images_decodes_pictures(module: Module) -> None:
    assert not image_decoding(module)


@pytest.mark.parametrize("module", modules(), ids=str)
def test_nothing_is_unpickled(module: Module) -> None:
    assert not pickle_use(module)


@pytest.mark.parametrize("module", modules(), ids=str)
def test_modules_are_short_and_say_what_they_know(module: Module) -> None:
    assert ast.get_docstring(module.tree), "write a module docstring that says what it knows"
    lines = len(module.text.splitlines())
    assert lines <= LONGEST_MODULE, "split it into a package of the same name"


def test_every_room_of_assistant_has_its_place() -> None:
    rooms = {module.room for module in modules() if module.name.startswith("assistant.")}
    assert rooms <= set(LEFT_OF), "say in LEFT_OF what the new module stands right of"


@pytest.mark.parametrize(
    ("check", "name", "source"),
    [
        (foreign_imports, "assistant.engine", "import adapters.train"),
        (foreign_imports, "assistant.engine", "def f():\n    from ui import app"),
        (foreign_imports, "assistant.cli.page", "importlib.import_module('adapters.cli')"),
        (foreign_imports, "adapters.train", "import ui"),
        (foreign_imports, "ui.app", "from torch import nn"),
        (rightward_imports, "assistant.images", "from assistant.engine import Engine"),
        (rightward_imports, "assistant.images", "from assistant import weights"),
        (rightward_imports, "assistant.images", "from . import weights"),
        (rightward_imports, "assistant.images", "from .weights import ensure_embedded"),
        (rightward_imports, "assistant.engine.cache", "from ..cli import app"),
        (image_decoding, "adapters.dataset", "from PIL import Image\nImage.open('a.png')"),
        (image_decoding, "adapters.dataset", "from PIL.Image import open"),
        (image_decoding, "adapters.dataset", "import PIL.Image\nPIL.Image.open('a.png')"),
        (pickle_use, "adapters.train", "import pickle"),
        (pickle_use, "assistant.weights", "import torch\ntorch.load('a.pth')"),
        (pickle_use, "assistant.weights", "import torch\ntorch.load('a', weights_only=False)"),
    ],
)
def test_a_breach_is_seen(check: Callable[[Module], list[str]], name: str, source: str) -> None:
    assert check(parsed(name, source))


@pytest.mark.parametrize(
    ("check", "name", "source"),
    [
        (foreign_imports, "ui.app", "from assistant.engine import Engine\nimport adapters"),
        (rightward_imports, "assistant.engine.cache", "from . import steps\nfrom ..llava import x"),
        (rightward_imports, "assistant.cli", "from assistant import settings, engine"),
        (image_decoding, "assistant.images", "from PIL import Image\nImage.open('a.png')"),
        (image_decoding, "adapters.dataset", "from PIL import Image\nImage.new('RGB', (1, 1))"),
        (pickle_use, "assistant.weights", "import torch\ntorch.load('a', weights_only=True)"),
    ],
)
def test_what_is_allowed_passes(
    check: Callable[[Module], list[str]], name: str, source: str
) -> None:
    assert not check(parsed(name, source))
