"""`sightdesk adapters list, show, compare, import, publish, export, merge, remove`.

Results go to stdout, as tables or with ``--json`` as one object; progress goes to stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from assistant.cli.progress import show_progress
from assistant.errors import InputError

Name = Annotated[str, typer.Argument(help="Adapter name or directory.")]
NewName = Annotated[str | None, typer.Option("--name", help="What it is called here.")]
Require = Annotated[
    list[str] | None,
    typer.Option(help="Refuse it unless this holds: accuracy_fine>0.8, DATA:cider>=embedded."),
]
Terms = Annotated[
    str | None, typer.Option(help="Under which its data may be used; goes into its card.")
]
Base = Annotated[
    str | None, typer.Option(help="The base's directory or hub id; by default the one it names.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    app.command("list")(list_command)
    app.command("show")(show_command)
    app.command("compare")(compare_command)
    app.command("import")(import_command)
    app.command("publish")(publish_command)
    app.command("export")(export_command)
    app.command("merge")(merge_command)
    app.command("remove")(remove_command)


def list_command(as_json: Json = False) -> None:
    """All adapters, and whether each fits its base as that is on this machine."""
    from adapters.registry import list_adapters

    entries = list_adapters()
    if as_json:
        _print_json({"adapters": entries})
        return
    rows = []
    for entry in entries:
        name = entry["name"] + (" (ships)" if entry["shipped"] else "")
        if entry["error"] is not None:
            rows.append((name, "", "", "", "", f"damaged: {entry['error']}"))
            continue
        fitting = {True: "yes", False: "no", None: "not known"}[entry["fits"]]
        said = "; ".join(_headlines(entry["scores"])) or "not measured"
        size = f"{entry['bytes'] / 2**20:.1f} MiB"
        rows.append((name, entry["base"], fitting, entry["label_count"] or "", size, said))
    _table("adapters", ("name", "base", "fits", "labels", "size", "scores"), rows)


def show_command(name: Name, as_json: Json = False) -> None:
    """One adapter in full: base, data, recipe, scores, files."""
    from adapters.registry import show

    found = show(name)
    if as_json:
        _print_json(found)
        return
    fitting = {True: "yes", False: "no", None: "not known"}[found["fits"]]
    reason = f" ({found['fits_reason'].rstrip('.')})" if found["fits_reason"] else ""
    facts = [
        ("folder", found["path"]),
        ("base", found["base"]),
        ("fits", fitting + reason),
        ("weights", f"{found['parameters']:,} in {found['bytes'] / 2**20:.1f} MiB"),
        ("SHA-256", found["sha256"]),
        ("rank, alpha", f"{found['rank']}, {found['alpha']}"),
        ("trained whole", ", ".join(found["trained_whole"]) or "nothing"),
        ("labels", len(found["labels"]) or "none"),
        ("label head", "yes" if found["label_head"] else "no"),
        ("made", found["made"] or "not told"),
    ]
    _table(found["name"], ("", ""), facts)
    for part in ("data", "recipe", "calibration", "versions"):
        values = found[part] or {}
        _table(part, ("", ""), [(key, _said(value)) for key, value in values.items()])
    rows = [
        (data, key, f"{value:g}")
        for data, scores in found["scores"].items()
        for key, value in scores.items()
    ]
    _table("scores", ("data", "score", "value"), rows)


def compare_command(
    a: Annotated[str, typer.Argument(metavar="A", help="Adapter name or directory.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Adapter name or directory.")],
    as_json: Json = False,
) -> None:
    """Scores of two adapters side by side, and how recipe, data and labels differ."""
    from adapters.registry import compare

    found = compare(a, b)
    if as_json:
        _print_json(found)
        return
    names = (found["a"], found["b"])
    if not found["same_base"]:
        typer.echo("They are on different bases.")
    rows = [
        (
            *(row["data"], row["score"], _number(row["a"]), _number(row["b"])),
            *("" if row["difference"] is None else f"{row['difference']:+g}", row["better"] or ""),
        )
        for row in found["scores"]
    ]
    _table("scores", ("data", "score", *names, "difference", "better"), rows)
    for part in ("recipe", "data"):
        different = [(row["key"], _said(row["a"]), _said(row["b"])) for row in found[part]]
        _table(f"{part}: what differs", ("", *names), different)
    labels = found["labels"]
    for name, key in zip(names, ("only_a", "only_b"), strict=True):
        if labels[key]:
            typer.echo(f"Labels of {name} alone: {', '.join(labels[key])[:1000]}")


def import_command(
    source: Annotated[Path, typer.Argument(help="Folder or zip archive of an adapter.")],
    name: NewName = None,
    require: Require = None,
    terms: Terms = None,
    as_json: Json = False,
) -> None:
    """Take in an adapter from elsewhere, after a check of everything in it."""
    from adapters.registry import import_adapter

    files = import_adapter(source, name, require or (), terms=terms)
    _tell_installed(files, "taken in", as_json)


def publish_command(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished adapter.")],
    name: Annotated[str, typer.Option("--name", help="What it is called here.")],
    require: Require = None,
    terms: Terms = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of an adapter of this name.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a trained adapter among your own, with a new card, if it is good enough."""
    from adapters.registry import publish

    files = publish(folder, name, require or (), terms=terms, replace=replace)
    _tell_installed(files, "published", as_json)


def export_command(
    name: Name,
    out: Annotated[Path, typer.Argument(help="Where it is written; nothing may be there.")],
    form: Annotated[
        Literal["peft", "hf", "zip"],
        typer.Option(help="Adapter with its base; one merged model; an archive to import."),
    ] = "peft",
    base: Base = None,
    as_json: Json = False,
) -> None:
    """Write an adapter so that others can load it, with Sightdesk or without."""
    from adapters.registry import export

    with show_progress() as report:
        found = export(name, out, form, base=base, progress=report)
    _tell_written(found, as_json)


def merge_command(
    name: Name,
    out: Annotated[Path, typer.Argument(help="Folder of the model; nothing may be there.")],
    quantize: Annotated[
        Literal["none", "nf4", "int8"],
        typer.Option(help="How the merged model is kept; none is bfloat16."),
    ] = "none",
    base: Base = None,
    as_json: Json = False,
) -> None:
    """Merge an adapter into its full-precision base: one model, usable as --base FOLDER."""
    from adapters.registry import merge

    with show_progress() as report:
        found = merge(name, out, quantize, base=base, progress=report)
    _tell_written(found, as_json)


def remove_command(
    name: Annotated[str, typer.Argument(help="One of your own adapters.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete one of your own adapters."""
    from adapters.registry import remove
    from assistant.adapter_files import own_adapters
    from assistant.settings import get_settings

    path = own_adapters(get_settings()).get(name)
    if path is not None and not yes:
        if as_json or not sys.stdin.isatty():
            raise InputError(f"{path} would be deleted for good; give --yes to do it.")
        if not typer.confirm(f"Delete {path} for good?", err=True):
            raise typer.Exit(1)
    path = remove(name)
    if as_json:
        _print_json({"removed": name, "path": str(path)})
    else:
        typer.echo(f"Removed {name}.")


def _tell_installed(files: Any, what: str, as_json: bool) -> None:
    from adapters.registry.listing import fits
    from assistant.settings import get_settings

    fitting, reason = fits(files, get_settings())
    if as_json:
        _print_json(
            {"name": files.name, "path": str(files.path), "fits": fitting, "fits_reason": reason}
        )
        return
    typer.echo(f"{files.name} is {what}; use it with --adapter {files.name}.")
    if fitting is False:
        typer.echo(f"Mind: {reason}", err=True)


def _tell_written(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        _print_json(found)
        return
    typer.echo(f"{found['path']} is written.")
    if "distance" in found:
        distance = found["distance"]
        typer.echo(
            f"Its logits differ from those of base and adapter in float32 by "
            f"{distance['relative']:.2%} of their deviation (at most {found['limit']:.0%} are "
            f"allowed); the likeliest word is the same at {distance['same_word']:.0%} of places."
        )


def _headlines(scores: dict[str, dict[str, float]]) -> Iterable[str]:
    """The first score of each of the first sets, which is the chief one."""
    for data, values in list(scores.items())[:2]:
        named = [(key, value) for key, value in values.items() if key != "n"]
        if named:
            yield f"{data}: {named[0][0]} {named[0][1]:g}"


def _print_json(found: dict[str, Any]) -> None:
    typer.echo(json.dumps(found, ensure_ascii=False))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _said(value: object) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)[:500]


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table without reading anybody's text as mark-up; none where there are no rows."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[Text(str(cell)) for cell in row] for row in rows]
    if not cells:
        return
    table = Table(title=Text(title), show_header=any(head), title_justify="left")
    for name in head:
        table.add_column(Text(name), overflow="fold")
    for row in cells:
        table.add_row(*row)
    Console().print(table)
