# SPDX-License-Identifier: Apache-2.0
"""The words of CDISC as tables: variables, controlled terms, and what each dataset is made of.

Only data stands here; `radioligand.cdisc` turns it into contracts. Labels and terms are those of
the SDTM and ADaM implementation guides and of CDISC Controlled Terminology; variables that the
guides leave to the sponsor carry a label of our own.
"""

from typing import Literal, NamedTuple, cast

# text; iso = text holding an ISO 8601 date, possibly partial; whole and number = numeric without
# and with a fraction; date, datetime, time = calendar types, as ADaM has them
Kind = Literal["text", "iso", "whole", "number", "date", "datetime", "time"]


class Variable(NamedTuple):
    """What a variable holds, and its label of at most 40 characters."""

    kind: Kind
    label: str


def _variables(table: str) -> dict[str, Variable]:
    rows = (line.split(maxsplit=2) for line in table.strip().splitlines())
    return {name: Variable(cast(Kind, kind), label) for name, kind, label in rows}


# `--` stands for the two letters of a domain, as in the SDTM itself.
SDTM_VARIABLES = _variables("""
STUDYID   text    Study Identifier
DOMAIN    text    Domain Abbreviation
USUBJID   text    Unique Subject Identifier
SUBJID    text    Subject Identifier for the Study
SITEID    text    Study Site Identifier
RFSTDTC   iso     Subject Reference Start Date/Time
RFENDTC   iso     Subject Reference End Date/Time
RFXSTDTC  iso     Date/Time of First Study Treatment
RFXENDTC  iso     Date/Time of Last Study Treatment
RFICDTC   iso     Date/Time of Informed Consent
RFPENDTC  iso     Date/Time of End of Participation
DTHDTC    iso     Date/Time of Death
DTHFL     text    Subject Death Flag
BRTHDTC   iso     Date/Time of Birth
INVID     text    Investigator Identifier
AGE       number  Age
AGEU      text    Age Units
SEX       text    Sex
RACE      text    Race
ETHNIC    text    Ethnicity
ARMCD     text    Planned Arm Code
ARM       text    Description of Planned Arm
ACTARMCD  text    Actual Arm Code
ACTARM    text    Description of Actual Arm
ARMNRS    text    Reason Arm and/or Actual Arm is Null
COUNTRY   text    Country
VISITNUM  number  Visit Number
VISIT     text    Visit Name
VISITDY   whole   Planned Study Day of Visit
TAETORD   number  Planned Order of Element within Arm
EPOCH     text    Epoch
ETCD      text    Element Code
ELEMENT   text    Description of Element
RDOMAIN   text    Related Domain Abbreviation
IDVAR     text    Identifying Variable
IDVARVAL  text    Identifying Variable Value
QNAM      text    Qualifier Variable Name
QLABEL    text    Qualifier Variable Label
QVAL      text    Data Value
QORIG     text    Origin
QEVAL     text    Evaluator
RELTYPE   text    Relationship Type
RELID     text    Relationship Identifier
TSPARMCD  text    Trial Summary Parameter Short Name
TSPARM    text    Trial Summary Parameter
TSVAL     text    Parameter Value
--SEQ     whole   Sequence Number
--GRPID   text    Group ID
--REFID   text    Reference ID
--SPID    text    Sponsor-Defined Identifier
--LNKID   text    Link ID
--LNKGRP  text    Link Group ID
--TRT     text    Name of Treatment
--MOOD    text    Mood
--TERM    text    Reported Term
--MODIFY  text    Modified Reported Term
--DECOD   text    Standardized Term
--LLT     text    Lowest Level Term
--LLTCD   number  Lowest Level Term Code
--PTCD    number  Preferred Term Code
--HLT     text    High Level Term
--HLTCD   number  High Level Term Code
--HLGT    text    High Level Group Term
--HLGTCD  number  High Level Group Term Code
--BODSYS  text    Body System or Organ Class
--BDSYCD  number  Body System or Organ Class Code
--SOC     text    Primary System Organ Class
--SOCCD   number  Primary System Organ Class Code
--TESTCD  text    Short Name of Test
--TEST    text    Name of Test
--OBJ     text    Object of the Observation
--CAT     text    Category
--SCAT    text    Subcategory
--PRESP   text    Pre-Specified
--OCCUR   text    Occurrence
--STAT    text    Completion Status
--REASND  text    Reason Not Done
--ORRES   text    Result or Finding in Original Units
--ORRESU  text    Original Units
--ORNRLO  text    Normal Range Lower Limit in Orig Unit
--ORNRHI  text    Normal Range Upper Limit in Orig Unit
--STRESC  text    Result or Finding in Standard Format
--STRESN  number  Numeric Result/Finding in Standard Units
--STRESU  text    Standard Units
--STNRLO  number  Normal Range Lower Limit in Std Units
--STNRHI  number  Normal Range Upper Limit in Std Units
--STNRC   text    Normal Range for Character Results
--NRIND   text    Normal Range Indicator
--SPEC    text    Specimen Type
--METHOD  text    Method of Test or Examination
--LOC     text    Location
--LAT     text    Laterality
--DIR     text    Directionality
--PORTOT  text    Portion or Totality
--POS     text    Position of Subject
--FAST    text    Fasting Status
--BLFL    text    Baseline Flag
--LOBXFL  text    Last Observation Before Exposure Flag
--DRVFL   text    Derived Flag
--EVAL    text    Evaluator
--EVALID  text    Evaluator Identifier
--ACPTFL  text    Accepted Record Flag
--TOX     text    Toxicity
--TOXGR   text    Standard Toxicity Grade
--SEV     text    Severity/Intensity
--SER     text    Serious Event
--ACN     text    Action Taken with Study Treatment
--ACNOTH  text    Other Action Taken
--REL     text    Causality
--RELNST  text    Relationship to Non-Study Treatment
--PATT    text    Pattern of Event
--OUT     text    Outcome of Event
--SCAN    text    Involves Cancer
--SCONG   text    Congenital Anomaly or Birth Defect
--SDISAB  text    Persist or Signif Disability/Incapacity
--SDTH    text    Results in Death
--SHOSP   text    Requires or Prolongs Hospitalization
--SLIFE   text    Is Life Threatening
--SOD     text    Occurred with Overdose
--SMIE    text    Other Medically Important Serious Event
--CONTRT  text    Concomitant or Additional Trtmnt Given
--INDC    text    Indication
--CLAS    text    Medication Class
--CLASCD  text    Medication Class Code
--DOSE    number  Dose
--DOSTXT  text    Dose Description
--DOSU    text    Dose Units
--DOSFRM  text    Dose Form
--DOSFRQ  text    Dosing Frequency per Interval
--DOSTOT  number  Total Daily Dose
--ROUTE   text    Route of Administration
--LOT     text    Lot Number
--ADJ     text    Reason for Dose Adjustment
--TRTV    text    Treatment Vehicle
--VAMT    number  Treatment Vehicle Amount
--VAMTU   text    Treatment Vehicle Amount Units
--DTC     iso     Date/Time of Collection
--STDTC   iso     Start Date/Time of Observation
--ENDTC   iso     End Date/Time of Observation
--DY      whole   Study Day of Visit/Collection
--STDY    whole   Study Day of Start of Observation
--ENDY    whole   Study Day of End of Observation
--DUR     text    Duration
--TPT     text    Planned Time Point Name
--TPTNUM  number  Planned Time Point Number
--ELTM    text    Planned Elapsed Time from Time Point Ref
--TPTREF  text    Time Point Reference
--RFTDTC  iso     Date/Time of Reference Time Point
--STRF    text    Start Relative to Reference Period
--ENRF    text    End Relative to Reference Period
--STRTPT  text    Start Relative to Reference Time Point
--STTPT   text    Start Reference Time Point
--ENRTPT  text    End Relative to Reference Time Point
--ENTPT   text    End Reference Time Point
""")

ADAM_VARIABLES = _variables("""
TRTP      text    Planned Treatment
TRTPN     number  Planned Treatment (N)
TRTA      text    Actual Treatment
TRTAN     number  Actual Treatment (N)
TRT01P    text    Planned Treatment for Period 01
TRT01PN   number  Planned Treatment for Period 01 (N)
TRT01A    text    Actual Treatment for Period 01
TRT01AN   number  Actual Treatment for Period 01 (N)
RANDDT    date    Date of Randomization
RFICDT    date    Date of Informed Consent
TRTSDT    date    Date of First Exposure to Treatment
TRTEDT    date    Date of Last Exposure to Treatment
TRTDURD   whole   Total Treatment Duration (Days)
DTHDT     date    Date of Death
DTHDTF    text    Date of Death Imputation Flag
DTHCAUS   text    Cause of Death
LSTALVDT  date    Date Last Known Alive
CUTOFFDT  date    Date of Data Cutoff
EOSDT     date    End of Study Date
EOSSTT    text    End of Study Status
EOTSTT    text    End of Treatment Status
DCSREAS   text    Reason for Discontinuation from Study
DCTREAS   text    Reason for Discontinuation of Treatment
ITTFL     text    Intent-To-Treat Population Flag
FASFL     text    Full Analysis Set Population Flag
SAFFL     text    Safety Population Flag
PPROTFL   text    Per-Protocol Population Flag
RANDFL    text    Randomized Population Flag
ENRLFL    text    Enrolled Population Flag
SCRNFFL   text    Screen Failure Flag
STRATAR   text    Strata Used for Randomization
STRATAV   text    Strata from Verification Source
STRAT1R   text    Strat Factor 1 Value Used for Rand
STRAT2R   text    Strat Factor 2 Value Used for Rand
AGEGR1    text    Pooled Age Group 1
REGION1   text    Geographic Region 1
ASEQ      whole   Analysis Sequence Number
PARAM     text    Parameter
PARAMCD   text    Parameter Code
PARAMN    number  Parameter (N)
PARCAT1   text    Parameter Category 1
PARCAT2   text    Parameter Category 2
PARQUAL   text    Parameter Qualifier
AVAL      number  Analysis Value
AVALC     text    Analysis Value (C)
AVALU     text    Analysis Value Unit
AEDICT    text    Where the Coding of the Event Comes From
CYCLE     whole   Number of the Cycle
GIVEN     number  Share of the Planned Amount Given
AUDIT     text    Whether the Dose Follows the Decision
RULE      text    Rule That Decided
FIELDS    text    Values That Were Seen
MISSING   text    Fields That Are Not Known
ORIGIN    text    Where the Rule Comes From
WORSE     text    Direction in Which the Scale Deteriorates
BASE      number  Baseline Value
BASEC     text    Baseline Value (C)
CHG       number  Change from Baseline
PCHG      number  Percent Change from Baseline
NADIR     number  Nadir before the Record
CHGNAD    number  Change from Nadir
PCHGNAD   number  Percent Change from Nadir
ABLFL     text    Baseline Record Flag
ANL01FL   text    Analysis Flag 01
ANL02FL   text    Analysis Flag 02
ANL03FL   text    Analysis Flag 03
ONTRTFL   text    On Treatment Record Flag
DTYPE     text    Derivation Type
CRIT1     text    Analysis Criterion 1
CRIT1FL   text    Criterion 1 Evaluation Result Flag
ADT       date    Analysis Date
ADTM      datetime  Analysis Datetime
ADTF      text    Analysis Date Imputation Flag
ADY       whole   Analysis Relative Day
ASTDT     date    Analysis Start Date
ASTDTF    text    Analysis Start Date Imputation Flag
ASTDY     whole   Analysis Start Relative Day
AENDT     date    Analysis End Date
AENDTF    text    Analysis End Date Imputation Flag
AENDY     whole   Analysis End Relative Day
ADURN     number  Analysis Duration (N)
ADURU     text    Analysis Duration Units
AVISIT    text    Analysis Visit
AVISITN   number  Analysis Visit (N)
STARTDT   date    Time-to-Event Origin Date for Subject
CNSR      whole   Censor
EVNTDESC  text    Event or Censoring Description
CNSDTDSC  text    Censor Date Description
SRCDOM    text    Source Data
SRCVAR    text    Source Variable
SRCSEQ    whole   Source Sequence Number
TRTEMFL   text    Treatment Emergent Analysis Flag
AOCCFL    text    First Occurrence within Subject Flag
ASEV      text    Analysis Severity/Intensity
ATOXGR    text    Analysis Toxicity Grade
ATOXGRN   number  Analysis Toxicity Grade (N)
BTOXGR    text    Baseline Toxicity Grade
ATOXGRL   text    Analysis Toxicity Grade Low
ATOXGRH   text    Analysis Toxicity Grade High
BTOXGRL   text    Baseline Toxicity Grade Low
BTOXGRH   text    Baseline Toxicity Grade High
ATOXDSCL  text    Analysis Toxicity Description Low
ATOXDSCH  text    Analysis Toxicity Description High
ANRLO     number  Analysis Normal Range Lower Limit
ANRHI     number  Analysis Normal Range Upper Limit
ANRIND    text    Analysis Reference Range Indicator
BNRIND    text    Baseline Reference Range Indicator
""")

NO_YES = ("N", "Y")
SEVERITIES = ("MILD", "MODERATE", "SEVERE")
GRADES = ("1", "2", "3", "4", "5")

# A variable that holds one of these terms, or nothing.
TERMS: dict[str, tuple[str, ...]] = {
    "SEX": ("F", "M", "U", "INTERSEX", "UNDIFFERENTIATED"),
    "AGEU": ("YEARS",),
    "DTHFL": NO_YES,
    "AESER": NO_YES,
    "AESCAN": NO_YES,
    "AESCONG": NO_YES,
    "AESDISAB": NO_YES,
    "AESDTH": NO_YES,
    "AESHOSP": NO_YES,
    "AESLIFE": NO_YES,
    "AESMIE": NO_YES,
    "AESOD": NO_YES,
    "AESEV": SEVERITIES,
    "AETOXGR": GRADES,
    "AEOUT": (
        "FATAL",
        "NOT RECOVERED/NOT RESOLVED",
        "RECOVERED/RESOLVED",
        "RECOVERED/RESOLVED WITH SEQUELAE",
        "RECOVERING/RESOLVING",
        "UNKNOWN",
    ),
    "ECMOOD": ("PERFORMED", "SCHEDULED"),
    **{f"{domain}STAT": ("NOT DONE",) for domain in ("LB", "VS", "QS", "TU", "TR", "RS")},
    **{f"{domain}ACPTFL": NO_YES for domain in ("TU", "TR", "RS")},
}

DOSE_UNITS = (
    *("Bq", "kBq", "MBq", "GBq", "uCi", "mCi", "Ci", "MBq/kg"),
    *("ng", "ug", "mg", "g", "mg/kg", "mg/m2", "ug/kg", "mL", "L", "mmol", "umol", "mEq"),
    *("IU", "U", "IU/kg", "mg/h", "mg/min", "mL/h", "mL/min", "Gy"),
    *("ug/day", "mg/day", "g/day", "mg/kg/day", "mg/m2/day"),
    *("CAPSULE", "TABLET", "VIAL", "DROP", "PATCH", "PUFF", "SUPPOSITORY", "INJECTION"),
)

LESIONS = ("TARGET", "NON-TARGET", "NEW", "NEW TARGET", "NEW NON-TARGET")
NOT_DISEASE = ("BENIGN ABNORMALITY", "NON-CANCEROUS", "NON-DISEASE SITE")
DIAMETERS = ("DIAMETER", "LDIAM", "LPERP", "LAXIS", "SAXIS")  # of one lesion
SUMS = ("SUMDIAM", "SUMLDIAM", "SUMNLNLD", "SDIAM", "LDIAMSUM")  # of several
LESION_STATES = (
    *("PRESENT", "ABSENT", "EQUIVOCAL", "UNEQUIVOCAL", "UNEQUIVOCAL PROGRESSION"),
    *("TOO SMALL TO MEASURE", "NOT EVALUABLE", "UNEVALUABLE", "NE"),
    *("INCREASED", "DECREASED", "STABLE", "RESOLVED"),
)

RESPONSE_TESTS = ("OVRLRESP", "TRGRESP", "NTRGRESP", "BESTRESP")
RECIST_RESPONSES = ("CR", "PR", "SD", "PD", "NE", "NON-CR/NON-PD", "NON-PD", "ND", "NA", "NED")
IRECIST_RESPONSES = ("iCR", "iPR", "iSD", "iUPD", "iCPD", "NON-iCR/NON-iUPD")
NEW_LESION_RESULTS = ("EQUIVOCAL", "UNEQUIVOCAL", "Y", "N")


class Contents(NamedTuple):
    """The variables of one dataset, as names with blanks between."""

    name: str
    label: str
    keys: str  # together they name a row; never null
    required: str = ""  # without these columns nothing can be derived
    expected: str = ""  # without these columns something is lost, and we say so
    optional: str = ""


SDTM_DATASETS = (
    Contents(
        "DM",
        "Demographics",
        keys="USUBJID",
        required="SEX ARM",
        expected="SUBJID SITEID RFSTDTC RFICDTC DTHDTC DTHFL AGE AGEU RACE ARMCD ACTARMCD ACTARM",
    ),
    Contents(
        "DS",
        "Disposition",
        keys="USUBJID DSSEQ",
        required="DSDECOD",
        expected="DSTERM DSCAT DSSTDTC",
    ),
    Contents(
        "SV",
        "Subject Visits",
        keys="USUBJID VISITNUM SVSTDTC",
        expected="VISIT SVENDTC",
        optional="SVSTDTC",
    ),
    Contents(
        "EX",
        "Exposure",
        keys="USUBJID EXSEQ",
        required="EXTRT EXDOSE EXDOSU EXSTDTC",
        expected="EXENDTC",
    ),
    Contents(
        "EC",
        "Exposure as Collected",
        keys="USUBJID ECSEQ",
        required="ECTRT",
        expected="ECDOSE ECDOSU ECSTDTC ECENDTC",
    ),
    Contents(
        "XA",
        "Radioactivity Measurements",
        keys="USUBJID XASEQ",
        required="XATESTCD XACAT XALOC XASTRESN XASTRESU VISIT",
        expected="XATEST XADTC",
        optional="XAORRES XAORRESU XASTRESC XAMETHOD XAREFID",
    ),
    Contents(
        "AE",
        "Adverse Events",
        keys="USUBJID AESEQ",
        required="AETERM",
        expected="AEDECOD AEBODSYS AESER AEREL AEOUT AESTDTC AEENDTC",
    ),
    Contents(
        "CM",
        "Concomitant/Prior Medications",
        keys="USUBJID CMSEQ",
        required="CMTRT",
        expected="CMDECOD CMSTDTC CMENDTC",
    ),
    Contents(
        "PR",
        "Procedures",
        keys="USUBJID PRSEQ",
        required="PRTRT",
        expected="PRSTDTC",
    ),
    Contents(
        "MH",
        "Medical History",
        keys="USUBJID MHSEQ",
        required="MHTERM",
        expected="MHSTDTC",
    ),
    Contents(
        "LB",
        "Laboratory Test Results",
        keys="USUBJID LBSEQ",
        required="LBTESTCD LBSTRESC LBSTRESN",
        expected="LBTEST LBSTRESU LBSTNRLO LBSTNRHI LBDTC VISITNUM VISIT",
    ),
    Contents(
        "VS",
        "Vital Signs",
        keys="USUBJID VSSEQ",
        required="VSTESTCD VSSTRESN",
        expected="VSTEST VSSTRESU VSDTC VISITNUM VISIT",
    ),
    Contents(
        "TU",
        "Tumor/Lesion Identification",
        keys="USUBJID TUSEQ",
        required="TUTESTCD TUSTRESC",
        expected="TULNKID TULOC TUEVAL TUDTC",
    ),
    Contents(
        "TR",
        "Tumor/Lesion Results",
        keys="USUBJID TRSEQ",
        required="TRTESTCD TRSTRESC TRSTRESN",
        expected="TRLNKID TRSTRESU TREVAL VISITNUM VISIT TRDTC",
    ),
    Contents(
        "RS",
        "Disease Response and Clin Classification",
        keys="USUBJID RSSEQ",
        required="RSTESTCD RSSTRESC",
        expected="RSEVAL VISITNUM VISIT RSDTC",
        optional="RSCAT RSEVALID RSACPTFL RSSTAT",
    ),
    Contents(
        "QS",
        "Questionnaires",
        keys="USUBJID QSSEQ",
        required="QSTESTCD QSSTRESN",
        expected="QSTEST QSCAT QSSTRESC VISITNUM VISIT QSDTC",
    ),
    Contents(
        "MI",
        "Microscopic Findings",
        keys="USUBJID MISEQ",
        required="MITESTCD MISTRESC",
        expected="MITEST MIDTC",
    ),
    Contents(
        "SC",
        "Subject Characteristics",
        keys="USUBJID SCSEQ",
        required="SCTESTCD SCSTRESC",
        expected="SCTEST",
    ),
    Contents(
        "DD",
        "Death Details",
        keys="USUBJID DDSEQ",
        required="DDTESTCD DDSTRESC",
        expected="DDTEST DDDTC",
    ),
    Contents(
        "FA",
        "Findings About Events or Interventions",
        keys="USUBJID FASEQ",
        required="FATESTCD FAOBJ",
        expected="FASTRESC",
    ),
    Contents(
        "TS",
        "Trial Summary",
        keys="TSPARMCD TSSEQ",
        required="TSVAL",
        expected="TSPARM",
    ),
)

# Standard datasets on which nothing here depends: read, typed, and left alone.
OTHER_SDTM = (
    *("CE", "CO", "CV", "DA", "DV", "EG", "FT", "HO", "IE", "IS", "LC", "MB", "ML", "MS", "NV"),
    *("OE", "PC", "PE", "PP", "RE", "RELREC", "RELSUB", "RP", "SE", "SM", "SR", "SS", "SU"),
    *("TA", "TD", "TE", "TI", "TM", "TV", "UR", "XE"),
)

ADAM_DATASETS = (
    Contents(
        "ADSL",
        "Subject-Level Analysis Dataset",
        keys="USUBJID",
        optional=(
            "SUBJID SITEID AGE AGEU SEX RACE ETHNIC COUNTRY ARM ACTARM TRT01P TRT01A "
            "TRT01PN TRT01AN RFICDT RANDDT TRTSDT TRTEDT TRTDURD LSTALVDT DTHDT DTHDTF "
            "DTHFL EOSDT EOSSTT DCSREAS CUTOFFDT ITTFL FASFL SAFFL RANDFL STRATAR STRATAV"
        ),
    ),
    Contents(
        "ADTR",
        "Tumor Results Analysis Dataset",
        keys="USUBJID ASEQ",
        required="PARAMCD AVAL ADT",
        optional=(
            "PARAM PARQUAL AVISIT AVISITN ADTF ADY BASE CHG PCHG NADIR CHGNAD PCHGNAD ABLFL "
            "ANL01FL ANL02FL SRCDOM SRCVAR SRCSEQ"
        ),
    ),
    Contents(
        "ADRS",
        "Response Analysis Dataset",
        keys="USUBJID ASEQ",
        required="PARAMCD AVALC ADT",
        optional=(
            "PARAM PARQUAL AVISIT AVISITN ADTF ADY AVAL ANL01FL ANL02FL SRCDOM SRCVAR SRCSEQ"
        ),
    ),
    Contents(
        "ADTTE",
        "Time to Event Analysis Dataset",
        keys="USUBJID PARAMCD PARQUAL",
        required="AVAL CNSR",
        optional="PARQUAL PARAM STARTDT ADT EVNTDESC CNSDTDSC SRCDOM SRCVAR SRCSEQ",
    ),
    Contents(
        "ADEX",
        "Exposure Analysis Dataset",
        keys="USUBJID ASEQ",
        required="PARAMCD AVAL",
        optional="PARAM AVALU AVALC ASTDT ASTDTF AENDT AENDTF ASTDY AENDY SRCDOM SRCVAR SRCSEQ",
    ),
    Contents(
        "ADDOSE",
        "Dose Decisions Analysis Dataset",
        keys="USUBJID ASEQ",
        required="PARAMCD AVALC ADT",
        optional="PARAM PARCAT1 PARCAT2 CYCLE AVAL GIVEN AUDIT RULE FIELDS MISSING ORIGIN",
    ),
    Contents(
        "ADRAD",
        "Absorbed Dose Analysis Dataset",
        keys="USUBJID ASEQ",
        required="PARAMCD AVAL",
        optional="PARAM PARCAT1 AVISIT AVISITN AVALC AVALU TRT01P SITEID",
    ),
    Contents(
        "ADAE",
        "Adverse Events Analysis Dataset",
        keys="USUBJID AESEQ",
        required="AETERM TRTEMFL",
        optional=(
            "AEDECOD AEBODSYS AESER AEREL AEOUT AETOXGR ATOXGR ATOXGRN ASTDT ASTDTF AENDT "
            "AENDTF ASTDY AENDY AOCCFL"
        ),
    ),
    Contents(
        "ADLB",
        "Laboratory Results Analysis Dataset",
        keys="USUBJID ASEQ",
        required="PARAMCD AVAL ADT",
        optional=(
            "PARAM AVALU AVALC AVISIT AVISITN ADTF ADY BASE CHG PCHG ABLFL ANL01FL ONTRTFL "
            "ANRLO ANRHI ANRIND ATOXGR ATOXGRL ATOXGRH BTOXGR BTOXGRL BTOXGRH LBSEQ SRCDOM "
            "SRCVAR SRCSEQ"
        ),
    ),
    Contents(
        "ADQS",
        "Questionnaires Analysis Dataset",
        keys="USUBJID ASEQ",
        required="PARAMCD AVAL ADT",
        optional=(
            "PARAM PARCAT1 AVISIT AVISITN ADTF ADY BASE CHG ABLFL ANL01FL SRCDOM SRCVAR SRCSEQ"
        ),
    ),
)
