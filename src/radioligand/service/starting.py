# SPDX-License-Identifier: Apache-2.0
"""How a portal starts: on a new database with nothing configured, or on the one that is there."""

import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import version
from pathlib import Path

import polars as pl
from sqlalchemy import Engine, MetaData, inspect, make_url, text
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response

from radioligand.allocation import (
    make_draws,
    make_list,
    make_salts,
    plan_of,
    strata,
    stratum_of,
)
from radioligand.io.lists import LIST, SALTS, salted, write_list
from radioligand.protocol import Protocol
from radioligand.service import (
    pages_account,
    pages_audit,
    pages_corrections,
    pages_data,
    pages_dose,
    pages_findings,
    pages_guidance,
    pages_office,
    pages_patient,
    pages_screening,
    pages_visits,
)
from radioligand.service.accounts import ACCOUNTS, accounts, make_account
from radioligand.service.application import application
from radioligand.service.database import HEAD, DatabaseError, connect, reading
from radioligand.service.description import described
from radioligand.service.dose_view import next_dose
from radioligand.service.events import Signature
from radioligand.service.forms import levels_of
from radioligand.service.journal import read_events, utc_now
from radioligand.service.keys import Keys, read_secret, write_secret
from radioligand.service.ledger import Ledger
from radioligand.service.opening import open_ledger
from radioligand.service.portal import Ask, Page, Portal
from radioligand.service.roles import Role
from radioligand.service.snapshot import Step


def describe(ask: Ask) -> Response:
    """Every address of the portal as an OpenAPI document; it tells nothing of the trial."""
    told = described(PAGES, title="radioligand portal", version=version("radioligand"))
    return JSONResponse(told)


PAGES: tuple[Page, ...] = (
    *pages_account.PAGES,
    *pages_patient.PAGES,
    *pages_screening.PAGES,
    *pages_findings.PAGES,
    *pages_visits.PAGES,
    *pages_corrections.PAGES,
    *pages_dose.PAGES,
    *pages_office.PAGES,
    *pages_audit.PAGES,
    *pages_data.PAGES,
    *pages_guidance.PAGES,
    Page(path="/openapi.json", method="GET", action=None, answer=describe, for_machines=True),
)
ADMINISTRATOR = "admin"
OPERATOR = "operator"  # whoever starts the portal, before anybody is signed in
STUDY_RECORD = "study record"  # who recorded what a study under way brought
DEMONSTRATION_PASSWORD = "only-for-demonstration"
# name, printed name, role, and whether the account belongs to the first site
DEMONSTRATION = (
    ("coordinator", "Demonstration coordinator", Role.COORDINATOR),
    ("investigator", "Demonstration investigator", Role.INVESTIGATOR),
    ("radiopharmacist", "Demonstration radiopharmacist", Role.RADIOPHARMACIST),
    ("manager", "Demonstration manager", Role.TRIAL_MANAGER),
    ("blinded", "Demonstration statistician, blinded", Role.BLINDED_STATISTICIAN),
    ("unblinded", "Demonstration statistician, unblinded", Role.UNBLINDED_STATISTICIAN),
    ("reader", "Demonstration reader", Role.CENTRAL_READER),
    ("monitor", "Demonstration monitor", Role.MONITOR),
    ("auditor", "Demonstration auditor", Role.AUDITOR),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A portal that is ready; `said` are the lines that are told once, at its first start."""

    portal: Portal
    app: Starlette
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a portal keeps its things: the database, and outside it the secret and the anchor."""

    url: str
    secret: Path
    anchor: Path

    @property
    def sealed(self) -> Path:
        """The folder of list and salts, where nobody else has them."""
        return self.secret.with_suffix(".sealed")


def start(
    protocol: Protocol,
    place: Place,
    *,
    origins: frozenset[str],
    entries: pl.DataFrame | None = None,
    salts: pl.Series | None = None,
    replayed: Callable[[], Sequence[Step]] = tuple,
    list_from: Callable[[Sequence[Step]], pl.DataFrame] | None = None,
    is_demonstration: bool = False,
    new_anchor: str | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Started:
    """Open the portal of a trial; on a database without a ledger, make everything first.

    A start that fails takes back what it made: database, secret, anchor and sealed list are whole
    or not there.

    entries : the randomisation list; without one, a list is made.
    salts : of the list's commitments, from its maker; without them, and but for demonstrations,
        list and salts are written to the folder `Place.sealed`, or no commitment could be opened.
    replayed : gives the steps of a study that is under way; asked of a new ledger alone.
    list_from : makes the list from these steps, for demonstrations.
    new_anchor : the reason why a ledger under way begins another anchor; without one, a ledger
        whose anchor is gone is refused.

    Raises DatabaseError, KeysError or ListError, whose messages say what to mend.
    """
    made, engine = _files(place), connect(place.url)
    before = set(inspect(engine).get_table_names())
    said: list[str] = []
    if HEAD.name in before:
        _refuse_half(engine)
        keys = read_secret(place.secret)
    else:
        sealed = None if is_demonstration or salts is not None else place.sealed
        if sealed and sealed.exists():
            raise DatabaseError(f"{sealed} exists; the list of another ledger is never replaced.")
        keys = write_secret(place.secret)
        try:
            steps = replayed()
            begin = datetime.combine(steps[0].day, time(6), UTC) if steps else clock()
            listed = list_from(steps) if list_from else entries
            _open(engine, protocol, keys, entries=listed, salts=salts, sealed=sealed, now=begin)
            if steps:
                replay(engine, protocol, keys, place.anchor, steps)
        except BaseException:
            _take_back(engine, before, made)
            if sealed:
                shutil.rmtree(sealed, ignore_errors=True)
            raise
        if sealed:
            said.append(f"List and salts: {sealed}. They tell every arm to come: hand the folder")
            said.append("to whoever audits, away from this machine and from the trial's staff.")
    ledger = Ledger(engine, protocol, keys=keys, clock=clock, anchor=place.anchor)
    if is_demonstration:
        clock = _going_on(clock, ledger)
        ledger = Ledger(engine, protocol, keys=keys, clock=clock, anchor=place.anchor)
    if new_anchor is not None:
        ledger.begin_anchor(actor=OPERATOR, reason=new_anchor)
    ledger.check_anchor()
    if not accounts(engine):
        one_time = make_account(
            engine,
            name=ADMINISTRATOR,
            full_name="Administrator",
            role=Role.ADMINISTRATOR,
            site=None,
            now=clock(),
        )
        said.append(f"First sign-in: {ADMINISTRATOR}, one-time password {one_time}")
        if is_demonstration:
            said += _demonstrators(engine, ledger, now=clock())
    portal = Portal(
        protocol=protocol,
        engine=engine,
        ledger=ledger,
        keys=keys,
        clock=clock,
        origins=origins,
        is_demonstration=is_demonstration,
    )
    return Started(portal=portal, app=application(portal, PAGES), said=tuple(said))


def _take_back(engine: Engine, before: set[str], made: Sequence[Path]) -> None:
    """Remove what a start that failed has made: tables and files that were not there."""
    found = MetaData()
    found.reflect(engine)
    with engine.begin() as at:
        found.drop_all(at, [one for name, one in found.tables.items() if name not in before])
        if at.dialect.name == "postgresql":
            at.execute(text("drop function if exists ledger_refuses()"))
    engine.dispose()
    for each in made:
        each.unlink(missing_ok=True)


def _files(place: Place) -> list[Path]:
    """Return the files of a portal that are not there yet."""
    database = make_url(place.url if "://" in place.url else f"sqlite:///{place.url}")
    files = [place.secret, place.anchor]
    if database.get_backend_name() == "sqlite" and database.database:
        files += [Path(f"{database.database}{end}") for end in ("", "-wal", "-shm")]
    return [one for one in files if not one.exists()]


def _refuse_half(engine: Engine) -> None:
    """Refuse a database on which a study was being taken over when the machine stopped."""
    if inspect(engine).has_table(ACCOUNTS.name) and accounts(engine):
        return
    with reading(engine) as at:
        is_replayed = any(one.actor == STUDY_RECORD for one in read_events(at, after=1, limit=100))
    if is_replayed:
        raise DatabaseError(
            "taking over a study into this database was broken off; remove the database, its "
            "secret and its anchor, and start again."
        )


def _open(
    engine: Engine,
    protocol: Protocol,
    keys: Keys,
    *,
    entries: pl.DataFrame | None,
    salts: pl.Series | None,
    sealed: Path | None,
    now: datetime,
) -> None:
    seed = secrets.token_hex(32)
    listed = _list_made(protocol, seed=seed) if entries is None else entries
    given = make_salts(listed, seed=seed) if salts is None else salts
    if sealed:
        write_list(sealed, {LIST: listed, SALTS: salted(listed, given)}, seed=seed)
    open_ledger(
        engine,
        protocol,
        listed,
        salts=given,
        keys=keys,
        actor="first start",
        clock=lambda: now,
    )


def _list_made(protocol: Protocol, *, seed: str) -> pl.DataFrame:
    plan = plan_of(protocol)
    if plan.method == "minimisation":
        return make_draws(protocol, seed=seed, entries=plan.entries_per_stratum)
    return make_list(protocol, seed=seed)


def _demonstrators(engine: Engine, ledger: Ledger, *, now: datetime) -> Iterable[str]:
    site = _busiest(ledger)
    for name, full_name, role in DEMONSTRATION:
        here = site if role in (Role.COORDINATOR, Role.INVESTIGATOR, Role.RADIOPHARMACIST) else None
        make_account(
            engine,
            name=name,
            full_name=full_name,
            role=role,
            site=here,
            password=DEMONSTRATION_PASSWORD,
            now=now,
        )
        yield f"  {name:<16} {role}{f', site {here}' if here else ''}"
    yield f"The password of all of these is {DEMONSTRATION_PASSWORD}"


def _busiest(ledger: Ledger) -> str:
    """Return the site with the most patients whose next dose is to come."""
    waiting = Counter(
        str(one.site)
        for one in ledger.patients()
        if next_dose(one, protocol=ledger.protocol) is not None
    )
    return waiting.most_common(1)[0][0] if waiting else next(iter(ledger.sites()), "1")


# -- a study that is under way --------------------------------------------------------------------


def list_of(replayed: Sequence[Step], *, protocol: Protocol) -> pl.DataFrame:
    """Return a list that begins, in each stratum, with the arms that a study allocated.

    It goes on at random until every stratum has the protocol's number of entries in the ratio of
    the arms. For demonstrations: a real trial brings its own list.
    """
    forms = {one.subject: one.payload["form"] for one in replayed if one.kind == "screened"}
    arms: dict[str, list[str]] = {name: [] for name in strata(protocol)}
    for one in replayed:
        if one.kind == "randomised":
            levels = levels_of(forms[one.subject], protocol=protocol)
            known = {name: level for name, level in levels.items() if level is not None}
            arms[stratum_of(known, protocol=protocol)].append(str(one.arm))
    plan = protocol.randomisation
    length = plan.entries_per_stratum if plan else 0
    whole = sum(arm.ratio for arm in protocol.arms)
    rows = []
    for name, places in strata(protocol).items():
        given = arms[name]
        rest = [
            arm.id
            for arm in protocol.arms
            for _ in range(length * arm.ratio // whole - given.count(arm.id))
        ]
        secrets.SystemRandom().shuffle(rest)
        for sequence, arm in enumerate((given + rest)[:length], start=1):
            place = {"SEQUENCE": sequence, "BLOCK": 1 + (sequence - 1) // whole}
            rows.append({"STRATUM": name, **places, **place, "ARMCD": arm})
    return pl.DataFrame(rows, schema_overrides={"SEQUENCE": pl.Int64, "BLOCK": pl.Int64})


def replay(
    engine: Engine, protocol: Protocol, keys: Keys, anchor: Path, steps: Sequence[Step]
) -> None:
    """Record the steps of a study under way, each on its own day.

    Sites open with their first patient. Raises DatabaseError if the list gives a patient another
    arm than the study did: the list is then not the one that the study used.
    """
    moment = datetime.combine(steps[0].day, time(8), UTC)

    def now() -> datetime:
        return moment

    ledger = Ledger(engine, protocol, keys=keys, clock=now, anchor=anchor)
    ledger.record("list released", actor="trial manager")
    opened: set[str] = set()
    for one in steps:
        moment = max(moment + timedelta(seconds=1), datetime.combine(one.day, time(8), UTC))
        if one.site not in opened:
            ledger.record("site opened", actor="trial manager", site=one.site)
            opened.add(one.site)
        _replay(ledger, one)


def _replay(ledger: Ledger, one: Step) -> None:
    meaning = "As the study recorded it."
    signature = Signature(name="Study record", meaning=meaning) if one.is_signed else None
    if one.kind == "randomised" and signature:
        given = ledger.allocate(
            one.subject,
            site=one.site,
            actor=STUDY_RECORD,
            key=f"study record of {one.subject}",
            signature=signature,
        )
        if given.arm != one.arm:
            raise DatabaseError(
                f"{one.subject}: the study allocated {one.arm}, the list gives {given.arm}. Start "
                "with the list that the study uses."
            )
        return
    ledger.record(
        one.kind,
        actor=STUDY_RECORD,
        subject=one.subject,
        site=one.site,
        payload=one.payload,
        reason=one.reason,
        signature=signature,
    )


def _going_on(clock: Callable[[], datetime], ledger: Ledger) -> Callable[[], datetime]:
    """Return a demonstration's clock, set to the last event where it would go back behind it."""
    last = datetime.fromisoformat(ledger.event(ledger.head().number).at)
    ahead = max(last - clock(), timedelta(0))
    return lambda: clock() + ahead


def clock_from(day: date) -> Callable[[], datetime]:
    """Return a clock that stands at noon of `day` now and goes on from there."""
    shift = datetime.combine(day, time(12), UTC) - utc_now()
    return lambda: utc_now() + shift
