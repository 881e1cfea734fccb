"""The grid of pictures: what the browser has in view is sent to it, and nothing else.

The browser holds the grid (`assets/find_grid.js`) and asks for what it lacks; small pictures go
over the page's own connection, so that no picture has an address which others could open. Names
and labels are untrusted: the browser only ever makes text of them.
"""

from __future__ import annotations

import base64
import os
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from assistant.errors import SightdeskError
from ui.find_terms import name_of, size_of
from ui.plain import one_line

if TYPE_CHECKING:
    from concurrent.futures import Future

    from assistant.image_index import Found, ImageIndex
    from ui.find_pictures import View
    from ui.words import Words

KEY: Final = "find-grid"
OPEN: Final = "find-open"
"""Of the session: the place of the picture whose details are shown."""

FIRST: Final = 24
MOST_AT_ONCE: Final = 96
SECONDS: Final = 0.3
"""For small pictures that have to be made first; those that are not done are asked for again."""

SIDE: Final = 256
_ANSWERED: Final = "find-answered"
"""Of the session: the view that was last sent, and the number of the last request."""

_ASSETS = Path(__file__).parent / "assets"

_component = st.components.v2.component(
    "sightdesk_find_grid",
    js=(_ASSETS / "find_grid.js").read_text(encoding="utf-8"),
    css=(_ASSETS / "find_grid.css").read_text(encoding="utf-8"),
    isolate_styles=False,
)
_makers = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "thumbnails")


@st.fragment
def draw_grid(view: View, index: ImageIndex, say: Words) -> None:
    """The grid; a picture that is chosen is noted under `OPEN`, and the page is drawn anew."""
    places, number = read_wanted((st.session_state.get(KEY) or {}).get("wanted"), view)
    # Nobody has to ask for the first ones, and each request is answered once.
    answered = st.session_state.get(_ANSWERED, ("", 0))
    if answered[0] != view.key:
        places = places or list(range(min(FIRST, len(view.found))))
    elif answered[1] == number:
        places = []
    st.session_state[_ANSWERED] = (view.key, number)
    result = _component(
        key=KEY,
        data={
            "view": view.key,
            "total": len(view.found),
            "groups": list(view.groups),
            "items": items(places, view, index, say),
            "answers": number,
            "words": {
                "grid": say("find_grid"),
                "loading": say("find_item_loading"),
                "broken": say("find_item_broken"),
            },
        },
        on_wanted_change=_nothing,
        on_opened_change=_nothing,
    )
    opened = result.opened
    if isinstance(opened, dict) and opened.get("view") == view.key:
        place = opened.get("place")
        if isinstance(place, int) and 0 <= place < len(view.found):
            st.session_state[OPEN] = place
            st.rerun(scope="app")


def _nothing() -> None:
    pass


def read_wanted(wanted: Any, view: View) -> tuple[list[int], int]:
    """Places that the browser asks for, within bounds, and the number of its request."""
    if not isinstance(wanted, dict):
        return [], 0
    number = wanted.get("number")
    number = number if isinstance(number, int) else 0
    places = wanted.get("places")
    if wanted.get("view") != view.key or not isinstance(places, list):
        return [], number
    fitting = [p for p in places if isinstance(p, int) and 0 <= p < len(view.found)]
    return list(dict.fromkeys(fitting))[:MOST_AT_ONCE], number


def items(
    places: list[int], view: View, index: ImageIndex, say: Words, seconds: float = SECONDS
) -> dict[str, dict[str, Any]]:
    """What the browser is told of these places; small pictures only as far as the time goes."""
    told: dict[str, dict[str, Any]] = {}
    making: dict[Future[bytes], int] = {
        _makers.submit(index.thumbnail, view.found[place].file, SIDE): place for place in places
    }
    for place in places:
        told[str(place)] = describe(view.found[place], view, say)
    left, deadline = set(making), time.monotonic() + seconds
    while left and (patience := deadline - time.monotonic()) > 0:
        done, left = wait(left, patience, FIRST_COMPLETED)
        for each in done:
            item = told[str(making[each])]
            try:
                item["picture"] = base64.b64encode(each.result()).decode("ascii")
            except SightdeskError:
                item["broken"] = True
    for each in left:
        each.cancel()
    return told


def describe(found: Found, view: View, say: Words) -> dict[str, Any]:
    """What stands below a picture, and what a screen reader says of it."""
    file = found.file
    name = one_line(name_of(file), 120)
    label = one_line(file.label or file.coarse_label, 80)
    if view.alike:
        label = f"{size_of(file.size)} · {file.width} × {file.height}"
    item: dict[str, Any] = {"name": name, "label": label}
    parts = [name, label]
    if view.by_likeness:
        item["likely"] = f"{percent(found.likelihood)} %"
        parts.append(say("find_likely", n=percent(found.likelihood)))
    item["told"] = ", ".join(filter(None, parts))
    return item


def percent(likelihood: float) -> int:
    """Whole per cent, of which 0 and 100 are never claimed."""
    return min(max(round(100 * likelihood), 1), 99)
