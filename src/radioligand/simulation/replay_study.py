# SPDX-License-Identifier: Apache-2.0
"""A virtual trial as the SDTM datasets that its study would hold: what the slow path begins with.

One target lesion tells of each scan whether the disease has progressed; deaths, contacts and
strata are where the protocol looks for them. Nothing else is in these datasets.
"""

from datetime import date
from typing import Any

import numpy as np
import polars as pl

from radioligand.protocol import Protocol
from radioligand.simulation.adaptive_design import AdaptiveDesign
from radioligand.simulation.adaptive_replay import VirtualComparison
from radioligand.simulation.counters import Whole
from radioligand.simulation.faults import SimulationError
from radioligand.simulation.frames import dataset, iso_dates, supplemental
from radioligand.simulation.model import FOREVER
from radioligand.simulation.replay import OPENS, VirtualTrial
from radioligand.simulation.trial_design import TrialDesign

STABLE_MM, PROGRESSED_MM = (
    50.0,
    75.0,
)  # of the lesion: 20 % and 5 mm above the least are progression
SCREENED_BEFORE = 14  # days from consent and baseline scan to entry
READERS = (("INDEPENDENT ASSESSOR", "CENTRAL"), ("INVESTIGATOR", None))


def trial_study(
    virtual: VirtualTrial | VirtualComparison,
    *,
    design: TrialDesign | AdaptiveDesign,
    protocol: Protocol,
    opens: date | None = None,
) -> dict[str, pl.DataFrame]:
    """Return a virtual trial as SDTM, as it stood on the day of its last look.

    virtual : a trial of two arms; or of several one arm and control, as they stood on the day on
        which that arm ended.
    opens : the day of the trial's day 0; the protocol's first screening, if it says so.

    Subjects are followed for survival to that day or to dropout. Response is not told: a
    responder of the kernel has no lesions that shrink. Without scans in the design progression is
    seen as it happens: the scans are then those of the schedule and one more, on the day of the
    event or of the last contact. No scan shows progression on the day of entry, which is baseline:
    such an event is written as death.

    Raises SimulationError if there is such an event, and deaths are simulated for themselves.
    """
    control, experimental = design.arms[0], design.arms[1]
    if isinstance(virtual, VirtualComparison):
        experimental = virtual.arm
    study = protocol.trial.name
    first = np.datetime64(opens or protocol.trial.first_screened or OPENS).astype(np.int64)
    entry = first + virtual.entry_day.astype(np.int64)
    subject = np.array([f"{study}-{number:05d}" for number in range(1, entry.size + 1)])
    arms = {arm.id: arm.label for arm in protocol.arms}
    arm = np.where(virtual.experimental, experimental, control)
    limit = first + np.int64(virtual.results["day"]) - entry + 1
    death_day = _deaths(virtual, design)
    died = death_day <= np.minimum(virtual.dropout_day, limit)
    last = np.minimum(np.minimum(virtual.dropout_day, limit), death_day)
    death = np.where(died, entry + death_day - 1, np.inf)
    frames = {
        "DM": dataset(
            "DM",
            study,
            {
                "USUBJID": subject,
                "SUBJID": [one.rsplit("-", 1)[1] for one in subject.tolist()],
                "RFSTDTC": iso_dates(entry),
                "RFICDTC": iso_dates(entry - SCREENED_BEFORE),
                "DTHDTC": iso_dates(death),
                "DTHFL": np.where(died, "Y", "N"),
                "SITEID": "001",
                "AGE": pl.Series(values=[None] * subject.size, dtype=pl.Float64),
                "AGEU": "YEARS",
                "SEX": "U",
                "RACE": "UNKNOWN",
                "ARMCD": arm,
                "ARM": [arms[one] for one in arm.tolist()],
                "ACTARMCD": arm,
                "ACTARM": [arms[one] for one in arm.tolist()],
            },
        ),
        "DS": _disposition(study, subject, entry, last, virtual, died=died, limit=limit),
        "SV": dataset(
            "SV",
            study,
            {
                "USUBJID": subject,
                "VISIT": "LAST CONTACT",
                "VISITNUM": 900.0,
                "SVSTDTC": iso_dates(entry + last - 1),
                "SVENDTC": iso_dates(entry + last - 1),
            },
        ),
        "TS": pl.DataFrame(
            {
                "STUDYID": [study] * 2,
                "DOMAIN": ["TS"] * 2,
                "TSSEQ": [1, 1],
                "TSPARMCD": ["TITLE", "SIMULATD"],
                "TSPARM": ["Trial Title", "Patients are simulated"],
                "TSVAL": [protocol.trial.title, "Y"],
            }
        ),
        **_scans(study, subject, entry, virtual, protocol=protocol),
    }
    if design.factors:
        levels = [design.strata[place].id.split("/") for place in virtual.stratum.tolist()]
        given = {
            factor: (f"{factor}, as randomised", [level[place] for level in levels])
            for place, factor in enumerate(design.factors)
        }
        frames["SUPPDM"] = supplemental("DM", study, subject, given)
    return frames


def _deaths(
    virtual: VirtualTrial | VirtualComparison, design: TrialDesign | AdaptiveDesign
) -> Whole:
    """The day of death, with events on the day of entry that no scan can show."""
    if virtual.scan_days is not None:
        return virtual.death_day
    at_entry = virtual.event & (virtual.time_days == 1) & (virtual.progression_day == 1)
    if at_entry.any() and virtual.survival_days is not None:
        raise SimulationError(
            f"{design.trial}: {at_entry.sum()} of {at_entry.size} subjects progress on the day of "
            "entry, which no scan can show. Assume visits = true, or write another trial."
        )
    return np.where(at_entry, 1, virtual.death_day)


def _disposition(
    study: str,
    subject: Any,
    entry: Whole,
    last: Whole,
    virtual: VirtualTrial | VirtualComparison,
    *,
    died: Any,
    limit: Whole,
) -> pl.DataFrame:
    """Randomisation of all, and the end of the study of those who died or were lost."""
    lost = ~died & (virtual.dropout_day <= limit)
    ended = died | lost
    parts = [
        (subject, np.full(subject.size, "RANDOMIZED"), entry, "PROTOCOL MILESTONE", None),
        (
            subject[ended],
            np.where(died, "DEATH", "LOST TO FOLLOW-UP")[ended],
            (entry + last - 1)[ended],
            "DISPOSITION EVENT",
            "STUDY PARTICIPATION",
        ),
    ]
    rows = [
        pl.DataFrame(
            {
                "USUBJID": who,
                "DSTERM": what,
                "DSDECOD": what,
                "DSCAT": [category] * who.size,
                "DSSCAT": pl.Series(values=[part] * who.size, dtype=pl.String),
                "DSSTDTC": iso_dates(day),
            }
        )
        for who, what, day, category, part in parts
    ]
    return dataset("DS", study, pl.concat(rows), order=["DSSTDTC"])


def _assessed(time_days: Whole, protocol: Protocol) -> Whole:
    """The scans of the schedule that lie before each subject's last day, and that day, (n, v + 1).

    -1 stands for a scan that is not held.
    """
    last = int(time_days.max(initial=1))
    imaging = [one for one in protocol.schedule if "TR" in one.domains]
    planned = [1 + day for one in imaging[:1] for day in one.planned_days(last)]
    days = np.append(np.array(planned, np.int64), 0)
    held = np.where(days < time_days[:, None], days, -1)
    held[:, -1] = time_days
    return np.asarray(held, np.int64)


def _scans(
    study: str,
    subject: Any,
    entry: Whole,
    virtual: VirtualTrial | VirtualComparison,
    *,
    protocol: Protocol,
) -> dict[str, pl.DataFrame]:
    """TU, TR and RS of a target lesion: stable until the scan on which progression is seen."""
    days = virtual.scan_days
    if days is None:
        days = _assessed(virtual.time_days, protocol)
    until = np.minimum(virtual.time_days, virtual.dropout_day)
    who, visit = np.nonzero((days > 0) & (days <= until[:, None]))
    scanned = days[who, visit]
    progressed = (
        virtual.event[who]
        & (scanned == virtual.time_days[who])
        & (virtual.progression_day[who] <= scanned)
        & (virtual.progression_day[who] < FOREVER)
    )
    everyone = np.arange(subject.size)
    place = np.concatenate([everyone, who])
    number = np.concatenate([np.zeros(subject.size), visit + 1])
    day = np.concatenate([entry - SCREENED_BEFORE, entry[who] + scanned - 1])
    size = np.where(np.concatenate([np.zeros(subject.size, bool), progressed]), PROGRESSED_MM, 0)
    size = np.where(size > 0, size, STABLE_MM)
    name = np.where(number == 0, "SCREENING", np.char.add("SCAN ", number.astype(int).astype(str)))
    after = number > 0
    parts: dict[str, list[pl.DataFrame]] = {"TU": [], "TR": [], "RS": []}
    for reader, identifier in READERS:

        def common(domain: str, rows: Any, reader: str = reader, who: Any = identifier) -> Any:
            many = int(rows.sum())
            return {
                "USUBJID": subject[place[rows]],
                f"{domain}EVAL": [reader] * many,
                f"{domain}EVALID": pl.Series(values=[who] * many, dtype=pl.String),
                "VISIT": name[rows],
                "VISITNUM": number[rows] + 1.0,
                f"{domain}DTC": iso_dates(day[rows]),
            }

        parts["TU"].append(
            pl.DataFrame(
                {
                    **common("TU", ~after),
                    "TULNKID": "T01",
                    "TUTESTCD": "TUMIDENT",
                    "TUTEST": "Tumor Identification",
                    "TUORRES": "TARGET",
                    "TUSTRESC": "TARGET",
                    "TULOC": "LIVER",
                    "TUMETHOD": "CT SCAN",
                }
            )
        )
        shown = [f"{one:g}" for one in size.tolist()]
        parts["TR"].append(
            pl.DataFrame(
                {
                    **common("TR", number >= 0),
                    "TRLNKID": "T01",
                    "TRGRPID": "TARGET",
                    "TRTESTCD": "LDIAM",
                    "TRTEST": "Longest Diameter",
                    "TRORRES": shown,
                    "TRORRESU": "mm",
                    "TRSTRESC": shown,
                    "TRSTRESN": size,
                    "TRSTRESU": "mm",
                    "TRSTAT": pl.Series(values=[None] * size.size, dtype=pl.String),
                    "TRREASND": pl.Series(values=[None] * size.size, dtype=pl.String),
                    "TRMETHOD": "CT SCAN",
                }
            )
        )
        response = np.where(size[after] == PROGRESSED_MM, "PD", "SD")
        parts["RS"].append(
            pl.DataFrame(
                {
                    **common("RS", after),
                    "RSTESTCD": "OVRLRESP",
                    "RSTEST": "Overall Response",
                    "RSCAT": "RECIST 1.1",
                    "RSORRES": response,
                    "RSSTRESC": response,
                    "RSSTRESN": pl.Series(values=[None] * response.size, dtype=pl.Float64),
                }
            )
        )
    return {
        domain: dataset(domain, study, pl.concat(rows), order=[f"{domain}EVAL", "VISITNUM"])
        for domain, rows in parts.items()
    }
