# SPDX-License-Identifier: Apache-2.0
"""One endpoint under several censoring conventions, side by side."""

from collections.abc import Iterator

from radioligand.analysis.results import Row
from radioligand.analysis.scope import NotAvailable, Scope
from radioligand.analysis.time_to_event import summary, timed
from radioligand.protocol import Protocol
from radioligand.protocol.records import Model, RankTest, Sensitivity, TimeToEvent


def sensitivity(scope: Scope, analysis: Sensitivity) -> Iterator[Row]:
    """Return the numbers of each endpoint, kept apart by `variable`, which is its id.

    Each endpoint is analysed as its own analysis in the protocol says; one without, as the first
    listed endpoint that has one.
    """
    yield from scope.sizes(scope.origin())
    for endpoint in analysis.endpoints:
        label = scope.protocol.endpoint(endpoint).label
        origin = scope.origin("ADTTE", parameter=endpoint)
        yield origin.row("label", variable=endpoint, text=label)
        try:
            sample = timed(scope, endpoint=endpoint)
        except NotAvailable as reason:
            yield origin.row("not_available", variable=endpoint, text=str(reason))
            continue
        for arm in scope.arms:
            yield origin.row("n", sample.filter(arm=arm).height, arm=arm, variable=endpoint)
        settings = _settings(scope.protocol, analysis, endpoint=endpoint)
        yield from summary(scope, settings, sample, origin, variable=endpoint)


def _settings(protocol: Protocol, analysis: Sensitivity, *, endpoint: str) -> TimeToEvent:
    declared = {
        each.endpoint: each for each in reversed(protocol.analyses) if isinstance(each, TimeToEvent)
    }
    for name in (endpoint, *analysis.endpoints):
        if name in declared:
            return declared[name]
    stratified = bool(protocol.randomisation and protocol.randomisation.strata)
    return TimeToEvent(
        kind="time to event",
        endpoint=endpoint,
        test=RankTest(stratified=stratified, sided=2),
        model=Model(stratified=stratified),
        **analysis.model_dump(include={"id", "title", "section", "population"}),
    )
