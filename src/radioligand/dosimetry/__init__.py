# SPDX-License-Identifier: Apache-2.0
"""Dosimetry on arrays: from activity over time to absorbed dose, and to the next activity.

Nothing here knows of frames, files or protocols. Time is in hours from the start of the infusion,
activity in MBq, dose in Gy; every number has its unit in its name.
"""
