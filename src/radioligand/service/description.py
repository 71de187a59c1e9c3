# SPDX-License-Identifier: Apache-2.0
"""Every address of the portal as an OpenAPI document, made from the same table that serves it."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from radioligand.service.portal import Page
from radioligand.service.roles import MATRIX

FORM = "application/x-www-form-urlencoded"
JSON, PAGE = "application/json", "text/html"
_REFUSALS = {
    401: "Signed out: nothing was recorded.",
    403: "The role may not, the form is another session's, or it came from elsewhere.",
    404: "There is none, or none that this reader may see.",
    413: "More than 2 MB.",
    422: "What was sent cannot be recorded; the page says why.",
    503: "The database is busy; send it again under the same key.",
}
_DOWNLOADS = {
    "/audit/head.json": JSON,
    "/audit/events.csv": "text/csv",
    "/data/sdtm": "application/zip",
    "/data/sdtm-blinded": "application/zip",
}


def described(pages: Iterable[Page], *, title: str, version: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of these pages.

    Each operation says in `x-roles` who may use it. A form may hold any fields; those that a page
    does not know change nothing. Forms need the token of their session and the portal's origin.
    """
    paths: dict[str, dict[str, Any]] = {}
    for page in pages:
        paths.setdefault(page.path, {})[page.method.lower()] = _operation(page)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "radioligand"}
            }
        },
    }


def _operation(page: Page) -> dict[str, Any]:
    said: dict[str, Any] = {
        "summary": (page.answer.__doc__ or page.path).strip().split("\n", maxsplit=1)[0],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", page.path)
        ],
        "responses": _responses(page),
        "security": [] if page.action is None else [{"session": []}],
    }
    if page.action is not None:
        said["x-action"] = str(page.action)
        said["x-roles"] = sorted(str(role) for role in MATRIX[page.action])
    if page.method == "POST":
        said["requestBody"] = {"required": True, "content": _body(page)}
    return said


def _body(page: Page) -> Mapping[str, Any]:
    if page.for_machines:
        return {JSON: {"schema": {"type": "object"}}}
    fields = {"type": "object", "additionalProperties": {"type": "string"}}
    if page.action is not None:
        fields |= {"properties": {"form_token": {"type": "string"}}, "required": ["form_token"]}
    return {FORM: {"schema": fields}}


def _responses(page: Page) -> dict[str, Any]:
    kind = JSON if page.for_machines else _DOWNLOADS.get(page.path, PAGE)
    told: dict[str, Any] = {"200": _answer("What was asked for.", kind)}
    if not page.for_machines:
        told["303"] = {"description": "Done, or to be signed in first: the next page."}
    refused = JSON if page.for_machines else PAGE
    for status, says in _REFUSALS.items():
        told[str(status)] = _answer(says, "text/plain" if status == 413 else refused)
    if page.for_machines:
        told["400"] = _answer("What was sent is not JSON of the kind that is asked for.", JSON)
    return told


def _answer(says: str, kind: str) -> dict[str, Any]:
    return {"description": says, "content": {kind: {}}}
