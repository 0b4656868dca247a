"""Which records stand in the rows of this CSV export?

Athena and CloudTrail Lake name the columns like CloudTrail's fields, in any case; the console's event history names them
in words ("Event name"). Columns are known by letters and digits alone. What a column cannot give is missing, and said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from usage_anomaly.envelopes.documents import WINDOW, BrokenJson, value_end
from usage_anomaly.envelopes.looked_up import read_event
from usage_anomaly.envelopes.record import NULL
from usage_anomaly.envelopes.struct_text import read_struct
from usage_anomaly.envelopes.tally import Tally
from usage_anomaly.envelopes.unpack import without_lone_surrogates

LONGEST_HEADER = 64 * 1024

_TEXTS = {
    name.lower(): name
    for name in (
        "eventName", "eventSource", "eventID", "eventTime", "awsRegion", "recipientAccountId", "sharedEventID", "errorCode",
        "errorMessage", "userAgent", "sourceIPAddress", "eventType",
    )
}  # fmt: skip
_VALUES = {
    name.lower(): name
    for name in ("userIdentity", "requestParameters", "responseElements", "additionalEventData", "resources")
}
# The console tells of the caller in columns of its own; other tools write userIdentity.arn and the like.
_CALLER = {"username": "userName", "awsaccesskey": "accessKeyId"} | {
    f"useridentity{name.lower()}": name
    for name in ("type", "principalId", "arn", "accountId", "accessKeyId", "userName", "invokedBy")
}
_WHOLE = ("cloudtrailevent", "eventjson")  # the record itself
_NO_VALUE = frozenset({"", "-", "null"})

_PLAIN = re.compile(r"[^a-z0-9]")
# One cell and what ends it. Possessive: a quote without its end costs one look.
_CELL = re.compile(r'(?:"([^"]*+(?:""[^"]*+)*+)"|([^",]*+))(,|\Z)')


def is_table(text: bytes | bytearray) -> bool:
    """Whether a text begins with the header of an export: a column with the event's name or the record, and another."""
    if text[:1] in (b"{", b"["):
        return False
    end = text.find(b"\n", 0, LONGEST_HEADER)
    names = _names(_cells(text[: end if end >= 0 else LONGEST_HEADER].decode(errors="replace").rstrip("\r")) or ())
    return ("eventname" in names and len(names) > 1) or any(each in names for each in _WHOLE)


def read_table(text: bytes, cut: bool, tally: Tally) -> None:
    """Read the records of an export's rows. `cut`: the end of the text is known to be missing."""
    header: list[str] = []
    names: list[str] = []
    line = 0
    for line, cells in _rows(text, cut):
        if not header:
            header = cells or []
            names = _names(header)
            if len(set(names)) < len(names):
                tally.odd("two columns of a CSV export have one name: the last stands")
        elif cells is None or len(cells) != len(header):
            tally.reject("broken CSV row" if cells is None else "CSV row of another length", line, "line")
        elif cells != header:  # pages pasted together repeat it
            _read_row(dict(zip(names, cells, strict=True)), line, tally)
    if line == 1:
        tally.odd("CSV export without rows: holds no records")


def _names(header: Sequence[str]) -> list[str]:
    return [_PLAIN.sub("", name.lower()) for name in header]


def _read_row(row: dict[str, str], line: int, tally: Tally) -> None:
    for name in _WHOLE:
        if row.get(name):
            read_event(msgspec.json.encode(row[name]), line, tally, "line")
            return
    fields: dict[str, object] = {name: row[key] for key, name in _TEXTS.items() if row.get(key, "") not in _NO_VALUE}
    fields |= {name: _value(key, row[key], tally) for key, name in _VALUES.items() if key in row}
    if "useridentity" not in row:
        caller = {name: row[key] for key, name in _CALLER.items() if row.get(key, "") not in _NO_VALUE}
        fields |= {"userIdentity": caller} if caller else {}
    if "eventName" in fields and "requestparameters" not in row and "responseelements" not in row:
        tally.odd("CSV export without request and response: quantities are the smallest possible")
    tally.add(msgspec.json.encode(fields), line, "line")


def _value(key: str, cell: str, tally: Tally) -> msgspec.Raw:
    """A cell that should hold JSON. A caller may stand there as Athena writes a row."""
    text = cell.strip()
    if text.lower() in _NO_VALUE:
        return NULL
    packed = without_lone_surrogates(text.encode(), tally)
    try:
        if value_end(memoryview(packed)) == len(packed):
            return msgspec.Raw(packed)
    except BrokenJson:
        pass
    caller = read_struct(text) if key == "useridentity" else None
    if caller is None:
        tally.odd(f"{_VALUES[key]} of a CSV export cannot be read: left out")
        return NULL
    return msgspec.Raw(msgspec.json.encode(caller))


def _rows(text: bytes, cut: bool) -> Iterator[tuple[int, list[str] | None]]:
    """Each row with the number of its first line; None where a line begins no row. Empty lines are no rows.

    A quoted cell may hold line ends, so a row goes on while its quotes do not match. Where no end is found, or the row
    does not have as many cells as the first one, its first line is given up and the next one tried.
    """
    start, line, width = 0, 1, 0
    while start < len(text):
        end = first_end = _line_end(text, start)
        quotes = text.count(b'"', start, end)
        while quotes % 2 and end < len(text) and end - start < WINDOW:
            after = _line_end(text, end)
            quotes, end = quotes + text.count(b'"', end, after), after
        if cut and end == len(text) and not text.endswith(b"\n") and width:
            return  # the missing end of the gzip is already counted
        cells = None if quotes % 2 else _cells(text[start:end].decode().rstrip("\r\n"))
        if end != first_end and (cells is None or (width and len(cells) != width)):
            cells, end = None, first_end
        if cells != [""]:
            width = width or len(cells or ())
            yield line, cells
        line += text.count(b"\n", start, end)
        start = end


def _line_end(text: bytes, start: int) -> int:
    found = text.find(b"\n", start)
    return len(text) if found < 0 else found + 1


def _cells(row: str) -> list[str] | None:
    """The cells of one row; None where a quote stands in the wrong place."""
    cells: list[str] = []
    position = 0
    while True:
        found = _CELL.match(row, position)
        if found is None:
            return None
        cells.append(found[2] if found[1] is None else found[1].replace('""', '"'))
        position = found.end()
        if not found[3]:
            return cells
