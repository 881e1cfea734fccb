"""Questions that no picture answers, and the wordings of questions about what is not there.

``{s}`` is the subject with "the" ("the man"), ``{is}``/``{does}``/``{has}``/``{was}`` agree with
it, ``{s_own}`` is its genitive, ``{x}`` and ``{many}`` are the absent noun. Every fifth template of
each list is held out of training, so that an evaluation can ask in wordings that the model has not
seen; :func:`split` tells the two parts apart.
"""

from __future__ import annotations

PERSON = (
    "What is the name of {s}?",
    "What {is} {s} thinking?",
    "How many brothers and sisters {does} {s} have?",
    "What is {s_own} name?",
    "Where {was} {s} born?",
    "What is {s_own} job?",
    "What did {s} eat for breakfast?",
    "What is {s_own} phone number?",
    "Where {does} {s} live?",
    "What {does} {s} do for a living?",
    "What time will {s} get home?",
    "What is {s_own} favourite film?",
    "What did {s} do yesterday?",
    "Who is {s_own} best friend?",
    "What language {does} {s} speak at home?",
    "What will {s} do tomorrow?",
    "How much {does} {s} weigh, to the kilogram?",
    "What is {s_own} birthday?",
    "Which school did {s} go to?",
    "How much money {does} {s} earn?",
    "What {does} {s} like to read?",
    "What is {s_own} email address?",
    "How old exactly {is} {s}?",
    "What did {s} dream about last night?",
    "Which football club {does} {s} support?",
    "{is_c} {s} married?",
    "What is {s_own} surname?",
    "What {is} {s} going to eat tonight?",
    "What did {s} say just before this?",
    "What is {s_own} blood type?",
    "Which party did {s} vote for?",
    "How long {has} {s} been here?",
    "What {is} {s} worried about?",
    "How did {s} get here?",
    "Which country {is} {s} from?",
    "What is {s_own} favourite food?",
    "{does_c} {s} have a passport?",
    "When did {s} last see a doctor?",
    "Who taught {s} to do this?",
    "What {is} {s} hoping for?",
)
ANIMAL = (
    "What is the name of {s}?",
    "What is {s_own} name?",
    "How old is {s} in months?",
    "Who owns {s}?",
    "What did {s} eat this morning?",
    "How much does {s} weigh?",
    "Where was {s} born?",
    "What is {s} thinking about?",
    "Has {s} been vaccinated?",
    "How much did {s} cost?",
    "What does {s} like best to eat?",
    "When did {s} last sleep?",
    "What is {s_own} owner called?",
    "What will {s} do next week?",
    "Where does {s} sleep at night?",
    "How many times a day is {s} fed?",
    "Who trained {s}?",
    "What is the microchip number of {s}?",
)
ANY = (
    "Which city was this taken in?",
    "Who took this picture?",
    "What is behind the camera?",
    "What song is playing?",
    "What happened before this picture was taken?",
    "What happened right after this?",
    "On what date was this photo taken?",
    "What was the temperature when this was taken?",
    "What camera was used to take this photo?",
    "What time will it get dark there?",
    "How much did this trip cost?",
    "What does it smell like there?",
    "Who will look at this picture first?",
    "What year was this photo taken?",
    "What is the name of this place?",
    "How far is the nearest train station from here?",
    "Who is standing behind the photographer?",
    "What day of the week was it?",
    "What is the photographer's name?",
    "What sounds could be heard?",
    "What was the weather like the day before?",
    "How many people live in this town?",
    "What is the exact address of this place?",
    "What is the wifi password here?",
    "What will happen in ten minutes?",
    "Why was this picture taken?",
    "Who paid for all of this?",
    "What is the postcode of this place?",
    "Which street is just around the corner?",
    "How long did they stay here?",
    "What did they talk about afterwards?",
    "How many photos were taken that day?",
)
# Only forms that are also asked, and answered, about what is there: otherwise the wording alone
# would give the answer away.
ABSENT = (
    "What {colour} is the {x}?",
    "How many {many} are there?",
    "Which {colour} is the {x}?",
    "What is the {colour} of the {x}?",
    "How many {many} can you see?",
    "Where is the {x} in this {pic}?",
    "Where is the {x}?",
    "Can you tell me where the {x} is?",
    "How many {many} are in the {pic}?",
    "What {colour} is the {x} in the {pic}?",
    "Can you tell me the {colour} of the {x}?",
    "Where can you see the {x}?",
    "What {colour} would you say the {x} is?",
)
ABSENT_HELD = (
    "Who is holding the {x}?",
    "Who is carrying the {x}?",
    "Who is holding the {x} in the {pic}?",
)
ABSENT_RIDDEN = (
    "Who is riding the {x}?",
    "Who is on the {x}?",
    "Who is riding the {x} in the {pic}?",
)
ABSENT_MASS = (
    "What {colour} is the {x}?",
    "Where is the {x}?",
    "Can you tell me where the {x} is?",
    "What is the {colour} of the {x}?",
    "Where is the {x} in this {pic}?",
)
ABSENT_MANY = (
    "What {colour} are the {x}?",
    "Where are the {x}?",
    "Which {colour} are the {x}?",
    "What is the {colour} of the {x}?",
    "Who is wearing the {x}?",
)
ABSENT_PERSON = (
    "What is the {x} holding?",
    "What is the {x} doing?",
    "What {colour} is the {x}'s hat?",
    "What is the {x} wearing?",
    "Where is the {x}?",
    "What is the {x} riding?",
    "What {colour} is the {x}'s shirt?",
    "What {colour} is the {x} wearing?",
    "What is the {x} carrying?",
    "What is the {x} doing in the {pic}?",
    "How many {many} are there?",
    "What {colour} is the {x}'s jacket?",
    "Where is the {x} in this {pic}?",
    "Can you tell me what the {x} is doing?",
)
ABSENT_ANIMAL = (
    "What is the {x} doing?",
    "What {colour} is the {x}?",
    "What is the {x} chasing?",
    "Where is the {x}?",
    "What is the {x} doing in the {pic}?",
    "How many {many} are there?",
    "What is the {colour} of the {x}?",
    "Where is the {x} in this {pic}?",
    "What is the {x} carrying?",
    "Can you tell me what the {x} is doing?",
    "What {colour} is the {x} in the {pic}?",
)


_LISTS = (
    PERSON, ANIMAL, ANY, ABSENT, ABSENT_HELD, ABSENT_RIDDEN, ABSENT_MASS, ABSENT_MANY,
    ABSENT_PERSON, ABSENT_ANIMAL,
)  # fmt: skip
# A wording that stands in two lists is held out of both.
_HELD_OUT = frozenset(text for texts in _LISTS for text in texts[2::5])


def split(templates: tuple[str, ...], *, heldout: bool) -> tuple[str, ...]:
    """The held-out wordings of a list, or all others."""
    return tuple(text for text in templates if (text in _HELD_OUT) == heldout)
