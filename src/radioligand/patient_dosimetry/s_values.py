# SPDX-License-Identifier: Apache-2.0
"""A user's table of S values, read and held against its rules; none comes with the package."""

import numpy as np
import polars as pl

from radioligand.cdisc.rules import Rule, find, refuse, together
from radioligand.dosimetry.absorbed_dose import SValues
from radioligand.patient_dosimetry.columns import Column, read_columns
from radioligand.patient_dosimetry.rules import NUCLIDES

COLUMNS = (
    Column("phantom", pl.String, True, "one phantom, of the patient's sex"),
    Column("nuclide", pl.String, True, "Lu-177"),
    Column("target", pl.String, True, "region that is irradiated"),
    Column("source", pl.String, True, "region that holds the activity, or total body"),
    Column("s_mgy_per_mbq_s", pl.Float64, True, "S value"),
    Column("target_mass_g", pl.Float64, True, "mass of the target in the phantom"),
    Column("citation", pl.String, True, "where the table was taken from"),
)
SHOWN = ("target", "source", "s_mgy_per_mbq_s")
RULES = (
    Rule(
        holds=pl.col("nuclide").is_in(list(NUCLIDES)),
        says="every S value is of Lu-177",
        shows=(*SHOWN, "nuclide"),
        mend="Take the table of Lu-177.",
    ),
    Rule(
        holds=pl.col("phantom").n_unique() == 1,
        says="all S values are of one phantom",
        shows=(*SHOWN, "phantom"),
        mend="Give the table of the patient's sex alone.",
    ),
    Rule(
        holds=(pl.col("s_mgy_per_mbq_s") > 0) & (pl.col("target_mass_g") > 0),
        says="S values and masses are positive",
        shows=(*SHOWN, "target_mass_g"),
        mend="Correct the number; S is in mGy/(MBq s).",
    ),
    Rule(
        holds=pl.struct("target", "source").is_unique(),
        says="a target and source have one S value",
        shows=SHOWN,
        mend="Leave out the copy.",
    ),
    Rule(
        holds=pl.col("citation").is_not_null(),
        says="every S value says where it was taken from",
        shows=SHOWN,
        mend="Fill citation.",
    ),
)


def read_s_values(text: pl.DataFrame, *, name: str = "svalues.csv") -> SValues:
    """Return a table of S values by region, in lower case; `name` is what it is called.

    Raises DatasetError that tells of every broken rule.
    """
    frame, cells = read_columns(text, name=name, columns=COLUMNS)
    refuse(together([cells, find(frame, dataset=name, rules=RULES)]))
    frame = frame.with_columns(pl.col("target", "source").str.to_lowercase())
    targets = tuple(frame["target"].unique(maintain_order=True))
    sources = tuple(frame["source"].unique(maintain_order=True))
    values = np.full((len(targets), len(sources)), np.nan)
    for target, source, s in frame.select("target", "source", "s_mgy_per_mbq_s").iter_rows():
        values[targets.index(target), sources.index(source)] = s
    return SValues(
        targets=targets,
        sources=sources,
        s_mgy_per_mbq_s=values,
        mass_g=dict(frame.select("target", "target_mass_g").iter_rows()),
        phantom=frame["phantom"][0],
        citation="; ".join(frame["citation"].unique(maintain_order=True)),
    )


def phantom_sex(table: SValues) -> str | None:
    """F or M if the name of the phantom says female or male."""
    words = table.phantom.lower()
    return "F" if "female" in words else "M" if "male" in words else None


def check_table(table: SValues, *, regions: pl.DataFrame, given: pl.DataFrame) -> None:
    """Refuse a table that does not know an organ, and a phantom of the other sex.

    regions, given : as in `Measurements`. The sex of a phantom is known if its name says female or
        male, that of a patient from `sex` of administrations.csv.

    Raises DatasetError. Without the first rule an organ would silently be a sphere, or its cross
    dose be left out.
    """
    organs = regions.filter(role="organ").unique(["subject", "cycle", "region"], keep="first")
    known = Rule(
        holds=pl.col("region")
        .str.to_lowercase()
        .is_in(list(set(table.targets) & set(table.sources))),
        says="every organ is a target and a source of svalues.csv",
        shows=("subject", "cycle", "region"),
        mend=f"Add its S values, or name it as there ({', '.join(table.targets)}).",
    )
    sex = phantom_sex(table)
    alike = Rule(
        holds=(pl.col("sex") == sex) | pl.col("sex").is_null(),
        says=f"every patient is of the sex of the phantom, {table.phantom!r}",
        shows=("subject", "cycle", "sex"),
        mend="Keep patients of the other sex in a folder with their own phantom's svalues.csv.",
    )
    refuse(
        together(
            [
                find(organs, dataset="activities.csv", rules=(known,)),
                find(given, dataset="administrations.csv", rules=(alike,) if sex else ()),
            ]
        )
    )
