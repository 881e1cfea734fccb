"""`sightdesk doctor --base`: what memory a base needs in each form, before it is loaded."""

from __future__ import annotations

import json
from typing import Any

import typer

from assistant.engines import is_elsewhere
from assistant.errors import InputError
from assistant.settings import Settings

_QUANTIZE = {"bfloat16": "none", "float32": "none"}  # what gives a form, by --quantize


def say_needs(base: str, settings: Settings, *, as_json: bool) -> None:
    """Print what a base needs and which of its forms fit here.

    Raises:
        InputError: the base is served elsewhere.
        WeightsError: there is no configuration of it here, or of no family that is supported.
        typer.Exit: with 2 where no form fits anywhere.
    """
    if is_elsewhere(base):
        raise InputError(
            "A base that is served elsewhere needs no memory here; give a directory or a hub id."
        )
    report = examine_base(base, settings)
    if as_json:
        typer.echo(json.dumps(report))
    else:
        for line in _told(report):
            typer.echo(line)
    if not any(place["fits"] for place in report["places"]):
        least = min(form["whole"] for form in report["forms"].values())
        typer.echo(
            f"Problem: {base} needs {_size(least)} at least, more than is free here; end other "
            "programs, or choose a smaller base.",
            err=True,
        )
        raise typer.Exit(2)


def examine_base(base: str, settings: Settings) -> dict[str, Any]:
    """What a base needs, for JSON; sizes in bytes.

    Raises:
        WeightsError: as for `say_needs`.
    """
    from assistant.needs import config_folder, files_bytes, needs_of, places

    folder = config_folder(base, settings)
    needs = needs_of(folder)
    found = [
        {
            "name": place.name,
            "free": place.free,
            "forms": [form for form in place.forms if form in needs.weights],
            "fits": [form for form in needs.fitting(place.free) if form in place.forms],
        }
        for place in places(settings)
    ]
    return {"base": base, "files": files_bytes(folder), **needs.as_json(), "places": found}


def _told(report: dict[str, Any]) -> list[str]:
    parts = {name: count for name, count in report["parameters"].items() if name != "total"}
    total = report["parameters"]["total"]
    counted = ", ".join(f"{name} {_count(count)}" for name, count in parts.items() if count)
    picture = report["picture_tokens"]
    shown = f"{picture:,} tokens" if picture is not None else "not known without its processor"
    lines = [
        f"{'base':<12} {report['base']} ({report['family']})",
        f"{'weights':<12} {_count(total)} ({counted})",
        f"{'files':<12} {_size(report['files']) if report['files'] else 'not here'}",
        f"{'a photo':<12} {shown}",
        f"{'an answer':<12} {report['context']:,} tokens of text and picture, "
        f"{_size(report['context'] * report['cache_bytes_a_token'])} of keys and values in "
        f"bfloat16; the model reads {report['window']:,} at most",
        f"{'free':<12} " + ", ".join(f"{p['name']} {_size(p['free'])}" for p in report["places"]),
        "",
        f"{'form':<10} {'--quantize':<11} {'weights':>10} {'to answer':>10}  fits",
    ]
    for form, sizes in report["forms"].items():
        where = [place["name"] for place in report["places"] if form in place["fits"]]
        taken = any(form in place["forms"] for place in report["places"])
        fits = ", ".join(where) or ("no" if taken else "not used here")
        lines.append(
            f"{form:<10} {_QUANTIZE.get(form, form):<11} {_size(sizes['weights']):>10} "
            f"{_size(sizes['whole']):>10}  {fits}"
        )
    return lines


def _count(count: int) -> str:
    for name, unit in (("billion", 10**9), ("million", 10**6), ("thousand", 10**3)):
        if count >= unit:
            return f"{count / unit:.2f} {name}"
    return str(count)


def _size(size: int) -> str:
    return f"{size / 2**30:.2f} GiB" if size >= 2**28 else f"{size / 2**20:.1f} MiB"
