# SPDX-License-Identifier: Apache-2.0
"""From the plain tables of a document to records, or to every fault at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import ValidationError

from radioligand.protocol.faults import Fault, ProtocolError
from radioligand.protocol.hazard_faults import hazard_faults
from radioligand.protocol.planning_records import Hazards
from radioligand.protocol.records import (
    Adaptation,
    Arm,
    BestResponse,
    Censoring,
    Data,
    Imputation,
    Interim,
    Protocol,
    Record,
    Response,
    Shrinkage,
    TimeToEvent,
)
from radioligand.protocol.references import adaptation_rules, reference_faults

__all__ = [
    "Fault",
    "ProtocolError",
    "adaptation_faults",
    "parse_adaptation",
    "parse_hazards",
    "parse_protocol",
    "policies",
]


def parse_protocol(document: Mapping[str, Any], *, name: str = "protocol") -> Protocol:
    """Turn the tables of a TOML document into a Protocol.

    `name` is the file to speak of in messages. Raises ProtocolError that holds every fault:
    unknown keys, wrong values, missing units, and names that point nowhere.
    """
    tables = _tupled(document)
    faults = list(reference_faults(tables))
    try:
        protocol = Protocol.model_validate(tables)
    except ValidationError as error:
        faults = [*_structure_faults(error, tables), *faults]
    if faults:
        raise ProtocolError(tuple(dict.fromkeys(faults)), name=name)
    return protocol


def parse_adaptation(table: Any) -> tuple[Adaptation | None, list[str]]:
    """Turn a table such as [adaptation] of a protocol into its record, or tell every fault."""
    tables = {"adaptation": _tupled(table)}
    try:
        return Adaptation.model_validate(tables["adaptation"]), []
    except ValidationError as error:
        prefixed = ({**one, "loc": ("adaptation", *one["loc"])} for one in error.errors())
        return None, [_sentence(fault) for fault in _faults_of(prefixed, tables)]


def parse_hazards(table: Any) -> tuple[Hazards | None, list[str]]:
    """Turn hazard_steps and hazard_ratio_steps of a scenario into records, or tell every fault."""
    tables = {"planning": _tupled(table)}
    faults = list(hazard_faults("planning.", tables["planning"]))
    found = None
    try:
        found = Hazards.model_validate(tables["planning"])
    except ValidationError as error:
        prefixed = ({**one, "loc": ("planning", *one["loc"])} for one in error.errors())
        faults = [*_faults_of(prefixed, tables), *faults]
    return found, [_sentence(fault).removeprefix("planning.") for fault in faults]


def adaptation_faults(adaptation: Adaptation, arms: Sequence[Arm]) -> list[str]:
    """Tell what of the rules does not fit to each other, or to the arms of a trial."""
    document = {
        "adaptation": adaptation.model_dump(exclude_none=True),
        "arms": tuple(arm.model_dump(include={"id", "role"}) for arm in arms),
    }
    return [_sentence(fault) for fault in adaptation_rules(document)]


def _sentence(fault: Fault) -> str:
    return f"{fault.path}: {fault.says}. {fault.mend}"


def _tupled(value: Any) -> Any:
    """TOML arrays as tuples, all the way down: records are frozen to the bottom."""
    if isinstance(value, Mapping):
        return {key: _tupled(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_tupled(inside) for inside in value)
    return value


def _structure_faults(error: ValidationError, tables: Any) -> Iterator[Fault]:
    yield from _faults_of(error.errors(), tables)


def _faults_of(errors: Iterable[Any], tables: Any) -> Iterator[Fault]:
    for one in errors:
        path, record = _path(one["loc"], tables)
        match one["type"]:
            case "extra_forbidden":
                key = str(one["loc"][-1])
                known = [field.alias or key for key, field in record.model_fields.items()]
                close = get_close_matches(key, known, n=1)
                mend = f"Did you mean {close[0]!r}? " if close else ""
                yield Fault(path, f"unknown key {key!r}", f"{mend}Known: {', '.join(known)}.")
            case "missing":
                meaning = (record.__doc__ or "").split("\n")[0]
                yield Fault(path, "this key is required and missing", f"Add it. {meaning}")
            case "union_tag_invalid" | "union_tag_not_found" | "literal_error" | "enum":
                context = one.get("ctx", {})
                allowed = context.get("expected_tags") or context.get("expected") or "a kind"
                key = "kind" if one["type"].startswith("union") else ""
                where = f"{path}.{key}" if key else path
                said = one["input"].get("kind") if key else one["input"]
                yield Fault(where, f"{said!r} is not a choice here", f"Use {allowed}.")
            case "value_error":
                yield Fault(path, str(one["ctx"]["error"]), "Correct the condition.")
            case _:
                yield Fault(path, f"{one['msg']} (found {one['input']!r})", "Correct the value.")


def _path(loc: tuple[int | str, ...], tables: Any) -> tuple[str, type[Record]]:
    """'analyses[pfs].test.sided' and the record that the last key belongs to."""
    text, here = "", tables
    record: type[Record] = Protocol
    for step in loc:
        if isinstance(step, int):
            here = here[step] if isinstance(here, tuple) and step < len(here) else None
            known = next(
                (here[k] for k in ("id", "name") if isinstance(here, Mapping) and k in here), step
            )
            text += f"[{known}]"
            continue
        if isinstance(here, Mapping) and step not in here and here.get("kind") == step:
            record = next((r for r in _subrecords(record) if step in _kinds(r)), record)
            continue  # pydantic names the branch of a union; the document does not
        text += f".{step}" if text else str(step)
        here = here.get(step) if isinstance(here, Mapping) else None
        if isinstance(here, Mapping | tuple):
            field = next((f for k, f in record.model_fields.items() if step in (k, f.alias)), None)
            inner = _records_in(field.annotation) if field else []
            record = inner[0] if len(inner) == 1 else record
    return text, record


def _subrecords(record: type[Record]) -> list[type[Record]]:
    return [r for field in record.model_fields.values() for r in _records_in(field.annotation)]


def _records_in(annotation: Any) -> list[type[Record]]:
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return [annotation]
    return [record for part in get_args(annotation) for record in _records_in(part)]


def _kinds(record: type[Record]) -> tuple[str, ...]:
    kind = record.model_fields.get("kind")
    return get_args(kind.annotation) if kind else ()


def policies(protocol: Protocol) -> tuple[tuple[str, str, str, str], ...]:
    """Every choice on which sources differ: (policy, choice, default, what it governs)."""
    rows = list(_choices("response", [(None, protocol.response)], tuple(Response.model_fields)))
    for convention in protocol.censoring:
        keys = tuple(key for key in Censoring.model_fields if key not in ("id", "label", "source"))
        rows += _choices(f"censoring.{convention.id}", [(None, convention)], keys)
    named: list[tuple[str | None, Record]] = [(one.id, one) for one in protocol.endpoints]
    rows += _choices("endpoints", named, ("count_first_day",))
    curves = [one for one in protocol.analyses if isinstance(one, TimeToEvent)]
    rates = [one for one in protocol.analyses if isinstance(one, BestResponse)]
    rows += _choices("time to event", [(one.id, one) for one in curves], ("interval", "median"))
    models = [(one.id, one.model) for one in curves if one.model]
    rows += _choices("time to event.model", models, ("ties",))
    rows += _choices("response rates", [(one.id, one) for one in rates], ("interval", "difference"))
    looks = [(one.id, one) for one in protocol.analyses if isinstance(one, Interim)]
    rows += _choices("interim", looks, ("spending",))
    shrinkage = [one for one in protocol.analyses if isinstance(one, Shrinkage)]
    for key in ("progressive", "interval", "median", "ties"):
        asked = [(one.id, one) for one in shrinkage if key in type(one).model_fields]
        rows += _choices("shrinkage", asked, (key,))
    for key in ("response_dates", "lesion_dates", "event_dates"):
        rule, usual = getattr(protocol.data, key), Data.model_fields[key].default
        meaning = "How partial dates are completed, always with a flag."
        rows.append((f"data.{key}", _rule(rule), _rule(usual), meaning))
    rows += _choices("data", [(None, protocol.data)], ("month_days",))
    return tuple(rows)


def _choices(
    name: str, records: Sequence[tuple[str | None, Record]], keys: tuple[str, ...]
) -> Iterator[tuple[str, str, str, str]]:
    """One row a key and choice; records that choose otherwise than the others are named."""
    for key in keys:
        chosen: dict[str, list[str]] = {}
        for record_id, record in records:
            chosen.setdefault(str(getattr(record, key)), []).append(record_id or "")
        for choice, ids in chosen.items():
            field = type(records[0][1]).model_fields[key]
            which = f" ({', '.join(ids)})" if len(chosen) > 1 else ""
            yield f"{name}.{key}{which}", choice, str(field.default), field.description or ""


def _rule(rule: Imputation) -> str:
    parts = [f"{part} {where}" for part in ("day", "month") if (where := getattr(rule, part))]
    return ", ".join(parts) or "not completed"
