# SPDX-License-Identifier: Apache-2.0
"""Documents from files: protocols in TOML, shipped by name or given by path."""

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from radioligand.protocol import Fault, Protocol, ProtocolError, parse_protocol


class DocumentError(ValueError):
    """A document that cannot be read or does not say what it must; the message names it."""


def shipped_protocols() -> tuple[str, ...]:
    """Names of the protocols that come with the package, sorted."""
    trials = files("radioligand") / "trials"
    return tuple(
        sorted(p.name.removesuffix(".toml") for p in trials.iterdir() if p.name.endswith(".toml"))
    )


def protocol_bytes(protocol: str) -> tuple[bytes, str]:
    """The document's bytes and the name to speak of it: a shipped name or a path.

    Raises ProtocolError if there is neither.
    """
    if protocol in shipped_protocols():
        name = f"{protocol}.toml"
        return (files("radioligand") / "trials" / name).read_bytes(), name
    path = Path(protocol)
    try:
        return path.read_bytes(), str(path)
    except OSError as error:
        known = ", ".join(shipped_protocols())
        says = f"there is no shipped protocol and no readable file of this name ({error.strerror})"
        fault = Fault(protocol, says, f"Shipped: {known}; or give the path of a TOML document.")
        raise ProtocolError((fault,), name=protocol) from None


def read_protocol(protocol: str) -> Protocol:
    """Read a protocol by shipped name or path.

    Raises ProtocolError with every fault of the document.
    """
    content, name = protocol_bytes(protocol)
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        fault = Fault(name, f"this is not TOML: {error}", "Mend the syntax at that place.")
        raise ProtocolError((fault,), name=name) from None
    return parse_protocol(document, name=name)


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
