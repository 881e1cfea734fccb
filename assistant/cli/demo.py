"""`sightdesk demo`: a small shop, or the products of a file, as a desk in the browser.

The desk has a data folder of its own inside the user's, so that neither its conversations nor its
knowledge mix with theirs; adapters are the user's.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli import page
from assistant.cli.progress import Report, show_progress
from assistant.errors import InputError
from assistant.settings import Settings, get_settings

if TYPE_CHECKING:
    from assistant.knowledge import Added

# What would lead out of the demo: a shared database, tickets that call real people.
_LEFT_OUT = ("SIGHTDESK_DATABASE_URL", "SIGHTDESK_WEBHOOK_URL", "SIGHTDESK_WEBHOOK_SECRET")


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(demo)


def demo(
    products: Annotated[
        Path | None,
        typer.Argument(
            metavar="PRODUCTS.jsonl",
            help='Rows {"label", "coarse_label", "image", "description", "information"}; '
            "a small shop if not given.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="First free one from 8501 if not given."),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no window.")] = False,
) -> None:
    """Try the desk on a small shop, or on your products; Ctrl+C ends it."""
    settings = demo_settings(get_settings(), products)
    with show_progress(plain=True) as report:
        added = fill(settings, products, report)
    for trouble in added.troubles:
        typer.echo(trouble, err=True)
    os.environ["SIGHTDESK_DATA_DIR"] = str(settings.data_dir)  # the page is another process
    for name in _LEFT_OUT:
        os.environ.pop(name, None)
    get_settings.cache_clear()
    page.chat(port=port, no_browser=no_browser)


def demo_settings(settings: Settings, products: Path | None) -> Settings:
    """The user's settings with the demo's data folder, one for each products file.

    Raises:
        InputError: there is no such file.
    """
    name = "shop"
    if products is not None:
        if not products.is_file():
            raise InputError(
                f"There is no file {products}: give a products file in JSON lines, or none for "
                "the small shop."
            )
        place = os.fsencode(products.resolve())
        name = f"products-{hashlib.sha256(place).hexdigest()[:12]}"
    return settings.model_copy(
        update={
            "data_dir": settings.data_dir / "demo" / name,
            "database_url": None,
            "webhook_url": None,
            "webhook_secret": None,
        }
    )


def fill(settings: Settings, products: Path | None, report: Report) -> Added:
    """Index the shop, or the products; what did not change is left alone.

    Raises:
        InputError: nothing in the file can be read.
        StoreError: the demo's folder cannot be written.
    """
    from assistant.demo import SHOP
    from assistant.knowledge import Knowledge
    from assistant.store import Store

    with Store.open(settings) as store:
        _share_adapters(settings)
        report("Preparing the shop", None)
        knowledge = Knowledge.open(settings, store=store, progress=report)
        added = knowledge.add(products if products is not None else SHOP, progress=report)
        if knowledge.is_empty:
            reason = f" ({added.troubles[0].rstrip('.')})" if added.troubles else ""
            raise InputError(f"Nothing in {products} can be read{reason}: give another file.")
        return added


def _share_adapters(settings: Settings) -> None:
    """Let the demo see the user's adapters, where the system has links."""
    theirs = settings.data_dir.parent.parent / "adapters"
    link = settings.data_dir / "adapters"
    if theirs.is_dir() and not link.exists():
        try:
            link.symlink_to(theirs, target_is_directory=True)
        except OSError:
            return  # those that ship are there in any case
