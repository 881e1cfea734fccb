"""What peft put beside a layer, told without importing peft, which takes a second or more.

Whoever put an adapter beside a model's layers has imported it; where nobody has, there is none.
"""

from __future__ import annotations

import sys
from typing import Any, TypeGuard


def is_lora(module: Any) -> TypeGuard[Any]:
    """Whether a module is a layer with an adapter of peft's beside it."""
    peft: Any = sys.modules.get("peft.tuners.lora")
    return peft is not None and isinstance(module, peft.LoraLayer)
