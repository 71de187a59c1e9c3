# SPDX-License-Identifier: Apache-2.0
"""The shipped library, read once."""

import pytest

from radioligand.advice import Library, read_library


@pytest.fixture(scope="session")
def library() -> Library:
    return read_library()
