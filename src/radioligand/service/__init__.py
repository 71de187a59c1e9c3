# SPDX-License-Identifier: Apache-2.0
"""The site portal: who may do what, pages over HTTP, and the ledger behind them."""
