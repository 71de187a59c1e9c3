# SPDX-License-Identifier: Apache-2.0
"""Random sites at random work: whatever they ask in whatever order, the ledger's laws hold."""

import tempfile
import uuid
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import text

from radioligand.allocation import make_list, make_salts
from radioligand.io.documents import read_protocol
from radioligand.service.database import connect
from radioligand.service.events import KINDS
from radioligand.service.keys import keys_of
from radioligand.service.ledger import Ledger, RefusalError, open_ledger
from radioligand.service.verification import verify_ledger

from .conftest import SEED, SIGNED, form, server_of_our_own

PROTOCOL = read_protocol("netter-2")
LIST = make_list(PROTOCOL, seed=SEED, blocks=(3,), entries_per_stratum=3)
SALTS = make_salts(LIST, seed=SEED)
ARMS = {
    name: rows["ARMCD"].to_list() for (name,), rows in LIST.group_by("STRATUM", maintain_order=True)
}
KEYS = keys_of(b"thirty-two bytes for these tests")
subjects = st.integers(1, 9).map(lambda number: f"1001-{number:03}")
places = st.sampled_from(["1001", "1001", "1001", "1002"])
on_a_subject = [
    name
    for name, kind in KINDS.items()
    if kind.about == "subject" and name not in ("randomised", "screened")
]


class Trial(RuleBasedStateMachine):
    """A ledger, and beside it what has to be true of it."""

    @initialize(ready=st.lists(st.sampled_from([15.0, 15.0, 15.0, 30.0]), min_size=5, max_size=8))
    def start(self, ready):
        self.folder = tempfile.TemporaryDirectory()
        self.now = datetime(2026, 1, 12, tzinfo=UTC)
        self.anchor = Path(self.folder.name) / "anchor"
        self.engine = connect(self.database())
        given = {"salts": SALTS, "keys": KEYS, "clock": self.clock}
        open_ledger(self.engine, PROTOCOL, LIST, actor="maker", **given)
        self.restart()
        self.ledger.record("list released", actor="manager")
        self.ledger.record("site opened", site="1001", actor="manager")
        self.given: dict[str, str] = {}  # arm by subject
        self.strata: dict[str, str] = {}
        self.answers = {}  # by key: what was asked, what was told
        for number, ki67 in enumerate(ready, start=1):  # of nine subjects, these have come far
            self.consent(f"1001-{number:03}", "1001")
            self.screen(f"1001-{number:03}", "1001", ki67, "PANCREAS")
            self.sign(f"1001-{number:03}", "1001")

    def database(self):
        return f"{self.folder.name}/ledger.db"

    def clock(self):
        self.now += timedelta(seconds=1)
        return self.now

    def restart(self):
        self.ledger = Ledger(self.engine, PROTOCOL, keys=KEYS, clock=self.clock, anchor=self.anchor)

    def attempt(self, act):
        """Do it or be refused; a refusal changes nothing."""
        before = self.ledger.head()
        with suppress(RefusalError):
            return act()
        assert self.ledger.head() == before
        return None

    @rule(subject=subjects, site=places)
    def consent(self, subject, site):
        here = {"subject": subject, "site": site, "actor": "coordinator"}
        paper = {"consent_date": "2026-01-09"}
        self.attempt(lambda: self.ledger.record("consented", payload=paper, **here))

    @rule(
        subject=subjects,
        site=places,
        ki67=st.sampled_from([15.0, 30.0, None, 70.0]),
        origin=st.sampled_from(["PANCREAS", "RECTUM"]),
    )
    def screen(self, subject, site, ki67, origin):
        asked = form(ki67_percent=ki67, primary_site=origin)
        here = {"subject": subject, "site": site, "actor": "coordinator"}
        told = self.attempt(lambda: self.ledger.record("screened", payload={"form": asked}, **here))
        if told:
            verdict = {None: "undetermined", 70.0: "not eligible"}.get(ki67, "eligible")
            assert told.payload["verdict"] == verdict

    @rule(subject=subjects, site=places)
    def sign(self, subject, site):
        here = {"subject": subject, "site": site, "actor": "investigator"}
        self.attempt(lambda: self.ledger.record("eligibility signed", signature=SIGNED, **here))

    @rule(subject=subjects, key=st.integers(0, 20).map(str), actor=st.sampled_from("ab"))
    def randomise(self, subject, key, actor):
        may = self.ledger.patient(subject).facts >= {"consented", "eligible", "eligibility signed"}
        told = self.attempt(
            lambda: self.ledger.allocate(
                subject, site="1001", actor=actor, key=key, signature=SIGNED
            )
        )
        if key in self.answers:
            asked, first = self.answers[key]
            assert told == (first if asked == (subject, actor) else None)
        elif told:
            assert may
            assert subject not in self.given
            stratum = f"{told.strata['STRGRADE']} / {told.strata['STRORIG']}"
            place = Counter(self.strata.values())[stratum]
            assert told.arm == ARMS[stratum][place]
            self.given[subject], self.strata[subject] = told.arm, stratum
            self.answers[key] = (subject, actor), told

    @rule(several=st.lists(subjects, min_size=2, max_size=6, unique=True))
    def randomise_several(self, several):
        for subject in several:
            self.randomise(subject, f"of {subject}", "a")

    @rule(subject=subjects, kind=st.sampled_from(on_a_subject), cycle=st.integers(1, 2))
    def anything(self, subject, kind, cycle):
        payload = {
            "cycle": cycle,
            "decision": "full",
            "consent_date": "2026-01-09",
            "strata": {"STRGRADE": "3", "STRORIG": "OTHER"},
            "corrects": 1,
        }
        self.attempt(
            lambda: self.ledger.record(
                kind,
                subject=subject,
                site="1001",
                actor="a",
                payload=payload,
                reason="why not",
                signature=SIGNED,
            )
        )

    @rule(kind=st.sampled_from(["site opened", "site closed"]), cap=st.sampled_from([None, 2]))
    def open_or_close(self, kind, cap):
        self.ledger.record(kind, site="1001", actor="manager", payload={"cap": cap}, reason="plans")

    @rule(seconds=st.integers(-600, 600))
    def set_the_clock(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule()
    def start_again(self):
        self.restart()

    @invariant()
    def laws(self):
        if not hasattr(self, "ledger"):
            return
        with self.engine.connect() as connection:
            asked = "select stratum, sequence, subject, arm from allocation order by number"
            rows = [tuple(row) for row in connection.execute(text(asked))]
            stored = connection.execute(
                text("select count(*) from answer join allocation using (number)")
            ).scalar_one()
            cursors = dict(
                tuple(row)
                for row in connection.execute(text("select stratum, next_sequence from cursor"))
            )
        for stratum, after_last in cursors.items():
            used = [sequence for name, sequence, *_ in rows if name == stratum]
            assert used == list(range(1, after_last))
        assert {subject: arm for *_, subject, arm in rows} == self.given
        records = len(self.ledger.events(kinds=("randomised",)))
        assert len(rows) == records == stored == len(self.given) == self.ledger.head().allocations

    def teardown(self):
        if hasattr(self, "ledger"):
            found = verify_ledger(
                self.engine, anchor=self.anchor, public=KEYS.public, entries=LIST, salts=SALTS
            )
            assert [check for check in found.checks if check.faults] == []
            assert self.ledger.allocations().height == len(self.given)
            self.engine.dispose()
            self.folder.cleanup()


class TrialOnPostgresql(Trial):
    """The same on PostgreSQL; `server` is its address."""

    server = ""

    def database(self):
        return server_of_our_own().new_database(self.server, uuid.uuid4().hex)


@pytest.fixture
def on_postgresql(postgresql):
    TrialOnPostgresql.server = postgresql


USUAL = {"deadline": None, "suppress_health_check": list(HealthCheck)}
Trial.TestCase.settings = settings(max_examples=8, stateful_step_count=20, **USUAL)
TrialOnPostgresql.TestCase.settings = settings(max_examples=4, stateful_step_count=15, **USUAL)
TestTrial = pytest.mark.law(Trial.TestCase)
TestTrialOnPostgresql = pytest.mark.usefixtures("on_postgresql")(
    pytest.mark.law(TrialOnPostgresql.TestCase)
)
