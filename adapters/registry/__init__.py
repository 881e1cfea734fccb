"""The user's adapters: listed, shown, compared, taken in, given away, merged and removed.

They live in the data folder as ``adapters/NAME``; what ships with the product is listed with them
and never changed.
"""

from adapters.registry.exporting import export, merge
from adapters.registry.gate import Requirement, check_requirements, parse_requirement
from adapters.registry.keeping import import_adapter, publish, remove
from adapters.registry.listing import compare, list_adapters, show

__all__ = [
    "Requirement",
    "check_requirements",
    "compare",
    "export",
    "import_adapter",
    "list_adapters",
    "merge",
    "parse_requirement",
    "publish",
    "remove",
    "show",
]
