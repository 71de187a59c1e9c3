# SPDX-License-Identifier: Apache-2.0
"""The laboratory criteria of CTCAE 4, 5 and 6 as one table of limits.

Written from the criteria of the US National Cancer Institute (CTCAE 4.03, 2010; 5.0, 2017; 6.0,
2025), which are in the public domain. Only what a laboratory value can tell is graded: a
transfusion, a symptom or an intervention may raise a grade further, and does so among the
adverse events. Where the text leaves a limit open ("2.0 to 2.5 times baseline") admiral decides:
it counts exactly twice the baseline for ALP and not for GGT.
"""

from typing import Literal, NamedTuple

Direction = Literal["L", "H"]
Limits = tuple[str, str, str, str]


class Criterion(NamedTuple):
    """Limits of grades 1 to 4 of one term; an empty limit is a grade the laboratory cannot tell.

    A limit compares with a number in `unit`, or with a multiple of ULN, LLN or BASE; alternatives
    are joined by "or", parts that must all hold by "and". `conventional` are a second unit and the
    limits the text states in it, where they are not those of `unit` converted. `abnormal` are the
    limits for a subject whose baseline was outside normal on the side of `baseline`.
    """

    test: str  # LBTESTCD
    term: str
    direction: Direction
    unit: str  # empty: any, since limits are multiples
    limits: Limits
    abnormal: Limits | None = None
    baseline: Literal["HIGH", "LOW"] = "HIGH"
    conventional: tuple[str, Limits] | None = None
    fasting: bool = False  # whether it asks for a value taken fasting (LBFAST)
    silent: str = ""  # values of which the text says nothing
    versions: tuple[int, ...] = (4, 5, 6)


BOTH = (4, 5)  # what version 6 has no longer, or graded otherwise

# fmt: off
CRITERIA = (
    # -- blood
    Criterion("HGB", "Anemia", "L", "g/L", ("<LLN", "<100", "<80", "")),
    Criterion("HGB", "Hemoglobin increased", "H", "g/L", (">ULN", ">ULN+20", ">ULN+40", ""),
              (">BASE", ">BASE+20", ">BASE+40", ""), versions=(4,)),
    Criterion("HGB", "Hemoglobin increased", "H", "g/L", (">ULN", ">ULN+20", ">ULN+40", ""),
              versions=(5, 6)),
    Criterion("WBC", "White blood cell decreased", "L", "10^9/L", ("<LLN", "<3", "<2", "<1")),
    Criterion("WBC", "Leukocytosis", "H", "10^9/L", ("", "", ">100", "")),
    Criterion("NEUT", "Neutrophil count decreased", "L", "10^9/L", ("<LLN", "<1.5", "<1", "<0.5"),
              versions=BOTH),
    Criterion("NEUT", "Neutrophil count decreased", "L", "10^9/L", ("<1.5", "<1", "<0.5", "<0.1"),
              versions=(6,)),
    Criterion("LYM", "Lymphocyte count decreased", "L", "10^9/L", ("<LLN", "<0.8", "<0.5", "<0.2"),
              versions=BOTH),
    Criterion("LYM", "Lymphocyte count increased", "H", "10^9/L", ("", ">4", ">20", "")),
    Criterion("CD4", "CD4 lymphocytes decreased", "L", "10^9/L", ("<LLN", "<0.5", "<0.2", "<0.05")),
    Criterion("PLAT", "Platelet count decreased", "L", "10^9/L", ("<LLN", "<75", "<50", "<25"),
              versions=BOTH),
    Criterion("PLAT", "Thrombocytopenia", "L", "10^9/L", ("<LLN", "<75", "<50", "<10"),
              versions=(6,)),
    Criterion("APTT", "Activated partial thromboplastin time prolonged", "H", "",
              (">ULN", ">1.5ULN", ">2.5ULN", "")),
    Criterion("INR", "INR increased", "H", "",
              (">ULN or >BASE", ">1.5ULN or >1.5BASE", ">2.5ULN or >2.5BASE", ""), versions=(4,)),
    Criterion("INR", "INR increased", "H", "",
              (">1.2 or >BASE", ">1.5 or >1.5BASE", ">2.5 or >2.5BASE", ""), versions=(5, 6)),
    Criterion("FIBRINO", "Fibrinogen decreased", "L", "g/L",
              ("<LLN or <BASE", "<0.75LLN or <=0.75BASE", "<0.5LLN or <=0.5BASE",
               "<0.5 or <0.25LLN or <=0.25BASE"), versions=(4,)),
    Criterion("FIBRINO", "Fibrinogen decreased", "L", "g/L",
              ("<LLN", "<0.75LLN or <LLN and <=0.75BASE", "<0.5LLN or <LLN and <=0.5BASE",
               "<0.5 or <0.25LLN or <LLN and <=0.25BASE"), versions=(5, 6)),
    Criterion("HAPTOG", "Haptoglobin decreased", "L", "", ("<LLN", "", "", "")),
    # -- kidney and liver
    Criterion("CREAT", "Creatinine increased", "H", "",
              (">ULN or >BASE", ">1.5ULN or >1.5BASE", ">3ULN or >3BASE", ">6ULN"), versions=(4,)),
    Criterion("CREAT", "Creatinine increased", "H", "",
              (">ULN", ">1.5ULN or >1.5BASE", ">3ULN or >3BASE", ">6ULN"), versions=(5,)),
    Criterion("CREAT", "Creatinine increased", "H", "", (">ULN", ">1.5ULN", ">3ULN", ">6ULN"),
              (">ULN", ">1.5BASE", ">3BASE", ">6ULN"), baseline="LOW", versions=(6,)),
    Criterion("CREATCLR", "Creatinine clearance decreased", "L", "mL/min",
              ("", "<=49", "<=25", ""), silent="<10", versions=(6,)),
    *(criterion for test, term in (("ALT", "Alanine"), ("AST", "Aspartate")) for criterion in (
        Criterion(test, f"{term} aminotransferase increased", "H", "",
                  (">ULN", ">3ULN", ">5ULN", ">20ULN"), versions=(4,)),
        Criterion(test, f"{term} aminotransferase increased", "H", "",
                  (">ULN", ">3ULN", ">5ULN", ">20ULN"),
                  (">=1.5BASE", ">3BASE", ">5BASE", ">20BASE"), versions=(5,)),
        Criterion(test, f"{term} aminotransferase increased", "H", "",
                  (">ULN", ">3ULN", ">5ULN", ">20ULN"),
                  (">=BASE", ">1.5BASE", ">2BASE", ">4BASE"), versions=(6,)),
    )),
    Criterion("ALP", "Alkaline phosphatase increased", "H", "",
              (">ULN", ">2.5ULN", ">5ULN", ">20ULN"), versions=(4,)),
    Criterion("ALP", "Alkaline phosphatase increased", "H", "",
              (">ULN", ">2.5ULN", ">5ULN", ">20ULN"),
              (">=2BASE", ">2.5BASE", ">5BASE", ">20BASE"), versions=(5,)),
    Criterion("ALP", "Alkaline phosphatase increased", "H", "", (">ULN and >BASE", "", "", ""),
              versions=(6,)),
    Criterion("GGT", "GGT increased", "H", "",
              (">ULN", ">2.5ULN", ">5ULN", ">20ULN"), versions=(4,)),
    Criterion("GGT", "GGT increased", "H", "",
              (">ULN", ">2.5ULN", ">5ULN", ">20ULN"),
              (">2BASE", ">2.5BASE", ">5BASE", ">20BASE"), versions=(5,)),
    Criterion("GGT", "GGT increased", "H", "",
              (">ULN", ">2.5ULN", ">5ULN", ">20ULN"),
              (">=BASE", ">1.5BASE", ">3BASE", ">10BASE"), versions=(6,)),
    Criterion("BILI", "Blood bilirubin increased", "H", "",
              (">ULN", ">1.5ULN", ">3ULN", ">10ULN"), versions=(4,)),
    Criterion("BILI", "Blood bilirubin increased", "H", "",
              (">ULN", ">1.5ULN", ">3ULN", ">10ULN"),
              (">BASE", ">1.5BASE", ">3BASE", ">10BASE"), versions=(5,)),
    Criterion("BILI", "Blood bilirubin increased", "H", "",
              (">ULN", ">1.5ULN", ">3ULN", ">10ULN"),
              (">=BASE", ">1.5BASE", ">2.5BASE", ">10BASE"), versions=(6,)),
    Criterion("ALB", "Hypoalbuminemia", "L", "g/L", ("<LLN", "<30", "<20", "")),
    Criterion("AMYLASE", "Serum amylase increased", "H", "", (">ULN", ">1.5ULN", ">2ULN", ">5ULN")),
    Criterion("LIPASE", "Lipase increased", "H", "", (">ULN", ">1.5ULN", ">2ULN", ">5ULN"),
              versions=BOTH),
    Criterion("LIPASE", "Lipase increased", "H", "", (">ULN", ">1.5ULN", ">3ULN", ">5ULN"),
              versions=(6,)),
    Criterion("CK", "CPK increased", "H", "", (">ULN", ">2.5ULN", ">5ULN", ">10ULN"),
              versions=BOTH),
    Criterion("LDH", "Blood lactate dehydrogenase increased", "H", "", (">ULN", "", "", ""),
              versions=(5, 6)),
    # -- metabolism
    Criterion("CHOL", "Cholesterol high", "H", "mmol/L", (">ULN", ">7.75", ">10.34", ">12.92"),
              conventional=("mg/dL", (">ULN", ">300", ">400", ">500"))),
    Criterion("TRIG", "Hypertriglyceridemia", "H", "mmol/L", (">1.71", ">3.42", ">5.7", ">11.4"),
              conventional=("mg/dL", (">150", ">300", ">500", ">1000"))),
    Criterion("HDL", "HDL decreased", "L", "", ("<LLN", "", "", ""), versions=(6,)),
    Criterion("LDL", "LDL increased", "H", "", (">ULN", "", "", ""), versions=(6,)),
    Criterion("K", "Hyperkalemia", "H", "mmol/L", (">ULN", ">5.5", ">6", ">7")),
    Criterion("K", "Hypokalemia", "L", "mmol/L", ("", "<LLN", "<3", "<2.5")),
    Criterion("SODIUM", "Hypernatremia", "H", "mmol/L", (">ULN", ">150", ">155", ">160")),
    Criterion("SODIUM", "Hyponatremia", "L", "mmol/L", ("<LLN", "", "<=129", "<120"),
              versions=(5,)),
    Criterion("SODIUM", "Hyponatremia", "L", "mmol/L", ("<LLN", "", "<130", "<120"),
              versions=(4, 6)),
    Criterion("MG", "Hypermagnesemia", "H", "mmol/L", (">ULN", "", ">1.23", ">3.3"),
              conventional=("mg/dL", (">ULN", "", ">3", ">8"))),
    Criterion("MG", "Hypomagnesemia", "L", "mmol/L", ("<LLN", "<0.5", "<0.4", "<0.3"),
              conventional=("mg/dL", ("<LLN", "<1.2", "<0.9", "<0.7"))),
    Criterion("PHOS", "Hypophosphatemia", "L", "mmol/L", ("<LLN", "<0.8", "<0.6", "<0.3"),
              conventional=("mg/dL", ("<LLN", "<2.5", "<2", "<1")), versions=(4,)),
    # the text means calcium corrected for albumin
    Criterion("CA", "Hypercalcemia", "H", "mmol/L", (">ULN", ">2.9", ">3.1", ">3.4"),
              conventional=("mg/dL", (">ULN", ">11.5", ">12.5", ">13.5"))),
    Criterion("CA", "Hypocalcemia", "L", "mmol/L", ("<LLN", "<2", "<1.75", "<1.5"),
              conventional=("mg/dL", ("<LLN", "<8", "<7", "<6"))),
    Criterion("CAION", "Hypercalcemia (Ionized)", "H", "mmol/L", (">ULN", ">1.5", ">1.6", ">1.8"),
              conventional=("mg/dL", (">ULN", ">6", ">6.4", ">7.2"))),
    Criterion("CAION", "Hypocalcemia (Ionized)", "L", "mmol/L", ("<LLN", "<1", "<0.9", "<0.8"),
              conventional=("mg/dL", ("<LLN", "<4", "<3.6", "<3.2"))),
    Criterion("GLUC", "Hyperglycemia", "H", "mmol/L", ("", "", ">13.9", ">27.8"),
              conventional=("mg/dL", ("", "", ">250", ">500")), versions=(4, 6)),
    Criterion("GLUC", "Hyperglycemia (Fasting)", "H", "mmol/L", (">ULN", ">8.9", ">13.9", ">27.8"),
              conventional=("mg/dL", (">ULN", ">160", ">250", ">500")), fasting=True,
              versions=(4, 6)),
    Criterion("GLUC", "Hypoglycemia", "L", "mmol/L", ("<LLN", "<3", "<2.2", "<1.7"),
              conventional=("mg/dL", ("<LLN", "<55", "<40", "<30"))),
    Criterion("URATE", "Hyperuricemia", "H", "umol/L", ("", "", ">ULN", ">590"),
              conventional=("mg/dL", ("", "", ">ULN", ">10")), versions=(4,)),
    Criterion("URATE", "Hyperuricemia", "H", "", ("", "", ">ULN", ""), versions=(5, 6)),
    Criterion("PH", "Acidosis", "L", "", ("<LLN", "", "<7.3", "")),
    Criterion("PH", "Alkalosis", "H", "", (">ULN", "", ">7.5", "")),
)
# fmt: on
