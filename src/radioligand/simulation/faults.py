# SPDX-License-Identifier: Apache-2.0
"""What the simulation of trials refuses."""


class SimulationError(ValueError):
    """A protocol, scenario or request that cannot be simulated. The message tells every fault."""
