# SPDX-License-Identifier: Apache-2.0
"""Datasets as files: XPT, Parquet, CSV and Dataset-JSON, one file a dataset, a folder a study."""

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl
from polars import selectors as cs

from radioligand.cdisc import (
    CONTRACTS,
    DatasetError,
    Study,
    conform,
    find_study,
    found,
    is_known,
    is_sdtm,
    join_supplemental,
    refuse,
    together,
    variable_of,
)
from radioligand.io.dataset_json import (
    find_json_faults,
    is_dataset_json,
    read_dataset_json,
    write_dataset_json,
)
from radioligand.io.xpt import find_xpt_faults, read_xpt, write_xpt

Format = Literal["parquet", "xpt", "csv", "json", "ndjson", "dsjc"]

UNDATED = datetime(1970, 1, 1)  # files carry a time of creation; the same data, the same bytes
NUMBER = r"^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$"  # 007 is a name
MOMENT = "%Y-%m-%dT%H:%M:%S%.f"


# --- reading --------------------------------------------------------------------------------------


def read_study(path: str | Path, *, supplemental: bool = True) -> dict[str, pl.DataFrame]:
    """Return the datasets of a folder by their upper-case names, the stems of the files.

    Formats may be mixed; what is no dataset is passed over. Blanks are null, every column has the
    type its contract names, and SUPP-- are joined back to their domains (unless `supplemental` is
    false). Raises one DatasetError that tells of every fault of every file, if any stops the work;
    `inspect_study` returns the warnings too.
    """
    study = inspect_study(path, supplemental=supplemental)
    refuse(study.findings)
    return study.frames


def inspect_study(
    path: str | Path, *, supplemental: bool = True, beside: Collection[str] = ()
) -> Study:
    """Read as `read_study` does, but return whatever can be read, and all findings beside it.

    Files of the names `beside` lie in the folder and are no datasets. Raises DatasetError
    only if `path` is no folder.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder; give the one that holds the SDTM.")
    frames: dict[str, pl.DataFrame] = {}
    files: dict[str, Path] = {}
    findings = []
    for file in _dataset_files(folder):
        name = file.stem.upper()
        if file.name in beside:
            continue
        if name in files:
            says = f"a study has each dataset once, and here are {files[name].name} and {file.name}"
            findings.append(found(name, says, "Keep one of the two."))
            continue
        files[name] = file
        try:
            frames[name], unfit = conform(_read(file, name), dataset=name)
        except DatasetError as error:
            says = f"{file.name} can be read, but {error}"
            findings.append(found(name, says, "Export the dataset again."))
        else:
            findings.append(unfit)
    study = join_supplemental(frames) if supplemental else Study(frames, together([]))
    broken = find_study(study.frames, unread=files.keys() - frames.keys())
    return Study(study.frames, together([*findings, study.findings, broken]))


def read_dataset(path: str | Path, *, name: str | None = None) -> pl.DataFrame:
    """Return one dataset, typed as its contract says; its name is the stem of the file.

    Raises DatasetError if it cannot be read, or a value is not what its column should hold. Rules
    and keys are the business of `read_study`.
    """
    path = Path(path)
    name = name or path.stem.upper()
    if path.suffix.lower() not in READERS:
        raise DatasetError(f"{path.name}: give one of {', '.join(READERS)}.")
    try:
        frame, findings = conform(_read(path, name), dataset=name)
    except DatasetError as error:
        raise DatasetError(f"{path.name} cannot be read: {error}") from error
    refuse(findings)
    return frame


def read_datasets(path: str | Path) -> dict[str, pl.DataFrame]:
    """Return every dataset of a folder by name, each as `read_dataset` gives it, unrelated.

    Raises DatasetError if `path` is no folder or one of the files cannot be read.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder.")
    return {file.stem.upper(): read_dataset(file) for file in _dataset_files(folder)}


def _dataset_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir(), key=lambda path: (path.name.upper(), path.name)):
        suffix = path.suffix.lower()
        understood = suffix in READERS and not path.name.startswith(".") and path.is_file()
        if understood and (suffix != ".json" or is_dataset_json(path)):
            yield path


def _read(path: Path, name: str) -> pl.DataFrame:
    """Return a file as it is, with the names of a known dataset in upper case."""
    try:
        frame = READERS[path.suffix.lower()](path, name)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DatasetError(str(error).strip().partition("\n")[0]) from error
    if not is_known(name):
        return frame
    upper = [column.upper() for column in frame.columns]
    if twice := sorted({column for column in upper if upper.count(column) > 1}):
        raise DatasetError(f"a column stands twice: {', '.join(twice)}")
    return frame.rename(str.upper)


def _read_csv(path: Path, name: str) -> pl.DataFrame:
    """Return text, of which `conform` makes what the contract says; NA is North America.

    Of a column that no guide names a number is made if all its values are written as numbers are,
    but never in SDTM, where such a column is a supplemental qualifier and text.
    """
    frame = pl.read_csv(path, infer_schema=False, glob=False)
    if twice := [each for each in frame.columns if "_duplicated_" in each]:
        raise DatasetError(f"a column stands twice: {twice[0].partition('_duplicated_')[0]}")
    unnamed = [each for each in frame.columns if variable_of(name, each.upper()) is None]
    if is_sdtm(name) or not unnamed:
        return frame
    numeric = frame.select(
        pl.col(unnamed).str.contains(NUMBER).all() & pl.col(unnamed).is_not_null().any()
    )
    numbers = [each for each in unnamed if numeric[each].all()]
    return frame.with_columns(pl.col(numbers).cast(pl.Float64))


READERS: dict[str, Callable[[Path, str], pl.DataFrame]] = {
    ".parquet": lambda path, name: pl.read_parquet(path, glob=False),
    ".xpt": lambda path, name: read_xpt(path),
    ".csv": _read_csv,
    ".json": lambda path, name: read_dataset_json(path),
    ".ndjson": lambda path, name: read_dataset_json(path),
    ".dsjc": lambda path, name: read_dataset_json(path),
}


# --- writing --------------------------------------------------------------------------------------


def write_dataset(
    frame: pl.DataFrame,
    path: str | Path,
    *,
    name: str | None = None,
    label: str | None = None,
    labels: Mapping[str, str] | None = None,
    created: datetime = UNDATED,
) -> None:
    """Write one dataset, whole or not at all, in the format its suffix names.

    `name` is the stem of the file unless given; label and labels (of columns) are those of the
    contract unless given. Raises one DatasetError that tells of all the format cannot hold.
    """
    path = Path(path)
    if path.suffix.lower() not in READERS:
        raise DatasetError(f"{path.name}: give one of {', '.join(READERS)}.")
    name = name or path.stem.upper()
    label, labels = label or _label(name), {**_labels(frame, name), **(labels or {})}
    refuse(_find_unwritable(frame, path.suffix.lower(), name=name, label=label, labels=labels))
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        _write(frame, partial, name=name, label=label, labels=labels, created=created)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_study(
    frames: Mapping[str, pl.DataFrame],
    folder: str | Path,
    *,
    format: Format = "parquet",
    created: datetime = UNDATED,
) -> None:
    """Write each dataset as a file of `folder`, all of them or none.

    A folder that is there already is replaced, provided that it holds datasets only. Raises one
    DatasetError that tells of all the format cannot hold, before anything is written.
    """
    folder = Path(folder)
    if folder.is_dir():
        strange = [each.name for each in folder.iterdir() if each.suffix.lower() not in READERS]
        if strange:
            kept = ", ".join(sorted(strange)[:3])
            raise DatasetError(f"{folder} holds more than datasets ({kept}); give another folder.")
    elif folder.exists():
        raise DatasetError(f"{folder} is a file; give a folder.")
    suffix = f".{format}"
    about = {name: (_label(name), _labels(frame, name)) for name, frame in frames.items()}
    refuse(
        together(
            _find_unwritable(frame, suffix, name=name, label=about[name][0], labels=about[name][1])
            for name, frame in frames.items()
        )
    )
    partial, former = (folder.with_name(f".{folder.name}.{word}") for word in ("partial", "former"))
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for name, frame in frames.items():
            path = partial / f"{name.lower()}{suffix}"
            label, labels = about[name]
            _write(frame, path, name=name, label=label, labels=labels, created=created)
        if folder.exists():
            shutil.rmtree(former, ignore_errors=True)
            os.replace(folder, former)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)


def _label(name: str) -> str:
    contract = CONTRACTS.get(name)
    return contract.label if contract else name


def _labels(frame: pl.DataFrame, name: str) -> dict[str, str]:
    known = {each: variable_of(name, each) for each in frame.columns}
    return {each: variable.label if variable else each for each, variable in known.items()}


def _find_unwritable(
    frame: pl.DataFrame, suffix: str, *, name: str, label: str, labels: Mapping[str, str]
) -> pl.DataFrame:
    faults: Iterator[str] = iter(())
    if suffix == ".xpt":
        faults = find_xpt_faults(frame, name=name, label=label, labels=labels)
    elif suffix in (".json", ".ndjson", ".dsjc"):
        faults = find_json_faults(frame)
    mend = "Shorten or convert it, or write another format."
    return together(found(name, fault, mend) for fault in faults)


def _write(
    frame: pl.DataFrame,
    path: Path,
    *,
    name: str,
    label: str,
    labels: Mapping[str, str],
    created: datetime,
) -> None:
    frame = frame.with_columns(cs.float().fill_nan(None))
    match path.suffix.lower():
        case ".parquet":
            frame.write_parquet(path)
        case ".csv":
            frame.write_csv(path, datetime_format=MOMENT)
        case ".xpt":
            write_xpt(frame, path, name=name, label=label, labels=labels, created=created)
        case _:
            keys = CONTRACTS[name].keys if name in CONTRACTS else ()
            write_dataset_json(
                frame, path, name=name, label=label, labels=labels, keys=keys, created=created
            )
