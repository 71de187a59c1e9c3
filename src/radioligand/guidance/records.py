# SPDX-License-Identifier: Apache-2.0
"""What the guideline documents hold: statements with their sources, and the words they use."""

from datetime import date
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from radioligand import criteria

Stance = Literal["for", "consider", "against", "only in a trial", "neither"]
Kind = Literal["label", "guideline", "position", "expert opinion", "trial criterion"]
Class = Literal["jurisdiction", "date of evidence", "population", "genuine"]

LINE = (
    "For professionals, research and teaching. Not a device; not for individual treatment "
    "decisions. Statements are the opinions of their authors, as of their dates."
)


def _condition(value: object) -> criteria.Condition:
    if isinstance(value, criteria.Comparison | criteria.AllOf | criteria.AnyOf | criteria.Not):
        return value
    return criteria.parse_condition(value)


Condition = Annotated[Any, BeforeValidator(_condition)]
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Text = Annotated[str, Field(min_length=1)]


class Record(BaseModel):
    """A frozen table of a document; a key it does not know is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Option(Record):
    """What a statement speaks of: a treatment, an examination, or how the choice is made."""

    id: Id
    says: Text
    kind: Literal["treatment", "examination", "choice"]


class Source(Record):
    """A document. `read_in` is the source that quotes it, where only the quotation was read.

    `told_by` says who tells of it, where that is none of the sources here; "" where it was read.
    `published` is a year, a month or a day, as exact as it was printed. `interests` tells who paid
    for it and what its authors declare, by its own account; "" where that was not read.
    """

    id: Id
    short: Text
    citation: Text
    doi: str = ""
    published: Annotated[str, Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")]
    jurisdiction: Text
    kind: Kind
    read_in: Id | None = None
    told_by: str = ""
    superseded_by: Id | None = None
    interests: str = ""

    @property
    def earliest(self) -> date:
        """The first day that `published` can mean: age is counted from there."""
        year, month, day = (*self.published.split("-"), "1", "1")[:3]
        return date(int(year), int(month), int(day))


class PatientField(Record):
    """One thing that may be known of a patient.

    With `window_days` a finding counts only if its date lies in so many days up to the
    assessment; an older or an undated one is unknown.
    """

    name: Name
    label: Text
    type: Literal["number", "flag", "text", "date"]
    unit: str | None = None
    words: tuple[str, ...] = ()
    lowest: float = 0
    highest: float | None = None
    whole: bool = False
    window_days: int | None = None
    means: str = ""


class Definition(Record):
    """A condition with a name, used by several statements; `origin` says whose it is."""

    id: Id
    says: Text
    origin: Text
    when: Condition


class Contradiction(Record):
    """What cannot be true of one patient: a form that meets `when` is refused."""

    id: Id
    when: Condition
    says: Text
    mend: Text


class Strength(Record):
    """A grade in its own system; none is translated into another."""

    system: Text
    grade: Text


class Statement(Record):
    """What one source says of one option, for whom, and where it says so.

    `when` is whom it speaks of; `trial` stands in its place where that is what a shipped
    protocol asks of a patient; `words` then tells how that protocol calls what the form calls
    otherwise, by field, and `fields` which of the form's fields stands for one of the protocol's.
    `says` is in our words. `population` tells how the source limits its patients where the
    condition cannot. `dissent` names who of the authors differs. `valid_from` is the day since
    which it holds, where that is not the date of its document.
    """

    id: Id
    option: Id
    stance: Stance
    says: Text
    when: Condition = None  # None until the trial's eligibility stands here
    trial: str | None = None
    words: dict[str, dict[str, str]] = {}
    fields: dict[str, Name] = {}
    population: str = ""
    strength: Strength | None = None
    evidence: tuple[str, ...] = ()
    source: Id
    place: Text
    kind: Kind | None = None
    valid_from: date | None = None
    superseded_by: Id | None = None
    dissent: str = ""


class Conflict(Record):
    """Two statements known to disagree.

    "both": they disagree where both apply. "one": where one applies and the other does not.
    """

    id: Id
    between: tuple[Id, Id]
    where: Literal["both", "one"]
    kind: Class
    why: Text


class Examination(Record):
    """When something is due: `from_days` to `to_days` after the date in `anchor`.

    Without an anchor it is due on the day of the assessment, unless it was done in the
    `within_days` before. `done` is the field whose date tells when it was last done.
    """

    id: Id
    says: Text
    when: Condition
    anchor: Name | None = None
    from_days: int = 0
    to_days: int | None = None
    within_days: int = 0
    done: Name
    source: Id
    place: Text


class Estimate(Record):
    """A number as printed, with its interval; `remark` tells what is wrong with it.

    `recomputed` names the rows of the published results that work it out again or check it.
    """

    value: float
    lower: float | None = None
    upper: float | None = None
    remark: str = ""
    recomputed: tuple[str, ...] = ()


class Evidence(Record):
    """One arm of the evidence table: whom it treated, with what, and how they fared.

    `ki67_percent` are the lowest and the highest index it took in, where it limits more than grade.
    """

    id: Id
    population: Text
    treatment: Text
    study: Text
    reference: str
    grades: tuple[str, ...]
    sites: tuple[str, ...]
    ki67_percent: tuple[float, float] | None = None
    line: Text
    response_percent: Estimate | None = None
    pfs_months: Estimate | None = None
    survival_months: Estimate | None = None
    source: Id
    place: Text


class Code(Record):
    """How FHIR codes an observation of a field; `words` translates coded or written values.

    A value translated into "" says nothing of the field; "*" stands for every one not listed.
    """

    field: Name
    system: Text
    code: Text
    words: dict[str, str] = {}


class SiteCodes(Record):
    """How a code system names primary sites: its codes, and our words for them."""

    system: Text
    words: dict[str, str]


class Guidelines(Record):
    """Every document together. A later document may add to each list."""

    options: tuple[Option, ...]
    sources: tuple[Source, ...]
    fields: tuple[PatientField, ...]
    definitions: tuple[Definition, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    statements: tuple[Statement, ...]
    conflicts: tuple[Conflict, ...] = ()
    examinations: tuple[Examination, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    codes: tuple[Code, ...] = ()
    sites: tuple[SiteCodes, ...] = ()

    @cached_property
    def source_of(self) -> dict[str, Source]:
        """Sources by id."""
        return {source.id: source for source in self.sources}

    @cached_property
    def option_of(self) -> dict[str, Option]:
        """Options by id."""
        return {option.id: option for option in self.options}

    def kind_of(self, statement: Statement) -> Kind:
        """The kind of a statement: its own, or its source's."""
        return statement.kind or self.source_of[statement.source].kind

    def since(self, statement: Statement) -> str:
        """Since when a statement holds: its own date, or its document's as exact as printed."""
        own = statement.valid_from
        return own.isoformat() if own else self.source_of[statement.source].published

    def place_of(self, statement: Statement) -> str:
        """Where a statement is found; through whom, where only a quotation was read."""
        source = self.source_of[statement.source]
        teller = self.teller_of(source)
        told = f", as told by {teller}" if teller else ""
        return f"{source.short}{told}, {statement.place}"

    def teller_of(self, source: Source) -> str:
        """Through whom a source is known here; "" where it was read itself."""
        return self.source_of[source.read_in].short if source.read_in else source.told_by
