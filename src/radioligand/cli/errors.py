# SPDX-License-Identifier: Apache-2.0
"""Which errors a user can mend; everything else is a bug and keeps its trace."""

from radioligand.allocation import ListError
from radioligand.cdisc import DatasetError
from radioligand.evidence.targets import TargetsError
from radioligand.guidance import GuidelineError
from radioligand.image_dosimetry.study import ImageStudyError
from radioligand.io.dictionaries import DictionaryError
from radioligand.io.documents import DocumentError
from radioligand.io.images import ImageError, MissingExtraError
from radioligand.io.outputs import OutputError
from radioligand.planning import PlanningError
from radioligand.protocol import ProtocolError
from radioligand.simulation.faults import SimulationError
from radioligand.simulation.parameters import PopulationError


def mendable() -> tuple[type[Exception], ...]:
    """Errors whose message tells the user what to mend."""
    return (
        DatasetError,
        DictionaryError,
        DocumentError,
        GuidelineError,
        ImageError,
        ImageStudyError,
        ListError,
        MissingExtraError,
        OutputError,
        PlanningError,
        PopulationError,
        ProtocolError,
        SimulationError,
        TargetsError,
    )
