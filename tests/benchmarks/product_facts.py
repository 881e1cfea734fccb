"""What the rows of a product file say, field by field, for cases and pairs made from them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

NUTRIENTS = {
    "fat": ("fat", "fett"),
    "saturated fat": ("of which saturated fat", "varav mättat fett"),
    "sugar": ("of which sugars", "varav sockerarter"),
    "carbohydrate": ("carbohydrate", "kolhydrat"),
    "protein": ("protein",),
    "salt": ("salt",),
    "fibre": ("fiber",),
    "calcium": ("calcium", "kalcium"),
}
"""English name → names on labels."""

COUNTRIES = {"Sverige": "Sweden"}


@dataclass(frozen=True)
class Facts:
    """One product.

    Attributes:
        label: as in the file.
        name: readable: ``Golden Delicious``.
        coarse: its kind, readable: ``Apple``.
        origin: the country that it grew in, if that is said.
        made_in: the country that it was made in.
        volume: as written: ``180g``, ``1l``.
        manufacturer: as written: ``ARLA KO``.
        ingredients: the line.
        nutrition: English name of a nutrient → value as written, in grams per 100 g.
        kcal: energy per 100 g.
        description: the text.
        row: the row itself.
    """

    label: str
    name: str
    coarse: str
    origin: str = ""
    made_in: str = ""
    volume: str = ""
    manufacturer: str = ""
    ingredients: str = ""
    nutrition: dict[str, tuple[str, str]] = field(default_factory=dict)
    kcal: str = ""
    description: str = ""
    row: dict = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All that the row says."""
        return "\n".join([self.description, *self.row.get("information", [])])


def read_facts(file: Path) -> list[Facts]:
    """All products of a file."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [facts_of(json.loads(line)) for line in lines if line.strip()]


def facts_of(row: dict) -> Facts:
    """What one row says; fields that it lacks are empty."""
    found: dict[str, str] = {}
    nutrition: dict[str, tuple[str, str]] = {}
    kcal = ""
    for raw in row.get("information", []):
        line = " ".join(raw.split())
        head, colon, rest = line.partition(":")
        rest = rest.strip()
        if amount := re.fullmatch(r"(\D+?) ?ca ([\d.]+) (\w+)", line):
            name, value, unit = amount[1].strip().lower(), amount[2], amount[3].lower()
            for english, spellings in NUTRIENTS.items():
                if name in spellings:
                    nutrition.setdefault(english, (value, unit))
            if unit.startswith("kilokalori") or unit.startswith("kilocalorie"):
                kcal = kcal or value
        elif colon and head == "Country and volume":
            found["origin"], _, found["volume"] = (part.strip() for part in rest.rpartition(","))
        elif colon and head == "Country":
            found["origin"] = rest
        elif colon and head == "Manufacturer and volume":
            maker, _, found["volume"] = (part.strip() for part in rest.rpartition(","))
            found["manufacturer"] = maker.strip()
        elif colon and head == "Manufacturing country":
            found["made_in"] = COUNTRIES.get(rest, rest)
        elif colon and head == "Ingredients":
            found["ingredients"] = rest
    found["volume"] = re.sub(r"^ca\s*", "", found.get("volume", ""))
    return Facts(
        row["label"],
        row["label"].replace("-", " "),
        row.get("coarse_label", "").replace("-", " "),
        nutrition=nutrition,
        kcal=kcal,
        description=row.get("description", ""),
        row=row,
        **found,
    )
