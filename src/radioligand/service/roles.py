# SPDX-License-Identifier: Apache-2.0
"""Who may do what: one table of actions and roles, and nothing that is not in it."""

from enum import StrEnum


class Role(StrEnum):
    """What a person is in the trial; an account has one."""

    COORDINATOR = "coordinator"
    INVESTIGATOR = "investigator"
    RADIOPHARMACIST = "radiopharmacist"
    TRIAL_MANAGER = "trial manager"
    BLINDED_STATISTICIAN = "blinded statistician"
    UNBLINDED_STATISTICIAN = "unblinded statistician"
    CENTRAL_READER = "central reader"
    MONITOR = "monitor"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


class Action(StrEnum):
    """What a page lets its reader do."""

    OWN_ACCOUNT = "keep the own account"
    READ_STATEMENTS = "read what guidelines say"
    SEE_PATIENTS = "see the list of patients"
    SEE_PATIENT = "see one patient's record"
    SEE_TREATMENT = "see arms, doses and what follows from them"
    SEE_DUE = "see what is due at the own site"
    SCREEN = "screen a patient"
    SIGN_ELIGIBILITY = "sign that a patient is eligible"
    RANDOMISE = "randomise a patient"
    RECORD = "record laboratory values and adverse events"
    DECIDE_DOSE = "sign a dose decision"
    HANDLE_ORDERS = "move a dose order on"
    REQUEST_CROSSOVER = "request a crossover"
    APPROVE_CROSSOVER = "approve a crossover"
    CORRECT = "correct what was recorded, with a reason"
    READ_CENTRALLY = "record a central reading"
    SEE_ACCRUAL = "see accrual, events and missing forms"
    MANAGE_SITES = "open and close sites"
    SEE_DATA = "see what data can be taken"
    TAKE_DATA = "take the whole study as SDTM"
    TAKE_BLINDED_DATA = "take the study without arms and treatment"
    AUDIT = "see every event and prove that none was changed"
    MANAGE_ACCOUNTS = "make, lock and end accounts"


_SITE = (Role.COORDINATOR, Role.INVESTIGATOR, Role.RADIOPHARMACIST)
_UNBLINDED = (*_SITE, Role.UNBLINDED_STATISTICIAN, Role.MONITOR, Role.AUDITOR)
_OFFICE = (
    Role.TRIAL_MANAGER,
    Role.BLINDED_STATISTICIAN,
    Role.UNBLINDED_STATISTICIAN,
    Role.MONITOR,
    Role.AUDITOR,
)

MATRIX: dict[Action, frozenset[Role]] = {
    Action.OWN_ACCOUNT: frozenset(Role),
    Action.READ_STATEMENTS: frozenset(Role),
    Action.SEE_PATIENTS: frozenset({*_SITE, *_OFFICE, Role.CENTRAL_READER}),
    Action.SEE_PATIENT: frozenset({*_UNBLINDED, Role.TRIAL_MANAGER, Role.CENTRAL_READER}),
    Action.SEE_TREATMENT: frozenset(_UNBLINDED),
    Action.SEE_DUE: frozenset(_SITE),
    Action.SCREEN: frozenset({Role.COORDINATOR, Role.INVESTIGATOR}),
    Action.SIGN_ELIGIBILITY: frozenset({Role.INVESTIGATOR}),
    Action.RANDOMISE: frozenset({Role.INVESTIGATOR}),
    Action.RECORD: frozenset({Role.COORDINATOR, Role.INVESTIGATOR}),
    Action.DECIDE_DOSE: frozenset({Role.INVESTIGATOR}),
    Action.HANDLE_ORDERS: frozenset({Role.RADIOPHARMACIST}),
    Action.REQUEST_CROSSOVER: frozenset({Role.INVESTIGATOR}),
    Action.APPROVE_CROSSOVER: frozenset({Role.MONITOR}),
    Action.CORRECT: frozenset({Role.INVESTIGATOR}),
    Action.READ_CENTRALLY: frozenset({Role.CENTRAL_READER}),
    Action.SEE_ACCRUAL: frozenset(_OFFICE),
    Action.MANAGE_SITES: frozenset({Role.TRIAL_MANAGER}),
    Action.SEE_DATA: frozenset(
        {
            Role.TRIAL_MANAGER,
            Role.BLINDED_STATISTICIAN,
            Role.UNBLINDED_STATISTICIAN,
            Role.AUDITOR,
        }
    ),
    Action.TAKE_DATA: frozenset({Role.UNBLINDED_STATISTICIAN, Role.AUDITOR}),
    Action.TAKE_BLINDED_DATA: frozenset({Role.BLINDED_STATISTICIAN, Role.TRIAL_MANAGER}),
    Action.AUDIT: frozenset({Role.AUDITOR}),
    Action.MANAGE_ACCOUNTS: frozenset({Role.ADMINISTRATOR}),
}
AT_A_SITE = frozenset(_SITE)


def may(role: Role, action: Action) -> bool:
    """Whether a role may do an action; what the matrix does not grant is refused."""
    return role in MATRIX.get(action, frozenset())


def is_bound_to_site(role: Role) -> bool:
    """Whether an account of that role belongs to one site and sees nothing of another."""
    return role in AT_A_SITE
