# SPDX-License-Identifier: Apache-2.0
"""Files in and out: datasets and documents. Only here does the package touch the disk."""
