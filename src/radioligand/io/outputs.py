# SPDX-License-Identifier: Apache-2.0
"""Results to files: a folder appears whole or not at all."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import polars as pl

MARK = "provenance.json"  # a folder that holds it was written here and may be replaced


class OutputError(ValueError):
    """A place where nothing can or may be written; the message says what to do."""


def check_output(folder: Path) -> None:
    """Raise OutputError if `folder` holds files that are not an earlier report."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; give the name of a folder.")
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise OutputError(
            f"{folder} holds files that are no report of ours (no {MARK}); nothing was written. "
            "Give the name of a new folder, or empty this one."
        )


def write_folder(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write `files` (relative name: text or bytes) as `folder`, all at once.

    An earlier report of the same name is replaced. Raises OutputError, and leaves what was there
    untouched, if the folder is not ours or the disk refuses.
    """
    check_output(folder)
    folder = folder.absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}.") from None
    try:
        for name, content in files.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        new.chmod(0o755)
        _replace(folder, new)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}.") from None
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _replace(folder: Path, new: Path) -> None:
    if not folder.exists():
        os.replace(new, folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    os.replace(folder, old / "before")
    try:
        os.replace(new, folder)
    except OSError:
        os.replace(old / "before", folder)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def parquet(frame: pl.DataFrame) -> bytes:
    """A frame as the bytes of a Parquet file; the same frame gives the same bytes."""
    buffer = BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def sha256(content: bytes) -> str:
    """The SHA-256 hash of `content` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file directly in `folder`, by name, sorted."""
    return {
        path.name: sha256(path.read_bytes()) for path in sorted(folder.iterdir()) if path.is_file()
    }
