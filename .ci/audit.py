# SPDX-License-Identifier: Apache-2.0
"""Hold the pinned packages against the known vulnerabilities, and say so if nothing was looked at.

python .ci/audit.py constraints.txt [--unreachable-passes]

pip-audit skips a package that the service does not know and still ends with success, so a network
without the service would pass unseen. Here that ends with 2, a vulnerability with 1.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any


def verdict(report: Mapping[str, Any] | None) -> tuple[list[str], int]:
    """Return what is told of a report, and the status: 0 sound, 1 vulnerable, 2 not looked at.

    report : as pip-audit prints it as JSON; None if it could not print one.
    """
    found = list(report["dependencies"]) if report else []
    skipped = [one["name"] for one in found if "skip_reason" in one]
    told = [
        f"{one['name']} {one['version']}: {each['id']}, mended in {', '.join(each['fix_versions'])}"
        for one in found
        for each in one.get("vulns", ())
    ]
    looked_at = len(found) - len(skipped)
    if told:
        return told, 1
    if not looked_at:
        return ["NOT AUDITED: the vulnerability service cannot be reached."], 2
    if skipped:
        return [f"{looked_at} packages are sound; NOT AUDITED: {', '.join(skipped)}."], 2
    return [f"No known vulnerability in {looked_at} packages."], 0


def main(requirements: str, *, unreachable_passes: bool) -> int:
    """Audit a file of pinned packages and return the status."""
    options = ("--no-deps", "--disable-pip", "--progress-spinner=off", "--format=json")
    command = (sys.executable, "-m", "pip_audit", "--requirement", requirements, *options)
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        report = json.loads(ended.stdout)
    except ValueError:
        report = None
    told, status = verdict(report)
    print("\n".join(told))
    return 0 if status == 2 and unreachable_passes else status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], unreachable_passes="--unreachable-passes" in sys.argv))
