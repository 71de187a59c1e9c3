# SPDX-License-Identifier: Apache-2.0
"""Packages: what the audit says of vulnerabilities and of having seen nothing, and their bill."""

import importlib.util
from email.message import Message
from pathlib import Path

import pytest


def script(name):
    """A script of continuous integration as a module."""
    place = Path(__file__).parents[2] / ".ci" / f"{name}.py"
    found = importlib.util.spec_from_file_location(name, place)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


audit, sbom = script("audit"), script("sbom")
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


# --- the bill of materials ------------------------------------------------------------------------


class Installed:
    """What the metadata of an installed package tell."""

    def __init__(self, name, version, *, requires=(), **metadata):
        """Keep what is told."""
        self.name, self.version, self.requires = name, version, requires
        self.metadata = Message()
        for field, value in metadata.items():
            self.metadata[field.replace("_", "-")] = value


def test_the_bill_names_every_package_with_version_licence_and_needs():
    told = sbom.bill(
        [
            Installed("Ours", "0.1", requires=("Some_Library>=2; extra == 'x'", "absent")),
            Installed("some.library", "2.1", Classifier="License :: OSI Approved :: MIT License"),
            Installed("other", "3", License_Expression="BSD-3-Clause"),
        ],
        of="ours",
    )

    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.5")
    assert told["metadata"]["component"]["purl"] == "pkg:pypi/ours@0.1"
    assert [one["purl"] for one in told["components"]] == [
        "pkg:pypi/other@3",
        "pkg:pypi/some-library@2.1",
    ]
    assert [one["licenses"] for one in told["components"]] == [
        [{"expression": "BSD-3-Clause"}],
        [{"license": {"name": "MIT License"}}],
    ]
    assert told["dependencies"][1] == {
        "ref": "pkg:pypi/ours@0.1",
        "dependsOn": ["pkg:pypi/some-library@2.1"],
    }
