# SPDX-License-Identifier: Apache-2.0
"""The scales of the EORTC questionnaires as data: which items make them, and which way they point.

The items' texts are the EORTC's and are not here; their numbers are facts.
"""

from typing import Literal, NamedTuple


class ScaleItems(NamedTuple):
    """How the items of a scale make its score: range of an answer, and which way it points."""

    label: str
    items: tuple[int, ...]
    range: int  # highest possible answer less the lowest
    kind: Literal["function", "symptom", "global"]


# Fayers et al., The EORTC QLQ-C30 Scoring Manual (3rd edition), 2001: version 3.0
SCALES = {
    "QL2": ScaleItems("Global health status / QoL", (29, 30), 6, "global"),
    "PF2": ScaleItems("Physical functioning", (1, 2, 3, 4, 5), 3, "function"),
    "RF2": ScaleItems("Role functioning", (6, 7), 3, "function"),
    "EF": ScaleItems("Emotional functioning", (21, 22, 23, 24), 3, "function"),
    "CF": ScaleItems("Cognitive functioning", (20, 25), 3, "function"),
    "SF": ScaleItems("Social functioning", (26, 27), 3, "function"),
    "FA": ScaleItems("Fatigue", (10, 12, 18), 3, "symptom"),
    "NV": ScaleItems("Nausea and vomiting", (14, 15), 3, "symptom"),
    "PA": ScaleItems("Pain", (9, 19), 3, "symptom"),
    "DY": ScaleItems("Dyspnoea", (8,), 3, "symptom"),
    "SL": ScaleItems("Insomnia", (11,), 3, "symptom"),
    "AP": ScaleItems("Appetite loss", (13,), 3, "symptom"),
    "CO": ScaleItems("Constipation", (16,), 3, "symptom"),
    "DI": ScaleItems("Diarrhoea", (17,), 3, "symptom"),
    "FI": ScaleItems("Financial difficulties", (28,), 3, "symptom"),
}

# Yadegarfar et al., Br J Cancer 2013;108:301: items 31 to 51. The validation takes weight gain out
# of the treatment scale; it stands alone here. Every scale is a symptom: high is bad.
GI_NET21 = {
    "ED": ScaleItems("Endocrine symptoms", (31, 32, 33), 3, "symptom"),
    "GI": ScaleItems("Gastrointestinal symptoms", (34, 35, 36, 37, 38), 3, "symptom"),
    "TR": ScaleItems("Treatment-related symptoms", (39, 40), 3, "symptom"),
    "WG": ScaleItems("Weight gain", (46,), 3, "symptom"),
    "SF21": ScaleItems("Social function", (42, 44, 49), 3, "symptom"),
    "DRW": ScaleItems("Disease-related worries", (41, 43, 47), 3, "symptom"),
    "MBP": ScaleItems("Muscle and bone pain", (48,), 3, "symptom"),
    "SX": ScaleItems("Sexual function", (51,), 3, "symptom"),
    "INF": ScaleItems("Information and communication", (50,), 3, "symptom"),
    "BI": ScaleItems("Body image", (45,), 3, "symptom"),
}
INSTRUMENTS = {"EORTC QLQ-C30": SCALES, "EORTC QLQ-GI.NET21": GI_NET21}


def highest_answers(instrument: str) -> dict[int, int]:
    """Return the highest possible answer to each item of an instrument, by its number."""
    scales = INSTRUMENTS[instrument].values()
    return {item: one.range + 1 for one in scales for item in sorted(one.items)}
