"""Which language a customer writes in, and what the agent itself says in it.

>>> language_of("Hola, ¿de dónde viene esto?")
'es'
>>> say("ask_which", "de")
'Welches meinen Sie?'

detect.py    language_of
common.py    common words of each language
said.py      what the agent says
"""

from assistant.languages.detect import language_of
from assistant.languages.said import LANGUAGES, SAID


def say(key: str, language: str, **values: object) -> str:
    """What the agent says in a language; in English where it was not translated.

    Args:
        key: one of `assistant.languages.said.SAID`.
        values: its fields, such as ``ticket``.

    Raises:
        KeyError: there is no such key or a field is missing, which is a mistake in the program.
    """
    place = LANGUAGES.index(language) if language in LANGUAGES else 0
    return SAID[key][place].format(**values)


__all__ = ["LANGUAGES", "SAID", "language_of", "say"]
