"""Index State Management, the security plugin and OpenSearch Dashboards, as their documentation tells them.

Nothing here was held against a server: what passes with it is unverified.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

Answer = tuple[int, Any]

_POLICY = re.compile(r"/_plugins/_ism/policies/([^/?]+)(?:\?if_seq_no=(\d+)&if_primary_term=1)?")
_ATTACH = re.compile(r"/_plugins/_ism/(add|change_policy)/([^/?]+)")
_SECURITY = re.compile(r"/_plugins/_security/api/(roles|rolesmapping)/([^/?]+)")
_OBJECT = re.compile(r"/_dashboards/api/saved_objects/dashboard/([^/?]+)")


class DocumentedStandIn:
    """`has` names the plugins that are there; `forbidden` the parts of paths that are answered 403."""

    def __init__(self) -> None:
        self.has = {"ism", "security", "dashboards"}
        self.forbidden: tuple[str, ...] = ()
        self.policies: dict[str, tuple[int, Any]] = {}
        self.attached: list[tuple[str, str]] = []
        self.security: dict[str, dict[str, Any]] = {"roles": {}, "rolesmapping": {}}
        self.objects: dict[str, Any] = {}
        self.errors: list[Any] = []  # what an import finds wrong

    def answer(self, method: str, path: str, content: bytes, headers: dict[str, str]) -> Answer | None:
        """Status and body, or None where no plugin of these answers."""
        if any(part in path for part in self.forbidden):
            return 403, {"status": "FORBIDDEN", "message": "Access denied"}
        if "ism" in self.has and path.startswith("/_plugins/_ism/"):
            return self._ism(method, path, content)
        if "security" in self.has and (asked := _SECURITY.fullmatch(path)):
            return self._secure(method, asked[1], asked[2], content)
        if "dashboards" in self.has and path.startswith("/_dashboards/"):
            assert headers["osd-xsrf"], "Dashboards takes no request without it"
            return self._dashboards(method, path, content, headers)
        return None

    def _ism(self, method: str, path: str, content: bytes) -> Answer:
        if attach := _ATTACH.fullmatch(path):
            assert method == "POST"
            self.attached.append((attach[1], attach[2]))
            return 200, {"updated_indices": 0, "failures": False, "failed_indices": []}
        asked = _POLICY.fullmatch(path)
        assert asked is not None, path
        there = self.policies.get(asked[1])
        if method == "GET" and there is not None:
            return 200, {"_id": asked[1], "_seq_no": there[0], "_primary_term": 1, "policy": there[1]}
        if method == "GET":
            cause = {"type": "status_exception", "reason": "Policy not found"}
            return 404, {"error": {"root_cause": [cause], **cause}, "status": 404}
        if asked[2] != (None if there is None else str(there[0])):
            cause = {"type": "version_conflict_engine_exception", "reason": "version conflict"}
            return 409, {"error": {"root_cause": [cause], **cause}, "status": 409}
        self.policies[asked[1]] = (0 if there is None else there[0] + 1, msgspec.json.decode(content)["policy"])
        return 201, {"_id": asked[1]}

    def _secure(self, method: str, what: str, name: str, content: bytes) -> Answer:
        there = self.security[what]
        if method == "GET":
            missing = {"status": "NOT_FOUND", "message": f"Resource '{name}' not found."}
            return (
                (200, {name: {"reserved": False, "hidden": False, **there[name]}}) if name in there else (404, missing)
            )
        there[name] = msgspec.json.decode(content)
        assert not {"reserved", "hidden", "static"} & there[name].keys(), "a PUT does not take what the server adds"
        return 200, {"status": "OK", "message": f"'{name}' updated."}

    def _dashboards(self, method: str, path: str, content: bytes, headers: dict[str, str]) -> Answer:
        if method == "GET":
            asked = _OBJECT.fullmatch(path)
            assert asked is not None, path
            missing = {
                "statusCode": 404,
                "error": "Not Found",
                "message": f"Saved object [dashboard/{asked[1]}] not found",
            }
            return (200, self.objects[asked[1]]) if asked[1] in self.objects else (404, missing)
        assert path == "/_dashboards/api/saved_objects/_import?overwrite=true"
        boundary = headers["content-type"].partition("boundary=")[2].encode()
        (part,) = content.split(b"--" + boundary)[1:-1]
        lines = part.partition(b"\r\n\r\n")[2].strip().split(b"\n")
        if self.errors:
            return 200, {"success": False, "successCount": 0, "errors": self.errors}
        self.objects |= {each["id"]: each for each in map(msgspec.json.decode, lines)}
        return 200, {"success": True, "successCount": len(lines)}
