"""The step of one token by onnxruntime: an answer's tokens come one by one through here.

Step by step in torch a fifth of the time is Python, and most is waiting for weights in bfloat16.
Here a step is one call, and the weights are in eight bits. Prompts are read as ever
(`assistant.engine.fast`), but for short ones, such as a further question: what stands in the memory
of keys and values is the same, whoever put it there.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
import torch
from transformers.activations import SiLUActivation

from assistant.background import in_background
from assistant.eight_bits import session_options
from assistant.engine.products import factors_of, is_plain
from assistant.engine.step_graph import graph_bytes, longest_text
from assistant.engine.step_weights import can_be_rounded, products, weight_file

Bound = Callable[[torch.Tensor, Sequence[int]], torch.Tensor]
"""Given tokens ``[B, T, hidden]`` of B texts, and how many of each were read before; logits ``[B,
vocab]`` of the last ones. Several texts read one token each."""

Factors = dict[str, torch.Tensor]
"""Those of an adapter by the names of the graph's inputs."""

_KNOWN: Final = 16
"""Adapters whose factors are kept as the graph takes them."""

_log = logging.getLogger(__name__)
_steps: WeakKeyDictionary[Any, Step] = WeakKeyDictionary()


class Step:
    """The step of one model; whoever calls holds the model.

    Args:
        llava: one that `assistant.engine.fast.can_read`; its linear layers are not packed yet.
        identity: of base and adapter by content, if it is known.
        folder: where the weights in eight bits are kept.

    Raises:
        OSError: there is no place for the weights.
    """

    def __init__(self, llava: Any, identity: str | None, folder: Path) -> None:
        self._llava = weakref.ref(llava)
        self._weights = weight_file(llava, identity, folder)
        self.longest = longest_text(llava)
        self.nbytes = self._weights.nbytes
        self._vocabulary = int(llava.get_output_embeddings().out_features)
        graph = graph_bytes(llava, self._weights, factors=False)
        # Beside whatever else is loaded: a second's work that holds nobody else up.
        self._session = in_background(lambda: self._opened(graph))
        self._takes_factors = self._failed = False
        self._known: dict[str | None, Factors | None] = {}
        self._width = int(llava.config.get_text_config().hidden_size)

    def _opened(self, graph: bytes) -> Any:
        import onnxruntime

        options = session_options(torch.get_num_threads())
        folder = str(self._weights.path.parent)
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", folder
        )
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def bind(self, memory: torch.Tensor, adapter: str | None) -> Bound | None:
        """The step over the memory of one text or several, for as long as that stays where it is.

        Args:
            memory: ``[layers, 2, B, key heads, room, width]`` in float32; all keys of a layer are
                one piece, and so are all values.
            adapter: whose factors stand beside the layers; None is none.

        Returns:
            None where the adapter does more to a layer than add a product of two factors, or
            onnxruntime cannot do it here.
        """
        if adapter is not None and not self._takes_factors:
            # From now on for all: two sessions would hold all weights twice.
            self._session, self._takes_factors = in_background(self._open_beside), True
        factors = self._factors(adapter) if self._takes_factors else {}
        if factors is None:
            return None
        try:
            session = self._session.result()
        except Exception as error:  # it has no class of its own for what it lacks
            if not self._failed:
                _log.warning("Tokens are written without onnxruntime (%s)", error)
            self._failed = True
            return None
        return _Binding(session, memory, factors, (self._width, self._vocabulary))

    def _open_beside(self) -> Any:
        return self._opened(graph_bytes(self._llava(), self._weights, factors=True))

    def _factors(self, adapter: str | None) -> Factors | None:
        """What the session takes of an adapter, or of none; None where that is not all."""
        if adapter not in self._known:
            while len(self._known) >= _KNOWN:
                self._known.pop(next(iter(self._known)))
            self._known[adapter] = self._looked_up(adapter)
        return self._known[adapter]

    def _looked_up(self, adapter: str | None) -> Factors | None:
        found: Factors = {}
        like = torch.zeros(0)
        for name, layers in products(self._llava()):
            own = None
            if adapter is not None:
                if not all(is_plain(layer) for layer in layers):
                    return None
                own = factors_of(layers, adapter, like)
            if name == "logits":
                if own is not None:
                    return None
                continue
            outputs = sum(layer.out_features for layer in layers)
            down, up = own or (like.new_zeros(layers[0].in_features, 0), like.new_zeros(0, outputs))
            found[f"{name}.down"], found[f"{name}.up"] = down.contiguous(), up.contiguous()
        return found


class _Binding:
    """A session bound to one memory: nothing is looked up or made from token to token."""

    def __init__(
        self, session: Any, memory: torch.Tensor, factors: Factors, sizes: tuple[int, int]
    ) -> None:
        hidden, vocabulary = sizes
        layers, _, texts, *_ = memory.shape
        self._session, self._held = session, (memory, factors)
        self._given = torch.zeros(texts, 0, hidden)
        self._past, self._total = np.zeros(texts, np.int32), np.zeros(1, np.int32)
        self._logits = torch.zeros(texts, vocabulary)
        self._binding: Any = session.io_binding()
        sides = tuple(memory.shape[2:])
        for number in range(layers):
            for half, name in enumerate(("keys", "values")):
                piece = memory[number, half]
                assert piece.is_contiguous(), "onnxruntime is told where it begins, no more"
                self._input(f"{name}.{number}", piece.data_ptr(), sides)
                self._output(f"{name}.{number}.new", piece.data_ptr(), sides)
        for name, factor in factors.items():
            self._input(name, factor.data_ptr(), tuple(factor.shape))
        self._input("past", self._past.ctypes.data, (texts,), np.int32)
        self._input("total", self._total.ctypes.data, (1,), np.int32)
        self._output("logits", self._logits.data_ptr(), (texts, 1, vocabulary))

    def __call__(self, embeds: torch.Tensor, past: Sequence[int]) -> torch.Tensor:
        count = embeds.shape[1]
        if count != self._given.shape[1]:
            self._given = torch.zeros(embeds.shape)
            self._input("x", self._given.data_ptr(), tuple(self._given.shape))
        self._given.copy_(embeds)
        self._past[:] = past
        self._past += count - 1
        self._total[0] = self._past.max() + 1
        self._session.run_with_iobinding(self._binding)
        return self._logits.clone()

    def _input(self, name: str, place: int, sides: tuple[int, ...], kind: Any = np.float32) -> None:
        self._binding.bind_input(name, "cpu", 0, kind, sides, place)

    def _output(self, name: str, place: int, sides: tuple[int, ...]) -> None:
        self._binding.bind_output(name, "cpu", 0, np.float32, sides, place)


def prepare_step(llava: Any, identity: str | None, folder: Path) -> bool:
    """Give a model its step, before its layers are packed; whether it has one now."""
    if not can_step(llava):
        return False
    try:
        _steps[llava] = Step(llava, identity, folder)
    except OSError as error:
        _log.warning("There is no place for weights in eight bits (%s)", error)
        return False
    return True


def step_of(llava: Any) -> Step | None:
    """The step that a model was given."""
    return _steps.get(llava)


def can_step(llava: Any) -> bool:
    """Whether the step of a model that `assistant.engine.fast` can read can be a graph."""
    language = llava.model.language_model
    attention = language.layers[0].self_attn
    bent = all(
        isinstance(layer.mlp.act_fn, (torch.nn.SiLU, SiLUActivation)) for layer in language.layers
    )
    return bent and attention.head_dim % 16 == 0 and can_be_rounded(llava)
