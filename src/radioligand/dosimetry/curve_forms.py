# SPDX-License-Identifier: Apache-2.0
"""The forms that a time–activity curve can have, and how many parameters each takes."""

from typing import Literal, NamedTuple

FormName = Literal["mono", "bi", "tri", "uptake", "uptake-bi"]


class Form(NamedTuple):
    """A shape of curve: terms that wash out, and whether one takes up so that A(0) = 0."""

    terms: int
    takes_up: bool

    @property
    def parameters(self) -> int:
        return 2 * self.terms + self.takes_up


FORMS: dict[str, Form] = {
    "mono": Form(1, False),
    "bi": Form(2, False),
    "tri": Form(3, False),
    "uptake": Form(1, True),
    "uptake-bi": Form(2, True),
}
