"""`ChatLlava`: the engine as one of LangChain's chat models, with pictures, tools and JSON.

model = ChatLlava(engine=Engine.load())
model.invoke([HumanMessage([{"type": "text", "text": "What is this?"},
                            {"type": "image", "base64": "…", "mime_type": "image/jpeg"}])])

model.py        the class
voices.py       who answers: engine, adapter, and their names
asking.py       how an engine is asked for the next message
aside.py        the same beside an event loop
blocks.py       content blocks of every shape → text, pictures, files
documents.py    files → text and pictures of scanned pages
reading.py      messages → turns, pictures, sources of a turn
grammars.py     the forms that an answer is held to
structured.py   JSON of a schema
desk_form.py    how the embedded model is asked at the desk
plain_form.py   how any other model is asked
writing.py      what came of an answer
remembering.py  LangChain's cache of answers
profile.py      what a base can do
"""

from assistant.chat_model.blocks import image_block
from assistant.chat_model.model import ChatLlava
from assistant.chat_model.voices import AGENT_ADAPTER

__all__ = ["AGENT_ADAPTER", "ChatLlava", "image_block"]
