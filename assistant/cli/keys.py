"""`sightdesk keys`: who may call the server: make, list and revoke keys."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assistant.errors import InputError
from assistant.settings import get_settings

if TYPE_CHECKING:
    from assistant.store import ApiKey

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAYS_OF_A_YEAR = 365

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

group = typer.Typer(no_args_is_help=True, help="Keys for `sightdesk serve`.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(group, name="keys")


@group.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What you call it: who has it.")],
    tenant: Annotated[
        str,
        typer.Option(help="Whose data it opens, where one server serves several.", metavar="T"),
    ] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SCOPE",
            help="What it may do; several times for several: chat, images, threads, tickets, "
            "knowledge, mcp, admin. Without it: all but admin.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Requests a minute.", show_default="as many as come"),
    ] = None,
    megabytes: Annotated[
        int | None,
        typer.Option(
            min=1, max=2_000, metavar="N", help="MB a minute.", show_default="as many as come"
        ),
    ] = None,
    tokens: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Tokens a minute.", show_default="as many as come"),
    ] = None,
    concurrent: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Requests at once.", show_default="as many as come"),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Such as 12h, 30d or 1y.", show_default="never"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key. It is shown this once: what is kept of it does not give it away."""
    from assistant.store import KeyLimits, Store
    from assistant.store.keys import DEFAULT_SCOPES

    limits = KeyLimits(rate, None if megabytes is None else megabytes * 10**6, tokens, concurrent)
    span = None if expires is None else _span(expires)
    with Store.open(get_settings()) as store:
        made, text = store.create_key(
            name, tenant=tenant, scopes=scope or DEFAULT_SCOPES, limits=limits, expires=span
        )
    if as_json:
        typer.echo(json.dumps({"key": text} | _plain(made)))
        return
    typer.echo(text)
    typer.echo(
        f"This is the key {made.id}; keep it now, since it is not shown again. Clients send it as "
        f"their API key; it can be taken back with: sightdesk keys revoke {made.id}",
        err=True,
    )


@group.command("list")
def list_keys(
    tenant: Annotated[
        str | None, typer.Option(help="Only this tenant's.", show_default=False, metavar="T")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Also revoked and expired ones.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List keys: whose they are, what they may do, when they were last used."""
    from assistant.store import Store

    with Store.open(get_settings()) as store:
        found = store.api_keys(tenant=tenant)
    now = datetime.now(UTC)
    shown = [key for key in found if all_ or key.opens(now)]
    if as_json:
        for key in shown:
            typer.echo(json.dumps(_plain(key)))
        return
    if not shown:
        hint = "; --all shows revoked and expired ones" if found else ""
        typer.echo(f"There are no keys{hint}: sightdesk keys create NAME makes one.", err=True)
        return
    _print_table(shown)


@group.command()
def revoke(
    keys: Annotated[
        list[str], typer.Argument(metavar="ID...", help="As `sightdesk keys list` says.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Take keys back; servers that run refuse them within seconds."""
    from assistant.store import Store

    with Store.open(get_settings()) as store:
        for each in keys:
            revoked = store.revoke_key(each)
            line = json.dumps(_plain(revoked)) if as_json else f"{revoked.id}: revoked."
            typer.echo(line)


def _span(text: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,6})([mhdwy])", text.strip().lower())
    if found is None:
        raise InputError("--expires takes a time such as 12h, 30d, 8w or 1y; give such a one.")
    count, unit = int(found[1]), found[2]
    if unit == "y":
        return timedelta(days=count * _DAYS_OF_A_YEAR)
    return timedelta(**{_UNITS[unit]: count})


def _plain(key: ApiKey) -> dict[str, Any]:
    row = asdict(key)
    del row["digest"]
    for name in ("created", "expires", "revoked", "used"):
        row[name] = row[name] and row[name].isoformat()
    return row


def _print_table(keys: list[ApiKey]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for head in ("key", "name", "tenant", "scopes", "limits", "last used", "state"):
        table.add_column(head, no_wrap=head not in ("name", "tenant", "scopes", "limits"))
    for key in keys:
        cells = (
            key.name,
            key.tenant,
            " ".join(key.scopes),
            _limits(key),
            _day(key.used) or "never",
            _state(key),
        )
        table.add_row(Text(key.id, style="bold"), *map(Text, cells))
    Console().print(table)


def _limits(key: ApiKey) -> str:
    limits = key.limits
    told = (
        (limits.requests, "requests/min"),
        (limits.received and limits.received // 10**6, "MB/min"),
        (limits.tokens, "tokens/min"),
        (limits.concurrent, "at once"),
    )
    return ", ".join(f"{count:,} {what}" for count, what in told if count is not None) or "none"


def _state(key: ApiKey) -> str:
    if key.revoked is not None:
        return f"revoked {_day(key.revoked)}"
    if key.expires is None:
        return "good"
    over = key.expires <= datetime.now(UTC)
    return f"expired {_day(key.expires)}" if over else f"until {_day(key.expires)}"


def _day(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone():%Y-%m-%d}"
