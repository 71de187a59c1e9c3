# SPDX-License-Identifier: Apache-2.0
"""A protocol that changes while its trial runs: refused unseen, recorded, told by each event."""

import shutil
from importlib.resources import files

import pytest
from click.testing import CliRunner

from radioligand.cli import cli
from radioligand.io.documents import read_protocol
from radioligand.service.amendments import document_hash
from radioligand.service.database import DatabaseError
from radioligand.service.ledger import Ledger, RefusalError
from radioligand.service.verification import verify_ledger

from .conftest import SIGNED, form


@pytest.fixture
def amended(protocol):
    """The protocol with another age of eligibility and no dose rules; arms and strata as before."""
    first, *others = protocol.eligibility
    younger = first.model_copy(update={"says": "Aged 12 years or older"})
    return protocol.model_copy(update={"eligibility": (younger, *others), "dosing": None})


def test_the_hash_is_of_what_the_document_says_and_not_of_its_bytes(tmp_path, protocol, amended):
    text = (files("radioligand.trials") / "netter-2.toml").read_text("utf-8")
    (tmp_path / "commented.toml").write_text(f"# a comment\n\n{text}\n", "utf-8")

    assert document_hash(read_protocol(str(tmp_path / "commented.toml"))) == document_hash(protocol)
    assert document_hash(amended) != document_hash(protocol)


def test_another_document_does_not_open_the_ledger_unseen(ledger, amended, keys):
    with pytest.raises(DatabaseError, match="is not version 1, by which the ledger is run"):
        Ledger(ledger.engine, amended, keys=keys)


def test_an_amendment_is_an_event_and_decisions_hold_their_protocol(
    ledger, amended, protocol, keys, clock, ready, randomise
):
    ready(ledger, "1001-001")
    ready(ledger, "1001-002")
    there = {"keys": keys, "clock": clock, "anchor": ledger.anchor}
    event = Ledger(ledger.engine, amended, is_amending=True, **there).amend(
        actor="sponsor", reason="amendment 1"
    )

    here = {"subject": "1001-003", "site": "1001", "actor": "coordinator"}
    ledger.record("consented", payload={"consent_date": "2026-01-09"}, **here)
    with pytest.raises(RefusalError, match="the protocol was amended"):
        ledger.record("screened", payload={"form": form()}, **here)
    with pytest.raises(RefusalError, match="the protocol was amended"):
        randomise(ledger, "1001-001")
    with pytest.raises(DatabaseError, match="is not version 2"):
        Ledger(ledger.engine, protocol, **there)

    after = Ledger(ledger.engine, amended, **there)
    ready(after, "1001-004")
    randomise(after, "1001-001")
    told = {one.subject: one.payload["protocol"] for one in after.events(kinds=("screened",))}
    assert told["1001-001"] == event.payload["was"] == document_hash(protocol)
    assert told["1001-004"] == event.payload["protocol"] == document_hash(amended)
    assert (after.protocol_held().version, after.protocol_held().since) == (2, event.number)
    assert verify_ledger(after.engine, anchor=after.anchor).is_sound
    with pytest.raises(DatabaseError, match="by which the ledger is run already"):
        after.amend(actor="sponsor", reason="again")


def test_a_dose_decision_holds_its_protocol(ledger, ready, randomise):
    numbers = iter(range(1, 7))
    while True:
        subject = f"1001-{next(numbers):03}"
        ready(ledger, subject)
        randomise(ledger, subject)
        if "on radioligand" in ledger.patient(subject).facts:
            break
    here = {"subject": subject, "site": "1001", "actor": "investigator"}
    for kind in ("dose planned", "labs checked"):
        ledger.record(kind, payload={"cycle": 1}, **here)
    decision = {"cycle": 1, "decision": "full"}
    event = ledger.record("dose decided", payload=decision, signature=SIGNED, **here)
    assert event.payload["protocol"] == document_hash(ledger.protocol)


def test_arms_and_strata_are_not_amended(ledger, protocol, keys):
    other = protocol.model_copy(update={"arms": protocol.arms[::-1]})
    with pytest.raises(DatabaseError, match="another plan of arms"):
        Ledger(ledger.engine, other, keys=keys, is_amending=True)


def test_an_amendment_is_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def typed(*words):
        return CliRunner().invoke(cli, [*words])

    typed("list", "make", "netter-2", "--out", "list")
    typed("ledger", "open", "netter-2", "a.db", "--list", "list", "--actor", "lister")
    shutil.copy(files("radioligand.trials") / "netter-2.toml", "new.toml")
    text = (tmp_path / "new.toml").read_text("utf-8")
    (tmp_path / "new.toml").write_text(text.replace("Considered inoperable", "Inoperable"), "utf-8")
    amend = ("ledger", "amend", "a.db", "new.toml", "--actor", "me", "--reason", "amendment 1")

    assert "version 2 of NETTER-2 from here on" in typed(*amend).output
    again = typed(*amend)
    assert again.exit_code == 1
    assert "by which the ledger is run already" in again.output
