# SPDX-License-Identifier: Apache-2.0
"""The command that serves: what it starts from, where it listens, what it says once."""

import pytest
from click.testing import CliRunner

from radioligand.cli import cli, serving
from radioligand.io.documents import DocumentError
from radioligand.service import accounts
from radioligand.service.starting import Place


@pytest.fixture
def place(tmp_path):
    return Place(
        url=f"sqlite:///{tmp_path}/trial.db",
        secret=tmp_path / "trial.secret",
        anchor=tmp_path / "trial.anchor",
    )


def test_a_first_start_makes_everything_and_a_second_finds_it(protocol, place):
    origins = frozenset({"http://127.0.0.1:8000"})
    first = serving.started(protocol, place, origins=origins)
    second = serving.started(protocol, place, origins=origins)

    assert [one.name for one in accounts.accounts(first.portal.engine)] == ["admin"]
    assert "one-time password" in first.said[0]
    assert second.said == ()
    assert second.portal.ledger.head() == first.portal.ledger.head()
    assert place.secret.stat().st_mode & 0o077 == 0
    for one in (first, second):
        one.portal.engine.dispose()


def test_a_new_trial_randomises_nobody_before_its_list_is_released(protocol, place):
    started = serving.started(protocol, place, origins=frozenset())
    kinds = [one.kind for one in started.portal.ledger.events()]
    assert kinds == ["ledger opened"]
    started.portal.engine.dispose()


@pytest.mark.parametrize(
    ("host", "address", "says"),
    [
        ("0.0.0.0", None, "open to a network"),
        ("0.0.0.0", "http://portal.example.org", "https:// alone"),
    ],
)
def test_nothing_is_served_to_a_network_without_encryption(host, address, says):
    with pytest.raises(DocumentError, match=says):
        serving.origins_of(host, 8000, address)


def test_origins_are_what_browsers_send():
    assert serving.origins_of("127.0.0.1", 8000, None) == {
        "http://127.0.0.1:8000",
        "http://localhost:8000",
    }
    behind = serving.origins_of("0.0.0.0", 8000, "https://portal.example.org/")
    assert behind == {"https://portal.example.org"}


def test_what_can_be_mended_is_told_in_one_line(tmp_path):
    (tmp_path / "trial.secret").write_text("not a secret")
    typed = ["serve", "netter-2", "--database", str(tmp_path / "trial.db")]
    told = CliRunner().invoke(cli, typed)
    assert told.exit_code == 1
    assert "is never replaced" in told.output
    assert "Traceback" not in told.output
