# SPDX-License-Identifier: Apache-2.0
"""A running trial: the append-only ledger of what its sites did, and the portal in front of it."""
