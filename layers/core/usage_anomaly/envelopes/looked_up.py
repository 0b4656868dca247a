"""Which record lies in an event that was looked up in CloudTrail's event history?

`aws cloudtrail lookup-events` prints `{"Events": [{"EventId": ..., "CloudTrailEvent": "<the record as text>"}]}`, and with
`--query 'Events[].CloudTrailEvent'` the texts alone.
"""

from __future__ import annotations

import msgspec

from usage_anomaly.envelopes.documents import BrokenJson, value_end
from usage_anomaly.envelopes.record import Text
from usage_anomaly.envelopes.tally import Tally
from usage_anomaly.envelopes.unpack import without_lone_surrogates


class _LookedUp(msgspec.Struct):
    text: msgspec.Raw = msgspec.field(name="CloudTrailEvent")


_EVENTS = msgspec.json.Decoder(list[msgspec.Raw])
_LOOKED_UP = msgspec.json.Decoder(_LookedUp)
_TEXT = msgspec.json.Decoder(str)


def read_events(events: Text, offset: int, tally: Tally) -> None:
    """Read one page of looked-up events."""
    try:
        found = _EVENTS.decode(events)
    except msgspec.ValidationError:
        tally.reject("Events is no list", offset)
        return
    for index, event in enumerate(found):
        try:
            text = _LOOKED_UP.decode(event).text
        except msgspec.ValidationError:
            tally.reject("a looked-up event without CloudTrailEvent", index, "event")
            continue
        read_event(text, index, tally, "event")


def read_event(event: Text, offset: int, tally: Tally, unit: str = "byte") -> None:
    """Read the record in a CloudTrailEvent, a JSON string with the text of one JSON object."""
    try:
        text = without_lone_surrogates(_TEXT.decode(event).encode(), tally)
        end = value_end(memoryview(text))
    except msgspec.ValidationError:
        tally.reject("CloudTrailEvent is no text", offset, unit)
    except BrokenJson as error:
        tally.reject(str(error), offset, unit)
    else:
        if end == len(text):
            tally.add(text, offset, unit)
        else:
            tally.reject("more than one JSON value", offset, unit)
