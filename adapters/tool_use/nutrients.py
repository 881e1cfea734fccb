"""Nutrition tables, in one of two languages or both."""

from __future__ import annotations

from adapters.tool_use.attributes import Attribute, number


def nutrient(
    name: str, english: str, swedish: str, low: float, high: float, *units: str
) -> Attribute:
    """A line of a nutrition table, in one of two languages or both."""
    written = (
        f"{swedish} ca {{v}}",
        f"{english} ca {{v}}",
        f"{english} ({swedish}) ca {{v}}",
        f"{english}: {{v}}",
        f"{swedish} ({english}) ca {{v}}",
    )
    return Attribute(
        name,
        lambda rng: f"{number(rng, low, high)} {rng.choice(units)}",
        written,
        (f"It has {{v}} of {english} per 100 gram.",),
        (
            f"How much {english} is in {{p}}?",
            f"how much {english} does {{p}} have",
            f"What is the {english} content of {{p}}?",
            f"{english} in {{p}}?",
            f"Tell me the {english} of {{p}} per 100 g.",
            f"How many grams of {english} are there in 100 grams of {{p}}?"
            if "gram" in units
            else f"what's the amount of {english} in {{p}}?",
            f"is {{p}} high in {english}?",
            f"i watch my {english}, how much is in {{p}}?",
            f"{english} per 100 grams in {{p}}",
            f"100 g of {{p}} has how much {english}?",
            f"what does the label of {{p}} say about {english}?",
            f"I have to keep an eye on {english}. How much of it is in {{p}}?",
            f"could you tell me the {english} value of {{p}}?",
            f"{{p}} {english}",
            f"{english} content of {{p}} for 100 g please",
            f"I'd like to know how much {english} 100 grams of {{p}} hold.",
            f"what amount of {english} comes with 100 g of {{p}}",
            f"{{p}}: {english} per 100g?",
        ),
        f"The {english} content of {{p}} is about {{v}} per 100 gram.",
    )


_CALORIES = ("kilokalori", "kcal", "kilocalorie", "kcal (kilokalori)", "kilokalorier")
NUTRIENTS = (
    nutrient("fat", "fat", "fett", 0, 40, "gram", "g"),
    nutrient("saturated", "saturated fat", "varav mättat fett", 0, 20, "gram", "g"),
    nutrient("carbohydrate", "carbohydrate", "kolhydrat", 0, 80, "gram", "g"),
    nutrient("sugars", "sugars", "varav sockerarter", 0, 40, "gram", "g"),
    nutrient("protein", "protein", "protein", 0, 30, "gram", "g"),
    nutrient("salt", "salt", "salt", 0, 3, "gram", "g"),
    nutrient("fibre", "fibre", "fiber", 0, 12, "gram", "g"),
    nutrient("calcium", "calcium", "kalcium", 40, 400, "milligram", "mg"),
    nutrient("vitamin C", "vitamin C", "vitamin C", 1, 80, "milligram", "mg"),
    nutrient("vitamin D", "vitamin D", "vitamin D", 0.3, 3, "mikrogram", "microgram"),
    nutrient("vitamin B12", "vitamin B12", "vitamin B12", 0.3, 3, "mikrogram", "microgram"),
    nutrient("riboflavin", "riboflavin", "riboflavin", 0.1, 2, "milligram", "mg"),
    nutrient("potassium", "potassium", "kalium", 40, 400, "milligram", "mg"),
    nutrient("phosphorus", "phosphorus", "fosfor", 40, 300, "milligram", "mg"),
    nutrient("iodine", "iodine", "jod", 3, 30, "mikrogram", "microgram"),
    nutrient("folic acid", "folic acid", "folsyra", 5, 60, "mikrogram", "microgram"),
    Attribute(
        "kilojoule",
        lambda rng: f"{rng.randint(60, 2300)} {rng.choice(('kilojoule', 'kJ', 'kilojoules'))}",
        ("energi ca {v}", "energy (energi) ca {v}", "energy ca {v}", "Energy: {v}"),
        ("It gives {v} per 100 gram.",),
        (
            "How many kilojoules does {p} have?",
            "kJ per 100 g of {p}?",
            "what is the energy of {p} in kilojoules",
            "energy of {p} in kJ",
            "give me the kJ value of {p}",
            "{p} has how many kilojoules per 100 g?",
            "kilojoules of 100 grams of {p}",
        ),
        "The energy of {p} is about {v} per 100 gram.",
    ),
    Attribute(
        "energy",
        lambda rng: f"{rng.randint(15, 560)} {rng.choice(_CALORIES)}",
        (
            "energi ca {v}",
            "energy (energi) ca {v}",
            "energy ca {v}",
            "Energy: {v}",
            "energi (energy) ca {v}",
        ),
        ("It gives {v} per 100 gram.",),
        (
            "How many calories does {p} have?",
            "how much energy is in {p}?",
            "calories in {p}",
            "What is the energy value of {p}?",
            "how many kcal per 100 g of {p}",
            "Is {p} high in calories?",
            "kcal of {p}?",
            "i count calories, what about {p}?",
            "how many kilocalories are in 100 grams of {p}",
            "energy of {p} in kcal",
            "What's the calorie count for {p}?",
            "kilocalories of {p} per 100 g",
            "Give me the kcal for 100 grams of {p}.",
            "energy value of {p} in kilocalories please",
            "{p}, how many kcal?",
            "what does 100 g of {p} have in kcal",
        ),
        "The energy of {p} is about {v} per 100 gram.",
    ),
)
