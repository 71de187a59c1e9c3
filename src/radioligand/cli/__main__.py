# SPDX-License-Identifier: Apache-2.0
"""Start the command line as ``python -m radioligand.cli``."""

from radioligand.cli import main

main()
