"""`sightdesk adapters …`: everything about adapters of one's own, from data to use."""

from __future__ import annotations

import typer

from adapters import judge_cli, registry_cli, space_cli, tool_use_cli, tune_cli, validate_cli

adapters_app = typer.Typer(
    name="adapters",
    help="Fine-tune on your own photos, judge the result, keep and share it.",
    no_args_is_help=True,
)
for group in (validate_cli, tune_cli, tool_use_cli, space_cli, judge_cli, registry_cli):
    group.register(adapters_app)
