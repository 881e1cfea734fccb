"""The engine: encode a picture once, then answer many questions about it."""

from assistant.engine.core import Engine
from assistant.engine.values import Answer, EncodedImage, Mode, Sampling, Turn

__all__ = ["Answer", "EncodedImage", "Engine", "Mode", "Sampling", "Turn"]
