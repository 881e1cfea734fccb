"""A fine-tuning from data to adapter: read, plan, stage one, stage two, calibrate, save."""

from __future__ import annotations

import copy
import hashlib
import json
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from adapters.features import FeatureStore
from adapters.packing import PromptTokens
from adapters.precision import faster_dtype
from adapters.tune.encoder import EncoderTask
from adapters.tune.examples import Known, pictures_of
from adapters.tune.language import LanguageTask, Pictured
from adapters.tune.loop import (
    Finished,
    Limits,
    StepReport,
    Task,
    run_stage,
)
from adapters.tune.material import Order, read_material, replay_of
from adapters.tune.parts import attach, counted, trains
from adapters.tune.pictures import PictureStore
from adapters.tune.processes import Processes, StopRequest
from adapters.tune.save import Trained, made_with, replacing, today, write_adapter
from adapters.tune.tower import TrainableTower
from adapters.tune.whole import whole_task
from assistant.adapter_files import find_adapter
from assistant.errors import InputError
from assistant.families import family_of
from assistant.fingerprint import identify_base
from assistant.llava import Base, attach_adapter, ensure_embedded, load_base, settle
from assistant.quantize import quantize_model
from assistant.settings import Settings
from assistant.vision import EfficientNetLiteModel

Progress = Callable[[str, float | None], None]

_LOOSE = frozenset({"preset", "save_every_s", "patience"})
# What stage one depends on: with other knobs of stage two it need not be done again.
_SEEING = frozenset(
    {
        "seed", "encoder", "encoder_from", "encoder_epochs", "encoder_batch", "encoder_rate",
        "head_rate", "encoder_rank", "smoothing", "cutmix", "average", "remember",
        "remember_share", "accumulate", "warmup", "weight_decay", "clip", "validations",
        "held_out",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What a run will do and what it will take; printed before it starts."""

    pictures: int
    held_out: int
    left_out: int
    labels: int
    replay: int
    trainable: dict[str, int]
    steps: dict[str, int]
    seconds: dict[str, float]
    memory_bytes: int

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return vars(self)


class Run:
    """See the module; `prepare`, then `plan`, then `train`."""

    def __init__(
        self,
        order: Order,
        settings: Settings,
        *,
        progress: Progress | None = None,
        watch: Callable[[StepReport], None] | None = None,
    ) -> None:
        self.order, self.settings, self.recipe = order, settings, order.recipe
        self._progress = progress or (lambda _message, _fraction: None)
        self._watch = watch
        self.processes = Processes.join()
        self.seconds: dict[str, float] = {}

    # --- data

    def prepare(self) -> None:
        """Read and split the data, load the base.

        Raises:
            DataError: nothing to learn from, or nothing to tell apart.
            InputError: the recipe asks for what this base cannot do.
        """
        with self.processes.in_turn():
            self.material = read_material(self.order, self.settings)
            self._load()
            if not self._packs and (trains(self.recipe.encoder) or trains(self.recipe.projector)):
                raise InputError(
                    f"Of the base {self.settings.base!r} only the language model trains here; give "
                    "--encoder frozen --projector frozen."
                )
            self.replay = replay_of(
                self.order, self.material, self.settings, self.base, self._progress
            )
        self.own, self.held = self.material.own, self.material.held
        self.labels = self.material.labels

    def _load(self) -> None:
        name = self.settings.base
        if name != "embedded" and not Path(name).is_dir():
            raise InputError(
                f"Adapters are trained on the embedded base or on one in a directory, not on "
                f"{name!r}; download it first and give its directory."
            )
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._progress("Loading the model", None)
        ground = find_adapter(None, self.settings) if name == "embedded" else None
        path = ensure_embedded(self.settings, self._progress) if ground else Path(name)
        base = load_base(path, name, torch.device("cpu"), "auto")
        if ground is not None:
            base = attach_adapter(base, ground.path, ground.name)
        self.identity = identify_base(path, ground)
        self.base: Base = base
        self.model: Any = base.model
        self.tower: Any = getattr(self.model.model, family_of(self.model).tower)
        # Others have templates and numbers of image tokens of their own: see adapters.tune.whole.
        self._packs = isinstance(self.tower, EfficientNetLiteModel)
        self.device = device

    # --- the two stages

    def _encoder_task(self) -> EncoderTask | None:
        recipe = self.recipe
        own = [known for known in self.own if known.label is not None and len(known.images) == 1]
        held = [known for known in self.held if known.label is not None and len(known.images) == 1]
        if not trains(recipe.encoder) or not recipe.encoder_epochs or not own or not held:
            return None
        index = {name: number for number, name in enumerate(self.labels)}

        def stored(knowns: list[Known], name: str) -> tuple[PictureStore, list[int]]:
            store = self._pixels([known.images[0] for known in knowns], name)
            return store, [index[known.label] for known in knowns if known.label is not None]

        replay = [known.images[0] for known in self.replay]
        # What the base said of these very pictures must change with what it sees in them.
        if self.order.replay is None:
            replay = []
        return EncoderTask(
            TrainableTower(self.tower, recipe),
            recipe,
            stored(own, "training"),
            stored(held, "validation"),
            self._pixels(replay, "replay") if replay else None,
            classes=len(self.labels),
        )

    def _pixels(self, paths: Sequence[Path], what: str) -> PictureStore:
        with self.processes.in_turn():
            return PictureStore.build(
                paths,
                self.settings.cache_dir / "pixels",
                image_size=self.tower.config.image_size,
                progress=self._counter(f"Opening pictures: {what}"),
            )

    def _counter(self, message: str) -> Callable[[int, int], None]:
        return lambda done, total: self._progress(message, done / total)

    @property
    def _joint(self) -> bool:
        """Whether the encoder trains in stage two, so that nothing of it can be kept."""
        recipe = self.recipe
        staged = recipe.encoder_epochs > 0 and len(self.labels) > 1
        return trains(recipe.encoder) and (recipe.joint or not staged)

    def _language_task(
        self, see: Callable[[list[Known], str], Pictured], tower: TrainableTower | None
    ) -> LanguageTask | None:
        recipe = self.recipe
        learns = trains(recipe.projector) or trains(recipe.language) or self._joint
        if not learns or not recipe.language_epochs:
            return None
        tokenizer = self.base.processor.tokenizer
        config = self.model.config
        if not self._packs:
            return whole_task(self.adapted, recipe, self.base, self.own, self.held, self.replay)
        return LanguageTask(
            self.adapted,
            recipe,
            PromptTokens(tokenizer, config.image_token_id, config.image_seq_length),
            see(self.own, "training"),
            see(self.held, "validation"),
            see(self.replay, "replay") if self.replay else None,
            pad_id=int(tokenizer.pad_token_id),
            tower=tower if self._joint else None,
            autocast=self.model.dtype == torch.bfloat16,
        )

    def _blank(self, knowns: list[Known], _name: str) -> Pictured:
        """Pictures without content, to measure a step before the encoder is trained."""
        config = self.tower.config
        rows = {path: 0 for path in pictures_of(knowns)}
        return Pictured(knowns, rows, Blank(config.grid**2, config.hidden_size), None)

    def _seen(self, knowns: list[Known], name: str) -> Pictured:
        """Pictures as the trained encoder sees them, or as pixels where it still trains."""
        paths = pictures_of(knowns)
        rows = {path: number for number, path in enumerate(paths)}
        if self._joint:
            return Pictured(knowns, rows, None, self._pixels(paths, name))
        with self.processes.in_turn():
            features = FeatureStore.build(
                self.tower,
                paths,
                self.settings.cache_dir / "features",
                variants=1 if name == "validation" else self.recipe.variants,
                revision=_digest(self.tower.state_dict()),
                seed=self.recipe.seed,
                progress=self._counter(f"Encoding pictures: {name}"),
            )
        return Pictured(knowns, rows, features, None)

    def ready(self) -> None:
        """Make projector and language model trainable; call once, after `prepare`."""
        if self.recipe.quantize != "none":
            quantize_model(self.model, self.recipe.quantize, self.device)
            self.model.to(self.device)
        elif self._packs:
            self.model.to(self.device, self._dtype())
        else:
            settle(self.model, self.device, self._dtype())
        self.adapted = attach(self.model, self.recipe)

    def _dtype(self) -> torch.dtype:
        """Which precision is faster here, measured once a training: a resumed one goes on in it."""
        file = self.order.out / "precision"
        names = {"bfloat16": torch.bfloat16, "float32": torch.float32}
        known = file.read_text(encoding="utf-8") if file.exists() else ""
        if known in names:
            return names[known]
        chosen = faster_dtype(self.device)
        if self.processes.first:
            file.write_text(str(chosen).removeprefix("torch."), encoding="utf-8")
        return chosen

    def plan(self) -> Plan:
        """Count, and measure a step of each stage; nothing changes."""
        steps: dict[str, int] = {}
        seconds: dict[str, float] = {}
        trainable: dict[str, int] = {}
        encoder = self._encoder_task()
        if encoder is not None:
            steps[encoder.name] = self._limits(encoder.steps()).steps
            trainable["encoder"] = counted(encoder.tower.changing().values())
            trainable["label head"] = counted(encoder.head.parameters())
            seconds[encoder.name] = steps[encoder.name] * self._timed(encoder)
        tower = TrainableTower(self.tower, self.recipe) if self._joint else None
        language = self._language_task(self._seen if self._joint else self._blank, tower)
        if language is not None:
            steps[language.name] = self._limits(language.steps()).steps
            trainable |= language.counted()
            seconds[language.name] = steps[language.name] * self._timed(language)
            language.close()
        return Plan(
            pictures=len(self.own),
            held_out=len(self.held),
            left_out=self.material.left_out,
            labels=len(self.labels),
            replay=len(self.replay),
            trainable=trainable,
            steps=steps,
            seconds=seconds,
            memory_bytes=peak_memory(),
        )

    def _timed(self, task: Task) -> float:
        """Seconds of a step, from the second of two whose gradients are thrown away."""
        task.updated(0)
        for _ in range(2):
            began = time.perf_counter()
            task.loss(0).backward()
            seconds = time.perf_counter() - began
            for group in task.groups():
                for parameter in group.parameters.values():
                    parameter.grad = None
        return seconds * self.recipe.accumulate

    def _limits(self, steps: int) -> Limits:
        recipe = self.recipe
        steps = max(1, round(steps / (recipe.accumulate * self.processes.count)))
        return Limits(
            steps=steps,
            warmup=min(recipe.warmup, max(1, steps // 10)),
            validate_every=max(1, steps // recipe.validations),
            patience=recipe.patience,
            accumulate=recipe.accumulate,
            clip=recipe.clip,
            save_every_s=recipe.save_every_s,
        )

    # --- training

    def train(self) -> bool:
        """Run both stages and write ``out/adapter``; False if it was asked to stop before the end.

        Raises:
            DataError: the loss became no number, or a checkpoint cannot be read or written.
            AdapterError: the adapter cannot be written.
        """
        out = self.order.out
        ground = copy.deepcopy(self.tower) if trains(self.recipe.encoder) else self.tower
        head = None
        tower = None
        with StopRequest() as stop:
            encoder = self._encoder_task()
            if encoder is not None:
                done = Finished(out / "encoder-done.safetensors", self.stage_identity(_SEEING))
                if not done.adopt(encoder):
                    if not self._stage(encoder, done.identity, stop):
                        return False
                    if self.processes.first:
                        done.write(encoder, self.seconds[encoder.name])
                self.processes.wait()
                self.seconds.setdefault(encoder.name, done.seconds)
                tower = encoder.tower
                tower.write_back(self.tower)
                head = (encoder.head.weight, encoder.head.bias)
            if self._joint and tower is None:
                tower = TrainableTower(self.tower, self.recipe)
            language = self._language_task(self._seen, tower)
            if language is not None:
                finished = self._stage(language, self.stage_identity(), stop)
                language.close()
                if not finished:
                    return False
        if self.processes.first:
            self._write(Trained(self.adapted, tower, ground, head))
        self.processes.wait()
        return True

    def _stage(self, task: EncoderTask | LanguageTask, identity: str, stop: StopRequest) -> bool:
        began = time.monotonic()
        finished = run_stage(
            task,
            self.order.out,
            self._limits(task.steps()),
            identity=identity,
            processes=self.processes,
            stop=stop,
            watch=self._watch,
        )
        self.seconds[task.name] = time.monotonic() - began
        return finished

    def stage_identity(self, knobs: frozenset[str] | None = None) -> str:
        """Names base, data and the knobs that matter: no stage goes on from another run's state.

        Args:
            knobs: of the recipe; None is all but those that change nothing that is learnt.
        """
        wanted = set(knobs) if knobs is not None else None
        recipe = self.recipe.model_dump(include=wanted, exclude=set(_LOOSE))
        rows = [
            [[str(path) for path in known.images], known.label, known.references]
            for known in (*self.own, *self.held, *self.replay)
        ]
        text = json.dumps([recipe, rows, self.identity.fingerprint, self.processes.count])
        return hashlib.sha256(text.encode()).hexdigest()

    def _write(self, trained: Trained) -> None:
        order = self.order
        about = {
            "format": 2,
            "name": order.name,
            "on": self.identity.on(self.settings.base),
            "labels": {name: coarse or name for name, coarse in self.labels.items()},
            "label_head": None if trained.head is None else {"labels": len(self.labels)},
            "calibration": None,
            "recipe": self.recipe.model_dump(),
            "data": {
                "name": self.material.dataset.name,
                "format": self.material.dataset.format,
                "pictures": len(self.own),
                "held_out": len(self.held),
                "replay": order.replay.name if order.replay is not None else "its own words",
                "terms": order.terms,
            },
            "seconds": {name: round(value) for name, value in self.seconds.items()},
            "scores": {},
            "made": today(),
            "versions": made_with(),
        }
        with replacing(order.out / "adapter") as folder:
            write_adapter(folder, trained, self.recipe, about)


class Blank:
    """Features of nothing, in the form of a `FeatureStore`."""

    variants = 1

    def __init__(self, tokens: int, channels: int) -> None:
        self._shape = (tokens, channels)

    def __getitem__(self, key: tuple[int, int]) -> torch.Tensor:
        return torch.zeros(self._shape, dtype=torch.bfloat16)


def _digest(state: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in state.items():
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def peak_memory() -> int:
    """The most bytes that this process has had in memory."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
