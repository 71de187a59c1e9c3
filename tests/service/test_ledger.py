# SPDX-License-Identifier: Apache-2.0
"""The ledger: what it gives, what it refuses before it reads the list, and what it keeps."""

import pytest

from radioligand.service.ledger import RefusalError


def test_a_patient_gets_the_next_entry_of_the_stratum(ledger, ready, randomise, entries):
    stratum = entries.filter(STRGRADE="3", STRORIG="OTHER").sort("SEQUENCE")
    for number in range(7):
        ready(ledger, f"1001-{number:03}", ki67_percent=30.0, primary_site="RECTUM")

    found = [randomise(ledger, f"1001-{number:03}").arm for number in range(7)]

    assert found == stratum["ARMCD"].head(7).to_list()
    assert ledger.head().allocations == 7


def test_the_same_request_again_gets_the_same_answer(ledger, ready, randomise):
    ready(ledger, "1001-001")
    first = randomise(ledger, "1001-001", key="one")

    assert randomise(ledger, "1001-001", key="one") == first
    assert ledger.head().allocations == 1


def test_a_key_of_another_request_or_user_is_refused_in_the_same_words(ledger, ready, randomise):
    ready(ledger, "1001-001")
    ready(ledger, "1001-002")
    randomise(ledger, "1001-001", key="one")

    with pytest.raises(RefusalError) as other_subject:
        randomise(ledger, "1001-002", key="one")
    with pytest.raises(RefusalError) as other_user:
        randomise(ledger, "1001-001", key="one", actor="somebody")

    assert other_subject.value.code == other_user.value.code == "key"
    assert str(other_subject.value) == str(other_user.value)
    assert "1001-001" not in str(other_user.value)
