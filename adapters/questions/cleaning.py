"""Captions as written sentences, and tokens as running text."""

from __future__ import annotations

import re


def clean_caption(text: str) -> str:
    """A caption as a written sentence: capital, one full stop, no space before punctuation.

    Words and their order stay as they are.
    """
    line = " ".join(text.replace("``", '"').replace("''", '"').split())
    line = re.sub(r"\s+([.,;:!?)])", r"\1", line)
    line = re.sub(r"\(\s+", "(", line)
    line = re.sub(r"(\w)\s+('(?:s|re|ve|ll|d|m)\b)", r"\1\2", line)
    line = re.sub(r"(s)\s+'(?=\s+\w)(?![^']*')", r"\1'", line)
    line = re.sub(r'"\s*([^"]*?)\s*"', r'"\1"', line)
    line = re.sub(r"(^|\s)'\s+([^']*?)\s+'(?=\s|[.,;:!?]|$)", r"\1'\2'", line)
    if line.count('"') == 1:
        line = " ".join(line.replace('"', " ").split())
    line = re.sub(r"\s+([.,;:!?])", r"\1", line)
    line = re.sub(r"([,;:])[,;:]+", r"\1", line)
    line = line.strip(" ,;:-")
    line = re.sub(r'[.\s]+("?)$', r"\1", line)
    if not line:
        return ""
    if not line.endswith(("!", "?")):
        line += "."
    for index, letter in enumerate(line):
        if letter.isalnum():
            line = line[:index] + letter.upper() + line[index + 1 :]
            break
    return line


def detokenize(tokens: tuple[str, ...] | list[str]) -> str:
    """Tokens as running text."""
    line = " ".join(tokens)
    return re.sub(r"\s+(,|'s\b)", r"\1", line)
