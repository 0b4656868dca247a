"""Where are the records in this payload?

`read_payload` takes the bytes of any payload that carries CloudTrail records and gives them back typed, each with the
key by which it is recognised when it comes again. What is no record is counted with reason and place; nothing raises.
"""

from usage_anomaly.envelopes.aggregated import AggregatedCalls
from usage_anomaly.envelopes.payload import delivery_minute, read_payload
from usage_anomaly.envelopes.record import Record, event_time
from usage_anomaly.envelopes.sameness import event_id
from usage_anomaly.envelopes.tally import Oddity, Payload, Rejection

__all__ = [
    "AggregatedCalls",
    "Oddity",
    "Payload",
    "Record",
    "Rejection",
    "delivery_minute",
    "event_id",
    "event_time",
    "read_payload",
]
