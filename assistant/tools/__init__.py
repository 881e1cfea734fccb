"""Tools of the support desk: standard LangChain tools that see, read, look up and fetch a person.

Each takes words and image ids and returns short text with an artifact that says what it rests on.
They work on their own and in any agent, sync and async:

    >>> tools = {tool.name: tool for tool in build_tools(desk)}
    >>> tools["ask_image"].invoke({"image": "3f2a9c01", "question": "What fruit is this?"})

Trouble that a person can mend comes back as a sentence, never as an exception.
"""

from assistant.tools.build import TOOLS, build_tools
from assistant.tools.desk import Desk, HandOver, adapter_for_labels

__all__ = ["TOOLS", "Desk", "HandOver", "adapter_for_labels", "build_tools"]
