"""Questions derived from captions: right pairs, no contradictions, the same for the same seed."""

from __future__ import annotations

import random
import re

import pytest

from adapters.questions import CANT_TELL, KINDS, QA, CaptionQuestions, clean_caption
from adapters.questions import unanswerable as cannot
from adapters.questions.captions import read_caption
from adapters.questions.forms import MASS, PAIRS, article, plural
from adapters.questions.phrases import action_phrase
from adapters.questions.verbs import gerund, third_person
from adapters.questions.vocabulary import one_of, vocabulary

SNOW_DOG = [
    "A black dog is running through the snow .",
    "A black dog runs in the snow .",
    "A dog with a red collar is running through deep snow .",
    "Black dog running in the snow with a ball in its mouth .",
    "The dog is carrying a yellow ball .",
]
BEACH_BOYS = [
    "Two boys are playing soccer on the beach .",
    "Two boys kick a soccer ball on the sand .",
    "Two young boys play soccer at the beach .",
    "Two children run after a ball .",
    "Two boys in red shirts are playing on the beach .",
]
RIDER = [
    "A man in a red shirt is riding a bike down the street .",
    "A man wearing a red shirt and a helmet rides his bicycle .",
    "A man rides a bike on a street .",
    "The man is riding a bicycle past a building .",
    "A man on a bike .",
]
UNSURE = [
    "A person is climbing a rock .",
    "A woman is climbing a rock wall .",
    "A man climbs a steep rock .",
    "Someone climbing up a cliff .",
    "A climber hangs from a rope .",
]
KITCHEN = [
    "A woman is cooking in a kitchen .",
    "A woman stands at the stove in her kitchen .",
    "A woman in a white apron cooks dinner .",
    "The lady stirs a pot .",
    "A woman cooking food in a kitchen .",
]
GROUP = [
    "A group of people are standing in a park .",
    "Several people gather in a park .",
    "A crowd of people is listening to a band .",
    "People at a concert .",
    "Many people watch a band on a stage .",
]
SCENES = [SNOW_DOG, BEACH_BOYS, RIDER, UNSURE, KITCHEN, GROUP]


@pytest.fixture(scope="module")
def asker() -> CaptionQuestions:
    return CaptionQuestions(SCENES * 3)


def everything(asker: CaptionQuestions, references: list[str], rounds: int = 60) -> set[QA]:
    """All pairs that many seeds bring out."""
    found: set[QA] = set()
    for seed in range(rounds):
        found.update(asker.generate(references, random.Random(seed), per_kind=4))
    return found


def answers(pairs: set[QA], kind: str, pattern: str) -> set[str]:
    """Answers to the questions of a kind that match a pattern."""
    return {p.answer for p in pairs if p.kind == kind and re.search(pattern, p.question, re.I)}


@pytest.mark.parametrize(
    ("references", "kind", "pattern", "expected"),
    [
        (SNOW_DOG, "colour", r"colou?r (is|of) the dog\b", {"Black."}),
        (SNOW_DOG, "colour", r"collar", {"Red."}),
        (SNOW_DOG, "colour", r"the ball\b", {"Yellow."}),
        (SNOW_DOG, "number", r"how many dogs", {"One."}),
        (SNOW_DOG, "what", r"animal", {"A dog."}),
        (SNOW_DOG, "what", r"the dog carrying|dog is carrying", {"A ball.", "A yellow ball."}),
        (
            SNOW_DOG,
            "where",
            r"where is this (pic|photo|image|happen)|where is this\?",
            {"In the snow."},
        ),
        (SNOW_DOG, "where", r"the ball", {"In the dog's mouth."}),
        (BEACH_BOYS, "number", r"how many boys", {"Two."}),
        (BEACH_BOYS, "number", r"how many people", {"Two."}),
        (BEACH_BOYS, "who", r"who is in th", {"Two boys."}),
        (BEACH_BOYS, "what", r"sport|game", {"Soccer."}),
        (BEACH_BOYS, "where", r"where is this\?|take place", {"On the beach."}),
        (RIDER, "colour", r"shirt", {"Red."}),
        (RIDER, "what", r"the man (is )?riding", {"A bike.", "A bicycle."}),
        (RIDER, "what", r"the man (is )?wearing", {"A red shirt and a helmet."}),
        (RIDER, "who", r"who is in th", {"A man."}),
        (RIDER, "who", r"on the bike\?", {"A man."}),
        (KITCHEN, "where", r"where is this\?|take place", {"In a kitchen."}),
        (KITCHEN, "who", r"who is in th", {"A woman."}),
        (GROUP, "who", r"who is in th", set()),
        (GROUP, "number", r"people", set()),
        (UNSURE, "who", r"who", set()),
    ],
)
def test_expected_answers(
    asker: CaptionQuestions, references: list[str], kind: str, pattern: str, expected: set[str]
) -> None:
    assert answers(everything(asker, references), kind, pattern) == expected


def test_doing_answers_with_the_captions_action(asker: CaptionQuestions) -> None:
    doing = answers(everything(asker, SNOW_DOG), "doing", "the dog")
    assert {"Running through the snow.", "Running in the snow.", "Carrying a yellow ball."} <= doing
    doing = answers(everything(asker, BEACH_BOYS), "doing", "the boys")
    assert {"Playing soccer on the beach.", "Kicking a soccer ball on the sand."} <= doing


def test_captions_that_disagree_are_not_asked_about(asker: CaptionQuestions) -> None:
    references = ["A red car .", "A blue car on a street .", "A car ."]
    assert not answers(everything(asker, references), "colour", "car")
    references = ["Two dogs run .", "Three dogs run .", "Two dogs play ."]
    assert not answers(everything(asker, references), "number", "dogs")
    words = " ".join(p.question for p in everything(asker, UNSURE) if p.kind == "doing")
    assert not re.search(r"\b(man|woman)\b", words)


def test_disputed_details_are_not_answers(asker: CaptionQuestions) -> None:
    hats = [f"A woman wearing a {colour} hat is smiling ." for colour in ("blue", "grey", "black")]
    assert not answers(everything(asker, hats), "what", "wearing")
    counts = ["Three people sit by a fire ."] * 2 + ["Four people sit around a fire ."]
    assert not answers(everything(asker, counts), "who", "who")
    water = ["Three people look across the water .", "Three people look across the water ."]
    assert not answers(everything(asker, water), "where", "where")


def test_one_of_two_dogs_is_named_by_its_colour(asker: CaptionQuestions) -> None:
    references = ["A black dog chases a white dog .", "Two dogs run in the grass ."]
    pairs = {p for p in everything(asker, references) if p.kind == "doing"}
    assert answers(pairs, "doing", "the black dog") == {"Chasing a white dog."}
    assert not answers(pairs, "doing", r"the dog\b")


def test_people_have_no_colour(asker: CaptionQuestions) -> None:
    references = ["A black man in a white hat ."] * 3
    assert not answers(everything(asker, references), "colour", r"the man( in [^']*)?\?$")


# -- presence -------------------------------------------------------------------------------------

_SUBJECTS = (
    "man",
    "woman",
    "boy",
    "girl",
    "child",
    "person",
    "puppy",
    "horse",
    "surfer",
    "cyclist",
)
_THINGS = ("ball", "frisbee", "skateboard", "guitar", "couch", "bike", "umbrella", "hat", "camera")
_PLACES = ("on the beach", "in the snow", "in a lake", "on a street", "in a kitchen", "in a field")


def _made_up(rng: random.Random) -> list[str]:
    subject, thing, place = rng.choice(_SUBJECTS), rng.choice(_THINGS), rng.choice(_PLACES)
    return [
        f"A {subject} with {article(thing)} {thing} is standing {place} .",
        f"A {subject} stands {place} .",
        f"A {subject} next to {article(thing)} {thing} .",
        f"The {subject} is {place} .",
        f"A {rng.choice(('young', 'small', 'large'))} {subject} outside .",
    ]


def _denied_concept(question: str) -> str:
    words = vocabulary()
    for width in (3, 2, 1):
        tokens = re.findall(r"[a-z-]+", question.lower())
        for at in range(len(tokens) - width + 1):
            noun = words.surface.get(" ".join(tokens[at : at + width]))
            if noun is not None and noun.concept not in {"picture", "area"}:
                return noun.concept
    raise AssertionError(question)


def test_no_never_contradicts_a_caption(asker: CaptionQuestions) -> None:
    words = vocabulary()
    rng = random.Random(3)
    scenes = [_made_up(rng) for _ in range(150)] + SCENES
    checked = 0
    for references in scenes:
        named = {concept for text in references for concept in read_caption(text).touched}
        pairs = asker.generate(references, rng, per_kind=4) + asker.presence_set(references, rng)
        for pair in pairs:
            if pair.answer != "No.":
                continue
            denied = _denied_concept(pair.question)
            checked += 1
            for concept in named:
                assert not words.related(denied, concept), (references, pair)
                group = words.group[denied]
                assert group == "people" or denied not in words.entailed(concept), (
                    references,
                    pair,
                )
    assert checked > 300


@pytest.mark.parametrize(
    ("references", "unsafe"),
    [
        (["A person on a bike ."] * 5, {"man", "woman", "boy", "girl", "child", "motorcycle"}),
        (["A child plays ."] * 5, {"boy", "girl", "baby", "man", "woman"}),
        (["A girl runs ."] * 5, {"woman", "child", "person"}),
        (["A man in a crowd ."] * 5, {"woman", "child", "girl"}),
        (["A puppy on the sand ."] * 5, {"dog", "beach", "ocean", "water", "animal"}),
        (["A surfer in the ocean ."] * 5, {"surfboard", "person", "beach", "lake", "water"}),
        (["A dog on a leash ."] * 5, {"person", "man", "woman"}),
        (["A toddler on a sofa ."] * 5, {"couch", "child", "pillow", "chair"}),
    ],
)
def test_what_a_caption_implies_is_never_denied(
    asker: CaptionQuestions, references: list[str], unsafe: set[str]
) -> None:
    for seed in range(150):
        for pair in asker.presence_set(references, random.Random(seed)):
            if pair.answer == "No.":
                assert _denied_concept(pair.question) not in unsafe, pair


def test_the_other_gender_is_denied_only_when_three_captions_are_sure(
    asker: CaptionQuestions,
) -> None:
    def denied(references: list[str]) -> set[str]:
        found = set()
        for seed in range(300):
            for pair in asker.generate(references, random.Random(seed)):
                if pair.answer == "No.":
                    found.add(_denied_concept(pair.question))
        return found

    assert "woman" in denied(["A man reads a book ."] * 5)
    assert "woman" not in denied(["A man reads a book ."] * 2 + ["Reading a book ."] * 3)


def test_presence_set_is_balanced_and_canonical(asker: CaptionQuestions) -> None:
    pairs = asker.presence_set(SNOW_DOG, random.Random(0))
    assert [p.answer for p in pairs] == ["Yes."] * 3 + ["No."] * 3
    assert {p.hard for p in pairs[3:]} == {"random", "popular", "co-occurring"}
    assert {p.hard for p in pairs[:3]} == {""}
    for pair in pairs:
        assert re.fullmatch(r"(Is|Are) there .+ in the picture\?", pair.question)
    yes = {_denied_concept(p.question) for p in pairs[:3]}
    assert yes <= {"dog", "snow", "ball", "animal"}


def test_presence_set_asks_only_what_two_captions_name(asker: CaptionQuestions) -> None:
    references = ["A dog on a couch .", "A dog .", "A dog runs .", "A dog and a lamp .", "A dog ."]
    for seed in range(40):
        for pair in asker.presence_set(references, random.Random(seed)):
            assert pair.answer == "No." or _denied_concept(pair.question) in {"dog", "animal"}


# -- unanswerable ---------------------------------------------------------------------------------


def test_heldout_wordings_are_disjoint() -> None:
    names = [name for name in vars(cannot) if name[0] != "_" and name.isupper()]
    trained: set[str] = set()
    unseen: set[str] = set()
    for name in names:
        texts = getattr(cannot, name)
        kept, held = cannot.split(texts, heldout=False), cannot.split(texts, heldout=True)
        assert kept and held and not set(kept) & set(held)
        assert set(kept) | set(held) == set(texts) and len(set(texts)) == len(texts)
        trained.update(kept)
        unseen.update(held)
    assert len(cannot.PERSON + cannot.ANIMAL + cannot.ANY) >= 60
    assert not trained & unseen
    assert 0.15 < len(unseen) / len(trained | unseen) < 0.3


def test_heldout_questions_never_appear_in_training(asker: CaptionQuestions) -> None:
    trained: set[str] = set()
    held: set[str] = set()
    for seed in range(400):
        rng = random.Random(seed)
        trained |= {p.question for p in asker.generate(RIDER, rng) if p.kind == "unanswerable"}
        held |= {p.question for p in asker.unanswerable(RIDER, rng, 2, heldout=True)}
    assert held and trained and not held & trained


def test_unanswerable_gives_what_was_asked_for(asker: CaptionQuestions) -> None:
    for references in SCENES:
        pairs = asker.unanswerable(references, random.Random(1), 4)
        assert len({p.question for p in pairs}) == 4
        assert {(p.answer, p.kind) for p in pairs} == {(CANT_TELL, "unanswerable")}


def test_answerable_is_never_refused(asker: CaptionQuestions) -> None:
    pairs = asker.answerable(SNOW_DOG, random.Random(2), 5)
    assert len(pairs) == 5
    assert all(p.answer != CANT_TELL for p in pairs)


# -- form -----------------------------------------------------------------------------------------


def test_same_seed_same_questions(asker: CaptionQuestions) -> None:
    for references in SCENES:
        first = asker.generate(references, random.Random(7))
        again = CaptionQuestions(SCENES * 3).generate(references, random.Random(7))
        assert first == again
        assert first != asker.generate(references, random.Random(8))


def test_every_pair_is_well_formed(asker: CaptionQuestions) -> None:
    kinds = set()
    for references in SCENES:
        for pair in everything(asker, references, rounds=30):
            kinds.add(pair.kind)
            assert pair.question[0].isupper() and pair.question.endswith("?")
            assert pair.answer[0].isupper() and pair.answer.endswith(".")
            assert "_" not in pair.question + pair.answer
            assert not re.search(r"[{}]|  ", pair.question + pair.answer)
            assert not re.search(r"\ba [aeio]\w", pair.question + pair.answer), pair
            assert not re.search(r"\ban [^aeiouhAS]", pair.question + pair.answer), pair
            assert len(pair.answer.split()) <= 9
            if pair.kind == "presence":
                assert pair.answer in {"Yes.", "No."}
    assert kinds == set(KINDS)


def test_nothing_to_ask_about_is_no_error(asker: CaptionQuestions) -> None:
    for references in ([], [""], ["."], ["xyzzy"], ["the of and"]):
        pairs = asker.generate(references, random.Random(0))
        assert all(p.kind in {"presence", "unanswerable"} for p in pairs)
        assert asker.presence_set(references, random.Random(0)) == []
        assert asker.describe_requests(references, random.Random(0)) == []


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("dog", "a dog"),
        ("umbrella", "an umbrella"),
        ("unicycle", "a unicycle"),
        ("ATV", "an ATV"),
        ("ice_skate", "an ice skate"),
        ("uniform", "a uniform"),
        ("snow", "snow"),
        ("sunglasses", "sunglasses"),
        ("Christmas_tree", "a Christmas tree"),
    ],
)
def test_articles(word: str, text: str) -> None:
    assert one_of(word) == text


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("man", "men"),
        ("policeman", "policemen"),
        ("child", "children"),
        ("bench", "benches"),
        ("puppy", "puppies"),
        ("toy", "toys"),
        ("bus", "buses"),
        ("scarf", "scarves"),
        ("soccer player", "soccer players"),
        ("sheep", "sheep"),
        ("pants", "pants"),
    ],
)
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many


@pytest.mark.parametrize(
    ("base", "ing", "third"),
    [
        ("run", "running", "runs"),
        ("ride", "riding", "rides"),
        ("lie", "lying", "lies"),
        ("carry", "carrying", "carries"),
        ("catch", "catching", "catches"),
        ("play", "playing", "plays"),
        ("ski", "skiing", "skis"),
        ("trot", "trotting", "trots"),
    ],
)
def test_verb_forms(base: str, ing: str, third: str) -> None:
    assert (gerund(base), third_person(base)) == (ing, third)


@pytest.mark.parametrize(
    ("caption", "subject", "phrase"),
    [
        ("A brown dog runs across the grass .", "dog", "running across the grass"),
        ("A man in a red shirt is climbing a rock .", "man", "climbing a rock"),
        ("Two women walk and talk .", "women", "walking"),
        ("A girl wearing a hat jumps into a pool .", "girl", "jumping into a pool"),
        ("A boy sits on a bench while his mother reads .", "boy", "sitting on a bench"),
        ("Two dogs look at each other .", "dogs", "looking at each other"),
        ("A player in white swings the bat .", "player", "swinging the bat"),
        ("A dog near a man running .", "dog", ""),
        ("A red ball .", "", ""),
    ],
)
def test_reading_a_caption(caption: str, subject: str, phrase: str) -> None:
    read = read_caption(caption)
    assert " ".join(m.word for m in read.subjects) == subject
    found = action_phrase(read, gerund_of=gerund(read.verb)) if read.verb else ""
    assert found == phrase


def test_reading_noun_phrases() -> None:
    read = read_caption("Two brown dogs and a black and white puppy near a rock wall .")
    found = [(m.concept, m.count, m.colour) for m in read.mentions]
    assert found == [("dog", 2, "brown"), ("dog", 1, "black and white"), ("wall", 1, "")]
    assert "rock" in read.touched
    toys = read_caption("A boy with a stuffed dog looks at the camera without a hat .")
    assert [m.concept for m in toys.mentions if m.plain] == ["boy"]


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("a dog runs .", "A dog runs."),
        ("A dog , wet , runs", "A dog, wet, runs."),
        ("The boy 's hat .", "The boy's hat."),
        ('A sign that says " stop " .', 'A sign that says "stop".'),
        ("Two dogs run ..", "Two dogs run."),
        ("  A   man jumps . ", "A man jumps."),
        ("Look at that !", "Look at that!"),
        ('" Hello " says a man .', '"Hello" says a man.'),
        ("", ""),
    ],
)
def test_clean_caption(raw: str, clean: str) -> None:
    assert clean_caption(raw) == clean


def test_descriptions(asker: CaptionQuestions) -> None:
    for references in SCENES:
        for detail, request, answer in asker.describe_requests(references, random.Random(4)):
            assert detail in {"short", "detailed"}
            assert request[0].isupper() and request.endswith((".", "?"))
            assert answer[0].isupper() and answer.endswith(".")
            sentences = re.findall(r"[^.]+\.", answer)
            if detail == "short":
                assert len(answer.split()) <= 8 and len(sentences) == 1
            else:
                assert 2 <= len(sentences) <= 3
                assert len(sentences[0].split()) >= len(sentences[-1].split())
    found = {d: a for d, _, a in asker.describe_requests(SNOW_DOG, random.Random(0))}
    assert found["short"] == "A dog carrying a yellow ball."


def test_tables_are_consistent() -> None:
    words = vocabulary()
    for concept, parents in words.parents.items():
        assert parents <= set(words.group), concept
        assert concept not in words.ancestors(concept)
    assert not MASS & PAIRS
