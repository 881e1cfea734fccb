"""`sightdesk keys`: what it prints, for people and for programs."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from typer.testing import CliRunner, Result

from assistant.cli import app
from assistant.store import Store
from assistant.store.keys import digest_of


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments])


def test_a_key_is_shown_once() -> None:
    made = run("create", "bot")
    assert made.exit_code == 0
    (key,) = made.stdout.split()
    assert "not shown again" in made.stderr
    listed = [run("list"), run("list", "--json"), run("list", "--all", "--json")]
    assert all(one.exit_code == 0 and key[20:] not in one.output for one in listed)
    with Store.open() as store:
        assert [each.digest for each in store.api_keys()] == [digest_of(key)]
        assert digest_of(key) not in "".join(one.output for one in listed)


def test_for_programs() -> None:
    limits = ("--rate", "60", "--megabytes", "5", "--tokens", "9000", "--concurrent", "3")
    made = run(
        "create", "bot", "--tenant", "acme", "--scope", "chat", "--scope", "admin", *limits,
        "--expires", "30d", "--json",
    )  # fmt: skip
    told = json.loads(made.stdout)
    assert told["key"].startswith(f"sk-sd-{told['id']}-")
    assert told["scopes"] == ["chat", "admin"]
    assert told["limits"] == {
        "requests": 60,
        "received": 5_000_000,
        "tokens": 9000,
        "concurrent": 3,
    }
    span = datetime.fromisoformat(told["expires"]) - datetime.fromisoformat(told["created"])
    assert span == timedelta(days=30)
    row = json.loads(run("list", "--tenant", "acme", "--json").stdout)
    assert row == {name: value for name, value in told.items() if name != "key"}
    assert run("list", "--tenant", "other", "--json").stdout == ""


def test_revoke() -> None:
    made = json.loads(run("create", "bot", "--json").stdout)
    assert run("revoke", made["id"]).stdout == f"{made['id']}: revoked.\n"
    assert "There are no keys; --all" in run("list").stderr
    row = json.loads(run("list", "--all", "--json").stdout)
    assert row["revoked"] is not None
    assert "revoked 2" in " ".join(run("list", "--all").stdout.split())
    gone = run("revoke", "nothere")
    assert gone.exit_code == 2
    assert gone.stderr == "There is no key nothere; sightdesk keys list shows their ids.\n"


def test_no_keys_yet() -> None:
    shown = run("list")
    assert shown.exit_code == 0
    assert shown.stderr == "There are no keys: sightdesk keys create NAME makes one.\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("create", " "), "needs a name"),
        (("create", "k", "--scope", "root"), "No scope is called root"),
        (("create", "k", "--expires", "soon"), "12h, 30d, 8w or 1y"),
        (("create", "k", "--expires", "0d"), "100 years"),
        (("create", "k", "--expires", "999999y"), "100 years"),
        (("create", "k", "--rate", "0"), "equal to 1"),
        (("create",), "Missing argument"),
    ],
)
def test_what_cannot_be_made(arguments: tuple[str, ...], told: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert told in " ".join(result.output.split())
    assert run("list", "--all", "--json").stdout == ""
