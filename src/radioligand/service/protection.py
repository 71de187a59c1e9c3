# SPDX-License-Identifier: Apache-2.0
"""What every answer carries and no request exceeds: headers of protection, a limit of size."""

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 2_000_000  # bytes
POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
YEAR = 31_536_000  # seconds


def protective(*, is_encrypted: bool) -> dict[str, str]:
    """Return the headers of every answer; a portal reached by https alone says so to browsers."""
    strict = {"Strict-Transport-Security": f"max-age={YEAR}"} if is_encrypted else {}
    return HEADERS | strict


class _TooLargeError(Exception):
    """More came than was announced or is allowed."""


class Protection:
    """ASGI middleware: sets the headers on every answer and refuses bodies that are too large."""

    def __init__(self, app: ASGIApp, *, is_encrypted: bool) -> None:
        """Wrap an application."""
        self.app = app
        self.headers = protective(is_encrypted=is_encrypted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its answer with headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        received = 0
        begun = False

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY:
                raise _TooLargeError
            return message

        async def protected(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, limited, protected)
        except _TooLargeError:
            if begun:
                raise
            too_large = PlainTextResponse("More than 2 MB cannot be taken.", status_code=413)
            await too_large(scope, receive, protected)
