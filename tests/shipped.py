"""The embedded base for tests of the weights that ship."""

from __future__ import annotations

import pytest

from assistant.errors import WeightsError
from assistant.llava import ensure_embedded
from assistant.settings import Settings


def composed(settings: Settings) -> Settings:
    """The settings, with the base in their cache folder; a skip where it cannot be downloaded."""
    try:
        ensure_embedded(settings)
    except WeightsError as error:
        if "cannot be downloaded" in str(error):
            pytest.skip(str(error))
        raise
    return settings
