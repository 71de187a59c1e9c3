# SPDX-License-Identifier: Apache-2.0
"""The audit of the pinned packages: what it says of vulnerabilities, and of having seen nothing."""

import importlib.util
from pathlib import Path

import pytest

PLACE = Path(__file__).parents[2] / ".ci" / "audit.py"
FOUND = importlib.util.spec_from_file_location("audit_of_packages", PLACE)
audit = importlib.util.module_from_spec(FOUND)
FOUND.loader.exec_module(audit)
SOUND = {"name": "sound", "version": "1.0", "vulns": []}
SKIPPED = {"name": "unknown", "skip_reason": "Dependency not found"}
BAD = {"name": "bad", "version": "2.0", "vulns": [{"id": "X-1", "fix_versions": ["2.1"]}]}


@pytest.mark.parametrize(
    ("dependencies", "says", "status"),
    [
        ([SOUND], "No known vulnerability in 1 packages.", 0),
        ([SOUND, BAD, SKIPPED], "bad 2.0: X-1, mended in 2.1", 1),
        ([SKIPPED, SKIPPED], "NOT AUDITED: the vulnerability service cannot be reached.", 2),
        ([SOUND, SKIPPED], "1 packages are sound; NOT AUDITED: unknown.", 2),
        ([], "NOT AUDITED: the vulnerability service cannot be reached.", 2),
    ],
)
def test_an_audit_that_looked_at_nothing_does_not_pass(dependencies, says, status):
    assert audit.verdict({"dependencies": dependencies}) == ([says], status)


def test_no_report_at_all_does_not_pass():
    assert audit.verdict(None)[1] == 2
