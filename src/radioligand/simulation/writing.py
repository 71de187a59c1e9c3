# SPDX-License-Identifier: Apache-2.0
"""A population written back as a document that `parse_population` reads."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from radioligand.simulation.parameters import Population

_WIDTH = 96  # of a line of a long list


def population_document(population: Population, *, heading: str = "") -> str:
    """Return the population as TOML; `heading` stands above it as comments.

    Numbers are written as Python reads them, so that the document gives the same population.
    """
    comments = [f"# {line}".rstrip() for line in heading.splitlines()]
    lines = [*comments, "", *_table(_said(asdict(population)), ())]
    return "\n".join(lines).strip() + "\n"


def _said(value: Any) -> Any:
    """The value without what is None, which a document leaves out."""
    if isinstance(value, Mapping):
        return {key: _said(one) for key, one in value.items() if one is not None}
    return [_said(one) for one in value] if isinstance(value, list | tuple) else value


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Plain keys first, then tables, then lists of tables."""
    inner = {key: one for key, one in table.items() if isinstance(one, dict)}
    several = {key: one for key, one in table.items() if _is_tables(one)}
    for key, one in table.items():
        if key not in inner and key not in several:
            yield f"{_key(key)} = {_value(one)}"
    for key, one in inner.items():
        yield from ("", f"[{_path(*path, key)}]")
        yield from _table(one, (*path, key))
    for key, rows in several.items():
        for row in rows:
            yield from ("", f"[[{_path(*path, key)}]]")
            yield from _table(row, (*path, key))


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _path(*keys: str) -> str:
    return ".".join(map(_key, keys))


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "").isalnum() else _value(key)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        case list():
            return _list(value)
        case date():
            return value.isoformat()
    return repr(value)


def _list(values: list[Any]) -> str:
    told = [_value(one) for one in values]
    if sum(len(one) + 2 for one in told) <= _WIDTH:
        return f"[{', '.join(told)}]"
    lines = [""]
    for one in told:
        if len(lines[-1]) + len(one) + 2 > _WIDTH:
            lines.append("")
        lines[-1] += f"{one}, "
    listed = "\n".join(f"  {line.rstrip()}" for line in lines if line)
    return f"[\n{listed}\n]"
