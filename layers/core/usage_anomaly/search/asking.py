"""How is a cluster asked while there is time left?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
from opensearchpy import OpenSearch

from usage_anomaly.search.client import READ_WAITS, Answer, SearchRefused, SearchUnavailable, Wait, answering, patiently

T = TypeVar("T")

ANSWER_SECONDS = 20.0  # left over, so that whoever asked can be told


class Asking(msgspec.Struct, frozen=True):
    """A cluster, and the seconds left to ask it. Every call raises SearchUnavailable (try again) or SearchRefused (never)."""

    client: OpenSearch
    time_left: Callable[[], float]
    wait: Wait = time.sleep

    def call(self, send: Callable[[], T]) -> T:
        """What `send` gives, tried again while the cluster is busy and as long as the time allows."""

        def answered() -> T:
            if self.time_left() < ANSWER_SECONDS:
                raise SearchUnavailable("the cluster answers too slowly: the time for the set-up is over")
            with answering():
                return send()

        return patiently(answered, READ_WAITS, self.wait)

    def ask(
        self, method: str, path: str, body: Answer | bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The answer to a request that opensearch-py has no method for. Raises NotHere where no plugin knows the path."""
        perform = self.client.transport.perform_request
        try:
            answer: Answer = self.call(lambda: perform(method, path, body=body, headers=headers))
        except SearchRefused as error:
            if error.status in (400, 404) and "no handler found" in str(error):
                raise NotHere(str(error), error.status) from error
            raise
        return answer

    def find(self, path: str, headers: Mapping[str, str] | None = None) -> Answer | None:
        """What stands at a path; None where nothing does."""
        try:
            return self.ask("GET", path, headers=headers)
        except NotHere:
            raise
        except SearchRefused as error:
            if error.status == 404:
                return None
            raise


class NotHere(SearchRefused):
    """The cluster lacks the plugin that answers such paths."""
