"""What is known of how an answer came about, as names and values to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assistant.telling import is_by_desk, outcome_of, steps_of, ticket_of
from ui.trace import done

if TYPE_CHECKING:
    from assistant.store import Exchange
    from ui.words import Words


def _desk_rows(exchange: Exchange, say: Words) -> list[tuple[str, str]]:
    """Who drove the desk, how it ended, and what each of its steps took."""
    details = exchange.details
    found = [(say("model"), str(details.get("model") or say("desk")))]
    ended = {
        "answered": say("detail_answered"),
        "abstained": say("detail_abstained"),
        "handed_over": say("detail_handed_over", id=ticket_of(details)),
    }.get(outcome_of(details))
    if ended:
        found.append((say("detail_outcome"), ended))
    for step in steps_of(details):
        if step.seconds is not None:
            found.append((done(step, say), say("took", seconds=f"{step.seconds:.2f}")))
    seconds = details.get("seconds")
    spent = seconds.get("model") if isinstance(seconds, dict) else None
    if isinstance(spent, int | float):
        found.append((say("detail_model"), say("took", seconds=f"{spent:.2f}")))
    return found


def rows(exchange: Exchange, say: Words) -> list[tuple[str, str]]:
    """Names and values; those that were not measured are left out."""
    details = exchange.details
    found: list[tuple[str, str]] = []

    def add(name: str, value: str | None) -> None:
        if value:
            found.append((name, value))

    def seconds(key: str) -> str | None:
        value = details.get(key)
        return say("took", seconds=f"{value:.2f}") if isinstance(value, int | float) else None

    if is_by_desk(exchange):
        found += _desk_rows(exchange, say)
    elif "model" in details:
        add(say("model"), str(details["model"]))
        add(say("adapter"), str(details.get("adapter") or say("none")))
        kind = details.get("quantization")
        add(say("quantization"), say("none") if kind in (None, "none") else str(kind))
    add(say("detail_encode"), seconds("encode"))
    add(say("detail_first"), seconds("first_word"))
    add(say("detail_total"), seconds("total"))
    if isinstance(details.get("tokens"), int):
        add(say("detail_tokens"), f"{details['tokens']:,}")
    if isinstance(details.get("computed"), int):
        computed, reused = details["computed"], details.get("reused") or 0
        text = say("detail_prompt_value", computed=f"{computed:,}", reused=f"{reused:,}")
        add(say("detail_prompt"), text)
    if isinstance(temperature := details.get("temperature"), int | float):
        drawn = say("detail_temperature", t=f"{temperature:g}")
        if temperature <= 0:
            drawn = say("detail_greedy")
        elif details.get("seed") is not None:
            drawn += " · " + say("detail_seed", n=details["seed"])
        add(say("detail_sampling"), drawn)
    return found or [(say("details"), say("detail_none"))]
