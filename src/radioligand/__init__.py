# SPDX-License-Identifier: Apache-2.0
"""Run, analyse and plan radioligand-therapy trials from one protocol document.

The names below are the package's face; each is found in its room when it is first asked for, so
that importing the package costs nothing.
"""

from importlib import import_module
from typing import Any

_ROOMS = {
    "radioligand.cdisc": ("DatasetError", "check_study"),
    "radioligand.protocol": ("Protocol", "ProtocolError", "parse_protocol"),
    "radioligand.io.documents": ("read_protocol",),
    "radioligand.io.datasets": ("read_dataset", "read_study", "write_dataset", "write_study"),
    "radioligand.screening": ("read_patient", "screen"),
    "radioligand.response": ("best_overall_response", "overall_response"),
    "radioligand.derivation": ("cut", "derive", "invariants"),
    "radioligand.analysis": ("analyse", "results_json"),
    "radioligand.planning": ("PlanningError", "plan"),
    "radioligand.simulation.patients": ("read_population", "simulate_study"),
    "radioligand.report": ("render",),
    "radioligand.statistics.survival": ("cox", "kaplan_meier", "logrank", "restricted_mean"),
    "radioligand.statistics.proportions": ("clopper_pearson", "cochran_mantel_haenszel"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = sorted(_ROOM_OF)


def __getattr__(name: str) -> Any:
    """Find a name of the face in its room."""
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'radioligand' has no attribute {name!r}")
    return getattr(import_module(_ROOM_OF[name]), name)


def __dir__() -> list[str]:
    """List the face."""
    return list(__all__)
