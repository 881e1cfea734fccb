"""Tools that the desk's adapter was never trained on: is one called when it should be, and which?

    python -m tests.benchmarks.foreign_tools --json

Requests that hold what a tool needs, and others (greetings, or what a tool needs is missing), each
with none, one and three tools beside it. Told are the shares that are right at the level of
`assistant.chat_model.leaning.CALL_FROM` and at 0.5, which is the likelier of call and words; and
how often the tool that is meant is found, by the model and by the embedder.
"""

from __future__ import annotations

import argparse
import json
import random
from typing import Any, Final

from langchain_core.messages import HumanMessage

from assistant import desk_prompts
from assistant.chat_model import AGENT_ADAPTER
from assistant.chat_model.desk_form import DeskForm
from assistant.chat_model.leaning import CALL_FROM, nearest_tool, share_of_calls
from assistant.chat_model.reading import exchanges, read
from assistant.default_engine import default_engine
from assistant.desk_prompts import ToolLine
from assistant.engine import Sampling, Turn
from assistant.settings import get_settings

TOOLS: Final = (
    ToolLine("get_weather", "Get the weather at a location.", ("location",)),
    ToolLine("search_orders", "Look up the state of an order by its number.", ("order_number",)),
    ToolLine("add", "Add two numbers.", ("a", "b")),
    ToolLine("send_email", "Send an email.", ("to", "subject", "body")),
    ToolLine(
        "find_flights", "Find flights between two cities.", ("origin", "destination", "date?")
    ),
    ToolLine("stock_price", "Current price of a share.", ("symbol",)),
    ToolLine("translate", "Translate a text into another language.", ("text", "language")),
    ToolLine("current_time", "Tell the time in a city.", ("city",)),
    ToolLine(
        "convert_currency",
        "Convert money from one currency to another.",
        ("amount", "source", "target"),
    ),
    ToolLine("set_reminder", "Set a reminder.", ("text", "time")),
)
CALLS: Final = (
    ("get_weather", "What is the weather in San Francisco, CA?"),
    ("get_weather", "Weather in Paris?"),
    ("get_weather", "Is it raining in Oslo?"),
    ("get_weather", "Do I need an umbrella in London today?"),
    ("get_weather", "Tell me the weather for Tokyo"),
    ("search_orders", "Where is order 12345?"),
    ("search_orders", "Has order A-991 been shipped?"),
    ("search_orders", "Status of 88213 please"),
    ("add", "What is 3 + 4"),
    ("add", "Add 17 and 25"),
    ("add", "How much is 12 plus 30?"),
    ("send_email", "Send an email to bob@example.com with subject Hi and say hello"),
    ("find_flights", "Find me flights from Berlin to Rome"),
    ("find_flights", "How do I fly from Oslo to Madrid on Friday?"),
    ("stock_price", "What is the price of AAPL?"),
    ("stock_price", "How is TSLA doing?"),
    ("translate", "Translate 'good morning' into French"),
    ("translate", "How do you say cheese in German?"),
    ("current_time", "What time is it in Tokyo?"),
    ("current_time", "Current time in New York"),
    ("convert_currency", "Convert 100 dollars to euros"),
    ("convert_currency", "How many yen are 20 pounds?"),
    ("set_reminder", "Remind me to buy milk at 6 pm"),
)
OTHERS: Final = (
    ("get_weather", "How is the weather?"),
    ("get_weather", "Hello!"),
    ("get_weather", "Thanks a lot"),
    ("get_weather", "Who are you?"),
    ("get_weather", "Good morning"),
    ("search_orders", "Where is my order?"),
    ("search_orders", "Hi"),
    ("search_orders", "My parcel has not come"),
    ("search_orders", "Thank you, that helped."),
    ("add", "Hello"),
    ("add", "Can you add something for me?"),
    ("send_email", "Send an email."),
    ("send_email", "Bye"),
    ("find_flights", "I want to fly somewhere"),
    ("find_flights", "Find me a flight"),
    ("stock_price", "What is the share price?"),
    ("stock_price", "Hey there"),
    ("translate", "Can you translate something?"),
    ("translate", "Good evening"),
    ("current_time", "What can you do?"),
    ("current_time", "Thanks!"),
    ("convert_currency", "I have a question about currencies"),
    ("convert_currency", "Hi there!"),
    ("set_reminder", "Set a reminder"),
    ("set_reminder", "ok"),
)

BESIDE: Final = (0, 1, 3)


def offered(name: str, beside: int, order: random.Random) -> list[ToolLine]:
    """The tool of that name among so many others, in any order."""
    others = order.sample([tool for tool in TOOLS if tool.name != name], beside)
    found = [next(tool for tool in TOOLS if tool.name == name), *others]
    order.shuffle(found)
    return found


def likeliest(tools: list[ToolLine], question: str, form: DeskForm) -> str:
    """The tool that the model would call."""
    lines = desk_prompts.decision(tools, exchanges(read([HumanMessage(question)])))
    chances = form.engine.chances(
        [Turn(role, text) for role, text in lines],
        [f"{desk_prompts.CALL}{tool.name}" for tool in tools],
        adapter=form.adapter,
    )
    return max(zip(chances, tools, strict=True), key=lambda pair: pair[0])[1].name


def measured(seed: int = 0) -> dict[str, Any]:
    """The shares, by the number of tools beside the one that is meant."""
    settings = get_settings()
    form = DeskForm(default_engine(settings), AGENT_ADAPTER, "", Sampling())
    found: dict[str, Any] = {}
    for beside in BESIDE:
        order = random.Random(seed)

        def share(name: str, question: str) -> float:
            tools = offered(name, beside, order)  # noqa: B023
            return share_of_calls(tools, read([HumanMessage(question)]), form)

        calls = [share(*each) for each in CALLS]
        others = [share(*each) for each in OTHERS]
        row = {
            f"{what} at {level}": sum(right) / len(right)
            for level in (CALL_FROM, 0.5)
            for what, right in (
                ("calls", [each >= level for each in calls]),
                ("others", [each < level for each in others]),
            )
        }
        if beside:
            asked = [(name, offered(name, beside, order), said) for name, said in CALLS]
            by_model = [likeliest(tools, said, form) == name for name, tools, said in asked]
            near = [nearest_tool(said, tools, settings) == name for name, tools, said in asked]
            row["tool by the model"] = sum(by_model) / len(by_model)
            row["tool by the embedder"] = sum(near) / len(near)
        found[f"{beside} beside"] = {what: round(value, 3) for what, value in row.items()}
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="One JSON object.")
    options = parser.parse_args()
    found = measured()
    if options.json:
        print(json.dumps(found))
        return
    for row, values in found.items():
        print(row, *(f"  {what}: {value:.2f}" for what, value in values.items()), sep="\n")


if __name__ == "__main__":
    main()
