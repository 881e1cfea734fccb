"""Conversations with what a good desk does with them, and how the agent does.

cases.py     the form of a case and its reader
desk.py      a desk to try them on, apart from the user's data
running.py   each case through the agent
judging.py   what is right about a reply, and totals

{"id": "q1", "kind": "photo", "turns": [{"text": "where is this from?", "images": ["a.webp"]}],
 "expect": {"tools": ["label_image", "search_knowledge"], "contains_any": ["Italy"],
            "contains_none": ["Spain"], "cites_any": ["Golden-Delicious"],
            "outcome": "answered"}}
"""

from adapters.agent_cases.cases import Case, Expect, read_cases
from adapters.agent_cases.judging import Judged, judge, totals
from adapters.agent_cases.running import run_cases

__all__ = ["Case", "Expect", "Judged", "judge", "read_cases", "run_cases", "totals"]
