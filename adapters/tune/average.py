"""A running mean of the weights that train: it scores better than the last of them.

Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from adapters.tune.loop import Tensors


class RunningMean:
    """The part of a `Task` that keeps the mean.

    Args:
        named: the parameters that train, by name.
        decay: of the mean; 0 keeps the last weights.
    """

    def __init__(self, named: Mapping[str, torch.nn.Parameter], decay: float) -> None:
        self._parameters, self._decay = dict(named), decay
        self._mean = self.weights_now()

    @torch.no_grad()
    def updated(self, step: int) -> None:
        """Move the running mean; it begins quickly, since the first weights are not worth much."""
        if not self._decay or step == 0:
            return
        decay = min(self._decay, (step + 1) / (step + 10))
        for name, parameter in self._parameters.items():
            self._mean[name].lerp_(parameter, 1 - decay)

    def buffers(self) -> Tensors:
        """The running mean."""
        return self._mean

    def weights(self) -> Tensors:
        """The running mean, or the last weights where there is none."""
        if self._decay:
            return {name: tensor.clone() for name, tensor in self._mean.items()}
        return self.weights_now()

    def weights_now(self) -> Tensors:
        """The weights as they are, whether or not they are a mean."""
        return {name: p.detach().clone() for name, p in self._parameters.items()}

    @torch.no_grad()
    def adopt(self, weights: Tensors) -> None:
        """Take those weights."""
        for name, parameter in self._parameters.items():
            parameter.copy_(weights[name])
