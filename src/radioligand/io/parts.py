# SPDX-License-Identifier: Apache-2.0
"""Parts of a long calculation as files: each whole or not there, and named by what it is of.

A part is a set of named arrays of numbers, kept as JSON, so that what was finished before a power
cut, a time limit or a kill need not be done again.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radioligand.io.outputs import OutputError


def read_part(folder: Path, key: str) -> dict[str, NDArray[Any]] | None:
    """Return the arrays of a part, None if there is none or its file is damaged."""
    try:
        document = json.loads(_path(folder, key).read_text(encoding="utf-8"))
        return {name: np.array(values) for name, values in document["arrays"].items()}
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None


def write_part(folder: Path, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write the arrays of a part; the file appears whole, under its name, or not at all.

    Numbers are written with all their digits. Raises OutputError if the disk refuses.
    """
    document = {"arrays": {name: values.tolist() for name, values in arrays.items()}}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=folder, prefix=".part-", delete=False
        ) as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, _path(folder, key))
    except OSError as error:
        raise OutputError(f"{folder}: a part cannot be written: {error.strerror}.") from None


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key}.json"
