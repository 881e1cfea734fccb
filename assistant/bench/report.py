"""What a benchmark says: one object for programs, tables for people."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from assistant.bench.running import Result
from assistant.bench.values import (
    BANDWIDTH_BAR,
    FIGURES,
    LLAMACPP,
    MACHINE,
    OURS,
    PLAIN,
    RATIOS,
    SAID,
    Figure,
    Spread,
    Unit,
)

if TYPE_CHECKING:
    from rich.console import Console

_CONTENDERS: Final[tuple[str, ...]] = (OURS, PLAIN, LLAMACPP)
_WIDTH: Final = 110  # of tables where there is no terminal
_READS: Final = ("first_word", "answer", "at_once_1", "at_once_4", "at_once_16")
"""Figures for which llama.cpp is given a text in place of the photo."""


def as_json(result: Result) -> dict[str, Any]:
    """The result for programs: seconds, bytes, tokens a second; what was not measured is null."""
    sheet = result.sheet
    figures: dict[str, Any] = {}
    for figure in FIGURES:
        spreads = {name: sheet.spread(figure.name, name) for name in _CONTENDERS}
        figures[figure.name] = {
            "said": figure.said,
            "unit": figure.unit,
            "better": "larger" if figure.larger else "smaller",
            **{name: spread and spread.plain() for name, spread in spreads.items()},
        }
    ratios = {ratio.name: sheet.ratio(ratio) for ratio in RATIOS}
    return {
        "sightdesk": _version(),
        "machine": result.machine,
        "setting": result.setting,
        "seconds": round(result.seconds, 1),
        "contenders": {name: result.contenders.get(name) for name in _CONTENDERS},
        "left_out": sheet.left_out,
        "notes": sheet.notes,
        "figures": figures,
        "ratios": {name: spread and spread.median for name, spread in ratios.items()},
        "ratio_spreads": {name: spread and spread.plain() for name, spread in ratios.items()},
        "roofline": _roofline(result),
        "bars": [
            {"name": name, "value": spread.median, "bar": bar, "holds": holds}
            for name, _, spread, bar, holds, _ in _bars(result)
        ],
    }


def _version() -> str | None:
    try:
        return version("sightdesk")
    except PackageNotFoundError:
        return None


def _roofline(result: Result) -> dict[str, Any] | None:
    """How far decoding and prefill are from what the machine allows; None where not measured."""
    sheet = result.sheet
    bandwidth = sheet.spread("bandwidth", MACHINE)
    rate = sheet.spread("matrix_rate", MACHINE)
    if bandwidth is None or rate is None:
        return None
    size, work = result.bytes_a_token, result.operations_a_token
    decode, prefill = _shares(result)
    return {
        "bandwidth": bandwidth.plain(),
        "matrix_rate": rate.plain(),
        "bytes_a_token": size,
        "operations_a_token": work,
        "decode_allowed": bandwidth.median / size if size else None,
        "prefill_allowed": rate.median / work if work else None,
        "decode_share": decode and decode.plain(),
        "prefill_share": prefill and prefill.plain(),
    }


def _shares(result: Result) -> tuple[Spread | None, Spread | None]:
    sheet, size, work = result.sheet, result.bytes_a_token, result.operations_a_token
    return (
        sheet.share("decode", "bandwidth", size) if size else None,
        sheet.share("prefill", "matrix_rate", work) if work else None,
    )


def _bars(result: Result) -> Iterator[tuple[str, str, Spread, float, bool, Unit]]:
    """Name, words, value, bar, whether it holds, and unit of all that has a bar.

    Bars are the embedded base's: other bases have none.
    """
    sheet = result.sheet
    if result.setting["base"] != "embedded":
        return
    for ratio in RATIOS:
        spread = sheet.ratio(ratio)
        if spread is not None:
            yield ratio.name, ratio.said, spread, ratio.bar, spread.median >= ratio.bar, "x"
    share = _shares(result)[0]
    if share is not None:
        holds = share.median >= BANDWIDTH_BAR
        yield "bandwidth_share", "decode, share of bandwidth", share, BANDWIDTH_BAR, holds, "share"
    for figure in FIGURES:
        spread = sheet.spread(figure.name, OURS)
        if spread is not None and figure.bar is not None:
            holds = bool(figure.holds(spread.median))
            yield figure.name, figure.said, spread, figure.bar, holds, figure.unit


def shown(value: float, unit: Unit) -> str:
    """A value as people read it."""
    return _shown((value,), unit)


def _shown(values: tuple[float, ...], unit: Unit) -> str:
    """One value, or three as ``median (low–high)``, in units of the first one's size."""
    scale, digits, name = _scale(values[0], unit)
    first, *ends = (f"{value * scale:,.{digits}f}" for value in values)
    spread = f" ({'–'.join(ends)})" if ends else ""
    return f"{first}{spread}{name}"


def _scale(value: float, unit: Unit) -> tuple[float, int, str]:
    """What values are multiplied with, digits behind the point, and the unit behind them."""
    if unit == "s":
        return (1, 2, " s") if value >= 0.995 else (1000, 0 if value >= 0.02 else 1, " ms")
    if unit == "tokens/s":
        return 1, 0 if value >= 99.5 else 1, ""
    return {
        "bytes": (1e-6, 0, " MB"),
        "bytes/s": (1e-9, 1, " GB/s"),
        "FLOP/s": (1e-9, 0, " GFLOP/s"),
        "x": (1, 2, " x"),
        "share": (100, 0, " %"),
    }[unit]


def _cell(spread: Spread | None, unit: Unit) -> str:
    if spread is None:
        return "–"
    if len(spread.values) == 1:
        return _shown((spread.median,), unit)
    return _shown((spread.median, spread.low, spread.high), unit)


def print_tables(result: Result, console: Console | None = None) -> None:
    """Show figures, bars, the roofline and what a reader should know.

    Args:
        console: by default one on standard output, wide where that is no terminal.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if console is None:
        console = Console()
        if not console.is_terminal:
            console = Console(width=_WIDTH)
    sheet = result.sheet
    setting, machine = result.setting, result.machine
    device = machine["processor"] if machine["device"] == "cpu" else machine["device"]
    console.print(
        Text(
            f"{setting['base']} + {setting['adapter'] or 'no adapter'}, kept as "
            f"{setting['quantization']}; {device}, {machine['threads']} threads; median "
            f"(quartiles) of {setting['rounds']} rounds, turn about."
        )
    )
    there = [name for name in _CONTENDERS if name in result.contenders]
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for name in there:
        table.add_column(SAID[name], justify="right")
    marked = False
    for figure in FIGURES:
        cells = []
        for name in there:
            spread = sheet.spread(figure.name, name)
            text_only = name == LLAMACPP and figure.name in _READS and spread is not None
            marked = marked or text_only
            cells.append(_cell(spread, figure.unit) + (" *" if text_only else ""))
        if any(cell != "–" for cell in cells):
            table.add_row(Text(_named(figure)), *map(Text, cells))
    console.print(table)
    if marked:
        console.print(
            Text("* llama.cpp has the language model only: a text of as many tokens, no photo.")
        )
    bars = list(_bars(result))
    if bars:
        console.print()
        rows = Table(box=None, pad_edge=False)
        for head in ("", "measured", "bar", ""):
            rows.add_column(head, justify="left" if not head else "right")
        for name, said, spread, bar, holds, unit in bars:
            least = all(name != figure.name for figure in FIGURES)
            limit = f"{'≥' if least else '≤'} {shown(bar, unit)}"
            rows.add_row(Text(said), _cell(spread, unit), limit, "holds" if holds else "missed")
        console.print(rows)
    for line in roofline_lines(result):
        console.print(Text(line))
    for sentence in (*sheet.left_out.values(), *sheet.notes):
        console.print(Text(sentence))


def roofline_lines(result: Result) -> list[str]:
    """How far decoding and prefill are from what the machine allows, in words."""
    found = _roofline(result)
    if found is None:
        return []
    lines = [""]
    decode, prefill = _shares(result)
    if decode is not None and found["bytes_a_token"]:
        lines.append(
            f"Decode reads {found['bytes_a_token'] / 1e6:.1f} MB of weights a token; at the "
            f"{shown(found['bandwidth']['median'], 'bytes/s')} that memory gives here this allows "
            f"{shown(found['decode_allowed'], 'tokens/s')} tokens/s: "
            f"{shown(decode.median, 'share')} reached."
        )
    if prefill is not None and found["operations_a_token"]:
        lines.append(
            f"Prefill takes {found['operations_a_token'] / 1e9:.3f} GFLOP a token; at the "
            f"{shown(found['matrix_rate']['median'], 'FLOP/s')} that products reach here this "
            f"allows {shown(found['prefill_allowed'], 'tokens/s')} tokens/s: "
            f"{shown(prefill.median, 'share')} reached."
        )
    return lines


def _named(figure: Figure) -> str:
    return f"{figure.said}, {figure.unit}" if figure.unit == "tokens/s" else figure.said
