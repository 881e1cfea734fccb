"""Cutting text into sentences: abbreviations, decimals and citation marks stay where they belong.

It knows English, Chinese and Japanese, and European punctuation. It is written for streams: a text
and what is added to it later are cut alike up to the last sentence of the shorter one.
"""

from __future__ import annotations

import re

from assistant.grounding.tables import listed

# A full stop after these ends nothing. Single letters ("U.S.", "z. B.") are seen by their form.
_ABBREVIATIONS = listed(
    "approx appr avg ca cf dept dr e.g eg esp est etc ex fig hr i.e ie incl jr kg lb max min misc "
    "mr mrs ms nr no oz p.s pcs pp prof pt resp sr st std tel temp vol vs "
    "abs bspw bzw evtl ggf inkl mind mio mwst str tsd usw vgl zzgl "
    "aprox art av bd env mme mlle núm pág p.ej sra srta uds"
)
_NEVER_LAST = listed("approx appr ca cf e.g eg fig i.e ie incl nr vs bspw bzw vgl zzgl")
_MONTHS = re.compile(
    r"(jan|feb|mär|mar|apr|mai|maj|jun|jul|aug|sep|okt|oct|nov|dez|dec)", re.IGNORECASE
)
_MARK = r"\s*\[\d[\d,;\s–-]*(?:\]|$)|\s*\[$"
# The end of a sentence: its mark, closing quotes and brackets, and the citations after it.
_END = re.compile(
    rf"""(?:(?P<wide>[。！？]+)|(?P<dot>[.!?…]+))["'»”’)\]】」』）]*(?:{_MARK})*(?P<gap>\s*)"""
)
_CITED = re.compile(r"\s*\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")
_BREAK = re.compile(r"[ \t]*(?:\r\n?|\n)[ \t]*(?P<more>[\r\n\s]*)")
_BULLET = re.compile(r"(?:[-*•–·]|\d{1,2}[.)])\s")


def sentences(text: str) -> list[str]:
    """Its sentences in order, without the white space between them.

    Marks such as ``[1]`` stay with the sentence before them, also where they follow its full stop.
    List items and paragraphs are sentences of their own; nothing but white space gets lost.
    """
    return [part for line in _lines(text) for part in _cut(line)]


def marks(sentence: str) -> tuple[int, ...]:
    """The numbers that it cites, in order, each once: ``"… [2], [1, 2]"`` → (2, 1)."""
    found = (int(n) for cited in _CITED.findall(sentence) for n in re.findall(r"\d+", cited))
    return tuple(dict.fromkeys(found))


def without_marks(text: str) -> str:
    """The text without its citation marks."""
    return _CITED.sub("", text).strip()


def _lines(text: str) -> list[str]:
    """Paragraphs and list items; a line that goes on in lower case is joined to the one before."""
    lines: list[str] = []
    start = 0
    for found in _BREAK.finditer(text):
        after = text[found.end() : found.end() + 1]
        before = text[start : found.start()].rstrip()
        goes_on = after.islower() and not found["more"] and before[-1:] not in ".!?:。！？"
        if not goes_on or _BULLET.match(text, found.end()):
            lines.append(text[start : found.start()])
            start = found.end()
    lines.append(text[start:])
    return [line.strip() for line in lines if line.strip()]


def _cut(line: str) -> list[str]:
    parts: list[str] = []
    start = 0
    for found in _END.finditer(line):
        if found.end() == len(line):
            break
        if found["wide"] is None and not _ends(line, start, found):
            continue
        parts.append(line[start : found.end()].strip())
        start = found.end()
    if rest := line[start:].strip():
        parts.append(rest)
    return parts


def _ends(line: str, start: int, found: re.Match[str]) -> bool:
    """Whether a sentence ends at a full stop (or ! ? …) that is not the last of the line."""
    after = line[found.end()]
    if "[" in found[0]:
        return True  # a mark after it: "180 g. [1] They …"
    if not found["gap"] and not ("\u3040" <= after <= "\u9fff"):
        return False  # 1.5, shop.example, U.S.
    if after.islower():
        return False
    if found["dot"] != ".":
        return True
    word = re.split(r"[\s(\[\"'“‘«]", line[start : found.start()])[-1].lower()
    if len(word) == 1 and word.isalpha():
        return False
    if re.fullmatch(r"(?:[^\W\d_]\.)+[^\W\d_]", word):
        # "open till 8 p.m. On Sundays …": an ending, unless it is one that always goes on.
        return word not in {"e.g", "i.e", "z.b", "d.h", "u.a", "p.ej"} and after.isupper()
    if re.fullmatch(r"\d{1,2}", word):
        alone = not line[start : found.start() - len(word)].strip()
        if alone or _MONTHS.match(line, found.end()):
            return False  # the number of a list's item, and "am 3. Oktober"
    if word in _NEVER_LAST:
        return False
    return word not in _ABBREVIATIONS or (word in {"etc", "usw"} and after.isupper())
