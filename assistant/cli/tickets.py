"""`sightdesk tickets`: conversations that were handed over: list, show, answer and close them."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assistant.cli.progress import show_progress
from assistant.errors import InputError
from assistant.settings import get_settings

if TYPE_CHECKING:
    from assistant.store import Delivery, Store, Ticket, TicketState, TicketSummary

_LARGEST_REPLY = 1_000_000  # bytes that are read from standard input

TenantOption = Annotated[
    str, typer.Option(help="Whose tickets, where one desk serves several.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
TicketArgument = Annotated[
    str, typer.Argument(metavar="TICKET", help="Its number, as `sightdesk tickets list` says.")
]

group = typer.Typer(no_args_is_help=True, help="Conversations that a person is to take over.")


class _Which(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    ALL = "all"


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(group, name="tickets")


@group.command("list")
def list_tickets(
    state: Annotated[_Which, typer.Option(help="Which ones.")] = _Which.OPEN,
    search: Annotated[
        str, typer.Option(metavar="WORDS", help="Only those with all of them.", show_default=False)
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    tenant: TenantOption = "",
    as_json: JsonOption = False,
) -> None:
    """List tickets, those in which the customer waits for an answer first."""
    wanted: TicketState | None = None
    if state is not _Which.ALL:
        wanted = "open" if state is _Which.OPEN else "closed"
    with _opened() as store:
        found = store.tickets(wanted, search=search, limit=limit, tenant=tenant)
        total = store.count_tickets(wanted, search=search, tenant=tenant)
    if as_json:
        for each in found:
            typer.echo(json.dumps(_plain(asdict(each))))
        return
    if not found:
        typer.echo("There are no such tickets." if search or total else _none(state), err=True)
        return
    _print_table(found)
    if total > len(found):
        typer.echo(f"{total - len(found):,} more: raise --limit, or search.", err=True)


@group.command()
def show(ticket: TicketArgument, tenant: TenantOption = "", as_json: JsonOption = False) -> None:
    """Show a ticket: why, what was said, what was answered, what the webhook was told."""
    with _opened() as store:
        found = store.ticket(ticket, tenant=tenant)
        calls = store.deliveries(found.id, tenant=tenant)
    if as_json:
        webhook = [_plain(asdict(call)) for call in calls]
        typer.echo(json.dumps(_plain(asdict(found)) | {"webhook": webhook}))
        return
    _print_ticket(found, calls)


@group.command()
def reply(
    ticket: TicketArgument,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The answer; - reads it from stdin.")],
    close: Annotated[bool, typer.Option("--close", help="Close the ticket after it.")] = False,
    tenant: TenantOption = "",
    as_json: JsonOption = False,
) -> None:
    """Answer the customer, in the conversation that the ticket came from."""
    said = _standard_input() if text == "-" else text
    with _opened() as store:
        sent = store.reply(ticket, said, tenant=tenant)
        if close:
            store.close_ticket(ticket, tenant=tenant)
    if as_json:
        typer.echo(json.dumps(_plain(asdict(sent))))
    else:
        typer.echo("Sent, and the ticket is closed." if close else "Sent.")
    if sent.exchange_id is None:
        typer.echo(
            "The conversation is not there any more: the answer is kept with the ticket only.",
            err=True,
        )


@group.command()
def close(
    tickets: Annotated[list[str], typer.Argument(metavar="TICKET...")], tenant: TenantOption = ""
) -> None:
    """Close tickets."""
    with _opened() as store:
        for ticket in tickets:
            typer.echo(f"{store.close_ticket(ticket, tenant=tenant).id}: closed.")


@group.command()
def reopen(
    tickets: Annotated[list[str], typer.Argument(metavar="TICKET...")], tenant: TenantOption = ""
) -> None:
    """Open closed tickets again."""
    with _opened() as store:
        for ticket in tickets:
            typer.echo(f"{store.reopen_ticket(ticket, tenant=tenant).id}: open.")


@group.command()
def delete(
    tickets: Annotated[list[str], typer.Argument(metavar="TICKET...")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    tenant: TenantOption = "",
) -> None:
    """Delete tickets for good, with the pictures that nothing else shows."""
    if not yes:
        typer.confirm(f"Delete {len(tickets)} for good?", abort=True, err=True)
    with _opened() as store:
        for ticket in tickets:
            number = store.ticket(ticket, tenant=tenant).id
            store.delete_ticket(number, tenant=tenant)
            typer.echo(f"{number}: deleted.")


@group.command()
def deliver(
    again: Annotated[
        bool, typer.Option("--again", help="Also what was given up, from its first try on.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell the webhook now what is due; the page does so by itself while it runs."""
    from assistant.webhook import deliver_due

    settings = get_settings()
    if settings.webhook_url is None:
        raise InputError("There is no webhook: name one with SIGHTDESK_WEBHOOK_URL.")
    with show_progress() as report, _opened() as store:
        if again:
            store.revive_deliveries()
        due = store.count_deliveries("due")
        done = failed = dead = 0
        while True:
            report("Telling the webhook", min(1.0, (done + failed + dead) / max(1, due)))
            told = deliver_due(settings, store=store, limit=1)
            if not (told.done or told.failed or told.dead):
                break
            done, failed, dead = done + told.done, failed + told.failed, dead + told.dead
        waiting, given_up = store.count_deliveries("due"), store.count_deliveries("dead")
    if as_json:
        counts = {"done": done, "failed": failed, "dead": dead}
        typer.echo(json.dumps(counts | {"waiting": waiting, "given_up": given_up}))
    else:
        typer.echo(f"{done:,} told, {failed:,} failed and will be tried again, {dead:,} given up.")
        if waiting or given_up:
            typer.echo(f"{waiting:,} wait for their time, {given_up:,} were given up.", err=True)


@contextmanager
def _opened() -> Iterator[Store]:
    from assistant.store import Store

    with Store.open(get_settings()) as store:
        yield store


def _standard_input() -> str:
    data = sys.stdin.buffer.read(_LARGEST_REPLY + 1)
    if len(data) > _LARGEST_REPLY:
        raise InputError("The answer is longer than a megabyte; shorten it.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("The answer is not UTF-8 text; save it as such.") from error


def _none(state: _Which) -> str:
    return (
        "There are no tickets." if state is _Which.ALL else f"There are no {state.value} tickets."
    )


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """As JSON holds it: times as text."""
    return json.loads(json.dumps(value, default=datetime.isoformat))  # type: ignore[no-any-return]


def _print_table(found: list[TicketSummary]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("ticket", "state", "why", "last written", "about"):
        table.add_column(name, no_wrap=name != "about")
    for each in found:
        state = "waits" if each.waiting else ("answered" if each.state == "open" else "closed")
        about = _safe(each.summary or each.reason, lines=False)
        table.add_row(
            Text(each.id, style="bold"),
            Text(state, style="yellow" if each.waiting else ""),
            Text(each.kind),
            Text(_local(each.updated)),
            Text(about if len(about) <= 200 else about[:199] + "…"),
        )
    Console().print(table)


def _print_ticket(ticket: Ticket, calls: list[Delivery]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)

    def line(head: str, text: str = "", style: str = "bold") -> None:
        console.print(Text.assemble((head, style), " " if text else "", _safe(text)))

    line(f"Ticket {ticket.id}", f"{ticket.state}, since {_local(ticket.created)}")
    line("Why:", f"{ticket.kind}, {ticket.reason}" if ticket.reason else ticket.kind)
    line("Conversation:", ticket.thread_id or "none")
    if ticket.summary:
        line("Summary:", ticket.summary)
    for image in ticket.image_ids:
        line("Picture:", image)
    console.print()
    for said in ticket.transcript:
        count = len(said.get("images", []))
        pictures = f"({count} picture{'s' * (count > 1)}) " if count else ""
        line(f"{said['role']}:", pictures + said["text"], "cyan")
    for reply_ in ticket.replies:
        line(f"{reply_.author}, {_local(reply_.created)}:", reply_.text, "green")
    for call in calls:
        what = "the ticket" if call.position < 0 else f"message {call.position + 1}"
        line("Webhook:", f"{what}: {_outcome(call)}")


def _outcome(call: Delivery) -> str:
    if get_settings().webhook_url is None and call.state == "due":
        return "not told yet: no webhook is named with SIGHTDESK_WEBHOOK_URL"
    tries = f"{call.attempts} {'try' if call.attempts == 1 else 'tries'}"
    if call.state == "done":
        return f"told ({tries})"
    trouble = f"; the last one: {call.error}" if call.error else ""
    if call.state == "dead":
        return f"given up after {tries}{trouble}; try again with sightdesk tickets deliver --again"
    return f"next try {_local(call.due)} ({tries} so far{trouble})"


def _local(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M}"


def _safe(text: str, *, lines: bool = True) -> str:
    """`text` without what commands a terminal or turns its direction."""
    kept = (
        letter
        if unicodedata.category(letter) not in ("Cc", "Cf") or (letter == "\n" and lines)
        else " "
        for letter in text
    )
    return "".join(kept).strip()
