"""Several answers of a server, and what speaks for each.

A server neither searches with beams nor says how likely a given text is. So candidates are drawn,
and weighed by what it does tell: the chances of the tokens that it wrote (``logprobs``), where it
has them, and how much a candidate agrees with the others (minimum Bayes risk, see
`assistant.rerank`). What is only habit, which the engine here learns from a grey picture, is not
known, and counts as 0.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from assistant.engine.values import Answer, Sampling
from assistant.errors import SightdeskError
from assistant.remote.asking import as_answer
from assistant.remote.completion import Completion
from assistant.rerank import AGREEMENT_WEIGHT, Evidence, agreement, score

if TYPE_CHECKING:
    from assistant.remote.engine import RemoteEngine

DRAWN: Final = 6
"""Candidates beside the likeliest one."""

VOTES: Final = 5
TOP_CHANCES: Final = 20
"""Tokens at one place whose chances are told: the most that OpenAI and vLLM tell."""

_CHANCE_TOKENS: Final = 12
_WARM: Final = 0.8


def asking_chances(engine: RemoteEngine, body: dict[str, Any], top: int) -> dict[str, Any]:
    """A request that asks for the chances of its tokens too, where the server is known to tell."""
    if not engine.client.dialect.takes("logprobs"):
        return body
    return body | {"logprobs": True, "top_logprobs": top}


def note_chances(engine: RemoteEngine, told: Completion) -> bool:
    """Whether chances came; a server that keeps them for itself is asked for none from then on."""
    if told.tokens:
        return True
    if told.written:
        engine.client.dialect.lacks("logprobs", "top_logprobs")
    return False


def likeliest(engine: RemoteEngine, body: dict[str, Any], sampling: Sampling) -> Answer:
    """The likeliest of as many answers as beams are asked for; without chances the most agreed on.

    Raises:
        SightdeskError: not one of them came.
    """
    found = _drawn(engine, body, sampling.beams, sampling.seed)
    if all(evidence.seen for _, evidence in found):
        answer = max(found, key=lambda each: each[1].seen * max(each[0].tokens, 1))[0]
    else:
        answer = best(found)
    for stop in sampling.stop:
        answer = replace(answer, text=answer.text.split(stop)[0])
    return answer


def weigh(
    engine: RemoteEngine, body: dict[str, Any], seed: int | None
) -> list[tuple[Answer, Evidence]]:
    """Different answers, the greedy one among them, and what speaks for each.

    `Evidence.seen` is the mean log-probability of a token, in nats; 0 where the server tells none.

    Raises:
        SightdeskError: not one of them came.
    """
    return _drawn(engine, body, DRAWN + 1, seed)


def best(found: Sequence[tuple[Answer, Evidence]]) -> Answer:
    """The one that most speaks for."""
    return max(found, key=lambda each: score(each[1], 0.0, AGREEMENT_WEIGHT))[0]


def _drawn(
    engine: RemoteEngine, body: dict[str, Any], count: int, seed: int | None
) -> list[tuple[Answer, Evidence]]:
    began = time.perf_counter()
    greedy = {name: value for name, value in body.items() if name not in ("top_p", "seed")}
    first = asking_chances(engine, greedy | {"temperature": 0.0}, 1)
    bodies = [first]
    for number in range(count - 1):
        more: dict[str, Any] = {"temperature": _WARM, "top_p": 0.95}
        if seed is not None:
            more["seed"] = (seed + number) % 2**63
        bodies.append(first | more)
    told = engine.client.complete_all(bodies)
    there = [each for each in told if isinstance(each, Completion)]
    if not there:
        raise next(each for each in told if isinstance(each, SightdeskError))
    note_chances(engine, there[0])
    by_text = {each.text.strip(): each for each in reversed(there)}
    texts = list(reversed(by_text))
    agreed = agreement(texts)
    seconds = time.perf_counter() - began
    return [
        (
            replace(as_answer(by_text[text], began), seconds=seconds),
            Evidence(_mean(by_text[text]), 0.0, share),
        )
        for text, share in zip(texts, agreed, strict=True)
    ]


def _mean(told: Completion) -> float:
    tokens = told.tokens
    return sum(token.chance for token in tokens) / len(tokens) if tokens else 0.0


def chances(engine: RemoteEngine, body: dict[str, Any], starts: Sequence[str]) -> list[float]:
    """How likely an answer begins with each text.

    From the chances of the first token: those of all that agree with the text, as far as they go,
    are summed. That is not less than the truth, and the truth itself where the first token decides.
    A server that tells no chances is asked `VOTES` times.
    """
    if engine.client.dialect.takes("logprobs"):
        asked = asking_chances(engine, body | {"max_tokens": 1}, TOP_CHANCES)
        told = engine.client.complete(asked)
        if note_chances(engine, told):
            others = told.tokens[0].others or ((told.tokens[0].text, told.tokens[0].chance),)
            return [
                min(1.0, sum(math.exp(chance) for text, chance in others if _agrees(text, start)))
                for start in starts
            ]
    drawn = body | {"temperature": 1.0, "max_tokens": _CHANCE_TOKENS}
    votes = engine.together([drawn | {"seed": number} for number in range(VOTES)])
    said = [each.text.strip() for each in votes]
    return [sum(text.startswith(start.strip()) for text in said) / VOTES for start in starts]


def _agrees(token: str, start: str) -> bool:
    token, start = token.strip(), start.strip()
    return bool(token) and (start.startswith(token) or token.startswith(start))
