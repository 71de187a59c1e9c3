# SPDX-License-Identifier: Apache-2.0
"""A trial to run: its list, its keys, and a ledger with one open site on a fresh database."""

import importlib.util
import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from radioligand.allocation import make_list, make_salts
from radioligand.io.documents import read_protocol
from radioligand.service.database import connect
from radioligand.service.events import Signature
from radioligand.service.keys import keys_of
from radioligand.service.ledger import Ledger, open_ledger

ROOT = Path(__file__).parents[2]
SEED = "a seed that only these tests know"
SIGNED = Signature(name="Example investigator", meaning="I take responsibility for this step.")


def form(*, ki67_percent=15.0, primary_site="PANCREAS", **other):
    """A patient who meets every criterion of NETTER-2, in the stratum of grade and origin."""
    return {
        "age_years": 61.0,
        "disease_extent": "METASTATIC",
        "inoperable": True,
        "primary_site": primary_site,
        "specimen": "HISTOLOGY",
        "differentiation": "WELL DIFFERENTIATED",
        "ki67_percent": ki67_percent,
        "months_since_diagnosis": 2.0,
        "karnofsky": 90.0,
        "weight_kg": 70.0,
        "lowest_uptake_score": 4.0,
        "lowest_uptake_score_date": "2026-01-02",
        "assessment_date": "2026-01-12",
        "creatinine_clearance_ml_min": 88.0,
        "prior_prrt": False,
        "prior_hepatic_artery_embolisation": False,
        "prior_radiofrequency_ablation": False,
        "prior_systemic_therapy": False,
        "prior_somatostatin_analogue": False,
        "days_since_consent": 3.0,
    } | other


class Clock:
    """A clock that goes on by one second a look, and can be set."""

    def __init__(self):
        """Start in the morning."""
        self.now = datetime(2026, 1, 12, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture(scope="session")
def protocol():
    return read_protocol("netter-2")


@pytest.fixture(scope="session")
def keys():
    return keys_of(b"thirty-two bytes for these tests")


@pytest.fixture(scope="session")
def entries(protocol):
    return make_list(protocol, seed=SEED)


@pytest.fixture
def clock():
    return Clock()


def server_of_our_own():
    """The module that runs a PostgreSQL server; it stands beside the benchmarks."""
    place = ROOT / "benchmarks" / "postgresql_server.py"
    found = importlib.util.spec_from_file_location("postgresql_server", place)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def postgresql():
    """Address of a PostgreSQL server that lives as long as the tests."""
    server = server_of_our_own()
    if server.find_binaries() is None and os.environ.get("CI") != "true":
        pytest.skip("PostgreSQL is not installed; continuous integration has it")
    with server.postgresql_server() as address:
        yield address


@pytest.fixture
def postgresql_url(postgresql):
    """A new database on the PostgreSQL server."""
    return server_of_our_own().new_database(postgresql, uuid.uuid4().hex)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """A new database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return request.getfixturevalue("postgresql_url")


@pytest.fixture
def opened(protocol, entries, keys, clock, tmp_path):
    """Open a ledger: its list released by another than its maker, one site open."""
    engines, usual, beside = [], entries, tmp_path / "anchor"

    def start(url=f"sqlite:///{tmp_path}/ledger.db", *, entries=usual, anchor=beside):
        engine = connect(url)
        engines.append(engine)
        salts = make_salts(entries, seed=SEED)
        open_ledger(engine, protocol, entries, salts=salts, keys=keys, actor="maker", clock=clock)
        ledger = Ledger(engine, protocol, keys=keys, clock=clock, anchor=anchor)
        ledger.record("list released", actor="manager")
        ledger.record("site opened", site="1001", actor="manager")
        return ledger

    yield start
    for engine in engines:
        engine.dispose()


@pytest.fixture
def ledger(opened):
    return opened()


@pytest.fixture
def ledgers(opened, url):
    """A ledger on each kind of database in turn."""
    return opened(url)


@pytest.fixture
def ready():
    """Bring a subject to the point where only randomisation is left."""

    def bring(ledger, subject, *, site="1001", **values):
        here = {"subject": subject, "site": site, "actor": "coordinator"}
        ledger.record("consented", payload={"consent_date": "2026-01-09"}, **here)
        ledger.record("screened", payload={"form": form(**values)}, **here)
        ledger.record("eligibility signed", signature=SIGNED, **here)

    return bring


@pytest.fixture
def randomise():
    """Randomise a subject who is ready, under a key of its own."""

    def do(ledger, subject, *, site="1001", actor="investigator", key=None, **options):
        key = key or f"key of {subject}"
        return ledger.allocate(
            subject, site=site, actor=actor, key=key, signature=SIGNED, **options
        )

    return do
