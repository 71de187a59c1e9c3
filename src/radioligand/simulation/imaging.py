# SPDX-License-Identifier: Apache-2.0
"""What both readers wrote down: TU (lesions), TR (their findings), RS (responses)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from radioligand.simulation.conduct import Course
from radioligand.simulation.design import Design
from radioligand.simulation.frames import dataset, iso_dates, numbers, plain, texts
from radioligand.simulation.population import Subjects
from radioligand.simulation.reading import NONE, RESPONSES, Reads
from radioligand.simulation.streams import Flags, Floats, Texts
from radioligand.simulation.tumours import NODE, ORGAN

LOCAL = "INVESTIGATOR"
_READERS = (("INDEPENDENT ASSESSOR", "CENTRAL"), (LOCAL, ""))
_PRIMARY = {"PANCREAS": "PANCREAS", "SMALL INTESTINE": "SMALL INTESTINE", "RECTUM": "RECTUM",
            "STOMACH": "STOMACH", "OTHER": "COLON", "ILEUM": "ILEUM", "JEJUNUM": "JEJUNUM",
            "MIDGUT": "SMALL INTESTINE", "RIGHT COLON": "COLON, RIGHT",
            "APPENDIX": "APPENDIX"}  # fmt: skip
_RESPONSE_TESTS = (
    ("TRGRESP", "Target Response"),
    ("NTRGRESP", "Non-target Response"),
    ("OVRLRESP", "Overall Response"),
)


def imaging(subjects: Subjects, course: Course, *, design: Design) -> dict[str, pl.DataFrame]:
    """TU, TR and RS of the randomised `subjects`, both readers."""
    scans = course.scans
    organ = np.array([_PRIMARY[site] for site in subjects.primary_site])[:, None]
    parts: dict[str, list[dict[str, Any]]] = {"TU": [], "TR": [], "RS": []}
    for reads, (evaluator, identifier) in zip(
        (course.central, course.local), _READERS, strict=True
    ):
        reader = _Reader(
            evaluator=evaluator,
            identifier=identifier,
            subject=subjects.identifier,
            reads=reads,
            link=_link_ids(reads),
            location=np.where(ORGAN == "PRIMARY", organ, ORGAN),
            visit=np.array(scans.name),
            visit_number=scans.number,
            seen=course.seen if evaluator == LOCAL else course.seen & ~scans.follow_up,
            date=subjects.randomised_day[:, None] + scans.day,
        )
        parts["TU"] += reader.lesions()
        parts["TR"] += reader.findings()
        parts["RS"] += reader.responses()
    order = {
        "TU": ["TUEVAL", "VISITNUM", "TULNKID"],
        "TR": ["TREVAL", "VISITNUM", "TRLNKID", "TRTESTCD"],
        "RS": ["RSEVAL", "VISITNUM", "RSTESTCD"],
    }
    frames = {
        name: pl.concat([pl.DataFrame(each) for each in rows]) for name, rows in parts.items()
    }
    return {
        name: dataset(name, design.study, rows, order=order[name]) for name, rows in frames.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """What makes the rows of one reader: (n,) a subject, (n, v) a scan, (n, slots) a lesion."""

    evaluator: str
    identifier: str
    subject: Texts
    reads: Reads
    link: Texts  # (n, slots)
    location: Texts  # (n, slots)
    visit: Texts  # (v,)
    visit_number: Floats  # (v,)
    seen: Flags  # (n, v)
    date: Floats  # (n, v)

    def _where(self, domain: str, who: np.ndarray, visit: np.ndarray) -> dict[str, Any]:
        return {
            f"{domain}EVAL": [self.evaluator] * who.size,
            f"{domain}EVALID": texts(np.full(who.size, self.identifier)),
            "VISIT": self.visit[visit],
            "VISITNUM": np.round(self.visit_number[visit], 2),
            f"{domain}DTC": iso_dates(self.date[who, visit]),
        }

    def lesions(self) -> list[dict[str, Any]]:
        """Targets and others at baseline, new lesions at the scan that first shows them."""
        who, slot = np.nonzero(self.link != "")
        kind = np.where(self.reads.target[who, slot], "TARGET", "NON-TARGET")
        parts = [self._identified(who, np.zeros_like(who), self.link[who, slot], kind,
                                  self.location[who, slot])]  # fmt: skip
        who, visit = self._first_new()
        new = np.full(who.size, "NEW")
        where = np.array(["LIVER", "BONE", "LYMPH NODE", "PERITONEUM"])[who % 4]
        parts.append(self._identified(who, visit, np.full(who.size, "N01"), new, where))
        return parts

    def _identified(
        self, who: np.ndarray, visit: np.ndarray, link: Texts, kind: Texts, location: Texts
    ) -> dict[str, Any]:
        return {
            "USUBJID": self.subject[who],
            "TULNKID": link,
            "TUTESTCD": ["TUMIDENT"] * who.size,
            "TUTEST": ["Tumor Identification"] * who.size,
            "TUORRES": kind,
            "TUSTRESC": kind,
            "TULOC": location,
            "TUMETHOD": np.where(who % 4 == 0, "MRI", "CT SCAN"),
            **self._where("TU", who, visit),
        }

    def _first_new(self) -> tuple[np.ndarray, np.ndarray]:
        shown = (self.reads.new_unequivocal | self.reads.new_equivocal) & self.seen
        first = shown & (np.cumsum(shown, axis=1) == 1)
        who, visit = np.nonzero(first)
        return who, visit

    def findings(self) -> Iterator[dict[str, Any]]:
        """Diameters of targets, states of the others and of new lesions."""
        reads, there = self.reads, self.seen[:, :, None]
        target = reads.target[:, None, :] & there
        node = NODE[None, None, :]
        yield self._measured(target & ~node, "LDIAM", "Longest Diameter", 1.0)
        yield self._measured(target & node, "LPERP", "Longest Perpendicular", 1.0)
        # a node is longer than its short axis, which alone counts
        yield self._measured(target & node, "LDIAM", "Longest Diameter", 1.4)
        other = reads.non_target[:, None, :] & there
        who, visit, slot = np.nonzero(other)
        unread = np.isnan(reads.diameter_mm[who, visit, slot])
        # progression of the non-target disease is stated on the first of its lesions
        leading = np.argmax(reads.non_target, axis=1)[who] == slot
        worse = reads.non_target_progression[who, visit] & leading & ~unread
        state = np.where(reads.absent[who, visit, slot], "ABSENT", "PRESENT")
        state = np.where(worse, "UNEQUIVOCAL", state)
        yield self._stated(who, visit, self.link[who, slot], "NON-TARGET", state, unread)
        shown = (reads.new_unequivocal | reads.new_equivocal) & self.seen
        who, visit = np.nonzero(shown)
        state = np.where(reads.new_unequivocal[who, visit], "UNEQUIVOCAL", "EQUIVOCAL")
        no = np.zeros(who.size, dtype=bool)
        yield self._stated(who, visit, np.full(who.size, "N01"), "NEW", state, no)

    def _measured(self, which: Flags, code: str, name: str, factor: float) -> dict[str, Any]:
        who, visit, slot = np.nonzero(which)
        mm = np.round(self.reads.diameter_mm[who, visit, slot] * factor, 1)
        small = self.reads.too_small[who, visit, slot]
        unread = np.isnan(mm)
        number = np.where(small, np.nan, mm)
        shown = pl.Series(values=np.where(small, "TOO SMALL TO MEASURE", "")).replace("", None)
        result = shown.fill_null(plain(number))
        return {
            **self._record(who, visit, self.link[who, slot], "TARGET", code, name, unread),
            "TRORRES": result,
            "TRORRESU": texts(np.where(np.isnan(number), "", "mm")),
            "TRSTRESC": result,
            "TRSTRESN": numbers(number, 1),
            "TRSTRESU": texts(np.where(np.isnan(number), "", "mm")),
        }

    def _stated(
        self,
        who: np.ndarray,
        visit: np.ndarray,
        link: Texts,
        group: str,
        state: Texts,
        unread: Flags,
    ) -> dict[str, Any]:
        result = texts(np.where(unread, "", state))
        none = pl.Series(values=[None] * who.size, dtype=pl.String)
        return {
            **self._record(who, visit, link, group, "TUMSTATE", "Tumor State", unread),
            "TRORRES": result,
            "TRORRESU": none,
            "TRSTRESC": result,
            "TRSTRESN": pl.Series(values=[None] * who.size, dtype=pl.Float64),
            "TRSTRESU": none,
        }

    def _record(
        self,
        who: np.ndarray,
        visit: np.ndarray,
        link: Texts,
        group: str,
        code: str,
        name: str,
        unread: Flags,
    ) -> dict[str, Any]:
        return {
            "USUBJID": self.subject[who],
            "TRLNKID": link,
            "TRGRPID": [group] * who.size,
            "TRTESTCD": [code] * who.size,
            "TRTEST": [name] * who.size,
            "TRSTAT": texts(np.where(unread, "NOT DONE", "")),
            "TRREASND": texts(np.where(unread, "LESION NOT EVALUABLE", "")),
            "TRMETHOD": np.where(who % 4 == 0, "MRI", "CT SCAN"),
            **self._where("TR", who, visit),
        }

    def responses(self) -> Iterator[dict[str, Any]]:
        """What the reader stated of each scan after the baseline."""
        reads = self.reads
        stated = (reads.target_response, reads.non_target_response, reads.overall)
        for (code, name), response in zip(_RESPONSE_TESTS, stated, strict=True):
            after = self.seen & (response != NONE)
            after[:, 0] = False
            who, visit = np.nonzero(after)
            result = RESPONSES[response[who, visit]]
            yield {
                "USUBJID": self.subject[who],
                "RSTESTCD": [code] * who.size,
                "RSTEST": [name] * who.size,
                "RSCAT": ["RECIST 1.1"] * who.size,
                "RSORRES": result,
                "RSSTRESC": result,
                "RSSTRESN": pl.Series(values=[None] * who.size, dtype=pl.Float64),
                **self._where("RS", who, visit),
            }


def _link_ids(reads: Reads) -> Texts:
    """TULNKID of each slot, (n, slots): T01.. for targets, NT01.. for the rest, "" for none."""
    number = np.where(
        reads.target, np.cumsum(reads.target, axis=1), np.cumsum(reads.non_target, axis=1)
    )
    letter = np.where(reads.target, "T", "NT")
    text = np.char.add(letter, np.char.zfill(number.astype(str), 2))
    return np.where(reads.target | reads.non_target, text, "")
