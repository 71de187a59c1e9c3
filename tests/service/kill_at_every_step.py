# SPDX-License-Identifier: Apache-2.0
"""A program that randomises one subject and is killed at every step of it in turn.

    python kill_at_every_step.py URL ANCHOR SECRET SUBJECT

Each attempt is a process of its own that kills itself (SIGKILL) behind the n-th statement,
at the commit, or behind it; all attempts have one key. Prints a JSON list, one row an attempt:
where, whether it was killed, the number of the ledger's head afterwards, the answer if any.
"""

import json
import os
import signal
import sys
from pathlib import Path

from sqlalchemy import event

from radioligand.io.documents import read_protocol
from radioligand.service.database import connect
from radioligand.service.events import Signature
from radioligand.service.keys import keys_of
from radioligand.service.ledger import Ledger, utc_now

SIGNED = Signature(name="Example investigator", meaning="I take responsibility for this step.")
SIDES = ("before_cursor_execute", "after_cursor_execute")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def attempt(url, anchor, keys, protocol, subject, where, tell):
    """One process's work: the end of it is death at `where`, or an answer."""
    ledger = Ledger(connect(url), protocol, keys=keys, anchor=anchor)
    side, place = where
    seen, looks = [], []

    @event.listens_for(ledger.engine, side if side in SIDES else SIDES[0])
    def count(*statement):
        seen.append(statement)
        if side in SIDES and len(seen) == place:
            die()

    @event.listens_for(ledger.engine, "commit")
    def at_commit(connection):
        if side == "commit":
            tell({"statements": len(seen)})
            die()

    def clock():
        looks.append(None)
        if side == "behind the commit" and len(looks) == 3:
            die()  # the third look is for the anchor
        return utc_now()

    ledger._clock = clock
    told = ledger.allocate(subject, site="1001", actor="a", key="one key", signature=SIGNED)
    if side == "behind the anchor":
        die()
    tell({"arm": told.arm, "reference": told.reference})


def main(url, anchor, secret, subject):
    protocol, keys = read_protocol("netter-2"), keys_of(bytes.fromhex(secret))
    rows = []

    def run(side, place=0):
        come, go = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(come)

            def tell(told):
                os.write(go, json.dumps(told).encode())

            attempt(url, Path(anchor), keys, protocol, subject, (side, place), tell)
            os._exit(0)
        os.close(go)
        with os.fdopen(come) as pipe:
            told = json.loads(pipe.read() or "{}")
        _, status = os.waitpid(child, 0)
        engine = connect(url)
        head = Ledger(engine, protocol, keys=keys, anchor=Path(anchor)).head()
        engine.dispose()
        row = {"where": side, "place": place, "killed": os.WIFSIGNALED(status)}
        rows.append(row | {"number": head.number, "told": told})
        return told

    statements = run("commit")["statements"]
    run("before_cursor_execute", 1)
    for place in range(1, statements + 1):
        run("after_cursor_execute", place)
    run("behind the commit")
    run("behind the anchor")
    run("to the end")
    run("to the end")
    print(json.dumps(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
