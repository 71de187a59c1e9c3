# SPDX-License-Identifier: Apache-2.0
"""How tests are run: no outcome may depend on how busy the machine is."""

from hypothesis import settings

settings.register_profile("house", deadline=None)
settings.load_profile("house")
