"""XMP sidecars: ``photo.jpg.xmp`` with description, subject and label (ISO 16684-1).

``dc:description`` has the description, ``dc:subject`` the label and the coarser one among the
keywords, ``xmp:Label`` the label. Photo programs read them beside the picture. A sidecar that
another program wrote is never replaced: it holds somebody's work.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

TOOL: Final = "Sightdesk"
_LARGEST: Final = 2**20
_MARK: Final = f"<!-- {TOOL} ".encode()

_X = "adobe:ns:meta/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_XMP = "http://ns.adobe.com/xap/1.0/"
_XML = "http://www.w3.org/XML/1998/namespace"
_PREFIXES: Final = {"x": _X, "rdf": _RDF, "dc": _DC, "xmp": _XMP}
# What XML 1.0, section 2.2, allows in no way, not even escaped.
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def sidecar(label: str | None, words: Sequence[str], caption: str | None) -> bytes:
    """The file of one picture, UTF-8.

    Args:
        words: keywords.
    """
    for prefix, name in _PREFIXES.items():
        ElementTree.register_namespace(prefix, name)
    meta = ElementTree.Element(f"{{{_X}}}xmpmeta")
    about = ElementTree.SubElement(
        ElementTree.SubElement(meta, f"{{{_RDF}}}RDF"), _rdf("Description")
    )
    about.set(_rdf("about"), "")
    about.set(f"{{{_XMP}}}CreatorTool", TOOL)
    if label is not None:
        about.set(f"{{{_XMP}}}Label", _plain(label))
    if caption is not None:
        said = _item(about, "description", "Alt", caption)
        said.set(f"{{{_XML}}}lang", "x-default")
    for word in words:
        _item(about, "subject", "Bag", word)
    ElementTree.indent(meta)
    text = ElementTree.tostring(meta, encoding="unicode")
    return _sealed(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode())


def is_own(file: Path) -> bool:
    """Whether a sidecar was written here and by nobody else since."""
    try:
        with file.open("rb") as opened:
            data = opened.read(_LARGEST + 1)
    except OSError:
        return False
    content, mark, _ = data.rpartition(_MARK)
    return bool(mark) and len(data) <= _LARGEST and data == _sealed(content)


def _sealed(content: bytes) -> bytes:
    """With its checksum behind it, so that what somebody changed is known as theirs."""
    return content + _MARK + hashlib.sha256(content).hexdigest().encode() + b" -->\n"


def _item(about: ElementTree.Element, name: str, kind: str, text: str) -> ElementTree.Element:
    """Add one to the list of a property, which is made where it is not there."""
    place = about.find(f"{{{_DC}}}{name}/{_rdf(kind)}")
    if place is None:
        prop = ElementTree.SubElement(about, f"{{{_DC}}}{name}")
        place = ElementTree.SubElement(prop, _rdf(kind))
    item = ElementTree.SubElement(place, _rdf("li"))
    item.text = _plain(text)
    return item


def _rdf(name: str) -> str:
    return f"{{{_RDF}}}{name}"


def _plain(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
