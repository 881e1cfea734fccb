"""How a wish for a person is put, as rules that all languages share.

A language gives its words (`Wording`); the rules say how they must stand to each other. Words are
regular expressions over `text.normalised`, so without accents, each alternative a whole word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

_NEVER = "(?!)"


@dataclass(frozen=True)
class Wording:
    """The words of one language."""

    person: str
    """People of a company: agent, manager, someone."""
    talk: str
    """What is done with them and hardly ever said otherwise: speak to, put me through to."""
    want: str = _NEVER
    """I want, give me: in one clause with `person` they are a wish, but for pictures of people."""
    strong: str = _NEVER
    """Enough alone: human agent, call centre."""
    call: str = _NEVER
    """Enough alone, and no person is named: call me back, escalate this."""
    bots: str = _NEVER
    machines: str = _NEVER
    """What a bot is called that is also something else: computer, program."""
    fed_up: str = _NEVER
    """In one sentence with `bots`, or with `machines` and `talk`: do not want to, sick of."""
    not_a: str = _NEVER
    """Right before `bots`: instead of a."""
    cue: str = ""
    """Somebody asks for themselves: I, me, please. A question needs one where it is given."""
    refusal: str = _NEVER
    """Do not want, no need: the clause then is no wish."""
    breaks: str = _NEVER
    """Words that end a clause: but."""
    bare: str = ""
    """People that are a wish where nothing else is said; empty: `person`."""
    fillers: str = _NEVER
    """What may stand beside `person` where nothing else does: please, now, hello."""
    never: str = _NEVER
    """A sentence with this is no wish, whatever else it has: in the photo, are you a human."""
    spaced: bool = True
    """Whether there are spaces between words."""
    refused_after: bool = False
    """Whether a refusal stands after what is refused, as in Turkish and Japanese."""
    reach: int = 40
    """Characters between the parts of a rule."""
    also: tuple[str, ...] = field(default=())
    """More rules, whole ones."""

    def _words(self, words: str) -> str:
        return rf"(?<!\w)(?:{words})(?!\w)" if self.spaced else f"(?:{words})"

    @cached_property
    def wishes(self) -> re.Pattern[str]:
        """Any of the rules."""
        gap = f"[^,]{{0,{self.reach}}}?"
        person, want = self._words(self.person), self._words(self.want)
        rules = [self._words(self.strong), self._words(self.call), *self.also]
        rules += [f"{want}{gap}{person}", f"{person}{gap}{want}"]
        return re.compile("|".join(f"(?:{rule})" for rule in rules))

    @cached_property
    def talks(self) -> re.Pattern[str]:
        """Talk and person, in either order."""
        gap = f"[^,]{{0,{self.reach}}}?"
        person, talk = self._words(self.person), self._words(self.talk)
        return re.compile(f"{talk}{gap}{person}|{person}{gap}{talk}")

    @cached_property
    def cues(self) -> re.Pattern[str]:
        """Whether somebody asks for themselves."""
        return re.compile(self._words(self.cue) if self.cue else "")

    @cached_property
    def refusals(self) -> re.Pattern[str]:
        """Do not want, no need."""
        return re.compile(self._words(self.refusal))

    @cached_property
    def ends(self) -> re.Pattern[str]:
        """Where a clause ends."""
        return re.compile(f"[,:،、，–—]|{self._words(self.breaks)}")

    def alone(self, sentence: str) -> bool:
        """Whether there is nothing but a person and fillers."""
        left = re.sub(self._words(self.bare or self.person), " ", sentence)
        return left != sentence and not re.search(
            r"\w", re.sub(self._words(self.fillers), " ", left)
        )

    @cached_property
    def nevers(self) -> re.Pattern[str]:
        """What no wish has."""
        return re.compile(self._words(self.never))

    @cached_property
    def tired(self) -> re.Pattern[str]:
        """No more bots."""
        gap = f".{{0,{self.reach}}}?"
        bots, fed_up, not_a = map(self._words, (self.bots, self.fed_up, self.not_a))
        talk, thing = self._words(self.talk), self._words(f"{self.bots}|{self.machines}")
        rules = [rf"{not_a}\W?{bots}", f"{fed_up}{gap}{bots}"]
        rules += [f"{fed_up}{gap}{talk}{gap}{thing}", f"{fed_up}{gap}{thing}{gap}{talk}"]
        if self.refused_after or not self.spaced:
            rules += [f"{bots}{gap}{fed_up}", f"{thing}{gap}{talk}{gap}{fed_up}"]
        return re.compile("|".join(f"(?:{rule})" for rule in rules))

    def wished(self, sentence: str, question: bool) -> bool:
        """Whether a sentence is a wish for a person in this language."""
        if self.tired.search(sentence):
            return True
        if self.alone(sentence) and not self.refusals.search(sentence):
            return True
        found = [*self.wishes.finditer(sentence)]
        brief = not question and len(sentence.split()) <= 5
        if brief or self.cues.search(sentence):
            found += self.talks.finditer(sentence)
        return any(not self._refused(sentence, match) for match in found)

    def _refused(self, sentence: str, match: re.Match[str]) -> bool:
        start, end = 0, len(sentence) if self.refused_after else match.end()
        for mark in self.ends.finditer(sentence):
            if mark.end() <= match.start():
                start = mark.end()
            elif mark.start() >= match.end():
                end = min(end, mark.start())
        return self.refusals.search(sentence, start, end) is not None
