# SPDX-License-Identifier: Apache-2.0
"""Worker processes behind one address: they share a socket, and one that dies is started again.

The parent holds the socket and answers nothing, so that a connection made while a worker starts
waits for it instead of being refused. What workers have in common (sessions, locks, the ledger)
lies in the database; nothing is kept in a process.
"""

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

import uvicorn
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette

from radioligand.service.database import is_passing

PAUSE_SECONDS = 1.0  # before a worker starts again that ended by itself
LOOK_SECONDS = 0.5  # between looks whether the parent was asked to end
END_SECONDS = 10  # for requests under way, then a worker is killed
BACKLOG = 512  # connections that wait for a worker


def listen(host: str, port: int) -> socket.socket:
    """Return the socket that the workers share. Raises OSError if the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def run_workers(
    make: Callable[[], Starlette], channel: socket.socket, *, workers: int, imports: str
) -> None:
    """Answer requests in so many processes until the parent gets SIGINT or SIGTERM.

    `make` is called in each worker and has to be picklable. Workers are forked by a server process
    that has imported the module `imports` and opened nothing, so that one starts in a fraction of a
    second.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([imports])
    is_over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: is_over.set())

    def started() -> BaseProcess:
        process = context.Process(target=_work, args=(make, channel))
        process.start()
        return process

    running = [started() for _ in range(workers)]
    while not is_over.is_set():
        wait([process.sentinel for process in running], timeout=LOOK_SECONDS)
        for place, process in enumerate(running):
            if process.is_alive() or is_over.is_set():
                continue
            if process.exitcode and process.exitcode > 0:  # not killed: it may fail again at once
                time.sleep(PAUSE_SECONDS)
            running[place] = started()
    for process in running:
        process.terminate()
    for process in running:
        process.join(END_SECONDS)
        process.kill()


def _work(make: Callable[[], Starlette], channel: socket.socket) -> None:
    """Answer requests until told to end, or until the parent is gone."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    config = uvicorn.Config(
        _opened(make),
        log_level="warning",
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=END_SECONDS // 2,
    )
    uvicorn.Server(config).run([channel])


def _opened(make: Callable[[], Starlette]) -> Starlette:
    """Open the portal, once the database lets it."""
    while True:
        try:
            return make()
        except SQLAlchemyError as error:
            if not is_passing(error):
                raise
        time.sleep(PAUSE_SECONDS / 10)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
