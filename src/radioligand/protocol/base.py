# SPDX-License-Identifier: Apache-2.0
"""What every table of a protocol document is made of: the record, its words, and the analysis."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from radioligand import criteria


def _condition(value: object) -> criteria.Condition:
    return value if isinstance(value, criteria.Condition) else criteria.parse_condition(value)


Condition = Annotated[Any, BeforeValidator(_condition)]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
Name = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,7}$")]  # a CDISC variable or PARAMCD
Where = dict[str, str | int | float | bool | tuple[str, ...]]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Percent = Annotated[float, Field(gt=0, le=100)]
Days = Annotated[int, Field(ge=0)]


class Record(BaseModel):
    """A frozen table of the document; a key it does not know is a fault."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        defer_build=True,  # the protocol builds them all at once, when it is read
    )


# Of records whose choices the report prints: it tells what each governs by its docstring, for
# which pydantic reads the source of a class again.
PRINTED = ConfigDict(use_attribute_docstrings=True)


class Analysis(Record):
    """What every analysis has."""

    id: Word
    title: str
    section: str
    population: str
    notes: tuple[str, ...] = ()
