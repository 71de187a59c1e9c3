# SPDX-License-Identifier: Apache-2.0
"""Write what this environment is made of as a CycloneDX 1.5 document: a bill of materials.

python .ci/sbom.py > sbom.json

Each installed package has name, version, package URL, licence as its own metadata tell them, and
the packages that it needs here. The same environment gives the same document.
"""

import json
import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from typing import Any

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def canonical_name(name: str) -> str:
    """Return a name as package indexes write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def purl(one: Distribution) -> str:
    """Return the address of a package as scanners know it."""
    return f"pkg:pypi/{canonical_name(one.name)}@{one.version}"


def licence(one: Distribution) -> list[dict[str, Any]]:
    """Return the licence: an expression where there is one, else the classifiers' words."""
    expression = one.metadata.get("License-Expression")
    if expression:
        return [{"expression": expression}]
    told = [each for each in one.metadata.get_all("Classifier", []) if "License ::" in each]
    return [{"license": {"name": each.rpartition(":: ")[2]}} for each in sorted(told)]


def bill(found: Iterable[Distribution], *, of: str) -> dict[str, Any]:
    """Return the bill of materials of the package `of` and of all else that is installed."""
    installed = {canonical_name(one.name): one for one in found}
    components = {
        name: {
            "type": "library",
            "bom-ref": purl(one),
            "name": one.name,
            "version": one.version,
            "purl": purl(one),
            "licenses": licence(one),
        }
        for name, one in sorted(installed.items())
    }
    needs = {name: needed(one) & installed.keys() for name, one in installed.items()}
    subject = components.pop(of) | {"type": "application"}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": subject},
        "components": list(components.values()),
        "dependencies": [
            {
                "ref": purl(installed[name]),
                "dependsOn": sorted(purl(installed[one]) for one in of_it),
            }
            for name, of_it in sorted(needs.items())
        ],
    }


def needed(one: Distribution) -> set[str]:
    """Return the names that a package asks for, its extras with them."""
    starts = (NAME.match(each) for each in one.requires or ())
    return {canonical_name(start[0]) for start in starts if start}


if __name__ == "__main__":
    json.dump(bill(distributions(), of="radioligand"), sys.stdout, indent=2)
    print()
