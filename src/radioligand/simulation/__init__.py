# SPDX-License-Identifier: Apache-2.0
"""Virtual patients of a protocol, written as a real study would be.

Front door: `radioligand.simulation.patients.simulate_study`.
"""
