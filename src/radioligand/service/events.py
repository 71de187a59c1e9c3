# SPDX-License-Identifier: Apache-2.0
"""Every kind of event as data, and a patient as what follows from them: a pure fold.

A kind says which facts must hold before it, which must not, and which it makes true or takes
away. So the order of a patient's way is one table, and an event out of order is refused with the
fact that is missing. Facts are short clauses; ``{cycle}`` in them is filled from the payload.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

About = Literal["trial", "site", "account", "subject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of event: what it is about, what it needs, what it changes."""

    name: str
    about: About = "subject"
    requires: tuple[str, ...] = ()
    forbids: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    outcome: str = ""  # the key of the payload that chooses among `outcomes`
    outcomes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # further facts given
    payload: tuple[str, ...] = ()  # keys that the payload must have
    counts: tuple[str, ...] = ()  # keys that are whole numbers from 0, where they are given
    reason: bool = False  # whether it must say why
    signed: bool = False  # whether it must carry a signature


_VERDICTS = {"eligible": ("eligible",), "not eligible": (), "undetermined": ()}
_GO = ("cleared for dose {cycle}",)
_DECISIONS = {"full": _GO, "half": _GO, "hold": (), "stop": ("radioligand stopped",)}
_REGIMENS = {"radioligand": ("on radioligand",), "other": ()}
_STEPS = ("dose {cycle} planned", "labs checked for dose {cycle}", "cleared for dose {cycle}")
_GONE = ("consent withdrawn", "left the study", "dead")

# fmt: off
KINDS: dict[str, Kind] = {kind.name: kind for kind in (
    # the trial
    Kind(name="ledger opened", about="trial"),
    Kind(name="list released", about="trial"),
    Kind(name="caps set", about="trial", counts=("trial",), reason=True),
    Kind(name="restored", about="trial"),
    Kind(name="reconciled", about="trial", reason=True),
    Kind(name="anchor begun", about="trial", reason=True),
    Kind(name="protocol amended", about="trial", payload=("protocol", "version"), reason=True),
    # sites
    Kind(name="site opened", about="site", counts=("cap",)),
    Kind(name="site closed", about="site", reason=True),
    # accounts
    Kind(name="account created", about="account"),
    Kind(name="account changed", about="account"),
    Kind(name="account disabled", about="account", reason=True),
    Kind(name="signed in", about="account"),
    Kind(name="sign-in refused", about="account"),
    Kind(name="signed out", about="account"),
    Kind(name="exported", about="account"),
    Kind(name="refused", about="account"),
    # a patient, until the arm is known
    Kind(name="consented", forbids=("consented", *_GONE), gives=("consented",),
         payload=("consent_date",)),
    Kind(name="screened", requires=("consented",), forbids=("randomised", "screen failed", *_GONE),
         gives=("screened",), takes=("eligible", "eligibility signed"), payload=("form",),
         outcome="verdict", outcomes=_VERDICTS),
    Kind(name="screen failed", requires=("consented",), forbids=("randomised", "screen failed"),
         gives=("screen failed",), reason=True),
    Kind(name="eligibility signed", requires=("screened", "eligible"),
         forbids=("randomised", "screen failed", *_GONE), gives=("eligibility signed",),
         signed=True),
    Kind(name="randomised", requires=("consented", "screened", "eligible", "eligibility signed"),
         forbids=("randomised", "screen failed", *_GONE), gives=("randomised", "cycle 0 over"),
         outcome="regimen", outcomes=_REGIMENS, signed=True),
    Kind(name="stratum corrected", requires=("randomised",), payload=("strata",), reason=True),
    # what is seen of the patient
    Kind(name="laboratory recorded", requires=("consented",)),
    Kind(name="imaging recorded", requires=("consented",)),
    Kind(name="questionnaire recorded", requires=("consented",)),
    Kind(name="adverse event recorded", requires=("consented",)),
    Kind(name="visit recorded", requires=("consented",)),
    Kind(name="treatment given", requires=("randomised",), forbids=("treatment ended", *_GONE),
         payload=("drug", "date")),
    Kind(name="data corrected", requires=("consented",), payload=("corrects", "was", "now"),
         reason=True),
    # one dose: planned, checked, decided, ordered, on its way, here, given or thrown away
    Kind(name="dose planned", requires=("on radioligand", "cycle {previous} over"),
         forbids=("dose {cycle} planned", "radioligand stopped", *_GONE),
         gives=("dose {cycle} planned",), payload=("cycle",)),
    Kind(name="labs checked", requires=("dose {cycle} planned",),
         forbids=("dose {cycle} ordered", *_GONE), gives=("labs checked for dose {cycle}",),
         takes=("cleared for dose {cycle}",), payload=("cycle",)),
    Kind(name="dose decided", requires=("labs checked for dose {cycle}",),
         forbids=("cycle {cycle} over", "radioligand stopped", *_GONE),
         takes=("cleared for dose {cycle}",), payload=("cycle", "decision"),
         outcome="decision", outcomes=_DECISIONS, signed=True),
    Kind(name="dose ordered", requires=("cleared for dose {cycle}",),
         forbids=("dose {cycle} ordered", "radioligand stopped", *_GONE),
         gives=("dose {cycle} ordered",), payload=("cycle",)),
    Kind(name="dose shipped", requires=("dose {cycle} ordered",),
         forbids=("dose {cycle} shipped",), gives=("dose {cycle} shipped",), payload=("cycle",)),
    Kind(name="dose received", requires=("dose {cycle} ordered",),
         forbids=("dose {cycle} received",), gives=("dose {cycle} received",), payload=("cycle",)),
    Kind(name="dose infused", requires=("dose {cycle} received", "cleared for dose {cycle}"),
         forbids=("cycle {cycle} over", "radioligand stopped", *_GONE),
         gives=("cycle {cycle} over",), payload=("cycle",)),
    Kind(name="dose discarded", requires=("dose {cycle} ordered",),
         forbids=("cycle {cycle} over",),
         takes=(*_STEPS, "dose {cycle} ordered", "dose {cycle} shipped", "dose {cycle} received"),
         payload=("cycle",), reason=True),
    Kind(name="treatment ended", requires=("randomised",), forbids=("treatment ended",),
         gives=("treatment ended", "radioligand stopped"), reason=True),
    # progression and what follows
    Kind(name="progression confirmed", requires=("randomised",),
         gives=("progression confirmed",)),
    Kind(name="progression withdrawn", requires=("progression confirmed",),
         takes=("progression confirmed",), reason=True),
    Kind(name="crossover requested", requires=("randomised", "progression confirmed"),
         forbids=("on radioligand", "crossover requested", *_GONE),
         gives=("crossover requested",)),
    Kind(name="crossover approved", requires=("crossover requested",),
         forbids=("on radioligand", *_GONE), gives=("on radioligand",),
         takes=("radioligand stopped", "treatment ended"), signed=True),
    Kind(name="consent withdrawn", requires=("consented",), forbids=("consent withdrawn",),
         gives=("consent withdrawn",)),
    Kind(name="left the study", requires=("consented",), forbids=("left the study",),
         gives=("left the study",), reason=True),
    Kind(name="died", requires=("consented",), forbids=("dead",), gives=("dead",)),
)}
# fmt: on


# what was observed or given can be put right; what was signed or allocated cannot
CORRECTABLE = frozenset(
    {
        "consented",
        "screened",
        "laboratory recorded",
        "imaging recorded",
        "questionnaire recorded",
        "adverse event recorded",
        "visit recorded",
        "treatment given",
        "dose received",
        "dose infused",
        "treatment ended",
        "left the study",
        "died",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Who signed, in printed letters, and what the signature means; the record holds when."""

    name: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One record of the ledger."""

    number: int
    at: str  # UTC, ISO 8601 with offset; order is by number, never by time
    kind: str
    actor: str
    site: str | None
    subject: str | None
    payload: Mapping[str, Any]
    reason: str | None
    signature: Signature | None
    hash: str  # of the chain up to and including this record
    database_at: str | None = None  # where the database's clock stood far from `at`


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A patient as the events so far tell."""

    subject: str
    site: str | None = None
    facts: frozenset[str] = frozenset()
    form: Mapping[str, Any] | None = None  # of the last screening
    verdict: str | None = None
    levels: Mapping[str, str | None] = field(default_factory=dict)  # of the strata, by the form
    arm: str | None = None
    randomised_at: str | None = None  # or when the sealed envelope was opened
    strata_entered: Mapping[str, str] | None = None  # as randomised: these chose the list
    strata: Mapping[str, str] | None = None  # as corrected since
    cycles: tuple[int, ...] = ()  # infused, in their order
    events: tuple[Event, ...] = ()


def after(patient: Patient, event: Event) -> Patient:
    """Return the patient as told with `event`."""
    kind, payload = KINDS[event.kind], event.payload
    given = (*kind.gives, *kind.outcomes.get(str(payload.get(kind.outcome)), ()))
    facts = patient.facts - {_filled(fact, payload) for fact in kind.takes}
    facts |= {_filled(fact, payload) for fact in given}
    patient = replace(
        patient, site=patient.site or event.site, facts=facts, events=(*patient.events, event)
    )
    match event.kind:
        case "screened":
            return replace(
                patient,
                form=payload["form"],
                verdict=payload["verdict"],
                levels=payload["levels"],
            )
        case "randomised":
            strata = payload["strata"]
            return replace(
                patient,
                arm=payload["arm"],
                randomised_at=payload.get("opened_at", event.at),
                strata_entered=strata,
                strata=strata,
            )
        case "stratum corrected":
            return replace(patient, strata=payload["strata"])
        case "dose infused":
            return replace(patient, cycles=(*patient.cycles, int(payload["cycle"])))
        case "data corrected":
            return _corrected(patient, payload)
        case _:
            return patient


def _corrected(patient: Patient, payload: Mapping[str, Any]) -> Patient:
    """Return the patient with other values in the event that is corrected; the ledger keeps both.

    A form that is corrected after randomisation changes neither verdict nor levels: those are what
    was signed and what chose the list.
    """
    events = tuple(
        replace(one, payload=with_values(one.payload, payload["now"]))
        if one.number == payload["corrects"]
        else one
        for one in patient.events
    )
    forms = [one.payload["form"] for one in events if one.kind == "screened"]
    return replace(patient, events=events, form=forms[-1] if forms else patient.form)


def value_at(payload: Mapping[str, Any], path: str) -> Any:
    """Return the value under a path such as ``tests/PLAT/value``; None where there is none."""
    found: Any = payload
    for name in path.split("/"):
        if isinstance(found, Mapping):
            found = found.get(name)
        elif isinstance(found, list | tuple) and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


def with_values(payload: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a payload with other values under these paths."""
    return {
        name: _with(value, name, values)
        for name, value in (dict.fromkeys(_tops(values)) | dict(payload)).items()
    }


def _tops(values: Mapping[str, Any]) -> list[str]:
    return [path.partition("/")[0] for path in values]


def _with(value: Any, name: str, values: Mapping[str, Any]) -> Any:
    if name in values:
        return values[name]
    inner = {
        path.partition("/")[2]: new
        for path, new in values.items()
        if path.partition("/")[0] == name
    }
    if not inner:
        return value
    if isinstance(value, list | tuple):
        return [_with(one, str(at), inner) for at, one in enumerate(value)]
    return with_values(value or {}, inner)


def patient_of(subject: str, events: Iterable[Event]) -> Patient:
    """Fold the events of one subject, in the order of their numbers, into the patient."""
    patient = Patient(subject=subject)
    for event in events:
        patient = after(patient, event)
    return patient


def faults_of(
    kind: str,
    patient: Patient | None,
    *,
    site: str | None,
    payload: Mapping[str, Any],
    reason: str | None,
    signature: Signature | None,
) -> tuple[str, ...]:
    """Say everything that stands against an event of this kind now; nothing if it may happen."""
    if kind not in KINDS:
        return (f"there is no event {kind!r}",)
    known, faults = KINDS[kind], []
    if known.reason and not (reason or "").strip():
        faults.append(f"{kind!r} needs its reason")
    if known.signed and not (signature and signature.name.strip() and signature.meaning.strip()):
        faults.append(f"{kind!r} needs a signature with name and meaning")
    missing = [key for key in known.payload if payload.get(key) in (None, "")]
    faults += [f"{kind!r} needs {key!r}" for key in missing]
    faults += [
        f"{key!r} is a whole number from 0, not {payload[key]!r}"
        for key in known.counts
        if payload.get(key) is not None and not _is_count(payload[key])
    ]
    if known.about == "site" and not site:
        faults.append(f"{kind!r} is about a site; none was named")
    if known.outcomes and str(payload.get(known.outcome)) not in known.outcomes:
        faults.append(f"{known.outcome!r} is one of {', '.join(known.outcomes)}")
    if known.about != "subject":
        return tuple(faults)
    if patient is None:
        return (*faults, f"{kind!r} is about a subject; none was named")
    has_cycle = "cycle" in known.payload and not missing
    if has_cycle and not (_is_count(payload["cycle"]) and payload["cycle"]):
        return (*faults, f"the cycle is a whole number from 1, not {payload['cycle']!r}")
    if patient.site and site != patient.site:
        return (*faults, "this subject number is none of the site's")
    if missing:
        return tuple(faults)
    if kind == "data corrected":
        faults += _faults_of_correction(patient, payload)
    faults += [
        f"{kind!r} comes after: {told}"
        for fact in known.requires
        if (told := _filled(fact, payload)) not in patient.facts
    ]
    faults += [
        f"{kind!r} cannot follow: {told}"
        for fact in known.forbids
        if (told := _filled(fact, payload)) in patient.facts
    ]
    return tuple(faults)


def _faults_of_correction(patient: Patient, payload: Mapping[str, Any]) -> list[str]:
    """Say what stands against a correction: it names an event and the values it has now."""
    was, now = payload["was"], payload["now"]
    one = next((one for one in patient.events if one.number == payload["corrects"]), None)
    if one is None or one.kind not in CORRECTABLE:
        return ["a correction names a record of this patient that holds values"]
    if not (isinstance(was, Mapping) and isinstance(now, Mapping) and was.keys() == now.keys()):
        return ["a correction says each value as it was and as it is now"]
    changed = [path for path, value in was.items() if value_at(one.payload, path) != value]
    return [f"{path} was changed since it was read" for path in changed]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _filled(fact: str, payload: Mapping[str, Any]) -> str:
    if "{" not in fact:
        return fact
    cycle = payload["cycle"]
    return fact.format(cycle=cycle, previous=cycle - 1)
