"""`ChatLlava`: the engine as one of LangChain's chat models, with pictures, tools and JSON.

model = ChatLlava(engine=Engine.load())
model.invoke([HumanMessage([{"type": "text", "text": "What is this?"},
                            {"type": "image", "base64": "…", "mime_type": "image/jpeg"}])])

model.py       the class
reading.py     messages → turns, pictures, sources of a turn
grammars.py    the forms that an answer is held to
desk_form.py   how the embedded model is asked at the desk
plain_form.py  how any other model is asked
"""

from assistant.chat_model.model import AGENT_ADAPTER, ChatLlava

__all__ = ["AGENT_ADAPTER", "ChatLlava"]
