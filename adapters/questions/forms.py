"""Number and article of English nouns, as far as the noun table needs them."""

from __future__ import annotations

from adapters.questions.lists import word_set

MASS = word_set(
    """water snow sand ice food beer dirt grass rain smoke graffiti mud ice_cream fruit fire hair
    paint luggage surf clothing foliage soccer tennis hockey cattle"""
)
PAIRS = word_set(
    """pants shorts sunglasses glasses goggles jeans trousers trunks slacks leggings overalls
    eyeglasses headphones skis stairs steps rapids woods swim_trunks swimming_trunks fireworks"""
)
IRREGULAR = {
    "man": "men",
    "woman": "women",
    "child": "children",
    "person": "people",
    "foot": "feet",
    "tooth": "teeth",
    "goose": "geese",
    "knife": "knives",
    "leaf": "leaves",
    "calf": "calves",
    "sheep": "sheep",
    "fish": "fish",
    "deer": "deer",
    "ox": "oxen",
    "wolf": "wolves",
    "scarf": "scarves",
    "lady": "ladies",
    "mouse": "mice",
    "hoof": "hooves",
    "loaf": "loaves",
    "bookshelf": "bookshelves",
}


def plural(word: str) -> str:
    """Plural of a noun; of an underscored or spaced phrase, of its last word."""
    for separator in ("_", " "):
        if separator in word:
            head, last = word.rsplit(separator, 1)
            return f"{head}{separator}{plural(last)}"
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word in PAIRS or word in MASS:
        return word
    for ending, replaced in (("woman", "women"), ("man", "men")):
        if word.endswith(ending) and word not in {"human", "german"}:
            return word[: -len(ending)] + replaced
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    return word + "s"


def article(phrase: str) -> str:
    """``a`` or ``an`` for a phrase, by the sound of its first word."""
    word = phrase.lower()
    if word.startswith(("uni", "use", "euro", "one", "ukulele")) and not word.startswith("unin"):
        return "a"
    if word.startswith(("hour", "honest", "honor", "atv", "suv", "mp3", "x-ray")):
        return "a" if word.startswith("suv") else "an"
    return "an" if word[:1] in "aeiou" else "a"
