# SPDX-License-Identifier: Apache-2.0
"""What must hold of a table of activities before a dose is found: each rule with its mend.

Rules are asked of one frame, a row a region and scan, with the administration beside it; see
`measurements.prepared`. A rule that is broken refuses the whole table, with every other.
"""

import math

import polars as pl

from radioligand.cdisc.rules import Rule

UNITS = {"kBq": 1e-3, "MBq": 1.0, "GBq": 1e3, "kBq/mL": 1e-3, "MBq/mL": 1.0}  # in MBq
ROLES = ("organ", "lesion", "remainder", "whole body", "marrow")
NO_VOLUME = ("remainder", "whole body", "marrow")
NUCLIDES = ("Lu-177", "177Lu")
CORRECTED = ("none", "injection")

CLOCK_HOURS = 12.0  # two ways to tell the time of a scan may differ by less
OVER_INJECTED = 1.10
OVER_WHOLE = 1.10  # of regions over the whole body
VOLUME_CHANGE = 1.25
DENSITY = (0.2, 2.2)  # g/mL
SPHERE_G = (0.004, 1000.0)
ERRORS = 3.0  # standard errors by which physics may seem to be broken

KEYS = ("subject", "cycle", "region")
CYCLE = ("subject", "cycle")
HERE = (*KEYS, "hours")
FALLS_MEND = "The scans are not on one scale, or were corrected for decay: say so, or leave out."

RULES = (
    Rule(
        holds=pl.col("unit").is_in(list(UNITS)),
        says=f"the unit of an activity is one of {', '.join(UNITS)}",
        shows=(*HERE, "unit"),
        mend="Name the unit; it is never guessed.",
    ),
    Rule(
        holds=pl.col("decay_corrected_to").is_in(list(CORRECTED)),
        says="it is said whether activities are corrected for decay, and to when (none, injection)",
        shows=(*HERE, "decay_corrected_to"),
        mend="Find it in the header of the images or ask the site.",
    ),
    Rule(
        holds=pl.col("start").is_not_null(),
        says="every cycle with activities has the start of its infusion in administrations.csv",
        shows=KEYS,
        mend="Add the administration; without its time no scan can be placed.",
    ),
    Rule(
        holds=pl.col("hours").is_not_null() | pl.col("start").is_null(),
        says="every scan has its time, in hours from the infusion or by the clock",
        shows=KEYS,
        mend="Fill hours, or datetime.",
    ),
    Rule(
        holds=(pl.col("hours") >= 0) | pl.col("hours").is_null(),
        says="no scan is before the infusion",
        shows=HERE,
        mend="Correct the time of the scan or of the infusion.",
    ),
    Rule(
        holds=pl.struct(*KEYS, "hours").is_unique(),
        says="a region has one row a scan",
        shows=HERE,
        mend="Leave out the copy, or correct its time.",
    ),
    Rule(
        holds=((pl.col("hours_told") - pl.col("hours_by_clock")).abs() < CLOCK_HOURS)
        | pl.col("hours_told").is_null()
        | pl.col("hours_by_clock").is_null(),
        says=f"hours and datetime of a scan agree within {CLOCK_HOURS:g} h",
        shows=(*KEYS, "hours_told", "hours_by_clock"),
        mend="A date or a time zone is wrong; correct it.",
    ),
    Rule(
        holds=pl.col("nuclide").is_in(list(NUCLIDES)) & pl.col("nuclide_given").is_in(NUCLIDES),
        says="scan and administration are of Lu-177",
        shows=(*HERE, "nuclide", "nuclide_given"),
        mend="Other nuclides are not known here; correct the table or leave them out.",
    ),
    Rule(
        holds=pl.col("activity").is_finite() & (pl.col("activity") > 0),
        says="an activity is a positive number",
        shows=(*HERE, "activity"),
        mend="Mend the background correction, or leave the scan out for all regions.",
    ),
    Rule(
        holds=pl.col("role").is_in(list(ROLES)),
        says=f"the role of a region is one of {', '.join(ROLES)}",
        shows=(*KEYS, "role"),
        mend="Correct the role.",
    ),
    Rule(
        holds=pl.col("role").n_unique().over("subject", "region") == 1,
        says="a region has one role in all cycles",
        shows=(*KEYS, "role"),
        mend="Give it one role, or another name.",
    ),
    Rule(
        holds=pl.col("relative_error").is_between(0, 1, closed="none"),
        says="every scan has its random error, relative, between 0 and 1",
        shows=(*HERE, "relative_error"),
        mend="Give the standard error of this scan alone, such as 0.05.",
    ),
    Rule(
        holds=pl.col("systematic_error").is_between(0, 1, closed="left")
        & pl.col("volume_error").is_between(0, 1, closed="left"),
        says="errors that scans share (systematic_error) and of the volume are from 0 to below 1",
        shows=(*HERE, "systematic_error", "volume_error"),
        mend="Give relative standard errors, such as 0.05; 0 if there is none.",
    ),
    Rule(
        holds=(
            pl.len().over(*KEYS)
            == pl.col("hours").filter(pl.col("role") != "marrow").n_unique().over(*CYCLE)
        )
        | (pl.col("role") == "marrow"),
        says="every region is measured in every scan of its cycle",
        shows=HERE,
        mend="Measure it there, or leave that scan out for all regions.",
    ),
    Rule(
        holds=~pl.col("at_edge").str.to_lowercase().is_in(["yes", "y", "true", "1"])
        | pl.col("at_edge").is_null(),
        says="no region touches the edge of the field of view",
        shows=(*HERE, "at_edge"),
        mend="Use a scan that holds all of it.",
    ),
    Rule(
        holds=(
            pl.col("volume_ml").max().over(*KEYS)
            <= VOLUME_CHANGE * pl.col("volume_ml").min().over(*KEYS)
        )
        | pl.col("volume_ml").is_null(),
        says="the volume of a region changes by no more than 25 % within a cycle",
        shows=(*HERE, "volume_ml"),
        mend="Draw it again; one region has one mass in a cycle.",
    ),
    Rule(
        holds=(pl.col("volume_ml") >= pl.col("recovery_least_ml"))
        | pl.col("recovery_least_ml").is_null()
        | pl.col("volume_ml").is_null(),
        says="a region is not smaller than the smallest volume of its recovery curve",
        shows=(*HERE, "volume_ml", "recovery_least_ml"),
        mend="Leave the lesion out as a target; its activity is not known.",
    ),
    Rule(
        holds=(pl.col("volume_ml") > 0) | pl.col("role").is_in(list(NO_VOLUME)),
        says="every organ and lesion has its volume",
        shows=(*HERE, "volume_ml"),
        mend="Fill volume_ml; dose is per mass.",
    ),
    Rule(
        holds=pl.col("density_g_per_ml").is_between(*DENSITY)
        | pl.col("role").is_in(["remainder", "whole body"]),
        says="every organ, lesion and marrow has its density, between 0.2 and 2.2 g/mL",
        shows=(*HERE, "density_g_per_ml"),
        mend="Fill density_g_per_ml; a volume is no mass.",
    ),
    Rule(
        holds=pl.col("mass_g").is_between(*SPHERE_G)
        | (pl.col("role") != "lesion")
        | pl.col("mass_g").is_null(),
        says="the mass of a lesion lies between 4 mg and 1 kg",
        shows=(*HERE, "mass_g"),
        mend="Check unit and volume; larger or smaller spheres are not known.",
    ),
    Rule(
        holds=(pl.col("role") != "marrow")
        | (
            pl.col("unit").str.ends_with("/mL")
            & pl.col("marrow_method").is_in(["blood", "image"]).fill_null(False)
        ),
        says="marrow is measured per mL, in blood or in an image (marrow_method)",
        shows=(*HERE, "unit", "marrow_method"),
        mend="Give the concentration, and say in what it was measured.",
    ),
    Rule(
        holds=pl.col("marrow_method").drop_nulls().n_unique().over("subject") <= 1,
        says="the marrow of a subject is measured in one way in all cycles",
        shows=(*HERE, "marrow_method"),
        mend="Use blood or image throughout; the two differ about fourfold.",
    ),
    Rule(
        holds=(pl.col("regions_mbq") <= OVER_INJECTED * pl.col("injected_left_mbq"))
        | pl.col("regions_mbq").is_null()
        | pl.col("injected_left_mbq").is_null(),
        says="regions together hold no more than what is left of the injected activity, and 10 %",
        shows=(*CYCLE, "hours", "regions_mbq", "injected_left_mbq"),
        mend="Check units, calibration and overlap of regions.",
    ),
    Rule(
        holds=(pl.col("body_mbq") <= OVER_INJECTED * pl.col("injected_left_mbq"))
        | pl.col("body_mbq").is_null()
        | pl.col("injected_left_mbq").is_null(),
        says="the whole body holds no more than what is left of the injected activity, and 10 %",
        shows=(*CYCLE, "hours", "body_mbq", "injected_left_mbq"),
        mend="Check units and calibration.",
    ),
    Rule(
        holds=(pl.col("regions_mbq") <= pl.col("regions_allowed_in_body_mbq"))
        | pl.col("regions_mbq").is_null()
        | pl.col("body_mbq").is_null(),
        says="regions together hold no more than the whole body, 10 % and three standard errors",
        shows=(*CYCLE, "hours", "regions_mbq", "body_mbq"),
        mend="Bring regions and whole body to one calibration; check overlap of regions.",
    ),
    Rule(
        holds=pl.col("regions_falls"),
        says="regions with the remainder fall at least as fast as physics lets them",
        shows=(*CYCLE, "hours", "regions_mbq", "regions_allowed_mbq"),
        mend=FALLS_MEND,
    ),
    Rule(
        holds=pl.col("body_falls"),
        says="the activity of the whole body falls at least as fast as physics lets it",
        shows=(*CYCLE, "hours", "body_mbq", "body_allowed_mbq"),
        mend=FALLS_MEND,
    ),
)

OVERLAP = Rule(
    holds=pl.col("inside").is_null(),
    says="no lesion lies in an organ without a rule for it",
    shows=(*HERE, "inside"),
    mend='Set overlap = "subtract" in the protocol, or draw the organ without its lesions.',
)
INSIDE = Rule(
    holds=pl.col("inside_found") | pl.col("inside").is_null(),
    says="the region that another lies in is measured in the same scan",
    shows=(*HERE, "inside"),
    mend="Correct the name, or measure it.",
)
LEFT_OVER = Rule(
    holds=((pl.col("activity_mbq") > 0) & (pl.col("relative_error") < 1))
    & ((pl.col("volume_ml") > 0) | pl.col("volume_ml").is_null()),
    says="an organ without its lesions still has activity and volume",
    shows=(*HERE, "activity_mbq", "volume_ml"),
    mend="Correct the regions: the lesions hold as much as the organ they are said to lie in.",
)
GIVEN_RULES = (
    Rule(
        holds=pl.struct("subject", "cycle").is_unique(),
        says="a cycle is given once",
        shows=CYCLE,
        mend="Leave out the copy, or number the cycles.",
    ),
    Rule(
        holds=pl.col("start").is_not_null() & pl.col("calibrated_at").is_not_null(),
        says="infusion and calibration have their times",
        shows=(*CYCLE, "start", "calibrated_at"),
        mend="Fill start and calibrated_at.",
    ),
    Rule(
        holds=(pl.col("stop") >= pl.col("start")) | pl.col("stop").is_null(),
        says="an infusion ends after its start",
        shows=(*CYCLE, "start", "stop"),
        mend="Correct the times.",
    ),
    Rule(
        holds=pl.col("activity_mbq").is_finite() & (pl.col("injected_mbq") > 0),
        says="the activity given is positive, less what was left over",
        shows=(*CYCLE, "activity_mbq", "residual_mbq"),
        mend="Correct the activity; it is in MBq.",
    ),
    Rule(
        holds=pl.col("arm").fill_null("").n_unique().over("subject") == 1,
        says="a subject has one arm in all cycles",
        shows=(*CYCLE, "arm"),
        mend="Correct the arm; it is that of the allocation, also after a crossover.",
    ),
    Rule(
        holds=pl.col("sex").is_in(["F", "M"]) | pl.col("sex").is_null(),
        says="the sex of a patient is F or M",
        shows=(*CYCLE, "sex"),
        mend="Correct it, or leave it empty.",
    ),
    Rule(
        holds=pl.col("cycle") == pl.col("cycle").rank("ordinal").over("subject"),
        says="cycles are numbered from 1 without gaps",
        shows=CYCLE,
        mend="Add the cycle that is missing: a dose is asked of every cycle that was given.",
    ),
)


def decay_factor(hours: pl.Expr, half_life_hours: float) -> pl.Expr:
    """What is left after so many hours."""
    return (-math.log(2) / half_life_hours * hours).exp()
