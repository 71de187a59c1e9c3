# SPDX-License-Identifier: Apache-2.0
"""Pages of the guidance: statements without a patient, the sheet of one, and CDS Hooks cards.

Nothing that is sent here is kept, and no patient of the trial is read.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from starlette.responses import JSONResponse, Response

from radioligand.advice import Advice, Library, advice_page, advise, read_library
from radioligand.guidance import LINE, PatientError, patient_template
from radioligand.guidance.cards import discovery
from radioligand.guidance.fhir import form_of, is_bundle
from radioligand.service.portal import Ask, NotGivenError, Page, shown
from radioligand.service.protection import POLICY
from radioligand.service.roles import Action

SERVICE = "radioligand-guidance"
ASKED_FOR = ("Patient", "Condition", "Observation")  # the resources that `discovery` names
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.S)


@cache
def library() -> Library:
    """The statements that are shipped, read once."""
    return read_library(())


def show_guidance(ask: Ask) -> Response:
    """The form: a patient as JSON, or none."""
    return _form(ask)


def _form(ask: Ask, says: str = "", text: str = "") -> Response:
    found = library()
    template = patient_template(found.guidelines, also=found.fields)
    context = {
        "line": LINE,
        "example": json.dumps(template, indent=1, ensure_ascii=False),
        "says": says,
        "text": text,
    }
    return shown(ask, "guidance.html", context, status=422 if says else 200)


def show_statements(ask: Ask) -> Response:
    """Every statement, of nobody."""
    return _sheet(advise(None, library=library()))


def show_sheet(ask: Ask) -> Response:
    """The tumour board's sheet of the patient that was sent; the patient is not kept."""
    text = ask.form.get("patient", "")
    if uploaded := ask.files.get("file"):
        text = uploaded.decode("utf-8", errors="replace")
    try:
        document = json.loads(text)
        if not isinstance(document, Mapping):
            raise ValueError("the patient is a JSON object")
        return _sheet(_advised(document))
    except RecursionError:
        return _form(ask, "The JSON is nested too deeply.")
    except ValueError as error:  # a PatientError is one, and tells every fault
        return _form(ask, str(error), text)


def _advised(document: Mapping[str, Any]) -> Advice:
    found = library()
    form = document
    if is_bundle(document):
        try:
            form = form_of(document, guidelines=found.guidelines, also=found.fields)
        except KeyError as error:  # of the FHIR library, for a resource of no known type
            raise ValueError(f"the bundle holds {error}, which is no resource") from None
    return advise(form, library=found)


def _sheet(advice: Advice) -> Response:
    """Return the sheet under a policy of its own: its one script by hash, its own style."""
    page = advice_page(advice, provenance={}).index_html
    hashes = " ".join(f"'sha256-{_digest(one)}'" for one in _SCRIPT.findall(page)) or "'none'"
    policy = POLICY.replace("script-src 'self'", f"script-src {hashes}")
    policy = policy.replace("style-src 'self'", "style-src 'unsafe-inline'")
    return Response(
        page, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": policy}
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


# -- CDS Hooks ------------------------------------------------------------------------------------


def discover(ask: Ask) -> Response:
    """What services there are, as CDS Hooks asks."""
    return JSONResponse(discovery())


def cards(ask: Ask) -> Response:
    """Cards for the FHIR resources that the caller prefetched."""
    if ask.path["service"] != SERVICE:
        raise NotGivenError(404, "There is no such service.")
    try:
        asked = json.loads(ask.body)
        bundle = _bundle(asked)
        return JSONResponse(_advised(bundle).as_cards())
    except (RecursionError, UnicodeDecodeError):
        raise NotGivenError(400, "The request is no JSON that can be read.") from None
    except PatientError as error:
        raise NotGivenError(422, str(error)) from None
    except ValueError as error:
        raise NotGivenError(400, str(error)) from None


def _bundle(asked: object) -> dict[str, Any]:
    """Return the prefetched resources as one bundle; raises ValueError for anything else."""
    if not isinstance(asked, Mapping) or not isinstance(asked.get("prefetch"), Mapping):
        raise ValueError("a CDS Hooks request is an object with hook, context and prefetch")
    resources: list[Any] = []
    for one in asked["prefetch"].values():
        if not isinstance(one, Mapping):
            continue
        if one.get("resourceType") == "Bundle":
            entries = one.get("entry")
            listed = entries if isinstance(entries, list) else []
            resources += [each.get("resource") for each in listed if isinstance(each, Mapping)]
        else:
            resources.append(one)
    held = [
        {"resource": one}
        for one in resources
        if isinstance(one, Mapping) and one.get("resourceType") in ASKED_FOR
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": held}


PAGES = (
    Page(path="/guidance", method="GET", action=Action.READ_STATEMENTS, answer=show_guidance),
    Page(path="/guidance", method="POST", action=Action.READ_STATEMENTS, answer=show_sheet),
    Page(
        path="/guidance/statements",
        method="GET",
        action=Action.READ_STATEMENTS,
        answer=show_statements,
    ),
    Page(path="/cds-services", method="GET", action=None, answer=discover, for_machines=True),
    Page(
        path="/cds-services/{service}", method="POST", action=None, answer=cards, for_machines=True
    ),
)
