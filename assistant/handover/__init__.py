"""When a person is to take over: whoever asks for one, and topics that an operator has listed.

>>> asks_for_person("Could you put me through to somebody?")
True
>>> asks_for_person("Is there a person in the photo?")
False
>>> listed_topic("I want my money back", ["refunds"])
'refunds'

text.py       how a text is compared
wording.py    the rules, which are the same for all languages
latin.py      words of English; european.py, others.py: of other languages
person.py     asks_for_person
topics.py     listed_topic
"""

from assistant.handover.person import asks_for_person
from assistant.handover.topics import listed_topic

__all__ = ["asks_for_person", "listed_topic"]
