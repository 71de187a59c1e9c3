# SPDX-License-Identifier: Apache-2.0
"""How a protocol document is told what is wrong with it: path, fault, mend."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a protocol document."""

    path: str
    says: str
    mend: str


class ProtocolError(ValueError):
    """A protocol document breaks its rules; `faults` holds every one of them."""

    def __init__(self, faults: tuple[Fault, ...], *, name: str = "protocol") -> None:
        """Speak of the document as `name` and list all `faults`."""
        self.faults, self.name = faults, name
        lines = [f"{name}: {len(faults)} fault{'s' if len(faults) != 1 else ''}."]
        for fault in faults:
            lines += [f"  {fault.path}: {fault.says}.", f"    {fault.mend}"]
        super().__init__("\n".join(lines))
