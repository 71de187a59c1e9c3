# SPDX-License-Identifier: Apache-2.0
"""The sealed fallback list: envelopes for the days when the service is away.

It is a list of its own, a few entries in each stratum, which the service never takes from: so an
envelope that was opened and an entry that was given meanwhile cannot be the same. It is made from
the seed of the main list, committed to with it, and handed out as envelopes before the first
patient. In the joined list its strata are named "fallback 2 / PANCREAS".
"""

from collections.abc import Sequence

import polars as pl
from jinja2 import Environment

from radioligand.allocation.lists import ListError, make_list, plan_of, strata
from radioligand.protocol import Protocol

PREFIX = "fallback "


def fallback_stratum(stratum: str) -> str:
    """Name the fallback list of a stratum."""
    return PREFIX + stratum


def with_fallback(
    entries: pl.DataFrame,
    protocol: Protocol,
    *,
    seed: str,
    entries_per_stratum: int,
    blocks: Sequence[int] | None = None,
    sites: Sequence[str] = (),
) -> pl.DataFrame:
    """Append a fallback list to a list, from the same seed and yet independent of it.

    Its blocks are those of `make_list` for the seed followed by " fallback". Raises ListError as
    `make_list` does, and for a minimised trial, whose envelopes would have to know the patients.
    """
    if plan_of(protocol).method == "minimisation":
        raise ListError("a minimised trial has no fallback list: an arm depends on who came before")
    made = make_list(
        protocol,
        seed=f"{seed} fallback",
        blocks=blocks,
        entries_per_stratum=entries_per_stratum,
        sites=sites,
    )
    return pl.concat([entries, made.with_columns(STRATUM=PREFIX + pl.col("STRATUM"))])


def parted(entries: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the main list and the fallback list, its strata under their usual names."""
    is_fallback = pl.col("STRATUM").str.starts_with(PREFIX).fill_null(False)
    stratum = pl.col("STRATUM").str.strip_prefix(PREFIX)
    return entries.filter(~is_fallback), entries.filter(is_fallback).with_columns(stratum)


def envelopes(entries: pl.DataFrame, protocol: Protocol, *, sites: Sequence[str] = ()) -> str:
    """Write the envelopes of a list's fallback entries as one HTML document, two sides each.

    The first side says which envelope it is and takes what is written down when it is opened, the
    second tells the arm. Raises ListError for a list without fallback entries.
    """
    _, found = parted(entries)
    if found.is_empty():
        raise ListError("the list has no fallback entries; make it with some.")
    arms = {arm.id: arm.label for arm in protocol.arms}
    factors = {factor.id: factor for factor in plan_of(protocol).strata}
    told = []
    for row in found.iter_rows(named=True):
        levels = strata(protocol, sites=sites)[row["STRATUM"]]
        words = []
        for name, level in levels.items():
            factor = factors.get(name)
            labels = {one.id: one.label for one in factor.levels} if factor else {}
            words.append((factor.label if factor else "Site", labels.get(level, level)))
        of = found.filter(pl.col("STRATUM") == row["STRATUM"]).height
        told.append({**row, "words": words, "of": of, "arm": arms[row["ARMCD"]]})
    page = Environment(autoescape=True).from_string(PAGE)
    return page.render(trial=protocol.trial, envelopes=told)


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Fallback envelopes of {{ trial.name }}</title>
<style>
@page { size: A5; margin: 18mm; }
body { font: 12pt/1.45 sans-serif; color: #14202b; }
section { break-after: page; }
h1 { font-size: 15pt; margin: 0 0 6mm; }
dt { color: #4a5b69; font-size: 10pt; }
dd { margin: 0 0 3mm; font-weight: bold; }
li { border-bottom: 1px solid #8896a2; padding: 4mm 0 1mm; list-style: none; }
ul { padding: 0; }
.arm { font-size: 20pt; margin-top: 50mm; text-align: center; }
</style>
</head>
<body>
{% for one in envelopes %}
<section>
<h1>{{ trial.name }}: sealed envelope {{ one.SEQUENCE }} of {{ one.of }}</h1>
<dl>{% for factor, level in one.words %}<dt>{{ factor }}</dt><dd>{{ level }}</dd>{% endfor %}</dl>
<p>Only while the portal is away, only for an eligible patient of this stratum, and only after
every envelope of it with a lower number. Write before you open:</p>
<ul><li>Patient</li><li>Site</li><li>Date and time (UTC)</li><li>Name and signature</li></ul>
</section>
<section>
<p class="arm"><strong>{{ one.arm }}</strong></p>
<p>{{ trial.name }}, {{ one.STRATUM }}, envelope {{ one.SEQUENCE }}. Send both sides to the trial
office: the allocation is entered from them when the portal is back.</p>
</section>
{% endfor %}
</body>
</html>
"""
