# SPDX-License-Identifier: Apache-2.0
"""The questions of a trial answered on plain arrays: no frames, no CDISC names, no files.

Front doors: `radioligand.statistics.survival`, `radioligand.statistics.proportions` and
`radioligand.statistics.crossover`.
"""
