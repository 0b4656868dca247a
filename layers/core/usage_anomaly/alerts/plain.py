"""How does text from records and tags stand in a plain text without doing anything there?

Names, ARNs, user agents, tags and ids can hold anything. `inert` turns a value into one visible line: nothing in it can
break or forge a line, reorder its neighbours, hide, or become a link that a mail program offers to open.
"""

from __future__ import annotations

import re
import unicodedata

# Blank or invisible though Unicode files them as letters or marks: fillers, joiners, variation selectors.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
# Cc control, Cf bidi and zero width, Cs half pairs, Co private, Cn unassigned, Zl Zp line breaks, Zs odd blanks.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
_MARKS = frozenset({"Mn", "Me"})
_MOST_MARKS = 2  # on one letter; more are stacked to run over the lines around
_LINKS = (
    (re.compile(r"(?i)\b(https?|ftps?|file|mailto|data|javascript):(?=\S)"), r"\1[:]"),
    (re.compile(r"://"), "[:]//"),
)
_WWW = re.compile(r"(?i)\bwww\.")
ELLIPSIS = "…"


def inert(text: str, limit: int = 80) -> str:
    """One visible line of at most `limit` characters; an ellipsis shows a cut, `\\u202e` what could not be shown."""
    cut = text[: limit * 4]  # nothing beyond can be shown: a value of megabytes costs no more than a long one
    line = _unlink(" ".join(_visible(cut).split(" ")).strip())
    line = re.sub(r" {2,}", " ", line)
    if not line:
        return "(empty)" if not text.strip() else ELLIPSIS
    if len(line) > limit or len(text) > len(cut):
        return line[: limit - 1].rstrip() + ELLIPSIS
    return line


def ascii_line(text: str, limit: int) -> str:
    """The same in printable ASCII, for a mail's subject: other characters become "?"."""
    line = "".join(
        character if " " <= character <= "~" else "?" for character in inert(text, limit).replace(ELLIPSIS, "...")
    )
    return line if len(line) <= limit else line[: max(0, limit - 3)].rstrip() + "..."


def _visible(text: str) -> str:
    shown: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in _MARKS else 0
        hidden = category in _UNSEEN and character != " "
        if hidden or marks > _MOST_MARKS or _BLANK.match(character):
            shown.append(_escaped(character))
        else:
            shown.append(character)
    return "".join(shown)


def _escaped(character: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    code = ord(character)
    return named.get(character) or (f"\\u{code:04x}" if code > 0xFF else f"\\x{code:02x}")


def _unlink(line: str) -> str:
    for pattern, replacement in _LINKS:
        line = pattern.sub(replacement, line)
    return _WWW.sub("www[.]", line)
