"""One space for words and pictures: what a picture shows lies near the words that say it.

>>> space = picture_embedder()
>>> space.encode_pictures([photo]) @ space.encode_texts(["a dog in the snow"]).T
"""

from assistant.space.choosing import picture_embedder
from assistant.space.reduction import reduced
from assistant.space.values import Calibration, PictureEmbedder, Vectors

__all__ = ["Calibration", "PictureEmbedder", "Vectors", "picture_embedder", "reduced"]
