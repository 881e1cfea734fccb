"""A base elsewhere: any OpenAI-compatible vision server behind the engine's own methods.

    export SIGHTDESK_BASE=openai:llava-1.5-7b@http://localhost:8000/v1
    sightdesk ask photo.jpg "What is it?"

address.py     ``openai:MODEL@URL``, checked
client.py      requests and streams: time limits and retries
wire.py        bodies and events, read up to a size
completion.py  an answer while it is read
dialect.py     what a server does not take, learned from its refusals
troubles.py    what went wrong, in one sentence
pictures.py    pictures as they are sent
forms.py       forms of answers: as JSON schemas where they are such, checked in any case
asking.py      questions as requests, and their answers as the engine's
weighing.py    several answers, and what speaks for each
choosing.py    labels by a server: from the chances of a letter, or by votes
holder.py      the server's models, and what is held for it
engine.py      `RemoteEngine`
examining.py   what a server is found to have, for `sightdesk doctor`
"""

from assistant.remote.address import Address
from assistant.remote.engine import RemoteEngine
from assistant.remote.examining import examine_server

__all__ = ["Address", "RemoteEngine", "examine_server"]
