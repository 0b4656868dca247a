"""The detectors' part of the anomaly-detection plugin, as far as its answers were recorded.

`test_plugin_contract.py` holds it to the recordings. It keeps detectors and whether they run; it computes nothing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import msgspec

Body = dict[str, Any]
Answer = tuple[int, Any]

PREFIX = "/_plugins/_anomaly_detection"
INDEX = ".opendistro-anomaly-detectors"
RESULT_PREFIX = "opensearch-ad-plugin-result-"
_ONE = re.compile(rf"{PREFIX}/detectors/([^/?]+)(?:/(_start|_stop|_profile))?(?:\?.*)?")


class Detector(msgspec.Struct):
    """A detector, what became of it, and whether its job runs (None: it has none yet)."""

    body: Body
    feature_ids: list[str]
    version: int = 1
    enabled: bool | None = None
    analysed: bool = False


class Fault(msgspec.Struct, frozen=True):
    """Which part of a body is wrong, and how creating it is refused."""

    part: str
    status: int
    reason: str
    type: str = "status_exception"


class PluginStandIn:
    """`documents` counts those of an index pattern, None where it matches no index.

    `state` is what the profile of a started detector says, `trouble` the error of its first run.
    """

    def __init__(self, documents: Callable[[str], int | None]) -> None:
        self.documents = documents
        self.state, self.trouble = "INIT", ""
        self.detectors: dict[str, Detector] = {}
        self.ever = False  # the index of detectors comes with the first one and stays
        self._numbers = itertools.count(1)

    def answer(self, method: str, path: str, body: Any) -> Answer | None:
        """Status and body, or None where the request is not for the plugin's detectors."""
        plain = path.partition("?")[0]
        if (method, plain) == ("GET", f"{PREFIX}/stats"):
            return 200, {"detector_count": len(self.detectors)}
        if (method, plain) == ("POST", f"{PREFIX}/detectors"):
            return self._create(body)
        if (method, plain) == ("POST", f"{PREFIX}/detectors/_search"):
            return self._search(body)
        if (method, plain) == ("POST", f"{PREFIX}/detectors/_validate/detector"):
            return self._validate(body)
        one = _ONE.fullmatch(path)
        if one is None:
            return None
        found = self.detectors.get(one[1])
        if found is None:
            # As recorded: of deleting again the plugin only says that it failed.
            if method == "DELETE":
                return _refused(500, "Failed to delete all tasks")
            return _refused(404, f"Can't find config with id: {one[1]}")
        ways: dict[tuple[str, str | None], Callable[[str, Detector, Any], Answer]] = {
            ("GET", None): self._get,
            ("PUT", None): self._update,
            ("DELETE", None): self._delete,
            ("POST", "_start"): self._start,
            ("POST", "_stop"): self._stop,
            ("GET", "_profile"): self._profile,
        }
        return ways[method, one[2]](one[1], found, body)

    def _create(self, body: Body) -> Answer:
        fault = self._fault(body)
        if fault is not None:
            return _refused(fault.status, fault.reason, fault.type)
        self.ever = True
        key = self._id()
        self.detectors[key] = Detector(body, [self._id() for _ in body["feature_attributes"]])
        return 201, self._written(key)

    def _search(self, body: Body) -> Answer:
        if not self.ever:
            return 404, _error("index_not_found_exception", f"no such index [{INDEX}]", 404)
        (how,) = body["query"]
        wanted = body["query"][how]["name.keyword"]
        names = [wanted] if how == "term" else wanted
        hits = [
            {"_index": INDEX, "_id": key, "_source": self._echo(each)}
            for key, each in self.detectors.items()
            if each.body["name"] in names
        ]
        return 200, {"hits": {"total": {"value": len(hits), "relation": "eq"}, "hits": hits}}

    def _validate(self, body: Body) -> Answer:
        features = {each["feature_name"] for each in body["feature_attributes"]}
        for condition in (each for rule in body.get("rules", ()) for each in rule["conditions"]):
            if condition["feature_name"] not in features:
                told = f'Feature "{condition["feature_name"]}" specified in a suppression rule does not exist.'
                return 200, {"detector": {"rules": {"message": f"Suppression Rule Error: {told}"}}}
        fault = self._fault(body)
        return 200, {} if fault is None else {"detector": {fault.part: {"message": fault.reason}}}

    def _fault(self, body: Body, own: str | None = None) -> Fault | None:
        """What is wrong with a body. `own` is the id of the detector that is updated."""
        name, (pattern,) = body["name"], body["indices"]
        documents = self.documents(pattern)
        if len(body["category_field"]) > 2:
            many = (
                "Currently we only support up to 2 categorical field/s in order to bound system resource consumption."
            )
            return Fault("category_field", 500, many, "validation_exception")
        if not body["result_index"].startswith(RESULT_PREFIX):
            return Fault("result_index", 500, f"Result index must start with {RESULT_PREFIX}", "validation_exception")
        if documents is None:
            told = f"Exceptions: [Timestamp field: ({body['time_field']}) is not found in index mapping]"
            return Fault("time_field", 500, f"Validation failed for timefield of {name},  {told}")
        if documents == 0:
            none = f"Can't create anomaly detector as no document is found in the indices: [{pattern}]"
            return Fault("indices", 400, none)
        if any(each.body["name"] == name and key != own for key, each in self.detectors.items()):
            taken = f"Cannot create anomaly detector with name [{name}] as it's already used by another detector"
            return Fault("name", 409, taken)
        return None

    def _get(self, key: str, found: Detector, _: Any) -> Answer:
        job = None if found.enabled is None else {"name": key, "enabled": found.enabled}
        analysis = {"state": "FINISHED", "detector_id": key} if found.analysed else None
        head = {"_id": key, "_version": found.version, "anomaly_detector": self._echo(found)}
        return 200, {**head, "anomaly_detector_job": job, "historical_analysis_task": analysis}

    def _update(self, key: str, found: Detector, body: Body) -> Answer:
        if found.enabled:
            return _refused(400, f"Job is running: {key}")
        for field, name in (("category_field", "category field"), ("result_index", "custom result index")):
            if body[field] != found.body[field]:
                return _refused(400, f"Can't change {name}")
        fault = self._fault(body, key)
        if fault is not None:
            return _refused(fault.status, fault.reason, fault.type)
        found.body, found.version = body, found.version + 1
        found.feature_ids = [self._id() for _ in body["feature_attributes"]]  # new ones with each update
        return 200, self._written(key)

    def _delete(self, key: str, found: Detector, _: Any) -> Answer:
        if found.enabled:
            return _refused(400, f"Job is running: {key}")
        del self.detectors[key]
        return 200, {"_index": INDEX, "_id": key, "_version": found.version + 1, "result": "deleted"}

    def _start(self, key: str, found: Detector, body: Any) -> Answer:
        if body is not None:  # a span: an analysis of the past, a task of its own
            found.analysed = True
            return 200, {"_id": self._id()}
        if found.enabled:
            return 200, _error("status_exception", f"Anomaly detector job is already running: {key}", 200)
        found.enabled = True
        return 200, {"_id": key}

    def _stop(self, key: str, found: Detector, _: Any) -> Answer:
        if found.enabled is False:
            return 200, _error("status_exception", f"job is already stopped: {key}", 200)
        found.enabled = None if found.enabled is None else False
        return 200, {"_id": key}

    def _profile(self, key: str, found: Detector, _: Any) -> Answer:
        profile = {"state": self.state if found.enabled else "DISABLED"}
        return 200, {**profile, "error": self.trouble} if self.trouble else profile

    def _id(self) -> str:
        return f"StandIn{next(self._numbers):012}"

    def _written(self, key: str) -> Body:
        return {
            "_id": key,
            "_version": self.detectors[key].version,
            "anomaly_detector": self._echo(self.detectors[key]),
        }

    def _echo(self, found: Detector) -> Body:
        """The body as the plugin gives it back: with defaults, with ids, and with every query in another form."""
        features = zip(found.body["feature_attributes"], found.feature_ids, strict=True)
        return {
            **found.body,
            "filter_query": _spelt_out(found.body["filter_query"]),
            "feature_attributes": [{"feature_id": key, **each} for each, key in features],
            "rules": [
                {**rule, "conditions": [_condition(each) for each in rule["conditions"]]}
                for rule in found.body["rules"]
            ],
            "schema_version": 0,
            "recency_emphasis": 2560,
            "history": 40,
            "flatten_custom_result_index": False,
            "detector_type": "MULTI_ENTITY",
        }


def _condition(condition: Body) -> Body:
    told = {"operator": None, **condition}
    return {**told, "value": float(told["value"])} if "value" in told else told


def _spelt_out(query: Any) -> Any:
    if isinstance(query, list):
        return [_spelt_out(each) for each in query]
    ((how, inner),) = query.items()
    if how == "term":
        ((field, value),) = inner.items()
        return {"term": {field: {"value": value, "boost": 1.0}}}
    if how == "exists":
        return {"exists": {**inner, "boost": 1.0}}
    clauses = {name: _spelt_out(each) for name, each in inner.items()}
    return {"bool": {**clauses, "adjust_pure_negative": True, "boost": 1.0}}


def _refused(status: int, reason: str, kind: str = "status_exception") -> Answer:
    return status, _error(kind, reason, status)


def _error(kind: str, reason: str, status: int) -> Body:
    cause = {"type": kind, "reason": reason}
    return {"error": {"root_cause": [cause], **cause}, "status": status}
