"""Text of strangers that plays no tricks on a reader."""

from __future__ import annotations


def shown(text: str) -> str:
    """One line, safe to print: what a terminal obeys (escape sequences, line breaks) or what would
    make it show something else (bidirectional marks) is written out as ``\\u{…}``."""
    return "".join(
        character if character.isprintable() else f"\\u{{{ord(character):x}}}" for character in text
    )
