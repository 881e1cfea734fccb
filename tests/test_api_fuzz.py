"""A short run of the benchmark that asks the server whatever its description allows, and not."""

from __future__ import annotations

from tests.benchmarks.fuzz_api import complaints, fuzz


def test_nothing_that_is_asked_breaks_the_server() -> None:
    found = fuzz(300, examples=6, phases="examples,fuzzing")
    assert found["requests"] >= 300
    assert found["failures"] == 0, found
    kinds = {name.partition(":")[0] for name in found["complaints"]}
    # A schema cannot say what base64 is a picture, or which call a tool's result answers.
    assert kinds <= {"Schema-valid request rejected"}, found["complaints"]


def test_a_report_is_read() -> None:
    failure = {"title": "Server error", "operations": ["GET /a", "GET /b"]}
    assert complaints({"failures": [failure]}) == {
        "Server error: GET /a": 1,
        "Server error: GET /b": 1,
    }
