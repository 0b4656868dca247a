"""Do the dashboards that come with this version stand in OpenSearch Dashboards?

Imports saved objects through the API of OpenSearch Dashboards, which a managed domain offers under `/_dashboards`. Built from
its documentation; no Dashboards server runs here, so the requests are unverified. Where sign-in by Cognito or SAML stands
before it, a signed request gets a page in place of an answer: that, and any refusal, is said and fails nothing, for an alert
needs no dashboard.
"""

from __future__ import annotations

from typing import Any

import msgspec

from usage_anomaly.dashboards import saved
from usage_anomaly.search.asking import Asking, NotHere
from usage_anomaly.search.client import SearchRefused, SearchUnavailable
from usage_anomaly.search.indexes import digest

API = "/_dashboards/api/saved_objects"
HEADERS = {"osd-xsrf": "true", "securitytenant": "global"}
_BOUNDARY = "saved-objects-of-usage-anomaly"  # no object holds it; a test sees to that

SavedObject = dict[str, Any]


def bundled() -> list[SavedObject]:
    """The saved objects that come with this version."""
    return list(saved.objects())


def configure(asking: Asking, objects: list[SavedObject]) -> tuple[list[str], list[str]]:
    """Import the objects unless they stand there; returns what was changed, and what kept it from that."""
    marked = _marked(objects)
    if marked is None:
        return [], ["no dashboards come with this version"]
    place, content = marked["id"], [marked if each["id"] == marked["id"] else each for each in objects]
    try:
        there = asking.find(f"{API}/dashboard/{place}", HEADERS)
        if there is not None and there["attributes"].get("description") == marked["attributes"]["description"]:
            return [], []
        answer = asking.ask("POST", f"{API}/_import?overwrite=true", _form(content), _form_headers())
    except NotHere:
        return [], ["no OpenSearch Dashboards here: no dashboards"]
    except (SearchRefused, SearchUnavailable) as error:
        return [], [f"dashboards not imported, import them by hand: {error}"]
    if not answer.get("success"):
        return [], [f"dashboards not imported in full: {str(answer.get('errors'))[:200]}"]
    return [f"dashboards: {len(content)} saved objects"], []


def _marked(objects: list[SavedObject]) -> SavedObject | None:
    """The first dashboard, its description telling which objects it came with: the server changes all else of them."""
    first = next((each for each in objects if each["type"] == "dashboard"), None)
    if first is None:
        return None
    attributes = first["attributes"]
    told = f"{attributes.get('description', '')} (digest {digest({'objects': objects})})".strip()
    return {**first, "attributes": {**attributes, "description": told}}


def _form(objects: list[SavedObject]) -> bytes:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="usage-anomaly.ndjson"\r\n'
    lines = b"\n".join(map(msgspec.json.encode, objects))
    return f"{head}Content-Type: application/ndjson\r\n\r\n".encode() + lines + f"\r\n--{_BOUNDARY}--\r\n".encode()


def _form_headers() -> dict[str, str]:
    return {**HEADERS, "content-type": f"multipart/form-data; boundary={_BOUNDARY}"}
