"""The engine: encode a picture once, then answer many questions about it."""

from assistant.engine.constrained import Constraint
from assistant.engine.core import Engine
from assistant.engine.streams import Stream
from assistant.engine.values import Answer, EncodedImage, Gaze, Mode, Sampling, Turn

__all__ = [
    "Answer",
    "Constraint",
    "EncodedImage",
    "Engine",
    "Gaze",
    "Mode",
    "Sampling",
    "Stream",
    "Turn",
]
