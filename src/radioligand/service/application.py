# SPDX-License-Identifier: Apache-2.0
"""The portal as an ASGI application: every page behind the same door, in the same order."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from radioligand.service.database import is_passing
from radioligand.service.misuse import note_refused
from radioligand.service.portal import Ask, NotGivenError, Page, Portal, sent_to, shown
from radioligand.service.protection import Protection, protective
from radioligand.service.refusals import BusyError
from radioligand.service.sessions import COOKIE, resume

FIELDS = 400
AT_ONCE = 4  # requests that a process answers; others wait, so that one that began ends soon
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # not tab or line end
STATIC = Path(__file__).parent / "static"


def application(portal: Portal, pages: Sequence[Page]) -> Starlette:
    """Return the application of a portal with these pages."""
    limit = CapacityLimiter(AT_ONCE)
    routes: list[Any] = [
        Route(page.path, _endpoint(page, portal, limit), methods=[page.method]) for page in pages
    ]
    routes.append(Mount("/static", StaticFiles(directory=STATIC), name="static"))
    return Starlette(
        routes=routes,
        middleware=[Middleware(Protection, is_encrypted=portal.is_encrypted)],
        exception_handlers={HTTPException: _told(portal), Exception: _failed(portal)},
    )


def _endpoint(
    page: Page, portal: Portal, limit: CapacityLimiter
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        form: dict[str, str] = {}
        files: dict[str, bytes] = {}
        body = b""
        if page.for_machines:
            body = await request.body()
        elif page.method == "POST":
            async with request.form(max_files=2, max_fields=FIELDS) as sent:
                for name, value in sent.items():
                    if isinstance(value, UploadFile):
                        files[name] = await value.read()
                    else:
                        form[name] = value
        given = (page, portal, request, form, files, body)
        return await run_sync(_answered, *given, limiter=limit)

    return answer


def _answered(
    page: Page,
    portal: Portal,
    request: Request,
    form: dict[str, str],
    files: dict[str, bytes],
    body: bytes,
) -> Response:
    """Ask who it is, whether the form is its own, whether the role may, and only then answer."""
    now = portal.clock()
    token = request.cookies.get(COOKIE, "")
    ask = Ask(
        portal=portal,
        now=now,
        method=page.method,
        path=request.path_params,
        query=dict(request.query_params),
        form=form,
        files=files,
        address=request.client.host if request.client else "",
        token=token,
        body=body,
    )
    try:
        if _has_control({**request.path_params, **request.query_params, **form}):
            raise NotGivenError(
                422, "What was sent holds control characters; nothing was recorded."
            )
        if token and not page.for_machines:
            ask = replace(ask, session=resume(portal.engine, token, now=now))
        refusal = _not_admitted(page, ask, request)
        return refusal or page.answer(ask)
    except NotGivenError as refused:
        if refused.status == 403:
            note_refused(ask, "page", refused.says)
        return _refused(ask, refused.status, refused.says, as_json=page.for_machines)
    except (BusyError, SQLAlchemyError) as error:
        if not isinstance(error, BusyError) and not is_passing(error):
            raise
        busy = _refused(ask, 503, "The database is busy; send it again.", as_json=page.for_machines)
        busy.headers["Retry-After"] = "2"
        return busy


def _has_control(sent: Mapping[str, str]) -> bool:
    """Whether a name or a value holds what nobody types and PostgreSQL takes in no text."""
    return any(CONTROL.search(text) for pair in sent.items() for text in pair)


def _not_admitted(page: Page, ask: Ask, request: Request) -> Response | None:
    if page.method == "POST" and not page.for_machines and not _is_own(request, ask.portal):
        raise NotGivenError(403, "This form was not sent from a page of the portal.")
    if page.action is None:
        return None
    if ask.session is None:
        if page.method == "POST":
            raise NotGivenError(401, "You were signed out; nothing was recorded. Sign in again.")
        return sent_to(f"/sign-in?next={quote(request.url.path)}")
    if not ask.may(page.action):
        raise NotGivenError(403, f"A {ask.role} may not {page.action}.")
    if page.method == "POST" and not ask.session.owns(ask.form.get("form_token", "")):
        raise NotGivenError(403, "This form belongs to another session. Open the page again.")
    account = ask.session.account
    lacks_code = not account.has_code and not ask.portal.is_demonstration
    if (account.must_change or lacks_code) and not page.of_own_account:
        return sent_to("/account")
    return None


def _is_own(request: Request, portal: Portal) -> bool:
    """Whether a browser says that the form comes from one of the portal's own addresses."""
    origin = request.headers.get("origin")
    if origin is None:
        parts = urlsplit(request.headers.get("referer", ""))
        origin = f"{parts.scheme}://{parts.netloc}"
    return origin in portal.origins


def _refused(ask: Ask, status: int, says: str, *, as_json: bool) -> Response:
    if as_json:
        return JSONResponse({"error": says}, status_code=status)
    return shown(ask, "refused.html", {"says": says}, status=status)


def _told(portal: Portal) -> Any:
    """Answer addresses that do not exist, and methods that a page has not, as a page."""

    def answer(request: Request, error: HTTPException) -> Response:
        says = {404: "There is no such page.", 405: "This page cannot be asked for in that way."}
        told = says.get(error.status_code, "This cannot be answered.")
        return _refused(_nobody(portal), error.status_code, told, as_json=False)

    return answer


def _failed(portal: Portal) -> Any:
    """Answer what went wrong here without a word of it; the server's log has the fault.

    This answer is made outside the middleware, so it takes the headers of protection itself.
    """

    def answer(request: Request, error: Exception) -> Response:
        says = "Something went wrong here. Whether it was recorded, the patient's page shows."
        told = _refused(_nobody(portal), 500, says, as_json=False)
        told.headers.update(protective(is_encrypted=portal.is_encrypted))
        return told

    return answer


def _nobody(portal: Portal) -> Ask:
    """Return a request of nobody for nothing, for pages that stand outside the table."""
    return Ask(
        portal=portal,
        now=portal.clock(),
        method="GET",
        path={},
        query={},
        form={},
        files={},
        address="",
    )
