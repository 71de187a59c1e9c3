# SPDX-License-Identifier: Apache-2.0
"""The questions of a trial answered on plain arrays: no frames, no CDISC names, no files.

Front doors, each under `radioligand.statistics`: `survival` (curves, tests, models), `proportions`
(rates, tables, differences), `sequential` (boundaries and results of group-sequential trials),
`multiplicity` (several hypotheses), `longitudinal` (repeated measures) and `crossover` (effects
without the crossover of controls).
"""
