# SPDX-License-Identifier: Apache-2.0
"""What the ledger says when it does not do what was asked."""


class RefusalError(ValueError):
    """The ledger does not do what was asked, and nothing was written; `reasons` says why.

    `code` is for programs: "request" (cannot be read), "state" (an event before its time),
    "site", "cap", "strata", "exhausted", "release", "key" (used for another request), "reconcile"
    (restored from an older copy), "tampered" (its chain is not the one that was anchored),
    "amended" (the protocol was amended since this service started).
    """

    def __init__(self, code: str, *reasons: str) -> None:
        """Keep the code and every reason."""
        self.code, self.reasons = code, reasons
        super().__init__("; ".join(reasons) + ".")


class BusyError(RuntimeError):
    """The database did not answer; nothing is known to be lost: repeat with the same key."""
