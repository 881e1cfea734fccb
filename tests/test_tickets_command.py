"""`sightdesk tickets`: what it prints, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from assistant.cli import app
from assistant.settings import get_settings
from assistant.store import Store, Ticket
from tests.receiver import receiver

EVIL = "[red]x[/red] \x1b[31m\x07 <b> \u202egpj.exe"


def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["tickets", *arguments], input=stdin)


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open() as opened:
        yield opened


@pytest.fixture
def ticket(store: Store) -> Ticket:
    return store.open_ticket(
        key="k",
        thread_id=store.create_thread().id,
        reason="asked",
        kind="asked",
        summary=f"Melons {EVIL}",
        transcript=[{"role": "customer", "text": EVIL, "images": ["0" * 64]}],
    )


def test_an_empty_list(store: Store) -> None:
    assert run("list").stderr == "There are no open tickets.\n"
    assert run("list", "--state", "all").stderr == "There are no tickets.\n"
    assert run("list", "--json").output == ""


def test_list_and_search(store: Store, ticket: Ticket) -> None:
    other = store.open_ticket(key="o", thread_id="t", reason="a topic", kind="topic")
    store.close_ticket(other.id)
    shown = run("list")
    assert ticket.id in shown.stdout
    assert "waits" in shown.stdout
    assert other.id not in shown.stdout
    assert other.id in run("list", "--state", "closed").stdout
    assert run("list", "--search", "nothing like it").stderr == "There are no such tickets.\n"
    assert "1 more" in run("list", "--state", "all", "--limit", "1").stderr
    (line,) = run("list", "--json").stdout.splitlines()
    row = json.loads(line)
    assert (row["id"], row["state"], row["waiting"]) == (ticket.id, "open", True)
    assert row["created"] == ticket.created.isoformat()


def test_show_is_safe_to_look_at(store: Store, ticket: Ticket) -> None:
    store.reply(ticket.id, "Hello")
    for result in (run("show", ticket.id.lower()), run("list")):
        assert result.exit_code == 0
        assert "[red]x[/red]" in result.stdout
        assert not set(result.stdout) & set("\x1b\x07\u202e")
    shown = run("show", ticket.id).stdout
    assert "customer: (1 picture)" in shown
    assert "Hello" in shown
    assert "no webhook is named" in shown
    read = json.loads(run("show", ticket.id, "--json").stdout)
    assert read["transcript"] == [{"role": "customer", "text": EVIL, "images": ["0" * 64]}]
    assert read["replies"][0]["text"] == "Hello"
    assert read["webhook"][0]["state"] == "due"


def test_reply_close_and_reopen(store: Store, ticket: Ticket) -> None:
    assert run("reply", ticket.id, "From Ecuador.").stdout == "Sent.\n"
    (exchange,) = store.thread(ticket.thread_id).exchanges
    assert exchange.answer == "From Ecuador."
    done = run("reply", ticket.id, "-", "--close", "--json", stdin="Two\nlines")
    assert json.loads(done.stdout)["text"] == "Two\nlines"
    assert store.ticket(ticket.id).state == "closed"
    assert run("reopen", ticket.id).stdout == f"{ticket.id}: open.\n"
    assert run("close", ticket.id).stdout == f"{ticket.id}: closed.\n"
    late = run("reply", ticket.id, "x")
    assert late.exit_code == 2
    assert "reopen it first" in late.stderr
    store.reopen_ticket(ticket.id)
    store.delete_thread(ticket.thread_id)
    gone = run("reply", ticket.id, "Are you there?")
    assert gone.exit_code == 0
    assert "not there any more" in gone.stderr


def test_delete_asks_first(store: Store, ticket: Ticket) -> None:
    assert run("delete", ticket.id, stdin="n\n").exit_code == 1
    assert store.count_tickets() == 1
    assert run("delete", ticket.id, "--yes").stdout == f"{ticket.id}: deleted.\n"
    assert store.count_tickets() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "NOPE"),
        ("reply", "NOPE", "x"),
        ("close", "NOPE"),
        ("reopen", "NOPE"),
        ("delete", "NOPE", "--yes"),
        ("show", "../../etc"),
    ],
)
def test_a_ticket_that_is_not_there(store: Store, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("There is no ticket")
    assert len(result.stderr.splitlines()) == 1


def test_a_reply_that_is_no_text(store: Store, ticket: Ticket) -> None:
    assert run("reply", ticket.id, "-", stdin=b"\xff\xfe").exit_code == 2
    assert run("reply", ticket.id, " ").exit_code == 2
    assert run("reply", ticket.id, "x" * 30_000).exit_code == 2
    assert run("show", ticket.id, "--tenant", "north").exit_code == 2


def test_deliver(store: Store, ticket: Ticket, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = run("deliver")
    assert nowhere.exit_code == 2
    assert "SIGHTDESK_WEBHOOK_URL" in nowhere.stderr
    with receiver() as there:
        monkeypatch.setenv("SIGHTDESK_WEBHOOK_URL", there.url)
        get_settings.cache_clear()
        assert "SIGHTDESK_WEBHOOK_SECRET" in run("deliver").stderr
        monkeypatch.setenv("SIGHTDESK_WEBHOOK_SECRET", "a secret of the tests")
        get_settings.cache_clear()
        there.answers = [500]
        failed = run("deliver", "--json")
        assert json.loads(failed.stdout) == {
            "done": 0, "failed": 1, "dead": 0, "waiting": 1, "given_up": 0,
        }  # fmt: skip
        assert "the last one: HTTP 500" in run("show", ticket.id).stdout
        call = store.deliveries(ticket.id)[0]
        store.end_delivery(call, error="HTTP 500")
        assert "given up after 1 try" in run("show", ticket.id).stdout
        assert run("deliver", "--again").stdout.startswith("1 told, 0 failed")
        assert "told (1 try)" in run("show", ticket.id).stdout
        assert len({call.delivery for call in there.calls}) == 1
