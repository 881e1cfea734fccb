"""`sightdesk evaluate agent`: the command line over `adapters.agent_cases`.

Progress goes to stderr, results to stdout: tables, or with ``--json`` one JSON object.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters.bars import counting_bar
from assistant.settings import Quantize

if TYPE_CHECKING:
    from adapters.agent_cases import Judged
    from assistant.agent import Agent
    from assistant.tools.desk import Desk


def register(app: typer.Typer) -> None:
    """Add the command to the group ``evaluate``."""
    app.command("agent")(agent_command)


def agent_command(
    cases: Annotated[
        Path, typer.Option(help="JSON lines of cases; image paths are relative to the file.")
    ],
    knowledge: Annotated[
        Path, typer.Option(help="File or folder that the answers stand in, such as products.jsonl.")
    ],
    adapter: Annotated[
        str | None,
        typer.Option(
            help="Whose labels are given; by default the adapter with the product file's labels."
        ),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write {id, answer, tools, citations, outcome} here.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="A random sample of N cases.")] = None,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    base: Annotated[str | None, typer.Option(help="`embedded`, a directory or a hub id.")] = None,
    # Unlike other evaluations: the desk is measured as it runs here, its seconds too.
    quantize: Annotated[
        Quantize,
        typer.Option(help="How the model is kept in memory while it is measured."),
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Conversations through the support agent: tools, facts, citations, outcomes."""
    from adapters.agent_cases import read_cases, run_cases, totals
    from adapters.agent_cases.desk import open_desk
    from adapters.samples import sampled

    chosen = sampled(read_cases(cases), limit, seed)
    done: list[Judged] = []
    with counting_bar() as bars:
        task = bars.add_task("Preparing the knowledge", total=None)

        def report(message: str, fraction: float | None) -> None:
            total = None if fraction is None else 1.0
            bars.update(task, description=message, completed=fraction or 0, total=total)

        @cache
        def engine() -> Any:
            from assistant.engine import Engine

            return Engine.load(base, None, quantize=quantize, progress=report)

        def evaluating(count: int, total: int) -> None:
            bars.update(task, description="Evaluating", completed=count, total=total)

        with open_desk(knowledge, adapter=adapter, engine=engine, report=report) as desk:
            bars.reset(task, total=None, description="Loading the models")
            with _open_agent(desk) as agent:
                bars.reset(task, total=len(chosen), description="Evaluating")
                try:
                    for judged in run_cases(
                        chosen, agent, desk, predictions=predictions, progress=evaluating
                    ):
                        done.append(judged)
                except KeyboardInterrupt:
                    bars.stop()
                    _say_stopped(len(done), len(chosen), predictions)
                    raise
    figures = totals(done)
    if as_json:
        results = {"cases": [each.as_json() for each in done], "totals": figures}
        typer.echo(json.dumps(results, ensure_ascii=False))
    else:
        _show(done, figures)


def _open_agent(desk: Desk) -> Agent:
    from assistant.agent import Agent

    return Agent.open(desk)


def _say_stopped(done: int, total: int, predictions: Path | None) -> None:
    kept = f"; what they came to is in {predictions}" if predictions is not None else ""
    typer.echo(f"Stopped after {done} of {total} cases{kept}.", err=True)


def _show(judged: Sequence[Judged], totals: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(title="agent", padding=0)
    columns = ("n", "passed", "tools", "facts", "cited", "outcome", "wrong", "missing", "s")
    for name in ("", *columns):
        table.add_column(name, justify="left" if not name else "right")
    for name, figures in (*totals.get("kinds", {}).items(), ("all", totals)):
        table.add_row(
            Text(name),
            str(figures["n"]),
            _percent(figures["pass_rate"]),
            *(
                _percent(figures[part]["rate"])
                for part in ("tools", "facts", "citations", "outcome")
            ),
            str(figures["wrong_facts"]),
            str(figures["missing_facts"]),
            "-" if figures["seconds_median"] is None else f"{figures['seconds_median']:.1f}",
        )
    console.print(table)
    outcomes = Table(title="outcomes: expected, found")
    found = ("answered", "abstained", "handed_over", "failed")
    for name in ("", *found):
        outcomes.add_column(name, justify="left" if not name else "right")
    for name, row in totals["outcomes"].items():
        outcomes.add_row(name, *(str(row.get(each, 0)) for each in found))
    console.print(outcomes)
    calls = totals["calls"]
    console.print(f"calls of real things: {calls['real']} of {calls['n']}")
    failed = [each for each in judged if not each.passed]
    for each in failed[:10]:
        reasons = ", ".join([*(n for n, right in each.checks.items() if not right), *each.wrong])
        console.print(Text(f"{each.case.id}: {reasons or each.observed.answer}"))
    if len(failed) > 10:
        console.print(f"and {len(failed) - 10} more; --json lists all")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}%"
