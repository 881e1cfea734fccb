"""The engine: encode a picture once, then answer many questions about it."""

from assistant.engine.core import Engine
from assistant.engine.streams import Stream
from assistant.engine.values import Answer, EncodedImage, Gaze, Mode, Sampling, Turn

__all__ = ["Answer", "EncodedImage", "Engine", "Gaze", "Mode", "Sampling", "Stream", "Turn"]
