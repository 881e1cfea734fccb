"""The commands of `adapters`, run in this process."""

from __future__ import annotations

import typer
from typer.testing import CliRunner, Result

from adapters.cli import register


def invoke(*arguments: object) -> Result:
    """What a command gives; its errors are raised, as the root command would catch them."""
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
