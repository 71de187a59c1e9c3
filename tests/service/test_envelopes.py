# SPDX-License-Identifier: Apache-2.0
"""Sealed envelopes: opened while the portal was away, entered in their order, never given twice."""

import json
from dataclasses import asdict, replace

import pytest
from click.testing import CliRunner

from radioligand.allocation import make_salts, with_fallback
from radioligand.cli import cli
from radioligand.service.backup import restore_backup, write_backup
from radioligand.service.database import connect
from radioligand.service.ledger import Ledger, RefusalError
from radioligand.service.reconciling import Certificate
from radioligand.service.sdtm import sdtm
from radioligand.service.verification import verify_ledger

from .conftest import SEED, SIGNED


@pytest.fixture(scope="session")
def joined(protocol, entries):
    return with_fallback(entries, protocol, seed=SEED, entries_per_stratum=3, blocks=(3,))


@pytest.fixture
def sealed(joined):
    """The arms in the envelopes of the first stratum, 1 to 3."""
    return joined.filter(STRATUM="fallback 2 / PANCREAS")["ARMCD"].to_list()


@pytest.fixture
def ledger(opened, url, joined, ready):
    ledger = opened(url, entries=joined)
    for number in range(1, 6):
        ready(ledger, f"1001-00{number}")
    return ledger


@pytest.fixture
def certificate(sealed):
    def told(number, subject, **other):
        usual = Certificate(
            subject=subject,
            site="1001",
            arm=sealed[number - 1],
            strata={"STRGRADE": "2", "STRORIG": "PANCREAS"},
            actor="investigator",
            signature=SIGNED,
            envelope=number,
            opened_at="2026-01-11T16:30:00+00:00",
        )
        return replace(usual, **other)

    return told


def enter(ledger, one, key=None):
    return ledger.enter_envelope(one, actor="office", reason="no network", key=key)


def test_envelopes_are_entered_beside_the_main_list(
    ledger, certificate, randomise, entries, joined, sealed, keys
):
    randomise(ledger, "1001-001")
    enter(ledger, certificate(1, "1001-002"))
    enter(ledger, certificate(2, "1001-003"))
    randomise(ledger, "1001-004")

    arms = entries.filter(STRATUM="2 / PANCREAS")["ARMCD"].head(2).to_list()
    given = {one.subject: one.arm for one in ledger.patients() if one.arm}
    assert given == {
        "1001-001": arms[0],
        "1001-002": sealed[0],
        "1001-003": sealed[1],
        "1001-004": arms[1],
    }
    assert ledger.patient("1001-002").randomised_at == "2026-01-11T16:30:00+00:00"
    salts = make_salts(joined, seed=SEED)
    found = verify_ledger(
        ledger.engine, anchor=ledger.anchor, public=keys.public, entries=joined, salts=salts
    )
    assert [check for check in found.checks if check.faults] == []


def test_the_same_envelope_sent_again_is_entered_once(ledger, certificate):
    first = enter(ledger, certificate(1, "1001-002"), key="a")
    assert enter(ledger, certificate(1, "1001-002"), key="a") == first
    with pytest.raises(RefusalError, match="cannot follow: randomised"):
        enter(ledger, certificate(2, "1001-002"), key="b")
    assert ledger.head().allocations == 1


def test_who_was_randomised_meanwhile_has_no_second_arm(ledger, certificate, randomise):
    randomise(ledger, "1001-002")
    with pytest.raises(RefusalError, match="cannot follow: randomised"):
        enter(ledger, certificate(1, "1001-002"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"envelope": 2}, "envelope 1 of 2 / PANCREAS comes first, not 2"),
        ({"envelope": None}, "comes first, not None"),
        ({"arm": "another"}, "does not agree with the list"),
        ({"strata": {"STRGRADE": "3", "STRORIG": "PANCREAS"}}, "the form of 1001-002 says"),
        ({"strata": {}}, "the form of 1001-002 says"),
        ({"opened_at": None}, "is not a time in UTC"),
        ({"opened_at": "2026-01-11T16:30:00"}, "is not a time in UTC"),
        ({"opened_at": "2026-01-11T16:30:00+01:00"}, "is not a time in UTC"),
        ({"opened_at": "2027-01-11T16:30:00+00:00"}, "yet to come"),
        ({"subject": "1001-009"}, "comes after: consented"),
        ({"site": "1002"}, "none of the site's"),
    ],
)
def test_an_envelope_that_does_not_fit_is_refused(ledger, certificate, change, says):
    before = ledger.head()
    with pytest.raises(RefusalError, match=says):
        enter(ledger, replace(certificate(1, "1001-002"), **change))
    assert ledger.head() == before


def test_an_envelope_needs_its_reason_and_a_list_that_has_some(
    ledger, certificate, opened, ready, tmp_path
):
    with pytest.raises(RefusalError, match="needs the reason"):
        ledger.enter_envelope(certificate(1, "1001-002"), actor="office", reason=" ")
    for number in (1, 2, 3):
        enter(ledger, certificate(number, f"1001-00{number}"))
    with pytest.raises(RefusalError, match="no sealed envelope of 2 / PANCREAS left"):
        enter(ledger, certificate(1, "1001-004"))
    plain = opened(f"sqlite:///{tmp_path}/plain.db", anchor=None)
    ready(plain, "1001-001")
    with pytest.raises(RefusalError, match="no sealed envelope"):
        enter(plain, certificate(1, "1001-001"))


def test_an_envelope_lost_in_a_restore_comes_back_as_one(
    ledger, certificate, protocol, keys, tmp_path
):
    write_backup(ledger.engine, tmp_path / "monday")
    event = enter(ledger, certificate(1, "1001-002"))
    engine = connect(f"{tmp_path}/again.db")
    restore_backup(engine, tmp_path / "monday")
    again = Ledger(engine, protocol, keys=keys, anchor=ledger.anchor)
    again.record("site opened", site="1002", actor="manager")
    with pytest.raises(RefusalError, match="not reconciled"):
        enter(again, certificate(1, "1001-003"))

    lost = certificate(1, "1001-002", reference=event.hash)
    again.reconcile([lost], actor="office", reason="fire")

    assert again.patient("1001-002").arm == ledger.patient("1001-002").arm
    assert verify_ledger(engine, anchor=ledger.anchor).is_sound
    engine.dispose()


def test_the_study_has_the_day_on_which_the_envelope_was_opened(ledger, certificate, protocol):
    enter(ledger, certificate(1, "1001-002"))
    frames = sdtm(ledger.patients(), protocol=protocol)
    told = frames["DS"].filter(USUBJID=frames["DS"]["USUBJID"], DSDECOD="RANDOMIZED")
    assert told["DSSTDTC"].to_list() == ["2026-01-11"]


def test_the_commands_make_print_and_enter_envelopes(
    opened, protocol, keys, ready, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)

    def typed(*words, status=0):
        done = CliRunner().invoke(cli, [str(word) for word in words])
        assert done.exit_code == status, done.output
        return done.output

    made = ("list", "make", "netter-2", "--out", "list", "--fallback", 6)
    assert "984 entries in 8 strata" in typed(*made)
    assert "no faults" in typed("list", "check", "list/list.csv", "netter-2")
    printed = ("list", "envelopes", "list/list.csv", "netter-2", "--out", "envelopes.html")
    assert "destroy the file" in typed(*printed)
    assert (tmp_path / "envelopes.html").stat().st_mode & 0o777 == 0o600
    assert "cannot be written" in typed(*printed, status=1)
    typed("ledger", "open", "netter-2", "a.db", "--list", "list", "--actor", "lister")
    assert "sound" in typed("audit", "a.db", "--list", "list", "--json")


def test_the_command_enters_a_file_of_certificates(ledger, certificate, tmp_path, keys):
    (tmp_path / "secret").write_text(b"thirty-two bytes for these tests".hex())
    rows = [asdict(certificate(n, f"1001-00{n}")) for n in (1, 2)]
    (tmp_path / "opened.json").write_text(json.dumps(rows))
    address = ledger.engine.url.render_as_string(hide_password=False)
    words = ["ledger", "fallback", "netter-2", address, str(tmp_path / "opened.json")]
    words += ["--secret", str(tmp_path / "secret"), "--anchor", str(ledger.anchor)]
    words += ["--actor", "office", "--reason", "no network"]
    for _ in range(2):  # sent again, nothing is entered twice
        told = CliRunner().invoke(cli, words)
        assert told.exit_code == 0, told.output
        assert "1001-002: envelope 2 entered." in told.output
    assert ledger.head().allocations == 2
