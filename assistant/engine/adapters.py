"""The adapters of a running engine: added while it runs, chosen by name, dropped again.

The engine is loaded on a *ground*: a base, for the embedded one with what ships merged into it, its
language model quantized or not. Further adapters are stacked on that ground: what they change of
tower and projector are copies (`assistant.engine.eyes`), what they change of the language model
stands beside its layers (`assistant.engine.tongue`). The ground itself never changes.
"""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from assistant.adapter_files import (
    ABOUT_FILE,
    CONFIG_FILE,
    LABEL_HEAD_FILE,
    WEIGHTS_FILE,
    AdapterFiles,
    check_fits,
    find_adapter,
    known_adapters,
)
from assistant.engine.eyes import Eyes, own_eyes
from assistant.engine.heads import LabelHead, pooled_width, read_head
from assistant.engine.tongue import Assign, Tongue
from assistant.errors import AdapterError, InputError, WeightsError
from assistant.families import FAMILIES, Family, family_of
from assistant.fingerprint import BaseIdentity
from assistant.labelling import Calibration
from assistant.settings import Settings

if TYPE_CHECKING:
    from peft import LoraConfig

GROUND: Final = "base"
"""What a ground without any adapter is called."""

_PREFIX = "base_model.model."
_TROUBLES = (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError)


@dataclass(frozen=True)
class Adapter:
    """An adapter that is ready to be used, or the ground.

    Attributes:
        name: how it is chosen.
        revision: tells it from all others by content; empty for the ground.
        labels: label to coarse label.
        eyes: what it sees with.
        key: its name beside the language model's layers; None where it changes none.
        calibration: of its labels' confidence.
        head: its label head, over the pooled features of its own tower.
        nbytes: memory that it takes beside the ground.
        runs_desk: it chooses tools and is nobody to ask about a picture.
    """

    name: str
    revision: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    eyes: Eyes = field(default_factory=Eyes)
    key: str | None = None
    calibration: Calibration = field(default_factory=Calibration)
    head: LabelHead | None = None
    nbytes: int = 0
    runs_desk: bool = False


@dataclass(frozen=True)
class _Origin:
    """Where an adapter was read from, and how its files looked then."""

    path: Path
    stamp: tuple[int, ...]


class Adapters:
    """The ground and what is stacked on it.

    Args:
        model: the ground; it is changed only by what stands beside its layers.
        ground: name, labels and so on of the ground.
        bare: nothing is merged into the base, so that adapters for raw parts fit as well.
        identify: says what the ground is; None where nobody knows, and nothing is compared.
        lock: held while the model is changed or used.
    """

    def __init__(
        self,
        model: Any,
        ground: Adapter,
        base: str,
        settings: Settings,
        *,
        bare: bool,
        identify: Callable[[], BaseIdentity] | None,
        lock: AbstractContextManager[object],
    ) -> None:
        self.ground = ground
        self.tongue = Tongue(model)
        self._model, self._base, self._settings = model, base, settings
        self._bare, self._identify, self._lock = bare, identify, lock
        self._identity: BaseIdentity | None = None
        self._stacked: dict[str, tuple[Adapter, _Origin]] = {}
        self._guard = threading.Lock()
        self._count = 0

    @property
    def names(self) -> list[str]:
        """Those that are ready, the ground first."""
        return [self.ground.name, *self._stacked]

    def choices(self) -> list[str]:
        """Names that can be chosen: the ground, what is ready, and known adapters trained on it."""
        found = [self.ground.name]
        for name in dict.fromkeys([*self._stacked, *known_adapters(self._settings)]):
            ready = self._stacked.get(name)
            usable = not ready[0].runs_desk if ready is not None else self._usable(name)
            if name not in found and usable:
                found.append(name)
        return found

    def has(self, name: str) -> bool:
        """Whether an adapter is there and fits the ground."""
        return name == self.ground.name or name in self._stacked or self._fitting(name) is not None

    def _usable(self, name: str) -> bool:
        files = self._fitting(name)
        return files is not None and files.stacked and not files.runs_desk

    def _fitting(self, name: str) -> AdapterFiles | None:
        try:
            files = find_adapter(name, self._settings)
            self._check(files)
        except (AdapterError, WeightsError, OSError):
            return None
        return files

    def get(self, name: str) -> Adapter:
        """The adapter of this name or directory, added if it is not there, anew if it changed.

        Raises:
            AdapterError: there is none, it is damaged, or it was made for another ground.
        """
        if name == self.ground.name:
            return self.ground
        known = self._stacked.get(name)
        if known is None and self._stacked and "/" in name.replace("\\", "/"):
            path = Path(name).resolve()
            known = next((e for e in self._stacked.values() if e[1].path == path), None)
        if known is not None and _stamp(known[1].path) in (known[1].stamp, ()):
            return known[0]
        return self.add(name)

    def add(self, name: str) -> Adapter:
        """Read an adapter and make it ready; one of the same place that has changed is replaced.

        Raises:
            AdapterError: as for `get`.
        """
        try:
            files = find_adapter(name, self._settings)
        except OSError as error:  # no system takes such a name
            raise AdapterError(
                f"There is no adapter {name[:100]!r}; give a name or a directory."
            ) from error
        self._check(files)
        origin = _Origin(files.path.resolve(), _stamp(files.path))
        shown = files.name
        known = self._stacked.get(shown)
        taken = known is not None and known[1].path != origin.path
        if taken or shown == self.ground.name:
            shown = str(files.path)  # two folders of one name
        with self._lock, torch.inference_mode(False):
            old = self._stacked.get(shown)
            if old is not None and old[1] == origin:
                return old[0]
            added = self._made(files, shown)
            self._stacked[shown] = added, origin
            if old is not None and old[0].key is not None:
                self.tongue.drop(old[0].key)
        return added

    def drop(self, name: str) -> None:
        """Let go of an adapter and of the memory that it takes.

        Raises:
            InputError: it is the ground, or not there.
        """
        if name == self.ground.name:
            raise InputError(f"{name!r} is what all other adapters rest on; it cannot be dropped.")
        with self._lock:
            entry = self._stacked.pop(name, None)
            if entry is None:
                known = ", ".join(self._stacked) or "none"
                raise InputError(f"There is no adapter {name!r} to drop; there are: {known}.")
            if entry[0].key is not None:
                self.tongue.drop(entry[0].key)

    def check_ready(self, rows: Sequence[Adapter]) -> None:
        """Whether adapters are still what their names stand for.

        Raises:
            AdapterError: one of them was dropped or replaced meanwhile.
        """
        ready = [self.ground, *(entry for entry, _ in self._stacked.values())]
        for row in rows:
            if not any(row is entry for entry in ready):
                raise AdapterError(
                    f"The adapter {row.name!r} was dropped or replaced meanwhile; ask again."
                )

    @contextmanager
    def speaking(self, rows: Sequence[Adapter]) -> Iterator[Assign]:
        """Let each row of what is computed inside have its adapter; see `Tongue.speaking`.

        Raises:
            AdapterError: as for `check_ready`.
        """
        self.check_ready(rows)
        with self.tongue.speaking([row.key for row in rows]) as assign:
            yield assign

    def identity(self) -> BaseIdentity | None:
        """What the ground is, told by content; read once."""
        with self._guard:
            if self._identity is None and self._identify is not None:
                self._identity = self._identify()
            return self._identity

    def _check(self, files: AdapterFiles) -> None:
        if not files.stacked and not self._bare:
            raise AdapterError(
                f"The adapter {files.name!r} goes with the bare parts of a base, not on top of "
                f"{self.ground.name!r}; start with it (--adapter), or train it again on "
                f"{self.ground.name!r}."
            )
        identity = self.identity()
        if identity is not None:
            check_fits(
                files,
                identity.fingerprint,
                self._base,
                preprocessing=identity.preprocessing,
                projector=identity.projector,
            )

    def _made(self, files: AdapterFiles, shown: str) -> Adapter:
        from peft import LoraConfig

        self._count += 1
        key = f"adapter{self._count}"
        revision = _revision(files)
        try:
            with warnings.catch_warnings():
                # peft tells of layers, keys and names that it renamed: an error here, or of no use.
                warnings.simplefilter("ignore")
                config = LoraConfig.from_pretrained(str(files.path))
                tensors = {
                    name.removeprefix(_PREFIX): tensor
                    for name, tensor in load_file(files.path / WEIGHTS_FILE).items()
                }
                speech, sight = _sides(tensors, files.name, family_of(self._model))
                _check_whole(self._model, config, set(tensors))
                if speech and config.use_dora:
                    raise ValueError("DoRA has no form in which rows of a batch differ")
                eyes, size = own_eyes(self._model, sight, config, revision)
                head = read_head(files, pooled_width(self._model))
                if speech:
                    size += self.tongue.add(key, speech, config)
        except (SafetensorError, *_TROUBLES) as error:
            raise AdapterError(
                f"The adapter {files.name!r} does not fit the base {self._base!r}; use it with the "
                "base that it was trained on, or train it again."
            ) from error
        return Adapter(
            name=shown,
            revision=revision,
            labels=files.labels,
            eyes=eyes if eyes.parts else Eyes(),
            key=key if speech else None,
            calibration=Calibration.of(files.calibration),
            head=head,
            nbytes=size,
            runs_desk=files.runs_desk,
        )


def ground_of(files: AdapterFiles | None, model: Any) -> Adapter:
    """The ground as an adapter: a base with one merged into it, or without.

    Raises:
        AdapterError: the label head of what is merged does not fit.
    """
    if files is None:
        return Adapter(GROUND)
    return Adapter(
        name=files.name,
        labels=files.labels,
        calibration=Calibration.of(files.calibration),
        head=read_head(files, pooled_width(model)),
    )


def only_merged(files: AdapterFiles) -> bool:
    """Whether an adapter replaces whole layers of the language model, so that it is merged once."""
    parts = {f"model.{family.language}." for family in FAMILIES.values()}
    with safe_open(files.path / WEIGHTS_FILE, "np") as file:
        names = [name for name in file.keys() if ".lora_" not in name]  # noqa: SIM118
    return any(part in name for name in names for part in parts)


def _sides(
    tensors: dict[str, torch.Tensor], name: str, family: Family
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The tensors for the language model, and those for tower and projector.

    Raises:
        AdapterError: whole layers of the language model, which are not switched.
        KeyError: tensors for neither.
    """
    speech: dict[str, torch.Tensor] = {}
    sight: dict[str, torch.Tensor] = {}
    for place, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise AdapterError(
                f"The adapter {name!r} holds values that are no numbers; train it again."
            )
        if place.startswith(tuple(f"model.{part}." for part in family.sight)):
            sight[place] = tensor
        elif not place.startswith(f"model.{family.language}."):
            raise KeyError(f"no place for {place}")
        elif ".lora_" in place:
            speech[place] = tensor
        else:
            raise AdapterError(
                f"The adapter {name!r} replaces whole layers of the language model, which cannot "
                "be switched while it runs; start with it (--adapter)."
            )
    return speech, sight


def _check_whole(model: Any, config: LoraConfig, names: set[str]) -> None:
    """Whether an adapter holds all that its configuration says it changes, and nothing else.

    Raises:
        ValueError: it does not.
    """
    from peft.tuners.tuners_utils import check_target_module_exists

    layers = {name.split(".lora_")[0] for name in names if ".lora_" in name}
    whole = tuple(config.modules_to_save or ())
    for name, module in model.named_modules():
        if name.endswith(whole) and name.startswith("model."):
            own = {f"{name}.{part}" for part in module.state_dict()}
            # A counter, which nothing reads: some leave it out.
            if not {part for part in own if "num_batches" not in part} <= names:
                raise ValueError(f"{name} is not whole")
    if config.target_modules != "all-linear":
        targets = {
            name for name, _ in model.named_modules() if check_target_module_exists(config, name)
        }
        if targets != layers:
            raise ValueError("the layers are others than those of the configuration")


def _stamp(path: Path) -> tuple[int, ...]:
    """How an adapter's files look from outside; empty where they are gone."""
    stamp: list[int] = []
    for name in (WEIGHTS_FILE, CONFIG_FILE, ABOUT_FILE, LABEL_HEAD_FILE):
        try:
            status = (path / name).stat()
        except OSError:
            if name == WEIGHTS_FILE:
                return ()
            stamp += [0, 0, 0]
        else:
            stamp += [status.st_mtime_ns, status.st_size, status.st_ino]
    return tuple(stamp)


def _revision(files: AdapterFiles) -> str:
    digest = hashlib.sha256((files.path / CONFIG_FILE).read_bytes())
    with (files.path / WEIGHTS_FILE).open("rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
