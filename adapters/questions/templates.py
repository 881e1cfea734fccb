"""The wordings of questions that a picture can answer.

``{a}`` is the noun with its article, ``{many}`` its plural, ``{x}`` the bare noun, ``{s}`` a
subject with "the", ``{is}`` the verb that agrees, ``{v}`` a verb in -ing, ``{pic}`` "picture" or a
word for it; ``{colour}`` is spelt in either way by whoever fills a template. Some lists repeat
their plainest wording, which is also the one that people use most.
"""

from __future__ import annotations

PICTURES = ("picture", "picture", "photo", "image", "photograph")

PRESENCE_CANONICAL = "Is there {a} in the picture?"
PRESENCE_CANONICAL_MANY = "Are there {many} in the picture?"
PRESENCE = (
    "Is there {a} in the {pic}?",
    "Is there {a} in the {pic}?",
    "Is there {a} in this {pic}?",
    "Is there {a}?",
    "Is there {a} here?",
    "Can you see {a} in the {pic}?",
    "Can you see {a}?",
    "Do you see {a} in this {pic}?",
    "Do you see {a}?",
    "Does the {pic} show {a}?",
    "Does this {pic} contain {a}?",
    "Does the {pic} have {a} in it?",
    "Is {a} visible in this {pic}?",
    "Is {a} shown in the {pic}?",
    "Could you tell me if there is {a} in the {pic}?",
    "Is there {a} anywhere in the {pic}?",
    "Is {a} part of this scene?",
    "Would you say there is {a} in this {pic}?",
)
PRESENCE_MANY = (
    "Are there {many} in the {pic}?",
    "Are there {many} in this {pic}?",
    "Are there any {many} in the {pic}?",
    "Are there any {many}?",
    "Can you see any {many} in the {pic}?",
    "Can you see {many}?",
    "Do you see any {many}?",
    "Do you see any {many} in the {pic}?",
    "Does the {pic} show any {many}?",
    "Does this {pic} contain any {many}?",
    "Are any {many} visible in the {pic}?",
)
PRESENCE_MASS = (
    "Is there any {x} in the {pic}?",
    "Is there {x} in this {pic}?",
    "Is there {x} here?",
    "Is there any {x}?",
    "Can you see any {x}?",
    "Can you see {x} in the {pic}?",
    "Do you see any {x} in this {pic}?",
    "Does the {pic} show {x}?",
    "Is any {x} visible in this {pic}?",
)
COLOUR = (
    "What {colour} is {s}?",
    "What {colour} is {s}?",
    "What is the {colour} of {s}?",
    "Which {colour} is {s}?",
    "What {colour} is {s} in the {pic}?",
    "Can you tell me the {colour} of {s}?",
    "What {colour} would you say {s} is?",
)
COLOUR_MANY = (
    "What {colour} are {s}?",
    "What {colour} are {s}?",
    "What is the {colour} of {s}?",
    "Which {colour} are {s}?",
    "What {colour} are {s} in the {pic}?",
    "Can you tell me the {colour} of {s}?",
)
COLOUR_WORN = (
    "What {colour} is {s} wearing?",
    "Which {colour} is {s} wearing?",
    "What {colour} clothes is {s} wearing?",
    "What {colour} is {s} dressed in?",
)
NUMBER = (
    "How many {many} are there?",
    "How many {many} are there?",
    "How many {many} are in the {pic}?",
    "How many {many} can you see?",
    "How many {many} do you see in this {pic}?",
    "How many {many} are there in this {pic}?",
    "What is the number of {many} in the {pic}?",
    "Count the {many}: how many are there?",
    "How many {many} does the {pic} show?",
)
WHO = (
    "Who is in the {pic}?",
    "Who is in this {pic}?",
    "Who can you see in the {pic}?",
    "Who do you see here?",
    "Who is this {pic} of?",
    "Who is shown in the {pic}?",
)
WHO_DOES = (
    "Who is {phrase}?",
    "Who is {phrase}?",
    "Who is {phrase} in the {pic}?",
    "Who can be seen {phrase}?",
)
WHAT_OBJECT = (
    "What {is} {s} {v}?",
    "What {is} {s} {v}?",
    "What {is} {s} {v} in the {pic}?",
    "What is it that {s} {is} {v}?",
    "Can you tell me what {s} {is} {v}?",
)
WHAT_ANIMAL = (
    "What animal is in the {pic}?",
    "What kind of animal is this?",
    "What animal is this?",
    "Which animal can you see?",
    "What animal do you see in the {pic}?",
    "What type of animal is shown here?",
    "Which animal is in this {pic}?",
)
WHAT_GAME = (
    "What are they playing?",
    "What sport is this?",
    "What sport is being played?",
    "Which sport is shown in the {pic}?",
    "What game is being played?",
    "What sport can you see in this {pic}?",
)
WHERE = (
    "Where is this?",
    "Where is this {pic} set?",
    "Where does this take place?",
    "Where is the scene?",
    "What place is shown here?",
    "Where is this happening?",
)
WHERE_THING = (
    "Where {is} {s}?",
    "Where {is} {s} in this {pic}?",
    "Can you tell me where {s} {is}?",
    "Where can you see {s}?",
)
WHERE_SUBJECT = (
    "Where {is} {s}?",
    "Where {is} {s}?",
    "Where {is} {s} in this {pic}?",
    "Where can {s} be seen?",
    "Can you tell me where {s} {is}?",
    "In what place {is} {s}?",
)
DOING = (
    "What {is} {s} doing?",
    "What {is} {s} doing?",
    "What {is} {s} doing in the {pic}?",
    "What {is} {s} doing here?",
    "What {is} {s} up to?",
    "Can you tell me what {s} {is} doing?",
    "What does {s} seem to be doing?",
)
SHORT = (
    "Describe this {pic} briefly.",
    "Describe the {pic} in a few words.",
    "Give a short caption for this {pic}.",
    "Write a short title for this {pic}.",
    "What is this, in a few words?",
    "Caption this {pic} in eight words or fewer.",
    "Sum up the {pic} in a few words.",
    "Short description, please.",
)
DETAILED = (
    "Describe this {pic} in detail.",
    "Give a detailed description of the {pic}.",
    "Describe everything that you see in this {pic}.",
    "Tell me about this {pic} in detail.",
    "Write a few sentences about this {pic}.",
    "What is in the {pic}? Be thorough.",
    "Describe the scene in two or three sentences.",
    "Please give me a long description of this {pic}.",
)
