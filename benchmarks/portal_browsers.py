# SPDX-License-Identifier: Apache-2.0
"""Browsers that ask the portal over HTTP, and the server process that they ask."""

import http.client
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlencode

import pyotp

from radioligand.service.pages_screening import RANDOMISE

TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
REFERENCE = re.compile(r"\b[0-9a-f]{64}\b")
FAULT = re.compile(r'role="alert"[^>]*>(.*?)</', re.S)
SILENCE = 45  # seconds until a browser takes a connection for dead
START = 120  # seconds for a portal to answer first


class NoAnswerError(Exception):
    """No answer came, or one that says: send it again."""


class Browser:
    """One signed-in investigator. Not to be shared between threads."""

    def __init__(self, port: int, name: str, password: str, secret: str) -> None:
        """Know who signs in; nothing is sent yet."""
        self.port, self.name, self.password, self.secret = port, name, password, secret
        self._cookie = self._form_token = ""
        self._lines: list[http.client.HTTPConnection] = []
        self._answered: dict[str, list[str]] = {}  # what was refused of a form that was answered

    def sign_in(self) -> None:
        """Begin a session and read the token that its forms must carry."""
        code = pyotp.TOTP(self.secret).now()
        sent = {"name": self.name, "password": self.password, "code": code}
        (answer,) = self.ask("POST", "/sign-in", sent)
        if answer.status != 303:
            raise RuntimeError(f"{self.name} was not signed in: {answer.status}")
        self._cookie = answer.headers["Set-Cookie"].split(";")[0]
        (page,) = self.ask("GET", "/account")
        found = TOKEN.search(page.text)
        if found is None:
            raise RuntimeError(f"the page of {self.name} has no form")
        self._form_token = found[1]

    def randomise(self, subject: str, *, times: int) -> tuple[set[str], list[str]]:
        """Send the signed form so often at once; the certificate's text, and what was refused.

        Raises NoAnswerError unless every sending was answered, and the certificate. Asked again, a
        form that was answered is not sent again, as the browser is at the certificate by then.
        """
        sent = {
            "form_token": self._form_token,
            "key": f"key of {subject}",
            "password": self.password,
            "meaning": RANDOMISE,
        }
        path = f"/patients/{subject}"
        if subject not in self._answered:
            answers = self.ask("POST", f"{path}/randomisation", sent, times=times)
            refused = [f"{one.status} {one.fault}" for one in answers if one.status != 303]
            if len(refused) == len(answers):
                return set(), refused
            self._answered[subject] = refused
        refused = self._answered[subject]
        (certificate,) = self.ask("GET", f"{path}/certificate")
        if certificate.status != 200:
            return set(), [*refused, f"certificate: {certificate.status}"]
        return {certificate.text}, refused

    def ask(
        self, method: str, path: str, form: dict[str, str] | None = None, *, times: int = 1
    ) -> "list[Answer]":
        """Send one request over so many connections before the first answer is read."""
        headers = {"Cookie": self._cookie} if self._cookie else {}
        if form is not None:
            headers["Origin"] = f"http://127.0.0.1:{self.port}"
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        while len(self._lines) < times:
            self._lines.append(http.client.HTTPConnection("127.0.0.1", self.port, timeout=SILENCE))
        lines = self._lines[:times]
        try:
            for line in lines:
                line.request(method, path, urlencode(form) if form else None, headers)
            answers = [Answer(line.getresponse()) for line in lines]
        except (OSError, http.client.HTTPException) as error:
            self.hang_up()
            raise NoAnswerError(type(error).__name__) from None
        if any(one.status == 503 for one in answers):
            raise NoAnswerError("busy")
        return answers

    def hang_up(self) -> None:
        """Close every connection; the session goes on."""
        for line in self._lines:
            line.close()
        self._lines = []


class Answer:
    """Status, headers and text of one answer, read whole."""

    def __init__(self, came: http.client.HTTPResponse) -> None:
        """Read it to its end."""
        self.status, self.headers = came.status, came.headers
        self.text = came.read().decode()

    @property
    def fault(self) -> str:
        """What the page says went wrong."""
        found = FAULT.search(self.text)
        return re.sub(r"<[^>]+>|\s+", " ", found[1]).strip() if found else ""


class Server:
    """`radioligand serve` as its user starts it."""

    def __init__(self, protocol: str, url: str, folder: Path, workers: int) -> None:
        """Start it on a free port; secret and anchor lie in `folder`."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        typed = [sys.executable, "-m", "radioligand.cli", "serve", protocol, "--database", url]
        typed += ["--secret", str(folder / "secret"), "--anchor", str(folder / "anchor")]
        typed += ["--port", str(self.port), "--workers", str(workers)]
        self._process = subprocess.Popen(typed, stdout=subprocess.DEVNULL)

    def wait_until_ready(self) -> None:
        """Wait for the first answer. Raises RuntimeError if the command ends."""
        until = time.monotonic() + START
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise RuntimeError(f"serve ended with status {self._process.returncode}")
            line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START)
            with closing(line), suppress(OSError, http.client.HTTPException):
                line.request("GET", "/sign-in")
                if line.getresponse().status == 200:
                    return
            time.sleep(0.1)
        raise TimeoutError("the portal does not answer")

    def workers(self) -> list[int]:
        """Process numbers of the workers: children of the one that forks them."""
        return [worker for child in children(self._process.pid) for worker in children(int(child))]

    def kill_one(self) -> int:
        """Kill a random worker; 0 if none was there to kill."""
        found = self.workers()
        if not found:
            return 0
        try:
            os.kill(random.choice(found), signal.SIGKILL)
        except ProcessLookupError:
            return 0
        return 1

    def end(self) -> None:
        """End it as Ctrl+C does."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=60)


def children(process: int) -> list[int]:
    """Process numbers of the children of a process, none once it is gone."""
    try:
        told = Path(f"/proc/{process}/task/{process}/children").read_text("ascii")
    except OSError:
        return []
    return [int(number) for number in told.split()]
