"""What does Amazon Q Business answer to a custom connector? The sync protocol on loopback, with its refusals.

It checks what botocore's validator leaves to the service: ids, names and lengths by the patterns of the service model.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import unicodedata
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

APPLICATION = "a" * 36
INDEX = "b" * 36
DATA_SOURCE = "c" * 36
_BASE = f"/applications/{APPLICATION}/indices/{INDEX}"
_SOURCE = f"{_BASE}/datasources/{DATA_SOURCE}"
_KEY = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_-]{0,199}")

Answer = tuple[int, dict[str, Any]]


class Service:
    """One data source. `busy`, `throttle_puts`, `throttle_stops`: how many of the next calls are refused."""

    def __init__(self) -> None:
        self.sync: str | None = None
        self.started_at = datetime.now(UTC)
        self.documents: dict[str, dict[str, Any]] = {}
        self.taken: Counter[str] = Counter()
        self.calls: list[str] = []
        self.batches: list[int] = []
        self.faults: list[str] = []
        self.busy = 0
        self.throttle_puts: list[int] = []  # numbers of the puts, from 1
        self.fail_once: set[str] = set()
        self.fail_always: set[str] = set()
        self.throttle_stops = 0

    def answer(self, method: str, path: str, body: Any) -> Answer:
        path = path.partition("?")[0]
        operations: dict[tuple[str, str], Callable[[], Answer]] = {
            ("POST", f"{_SOURCE}/startsync"): self._start,
            ("POST", f"{_SOURCE}/stopsync"): self._stop,
            ("GET", f"{_SOURCE}/syncjobs"): self._jobs,
            ("POST", f"{_BASE}/documents"): lambda: self._put(body),
        }
        operation = operations.get((method, path))
        if operation is None:
            self.faults.append(f"{method} {path}")
            return 404, _error("ResourceNotFoundException")
        return operation()

    def left_over(self, age: timedelta) -> None:
        """A sync that somebody started and did not stop."""
        self.sync, self.started_at = str(uuid.uuid4()), datetime.now(UTC) - age

    def _start(self) -> Answer:
        self.calls.append("start")
        if self.busy or self.sync:
            self.busy = max(0, self.busy - 1)
            return 409, {**_error("ConflictException"), "resourceId": DATA_SOURCE, "resourceType": "DATA_SOURCE"}
        self.sync, self.started_at = str(uuid.uuid4()), datetime.now(UTC)
        return 200, {"executionId": self.sync}

    def _stop(self) -> Answer:
        self.calls.append("stop")
        if self.throttle_stops:
            self.throttle_stops -= 1
            return 429, _error("ThrottlingException")
        self.sync = None
        return 200, {}

    def _jobs(self) -> Answer:
        self.calls.append("list")
        job = {"executionId": self.sync, "startTime": self.started_at.timestamp(), "status": "SYNCING"}
        return 200, {"history": [job] if self.sync else []}

    def _put(self, body: Any) -> Answer:
        self.calls.append("put")
        number = self.calls.count("put")
        documents = body["documents"]
        if number in self.throttle_puts:
            return 429, _error("ThrottlingException")
        self.batches.append(len(documents))
        self._check(body)
        failed = [each["id"] for each in documents if each["id"] in self.fail_once | self.fail_always]
        self.fail_once -= set(failed)
        for each in documents:
            if each["id"] not in failed:
                self.documents[each["id"]] = each
                self.taken[each["id"]] += 1
        detail = {"errorCode": "InternalError", "errorMessage": "try again"}
        return 200, {"failedDocuments": [{"id": each, "error": detail, "dataSourceId": DATA_SOURCE} for each in failed]}

    def _check(self, body: Any) -> None:
        if not 1 <= len(body["documents"]) <= 10:
            self.faults.append("batch size")
        if body.get("dataSourceSyncId") != self.sync:
            self.faults.append("a put outside the sync")
        for each in body["documents"]:
            self.faults += check_document(each, self.sync)


def check_document(each: Any, sync: str | None) -> list[str]:
    """What is wrong with a document by the patterns of the service model."""
    faults = []
    if not 1 <= len(each["id"]) <= 1_825 or any(unicodedata.category(char).startswith("C") for char in each["id"]):
        faults.append("id")
    if not 1 <= len(each["title"]) <= 1_024:
        faults.append("title")
    values = {attribute["name"]: attribute["value"] for attribute in each["attributes"]}
    if len(values) != len(each["attributes"]) or not all(_KEY.fullmatch(name) for name in values):
        faults.append("attribute names")
    if any(len(value) != 1 or len(str(value.get("stringValue", ""))) > 2_048 for value in values.values()):
        faults.append("attribute values")
    if values.get("_data_source_id") != {"stringValue": DATA_SOURCE}:
        faults.append("_data_source_id")
    if values.get("_data_source_sync_job_execution_id") != {"stringValue": sync}:
        faults.append("_data_source_sync_job_execution_id")
    if each["contentType"] != "MD" or not base64.b64decode(each["content"]["blob"]).decode():
        faults.append("content")
    return faults


def _error(code: str) -> dict[str, str]:
    return {"__type": code, "message": code}


@contextmanager
def serving(service: Service) -> Iterator[str]:
    """The service's address on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply("GET")

        def do_POST(self) -> None:
            self._reply("POST")

        def _reply(self, method: str) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = service.answer(method, self.path, json.loads(raw or b"{}"))
            content = json.dumps(body).encode()
            self.send_response(status)
            if status >= 400:
                self.send_header("x-amzn-ErrorType", body["__type"])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
