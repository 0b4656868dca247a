"""How is OpenSearch reached, and what does its refusal mean?

Every call goes through `patiently` and `answering`: what may succeed later is `SearchUnavailable`, what never will is
`SearchRefused`. opensearch-py's own retries are off, for they know no pause and no time left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import boto3
import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from opensearchpy import OpenSearch, Urllib3AWSV4SignerAuth, Urllib3HttpConnection
from opensearchpy.exceptions import ConnectionError as NoConnection
from opensearchpy.exceptions import OpenSearchException, SerializationError, TransportError
from opensearchpy.serializer import JSONSerializer

from usage_anomaly.errors import UsageAnomalyError

T = TypeVar("T")
Answer = dict[str, Any]  # decoded JSON
Wait = Callable[[float], None]

REQUEST_SECONDS = 10.0
FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0  # seconds; each wait is twice the one before
RESERVE_SECONDS = 5.0  # of the time left: for one more request, and for keeping what was rejected
READ_WAITS = (0.2, 0.4, 0.8)
BUSY = 429
NEVER = "too_many_buckets_exception"  # answered with 503, and yet the same search never fits


class SearchUnavailable(UsageAnomalyError):
    """OpenSearch did not answer, or asked to come again: the same call may succeed later."""


class SearchRefused(UsageAnomalyError):
    """OpenSearch will never take this request: wrong permission, name or content. `status` is the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class _Reading(JSONSerializer):
    """Reads answers three times as fast as opensearch-py: a tick reads some 50 MB of them."""

    def loads(self, s: str) -> Any:
        try:
            return msgspec.json.decode(s)
        except msgspec.DecodeError:
            return super().loads(s)


def connect(endpoint: str, auth: str, region: str) -> OpenSearch:
    """A client for `https://host` (auth "sigv4": the function's role signs) or `http://127.0.0.1:port` (auth "none")."""
    signed = None
    if auth == "sigv4":
        # The session's credentials refresh themselves; the signer freezes them for each request.
        signed = Urllib3AWSV4SignerAuth((boto3.DEFAULT_SESSION or boto3.Session()).get_credentials(), region, "es")
    elif auth != "none":
        raise SearchRefused(f"SEARCH_AUTH is {auth!r}: sigv4 or none", 0)
    return OpenSearch(
        hosts=[endpoint],
        http_auth=signed,
        connection_class=Urllib3HttpConnection,
        timeout=REQUEST_SECONDS,
        max_retries=0,
        pool_maxsize=4,
        serializer=_Reading(),
    )


@contextmanager
def answering() -> Iterator[None]:
    """Turn every failure of the client into one of the two that callers act on."""
    try:
        yield
    except (NoConnection, SerializationError) as error:  # a proxy's page where JSON was expected is no answer either
        if isinstance(error.__context__, BotoCoreError | ClientError):  # signing comes before the connection
            raise SearchRefused(f"no request can be signed: {error.__context__}", 0) from error
        raise SearchUnavailable(f"OpenSearch does not answer: {type(error).__name__}") from error
    except TransportError as error:
        status = int(error.status_code)
        cause = _cause(error)
        reason = f"OpenSearch answered {status} {cause.get('type', error.error)}: {_first_line(cause.get('reason'))}"
        if (status == BUSY or status >= 500) and cause.get("type") != NEVER:
            raise SearchUnavailable(reason) from error
        raise SearchRefused(reason, status) from error
    except OpenSearchException as error:
        raise SearchRefused(f"OpenSearch client: {error}", 0) from error


def waits(time_left: Callable[[], float]) -> Iterator[float]:
    """How long to wait before each further try, as long as the time left (seconds) allows one."""
    delay = FIRST_WAIT
    while time_left() > delay + RESERVE_SECONDS:
        yield delay
        delay = min(delay * 2, LONGEST_WAIT)


def patiently(
    send: Callable[[], T],
    pauses: Iterable[float],
    wait: Wait = time.sleep,
    transient: type[Exception] = SearchUnavailable,
) -> T:
    """Call until it answers, once more after each pause. Raises the last `transient`, and at once any other error."""
    for pause in pauses:
        try:
            return send()
        except transient:
            wait(pause)
    return send()


def read(client: OpenSearch, index: str, body: Answer, wait: Wait = time.sleep) -> Answer:
    """One search. A part of the shards is no answer: half a history would look like a quiet one."""

    def send() -> Answer:
        with answering():
            answer: Answer = client.search(
                index=index, body=body, params={"ignore_unavailable": "true", "allow_partial_search_results": "false"}
            )
        if answer["timed_out"] or answer["_shards"]["failed"]:
            raise SearchUnavailable(f"OpenSearch searched a part only: {answer['_shards']['failed']} shards failed")
        return answer

    return patiently(send, READ_WAITS, wait)


def healthy(client: OpenSearch) -> bool:
    """Whether the cluster answers and is not red: then writing can succeed.

    A refusal is no answer either: a policy that was attached a moment ago may not be in force yet.
    """
    try:
        with answering():
            answer: Answer = client.cluster.health()
    except (SearchUnavailable, SearchRefused):
        return False
    return bool(answer["status"] != "red")


def _cause(error: TransportError) -> Answer:
    """The innermost error that OpenSearch names: of a search the outer one says no more than that all shards failed."""
    whole = error.info.get("error") if isinstance(error.info, dict) else None
    if not isinstance(whole, dict):
        return {}
    causes = [*(whole.get("root_cause") or ()), whole.get("caused_by"), whole]
    return next(cause for cause in causes if isinstance(cause, dict))


def _first_line(reason: object) -> str:
    """The reason OpenSearch gives, without the document it quotes after it."""
    return str(reason or "no reason given").splitlines()[0][:300]
