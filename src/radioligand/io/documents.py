# SPDX-License-Identifier: Apache-2.0
"""Documents from files: protocols in TOML, shipped by name or given by path."""

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl

from radioligand.protocol import Fault, Protocol, ProtocolError, parse_protocol
from radioligand.protocol.inheritance import InheritanceError, inherit


class DocumentError(ValueError):
    """A document that cannot be read or does not say what it must; the message names it."""


def shipped_protocols() -> tuple[str, ...]:
    """Names of the protocols that come with the package, sorted."""
    trials = files("radioligand") / "trials"
    return tuple(
        sorted(p.name.removesuffix(".toml") for p in trials.iterdir() if p.name.endswith(".toml"))
    )


def shipped_plans() -> tuple[str, ...]:
    """Names of the analysis plans that come with the package, sorted."""
    plans = files("radioligand") / "trials" / "plans"
    return tuple(sorted(p.name.removesuffix(".toml") for p in plans.iterdir()))


def protocol_bytes(protocol: str) -> tuple[bytes, str]:
    """The document's bytes and the name to speak of it: a shipped name or a path.

    Raises ProtocolError if there is neither.
    """
    return _document_bytes(protocol, "protocol", "", shipped_protocols())


def protocol_chain(protocol: str) -> tuple[tuple[bytes, str], ...]:
    """Bytes and name of a document, of the one it is `like`, and so on to one that is like none.

    Raises ProtocolError if one of them is not there, is no TOML, or they are like each other.
    """
    chain = [protocol_bytes(protocol)]
    while (base := _tables(*chain[-1]).get("like")) is not None:
        following = protocol_bytes(str(base))
        if following in chain:
            names = " like ".join(name for _, name in (*chain, following))
            fault = Fault("like", f"{names}: no end", "Let one of them be like none.")
            raise ProtocolError((fault,), name=chain[0][1])
        chain.append(following)
    return tuple(chain)


def _on_top(document: dict[str, Any], base: dict[str, Any], name: str) -> dict[str, Any]:
    try:
        return inherit(document, base)
    except InheritanceError as error:
        mend = "Write the keys with dots between, an entry by its id or name."
        raise ProtocolError((Fault("without", str(error), mend),), name=name) from None


def plan_bytes(plan: str) -> tuple[bytes, str]:
    """The bytes of an analysis plan and the name to speak of it, as `protocol_bytes`."""
    return _document_bytes(plan, "analysis plan", "plans/", shipped_plans())


def _document_bytes(
    name: str, what: str, folder: str, shipped: tuple[str, ...]
) -> tuple[bytes, str]:
    if name in shipped:
        file = f"{folder}{name}.toml"
        return (files("radioligand") / "trials" / file).read_bytes(), file
    path = Path(name)
    try:
        return path.read_bytes(), str(path)
    except OSError as error:
        known = ", ".join(shipped)
        says = f"there is no shipped {what} and no readable file of this name ({error.strerror})"
        fault = Fault(name, says, f"Shipped: {known}; or give the path of a TOML document.")
        raise ProtocolError((fault,), name=name) from None


def read_protocol(protocol: str, *, plans: Sequence[str] = ()) -> Protocol:
    """Read a protocol by shipped name or path, with the analyses of further plans behind its own.

    A document that is `like` another takes over what it does not say itself. A plan is a TOML
    document of `[[analyses]]` alone, by shipped name or path. Raises ProtocolError with every
    fault of the documents.
    """
    chain = protocol_chain(protocol)
    document: dict[str, Any] = {}
    for content, name in reversed(chain):
        document = _on_top(_tables(content, name), document, name)
    name = chain[0][1]
    for plan in plans:
        document = _with_plan(document, *plan_bytes(plan))
        name = f"{name} + {plan}"
    return parse_protocol(document, name=name)


def _with_plan(document: dict[str, Any], content: bytes, name: str) -> dict[str, Any]:
    """Return the tables of a protocol with the analyses of a plan behind its own."""
    added = _tables(content, name)
    analyses = added.get("analyses")
    if not isinstance(analyses, list) or len(added) > 1:
        told = ", ".join(added) or "nothing"
        fault = Fault(name, f"a plan holds [[analyses]] alone, this holds {told}", "Correct it.")
        raise ProtocolError((fault,), name=name)
    return {**document, "analyses": [*document.get("analyses", ()), *analyses]}


def _tables(content: bytes, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        fault = Fault(name, f"this is not TOML: {error}", "Mend the syntax at that place.")
        raise ProtocolError((fault,), name=name) from None


def read_tables(path: Path) -> dict[str, Any]:
    """The plain tables of a TOML document of any kind.

    Raises DocumentError if the file cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DocumentError(f"{path}: this is no TOML document: {error}") from None


def published_documents() -> dict[str, Mapping[str, Any]]:
    """The plain tables of the documents of published results that come with the package, by name.

    Raises DocumentError for one that is not TOML.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for name, content in _published():
        try:
            found[name] = tomllib.loads(content.decode("utf-8"))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise DocumentError(f"{name}: this is not TOML: {error}") from None
    return found


def published_hashes() -> dict[str, str]:
    """SHA-256 of each document of published results, by name."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in _published()}


def _published() -> Iterator[tuple[str, bytes]]:
    folder = files("radioligand") / "published"
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.endswith(".toml"):
            yield path.name, path.read_bytes()


def guideline_documents(added: Sequence[Path] = ()) -> dict[str, Mapping[str, Any]]:
    """The plain tables of the guideline documents that come with the package, and of others.

    By file name, the package's own first. Raises DocumentError for one that cannot be read.
    """
    folder = files("radioligand") / "guidelines"
    shipped = sorted((path for path in folder.iterdir()), key=lambda path: path.name)
    found: dict[str, Mapping[str, Any]] = {}
    for path in (*(path for path in shipped if path.name.endswith(".toml")), *added):
        name = path.name if path in shipped else str(path)
        try:
            found[name] = tomllib.loads(path.read_bytes().decode("utf-8"))
        except OSError as error:
            raise DocumentError(f"{name}: this file cannot be read: {error.strerror}.") from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise DocumentError(f"{name}: this is not TOML: {error}") from None
    return found


def guideline_hashes(added: Sequence[Path] = ()) -> dict[str, str]:
    """SHA-256 of each guideline document, by name."""
    folder = files("radioligand") / "guidelines"
    shipped = sorted((path for path in folder.iterdir()), key=lambda path: path.name)
    own = {f"guidelines/{path.name}": path.read_bytes() for path in shipped}
    own |= {str(path): path.read_bytes() for path in added}
    return {
        name: hashlib.sha256(content).hexdigest()
        for name, content in own.items()
        if name.endswith(".toml")
    }


def read_table(path: Path) -> pl.DataFrame:
    """Read a table of patients, one a row: CSV, all of it text, or Parquet.

    An empty field is unknown. Raises DocumentError if the file cannot be read.
    """
    try:
        if path.suffix.lower() == ".parquet":
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema=False, null_values=[""])
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DocumentError(f"{path}: this table cannot be read: {error}") from None


def read_form(path: Path) -> Mapping[str, Any]:
    """Read one patient's form, a JSON object.

    Raises DocumentError if the file cannot be read or is not one.
    """
    try:
        form = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DocumentError(f"{path}: this is no JSON document: {error}") from None
    if not isinstance(form, dict):
        raise DocumentError(f"{path}: a patient is a JSON object, found {type(form).__name__}.")
    return form
