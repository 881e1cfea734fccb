"""Numbers in text with their units, so that "180g", "180 grams" and "0.18 kg" are one amount."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isclose

_COUNTED = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
fifteen sixteen seventeen eighteen nineteen twenty"""
_WORDS = {word: value for value, word in enumerate(_COUNTED.split())} | {
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90, "hundred": 100, "dozen": 12, "twice": 2,
}  # fmt: skip

# Spelling → (what is measured, how many of its unit). Calories on a label are kilocalories.
_UNITS: dict[str, tuple[str, float]] = {}
for _kind, _spellings in {
    "g": {
        "g gr gram grams gramme grammes gramm grammi": 1.0,
        "kg kilo kilos kilogram kilograms kilogramm": 1e3,
        "mg milligram milligrams milligramm": 1e-3,
        "µg μg mcg ug microgram micrograms mikrogram": 1e-6,
    },
    "l": {
        "l liter liters litre litres litro litros": 1.0,
        "dl deciliter deciliters decilitre decilitres": 0.1,
        "cl centiliter centilitre centilitres centiliters": 0.01,
        "ml milliliter milliliters millilitre millilitres": 1e-3,
    },
    "m": {
        "cm centimeter centimeters centimetre centimetres": 0.01,
        "mm millimeter millimeters millimetre millimetres": 1e-3,
        "m meter meters metre metres": 1.0,
        "km kilometer kilometers kilometre kilometres": 1e3,
        "mile miles": 1609.344,
    },
    "kJ": {"kj kilojoule kilojoules": 1.0},
    "kcal": {"kcal kilocalorie kilocalories kilokalori kilokalorie cal calorie calories": 1.0},
    "%": {"% percent procent prozent pct": 1.0},
    "°": {"° °c degree degrees celsius grad": 1.0},
    "min": {
        "min mins minute minutes minuten": 1.0,
        "h hr hrs hour hours stunde stunden": 60.0,
        "day days tag tage": 1440.0,
        "week weeks woche wochen": 10080.0,
    },
    "month": {"month months": 1.0, "year years": 12.0},
    "€": {"€ euro euros eur": 1.0, "cent cents": 0.01},
    "$": {"$ dollar dollars usd": 1.0},
    "£": {"£ pound pounds gbp": 1.0},
    "kr": {"kr kronor sek": 1.0},
}.items():
    for _names, _size in _spellings.items():
        _UNITS.update({_name: (_kind, _size) for _name in _names.split()})

_DIGITS = r"\d{1,3}(?:[ \u202f]\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,]\d+)*"
_MOST_DIGITS = 15  # what a float keeps apart
_NUMBER = re.compile(
    rf"""(?P<per>\b(?:per|pro|every|each|(?:in|of)(?=\s+100\s?(?:g|m)))\s+)?
    (?:(?P<hour>\b[012]?\d)[:h](?P<minute>[0-5]\d)(?!\d|[.,]\d)(?P<half>\s*[ap]\.?m\b\.?)?
    |(?:(?P<before>[€$£])\s?)?(?<![\w.])(?P<digits>{_DIGITS})
     (?:\s*(?P<noon>[ap]\.?m\b\.?)|[\s-]?(?P<unit>°\s?[cC]\b|[%€$£°]|[^\W\d_]+))?
    |\b(?P<word>{"|".join(_WORDS)})\b(?:[\s-](?P<of>[^\W\d_]+))?)""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class Amount:
    """A number as it was written.

    Attributes:
        shown: how it is written, with its unit.
        values: what it may mean in its unit's smallest step; "1,500" may be 1.5 or 1500.
        unit: what is measured: a key such as ``"g"``, ``"clock"`` for a time of day, or "".
        per: it is what others are measured by, as in "per 100 g".
        start, end: where it stands in the text; the unit is part of it.
    """

    shown: str
    values: tuple[float, ...]
    unit: str
    per: bool
    start: int
    end: int

    def is_in(self, others: tuple[Amount, ...]) -> bool:
        """Whether one of the others is the same amount, in the same unit if this one has any."""
        return any(self.equals(other) and (other.unit or not self.unit) for other in others)

    def may_be_in(self, others: tuple[Amount, ...]) -> bool:
        """Whether one of the others is the same amount; a missing unit fits any."""
        return any(self.equals(other) for other in others)

    def equals(self, other: Amount) -> bool:
        """Whether both may be the same amount; a missing unit fits any."""
        if {self.unit, other.unit} == {"clock", ""}:
            mine = self.values if self.unit else tuple(60 * value for value in self.values)
            theirs = other.values if other.unit else tuple(60 * value for value in other.values)
        elif self.unit and other.unit and self.unit != other.unit:
            return False
        else:
            mine, theirs = self.plain(other), other.plain(self)
        return any(isclose(a, b, rel_tol=1e-12) for a in mine for b in theirs)

    def plain(self, beside: Amount) -> tuple[float, ...]:
        """Its values, as written where the other has no unit to compare with."""
        if self.unit and not beside.unit:
            return tuple(_written(re.split(r"[^\d.,]", self.shown))) or self.values
        return self.values


def amounts(text: str) -> tuple[Amount, ...]:
    """Every number of a text, in order. Digits inside a word (``B12``) are part of the word."""
    found = []
    for match in _NUMBER.finditer(text):
        amount = _amount(match)
        if amount is not None:
            found.append(amount)
    return tuple(found)


def _amount(match: re.Match[str]) -> Amount | None:
    start = match.start() + len(match["per"] or "")
    per, end = bool(match["per"]), match.end()
    if match["hour"]:
        minutes = 60 * int(match["hour"]) + int(match["minute"])
        time = (_clock(minutes, match["half"]),)
        shown = match.string[start:end].strip()
        return Amount(shown, time, "clock", per, start, end)
    if match["word"]:
        unit = _UNITS.get((match["of"] or "").lower())
        if unit is None:
            if match["word"].lower() in {"one", "zero"}:
                return None  # "this one" counts nothing
            end = match.end("word")
        value = float(_WORDS[match["word"].lower()])
        kind, size = unit or ("", 1.0)
        return Amount(match.string[start:end], (value * size,), kind, per, start, end)
    if len(match["digits"]) > _MOST_DIGITS:
        end = match.end("digits")  # no amount: a number that names something
        return Amount(match.string[start:end], (0.0,), match["digits"], per, start, end)
    numbers = _written([match["digits"]])
    if match["noon"]:
        value = _clock(int(60 * numbers[0]), match["noon"])
        return Amount(match.string[start:end], (value,), "clock", per, start, end)
    name = (match["before"] or match["unit"] or "").lower().replace(" ", "")
    kind, size = _UNITS.get(name, ("", 1.0))
    if not kind or match["before"]:
        end = match.end("digits")
    values = tuple(number * size for number in numbers)
    return Amount(match.string[start:end].strip(), values, kind, per, start, end)


def _clock(minutes: int, half: str | None) -> float:
    """Minutes after midnight of a time that may say a.m. or p.m."""
    if half:
        minutes = minutes % 720 + (720 if "p" in half.lower() else 0)
    return float(minutes)


def _written(texts: list[str]) -> list[float]:
    """What digits may mean: a comma before three digits groups them, or is a decimal comma."""
    found: list[float] = []
    for text in texts:
        digits = re.sub(r"[ \u202f]", "", text).strip(".,")
        if not digits:
            continue
        separators = re.findall(r"[.,]", digits)
        if not separators:
            found.append(float(digits))
        elif len(separators) == 1:
            found.append(float(digits.replace(",", ".")))
            if re.fullmatch(r"\d{1,3}[.,]\d{3}", digits):
                found.append(float(re.sub(r"[.,]", "", digits)))
        elif len(set(separators)) == 1:
            found.append(float(re.sub(r"[.,]", "", digits)))
        else:
            last = max(digits.rfind("."), digits.rfind(","))
            whole = re.sub(r"[.,]", "", digits[:last])
            found.append(float(f"{whole}.{digits[last + 1 :]}"))
    return found
