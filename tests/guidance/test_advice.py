# SPDX-License-Identifier: Apache-2.0
"""Advice as a user meets it: the command, the sheet, what is due and old, cards, registries."""

import json
import os
import re
import shutil
import subprocess
from datetime import date

import polars as pl
import pytest
from click.testing import CliRunner

from radioligand.advice import advice_page, advise
from radioligand.cli import cli
from radioligand.evidence import read_published
from radioligand.guidance import LINE, judge, parse_guidelines, read_patients
from radioligand.guidance.cards import SUMMARY, discovery
from radioligand.guidance.parsing import GuidelineError
from radioligand.guidance.registry import agreement, by_source, counted, treated
from radioligand.guidance.schedule import stale
from radioligand.io.documents import guideline_documents

FORM = {
    "subject": "01-001",
    "assessment_date": "2025-11-01",
    "age_years": 61,
    "primary_site": "PANCREAS",
    "differentiation": "WELL DIFFERENTIATED",
    "ki67_percent": 35,
    "highest_uptake_score": 4,
    "highest_uptake_score_date": "2025-10-10",
    "line_of_treatment": 1,
    "progression": False,
    "disease_extent": "METASTATIC",
}


def run(*words: object, status: int = 0):
    done = CliRunner().invoke(cli, ["advise", *map(str, words)])
    assert done.exit_code == status, done.output
    assert "Traceback" not in done.output
    return done


@pytest.fixture
def patient(tmp_path):
    path = tmp_path / "patient.json"
    path.write_text(json.dumps(FORM), "utf-8")
    return path


# -- the command -----------------------------------------------------------------------------------


def test_json_holds_the_contract_and_nothing_else(patient):
    entries = json.loads(run(patient, "--json").stdout)

    assert len(entries) == 85
    for entry in entries:
        assert {"statement", "option", "stance", "source", "verdict", "missing"} <= set(entry)
        assert entry["verdict"] in ("applies", "does not apply", "undetermined")
        assert bool(entry["missing"]) <= (entry["verdict"] == "undetermined")
        assert entry["says"]
        assert ", " in entry["source"]  # the document, then the place in it
    verdicts = {entry["statement"]: entry["verdict"] for entry in entries}
    assert verdicts["us-indication"] == "applies"
    assert verdicts["eu-indication"] == "does not apply"
    assert verdicts["board-mismatch"] == "undetermined"


def test_the_sheet_and_its_files(patient, tmp_path):
    said = run(patient, "--out", tmp_path / "sheet").output
    run(patient, "--out", tmp_path / "again")

    names = {str(p.relative_to(tmp_path / "sheet")) for p in (tmp_path / "sheet").rglob("*.*")}
    assert {"index.html", "sheet.html", "results.json", "cards.json", "provenance.json"} <= names
    assert {"tables/matrix.csv", "tables/questions.csv", "figures/evidence-medians.svg"} <= names
    assert said.startswith(LINE)
    for name in names:
        first, again = (tmp_path / folder / name for folder in ("sheet", "again"))
        assert first.read_bytes() == again.read_bytes()


def test_the_line_is_on_every_page(patient, tmp_path):
    run(patient, "--out", tmp_path / "sheet")
    run("--out", tmp_path / "literature")

    assert (tmp_path / "sheet" / "sheet.html").exists()
    pages = [*(tmp_path / "sheet").rglob("*.html"), *(tmp_path / "literature").rglob("*.html")]
    assert len(pages) > 20
    for page in pages:
        text = page.read_text("utf-8")
        least = 1 if page.name == "sheet.html" else 2  # on the screen and on every printed page
        assert text.count(LINE) >= least
        for loads in ('src="http', 'href="http', "url(http", "@import"):
            assert loads not in text


def test_the_page_begins_with_what_the_board_needs(library):
    page = advice_page(advise(FORM, library=library), provenance={}).index_html
    places = [page.index(f'id="section-{name}"') for name in
              ("patient", "matrix", "open")]  # fmt: skip

    assert places == sorted(places)
    assert places[-1] < page.index('id="all-statements"')


def test_labels_stand_on_top_of_the_matrix_even_if_they_do_not_apply(library):
    matrix = advice_page(advise(FORM, library=library), provenance={}).tables["matrix.csv"]
    rows = matrix.splitlines()

    assert rows[1].startswith("US label 2024 (law)")
    assert rows[2].startswith('EU label (law),"European Union, 2025-04-03",does not apply')


def test_a_label_that_does_not_apply_says_so_of_its_own_treatment(library):
    carcinoma = {"differentiation": "POORLY DIFFERENTIATED", "ki67_percent": 60}
    found = advise(FORM | carcinoma, library=library).matrix

    assert [option.id for option in found.options] == [
        "radioligand-therapy",
        "platinum-chemotherapy",
    ]
    for label in ("us-label", "eu-label"):
        assert found.stances(label, "radioligand-therapy") == "does not apply"
        assert found.stances(label, "platinum-chemotherapy") == ""


def test_without_a_patient_the_literature_is_listed(tmp_path):
    said = run("--out", tmp_path / "literature").output

    assert "Radioligand therapy" in said
    assert not (tmp_path / "literature" / "sheet.html").exists()
    assert "undetermined" not in (tmp_path / "literature/tables/option-everolimus.csv").read_text()
    entries = json.loads(run("--json").stdout)
    assert {entry["verdict"] for entry in entries} == {"undetermined"}
    assert {entry["stale"] for entry in entries} == {None}


def test_every_statement_cites_a_place(library):
    guidelines = library.guidelines
    for one in guidelines.statements:
        assert one.place.strip()
        source = guidelines.source_of[one.source]
        assert source.citation
        assert source.read_in is None or source.read_in in guidelines.source_of


def test_a_template_can_be_filled_in(tmp_path):
    form = json.loads(run("--template").stdout)
    form["fields"]["ki67_percent"]["value"] = 17
    path = tmp_path / "patient.json"
    path.write_text(json.dumps(form))

    entries = {one["statement"]: one for one in json.loads(run(path, "--json").stdout)}

    assert entries["netter-2-platinum-above-55"]["verdict"] == "does not apply"


def test_a_refused_form_names_its_file_and_every_fault(tmp_path):
    path = tmp_path / "patient.json"
    path.write_text(json.dumps(FORM | {"ki67_percent": 140, "grade": "G1", "age": 3}))

    said = run(path, status=1).output

    assert f"{path}: the patient's form has 2 faults" in said
    assert "140 % is above 100" in said
    assert "there is no such field" in said
    for content in ("", "[1]", "{"):
        path.write_text(content)
        run(path, status=1)
    run(tmp_path / "nobody.json", status=1)


def test_a_fhir_bundle_is_read_in_place_of_a_form(tmp_path):
    path = tmp_path / "bundle.json"
    site = {"coding": [{"system": "http://snomed.info/sct", "code": "15776009"}]}
    subject = {"reference": "Patient/9"}
    condition = {"resourceType": "Condition", "subject": subject, "bodySite": [site],
                 "clinicalStatus": {"coding": [{"code": "active"}]}}  # fmt: skip
    entries = [{"resource": {"resourceType": "Patient", "id": "9"}}, {"resource": condition}]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))

    found = {one["statement"]: one["verdict"] for one in json.loads(run(path, "--json").stdout)}

    assert found["board-multidisciplinary"] == "applies"
    assert found["esmo-midgut-after-analogue"] == "does not apply"


# -- documents of one's own ------------------------------------------------------------------------

OWN = """
[[sources]]
id = "house"
short = "House rule"
citation = "Our clinic, 2025"
published = "2025"
jurisdiction = "our clinic"
kind = "expert opinion"

[[statements]]
id = "house-octreotide"
option = "somatostatin-analogue"
stance = "for"
says = "As we do it."
when = "digestive-net"
source = "house"
place = "page 1"
"""


def test_a_site_adds_its_own_statements(patient, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(OWN)

    entries = json.loads(run(patient, "--add", own, "--json").stdout)

    assert len(entries) == 86
    assert {one["statement"]: one["verdict"] for one in entries}["house-octreotide"] == "applies"


def test_every_fault_of_a_document_is_told(patient, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(
        OWN.replace("digestive-net", "digestve-net")
        .replace('stance = "for"', 'stance = "always"')
        .replace('source = "house"', 'source = "hose"')
    )
    said = run(patient, "--add", own, status=1).output
    assert "no definition is called 'digestve-net'. Did you mean 'digestive-net'?" in said
    assert "statements[house-octreotide].stance: 'always' is not a choice here" in said

    own.write_text("[[statements")
    assert "this is not TOML" in run(patient, "--add", own, status=1).output
    assert "cannot be read" in run(patient, "--add", tmp_path / "none.toml", status=1).output


def parsed_with(*, statement: dict | None = None, **tables: object):
    """The shipped documents with one more statement, or other tables."""
    usual = {"id": "one", "option": "surgery", "stance": "for", "says": "x", "when": "digestive",
             "source": "tafuto-2025", "place": "x"}  # fmt: skip
    added = {"statements": [usual | statement]} if statement is not None else {}
    documents = guideline_documents() | {"own.toml": added | tables}
    return parse_guidelines(documents, protocols=("netter-1", "netter-2", "net-retreat"))


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ({"id": "board-mismatch"}, "2 entries are statement 'board-mismatch'"),
        ({"source": "hose"}, "one: there is no source 'hose'"),
        ({"option": "prayer"}, "one: there is no option 'prayer'"),
        ({"superseded_by": "two"}, "one: there is no statement 'two'"),
        ({"trial": "netter-2"}, "either `when` or `trial`"),
        ({"fields": {"AGE": "agee"}}, "one: there is no field 'agee'"),
        ({"when": {"field": "ki67", "unit": "%", "above": 3}}, "Did you mean 'ki67_percent'"),
        ({"when": {"field": "ki67_percent", "above": 3}}, "is in %, not in none"),
        ({"when": {"field": "ki67_percent", "is": True}}, "is a number, the condition asks"),
        ({"when": {"field": "grade", "equals": "G4"}}, "'G4' is no word of grade"),
        ({"when": {"field": "grade", "known": True}}, "may not turn on what is missing"),
        ({"when": {"all": []}}, "takes a list of conditions"),
        ({"place": ""}, "at least 1 character"),
        ({"remark": "x"}, r"statements\[one\].remark: this key is unknown"),
    ],
)
def test_statements_that_are_refused(statement, says):
    with pytest.raises(GuidelineError, match=says):
        parsed_with(statement=statement)


def test_other_tables_that_are_refused():
    source = {"id": "x", "short": "X", "citation": "X", "jurisdiction": "X", "kind": "label"}
    for tables, says in (
        ({"sources": [source | {"published": "March 2025"}]}, r"sources\[x\].published"),
        ({"sources": [source]}, r"sources\[x\].published: this key is required and missing"),
        ({"statements": {}}, "'statements' is no list of tables"),
        ({"opinions": []}, "opinions: this key is unknown"),
    ):
        with pytest.raises(GuidelineError, match=says):
            parsed_with(**tables)


def test_a_trial_that_is_not_shipped_is_a_fault():
    with pytest.raises(
        GuidelineError, match="netter-2-population: there is no protocol 'netter-2'"
    ):
        parse_guidelines(guideline_documents(), protocols=("netter-1",))


def test_a_trial_may_not_turn_on_what_is_missing(tmp_path):
    """NET RETREAT asks for a date of progression to be known; the form has a flag for that."""
    own = tmp_path / "own.toml"
    own.write_text(
        OWN.replace('when = "digestive-net"', 'trial = "net-retreat"'),
    )

    said = run("--add", own, status=1).output

    assert "house-octreotide: net-retreat asks whether progression_after_prrt_date is known" in said


def test_a_form_is_not_asked_for_what_another_field_tells(library):
    names = {one.name for one in library.fields}

    assert "creatinine_clearance_ml_min" in names
    assert not names & {"progression_after_prrt_date", "months_stable_after_prrt"}


# -- what is due, what is old ----------------------------------------------------------------------


def due(library, **changes: object) -> dict[str, tuple]:
    advice = advise(FORM | changes, library=library)
    return {one.examination.id: (one.state, one.first, one.until) for one in advice.due}


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("start", "scan", "state"),
    [
        ("2025-11-20", "2025-10-23", "done"),  # the window opens 28 days before: 23 October
        ("2025-11-20", "2025-10-22", "due"),
        ("2025-12-20", "2025-10-23", "not yet"),  # opens 22 November
        ("2025-10-20", "2025-09-01", "overdue"),  # planned for before the board
        ("2025-11-01", "2025-10-01", "due"),
    ],
)
def test_receptor_imaging_before_the_start(library, start, scan, state):
    changes = {"planned_start_date": start, "highest_uptake_score_date": scan}
    assert due(library, **changes)["receptor-pet-before-start"][0] == state


@pytest.mark.by_hand
def test_receptor_imaging_after_the_course(library):
    found = due(library, last_cycle_date="2025-09-01", highest_uptake_score_date="2025-08-10")
    # 56 and 84 days after 1 September
    assert found["receptor-pet-after-course"] == ("due", date(2025, 10, 27), date(2025, 11, 24))
    later = due(library, last_cycle_date="2025-07-01", highest_uptake_score_date="2025-06-10")
    assert later["receptor-pet-after-course"][0] == "overdue"
    done = due(library, last_cycle_date="2025-07-01", highest_uptake_score_date="2025-10-30")
    assert done["receptor-pet-after-course"][0] == "done"


@pytest.mark.by_hand
def test_imaging_on_suspicion_is_due_at_once(library):
    assert "receptor-pet-on-suspicion" not in due(
        library, symptoms_changed=False, suspected_progression=False
    )
    asked = due(library, suspected_progression=True)["receptor-pet-on-suspicion"]
    assert asked == ("due", date(2025, 11, 1), None)
    same_day = due(library, suspected_progression=True, highest_uptake_score_date="2025-11-01")
    assert same_day["receptor-pet-on-suspicion"][0] == "done"
    assert due(library)["receptor-pet-on-suspicion"][0] == "undetermined"


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("found_on", "state"),
    [
        ("2025-08-01", "done"),  # 92 days before 1 November
        ("2025-07-31", "due"),
        ("2025-11-02", "due"),  # after the board
    ],
)
def test_an_fdg_scan_of_three_months_is_not_due_again(library, found_on, state):
    asked = {"suspected_rapid_progression": True, "fdg_positive": True}
    found = due(library, **asked, fdg_positive_date=found_on)

    assert found["fdg-before-start"][0] == state
    assert due(library, suspected_rapid_progression=True)["fdg-before-start"][0] == "due"


@pytest.mark.by_hand
def test_old_statements_are_listed(library):
    found = {one.statement.id: one for one in stale(library.guidelines, on=date(2025, 11, 1))}

    # ESMO, July 2020, to 1 November 2025: 1949 days / 30.4375
    assert found["esmo-decide-by"].age_months == 64.0
    # ASCO prints 2023 here, and so counts from 1 January 2023
    assert found["asco-g3-as-g2"].age_months == 34.0
    assert "board-mismatch" not in found  # October 2025
    assert "enets-small-intestine-first-line" not in found  # 2024: 22 months
    oldest = stale(library.guidelines, on=date(2025, 11, 1))[0]
    assert oldest.source.id == "strosberg-2017"


@pytest.mark.by_hand
def test_a_statement_tells_since_when_it_holds(library):
    since = {one["statement"]: one["valid_from"] for one in advise(FORM, library=library).as_json()}

    assert since["us-indication"] == "2024-04-23"  # from 12 years; adults since 2018
    assert since["eu-indication"] == "2017-09-26"  # the authorisation, not the page's last change
    assert since["esmo-decide-by"] == "2020-07"  # its document's, as exact as printed


def test_a_statement_tells_its_trials_and_its_document(library):
    page = advice_page(advise(FORM, library=library), provenance={})
    found = {one["statement"]: one for one in advise(FORM, library=library).as_json()}

    assert found["us-indication"]["evidence"] == ["NETTER-1", "ERASMUS", "NETTER-P"]
    assert found["netter-2-first-line"]["doi"] == "10.1016/S0140-6736(24)00701-3"
    assert found["us-indication"]["superseded_by"] is None
    assert "Rests on NETTER-1, ERASMUS, NETTER-P." in page.tables["option-radioligand-therapy.csv"]
    assert "doi:10.1016/S0140-6736(24)00701-3" in page.tables["sources.csv"]


def test_papers_that_were_read_tell_who_paid_for_them(library):
    page = advice_page(advise(FORM, library=library), provenance={})
    for one in library.guidelines.sources:
        if one.read_in is None and one.kind != "label":
            assert one.interests in page.tables["sources.csv"]
            assert one.interests


def test_a_superseded_statement_is_old_at_any_age(library):
    new = [
        one.model_copy(update={"superseded_by": "board-candidate"})
        if one.id == "board-mismatch"
        else one
        for one in library.guidelines.statements
    ]
    guidelines = library.guidelines.model_copy(update={"statements": tuple(new)})
    found = stale(guidelines, on=date(2025, 10, 20))

    assert "board-candidate" in [one.superseded_by for one in found]


# -- disagreements ---------------------------------------------------------------------------------


def pairs(library, **changes: object) -> dict[tuple[str, str], str]:
    advice = advise(FORM | changes, library=library)
    return {
        (one.first.statement.id, one.second.statement.id): one.kind for one in advice.disagreements
    }


@pytest.mark.by_hand
def test_known_disagreements_are_found(library):
    g2 = {"ki67_percent": 12, "lowest_uptake_score": 3, "lowest_uptake_score_date": "2025-10-10"}
    both = pairs(library, **g2, shrinkage_wanted=True, rapid_growth=True)
    assert both["board-shrinkage-first-line", "board-chemotherapy-g2"] == "genuine"
    assert both["us-indication", "eu-indication"] == "jurisdiction"

    calm = pairs(library, **g2, shrinkage_wanted=True, rapid_growth=False,
                 highly_symptomatic=False)  # fmt: skip
    assert ("board-shrinkage-first-line", "board-chemotherapy-g2") not in calm

    colon = {"primary_site": "RECTUM", "inoperable": True, "symptomatic": True,
             "high_tumour_burden": True, "rapid_growth": True,
             "prior_systemic_therapy": False}  # fmt: skip
    figure = pairs(library, **colon)
    assert figure["enets-colorectal-figure", "enets-colorectal-text"] == "genuine"


@pytest.mark.by_hand
def test_opposite_stances_are_found_without_being_listed(library):
    found = pairs(library, receptor_fdg_mismatch=True, receptor_fdg_mismatch_date="2025-10-10")

    assert found["board-receptor-positive", "board-mismatch"] == "genuine"  # of one source
    assert found["board-mismatch", "us-indication"] == "jurisdiction"
    assert found["board-mismatch", "italy-future-candidates"] == "population"


def test_nothing_disagrees_on_what_is_undetermined(library):
    assert advise(None, library=library).disagreements == ()


# -- cards -----------------------------------------------------------------------------------------


def test_cards_inform_and_suggest_nothing(library):
    made = advise(FORM, library=library).as_cards()["cards"]

    assert len(made) > 3
    for card in made:
        assert set(card) == {"summary", "detail", "indicator", "source"}
        assert card["indicator"] == "info"
        assert len(card["summary"]) <= SUMMARY
        assert card["detail"].endswith(LINE)
    first = made[0]
    assert first["summary"].startswith("Radioligand therapy: ")
    assert (
        "US label 2024, as told by public pages that report it, section 1, indications"
        in first["detail"]
    )
    assert LINE in discovery()["services"][0]["description"]


def test_a_card_lists_the_missing_items_that_settle_most(library):
    advice = advise(FORM, library=library)
    last = advice.as_cards()["cards"][-1]
    lines = last["detail"].splitlines()

    assert last["summary"] == f"{len(advice.questions)} missing items would settle statements"
    assert lines[0].startswith(f"- {advice.questions[0].label}: ")
    assert lines[10].startswith(f"- and {len(advice.questions) - 10} more")


def test_without_a_patient_there_is_no_card(library):
    assert advise(None, library=library).as_cards() == {"cards": []}


# -- registries ------------------------------------------------------------------------------------

REGISTRY = pl.DataFrame(
    {
        "USUBJID": ["1", "2", "3", "4"],
        "assessment_date": ["2025-11-01"] * 4,
        "age_years": [61, 44, 70, 50],
        "primary_site": ["PANCREAS", "ILEUM", "RECTUM", "PANCREAS"],
        "differentiation": ["WELL DIFFERENTIATED"] * 4,
        "ki67_percent": [35.0, 8.0, 12.0, 35.0],
        "highest_uptake_score": [4, 3, 1, None],
        "highest_uptake_score_date": ["2025-10-10"] * 4,
        "progression": [False, True, True, False],
        "disease_extent": ["METASTATIC"] * 4,
        "receptor_fdg_mismatch": [True, False, False, False],
        "receptor_fdg_mismatch_date": ["2025-10-10"] * 4,
    }
)


@pytest.mark.by_hand
def test_a_registry_is_counted(library):
    patients = read_patients(REGISTRY, guidelines=library.guidelines)
    found = counted(patients, guidelines=library.guidelines)
    rows = {row["STATEMENT"]: row for row in found.to_dicts()}

    def counts(name):
        return tuple(rows[name][key] for key in ("APPLIES", "DOES_NOT_APPLY", "UNDETERMINED"))

    assert counts("us-indication") == (2, 1, 1)  # 1 and 2; 3 has a score of 1; 4 has none
    assert counts("eu-indication") == (1, 3, 0)  # 2; 1 and 4 are G3, 3 has a score of 1
    assert counts("board-mismatch") == (1, 3, 0)
    total = found.select(pl.sum_horizontal("APPLIES", "DOES_NOT_APPLY", "UNDETERMINED"))
    assert set(total.to_series()) == {4}


@pytest.mark.by_hand
def test_a_registry_tells_where_sources_agree(library):
    patients = read_patients(REGISTRY, guidelines=library.guidelines)
    favour = treated(patients, guidelines=library.guidelines)
    sets = agreement(patients, guidelines=library.guidelines)

    assert favour["us-label"].to_list() == [True, True, False, None]
    assert favour["eu-label"].to_list() == [False, True, False, False]
    assert sets["COUNT"].sum() == 4
    assert sets["OPPOSED"].sum() == 1  # the mismatch
    assert "strosberg-2017" not in favour.columns  # what a trial asked is no stance


@pytest.mark.by_hand
def test_a_registry_tells_whom_each_source_would_treat(library):
    patients = read_patients(REGISTRY, guidelines=library.guidelines)
    found = {row[0]: row[1:] for row in by_source(patients, guidelines=library.guidelines).rows()}

    assert found["us-label"] == (2, 1, 1, 0)  # 1 and 2; 3 has a score of 1; 4 has none
    assert found["eu-label"] == (1, 3, 0, 0)
    assert found["tafuto-2025"][3] == 1  # the mismatch
    assert found["singh-2023"][:3] == (0, 4, 0)  # it is against it in some, for it in none
    assert "strosberg-2017" not in found


def test_a_registry_is_judged_as_its_patients_are(library):
    guidelines = library.guidelines
    patients = read_patients(REGISTRY, guidelines=guidelines)
    found = counted(patients, guidelines=guidelines)["APPLIES"].to_list()

    alone = [judge(patients[row], guidelines=guidelines) for row in range(patients.height)]

    assert found == [sum(one.applies for one in each) for each in zip(*alone)]


def test_a_table_of_patients_is_counted_by_the_command(library, tmp_path):
    table, parquet = tmp_path / "patients.csv", tmp_path / "patients.parquet"
    REGISTRY.write_csv(table)
    REGISTRY.write_parquet(parquet)

    rows = json.loads(run(table, "--json").stdout)
    said = run(table, "--out", tmp_path / "registry").output

    assert rows == json.loads(run(parquet, "--json").stdout)
    us = next(row for row in rows if row["statement"] == "us-indication")
    assert (us["applies"], us["does_not_apply"], us["undetermined"]) == (2, 1, 1)
    assert "us-indication" in said
    page = (tmp_path / "registry" / "index.html").read_text("utf-8")
    assert page.count(LINE) >= 2
    figure = (tmp_path / "registry/figures/agreement-sets.svg").read_text("utf-8")
    sets = agreement(
        read_patients(REGISTRY, guidelines=library.guidelines), guidelines=library.guidelines
    )
    for sources, count, _ in sets.rows():
        short = [library.guidelines.source_of[one].short for one in sources.split(", ") if one]
        assert f"{', '.join(short) or 'none'}: {count}" in figure


def test_a_table_that_cannot_be_is_refused_by_the_command(tmp_path):
    table = tmp_path / "patients.csv"
    REGISTRY.with_columns(ki67_percent=pl.lit(140)).write_csv(table)
    said = run(table, status=1).output
    assert f"{table}: the table of patients has 1 fault" in said
    assert "4 of 4 rows break this" in said
    table.write_text("")
    assert "cannot be read" in run(table, status=1).output
    run(tmp_path / "none.csv", status=1)


# -- evidence --------------------------------------------------------------------------------------


def test_the_evidence_table_is_the_published_one(library):
    """Every interval of the board's table, as the document of published results holds it."""
    published = read_published()
    board = next(study for study in published.studies if study.id == "board")
    group = next(group for group in board.groups if group.id == "intervals")
    printed = {
        tuple(row.inputs.get(key) for key in ("estimate", "lower", "upper"))
        for row in group.rows
        if row.place == "Table 1"
    }
    shown = set()
    for one in library.guidelines.evidence:
        for estimate in (one.pfs_months, one.survival_months):
            if estimate and estimate.lower is not None:
                values = (estimate.value, estimate.lower, estimate.upper)
                shown.add(tuple(None if value is None else f"{value:.1f}" for value in values))

    assert shown == printed


def test_the_evidence_is_the_patients_own_first_and_its_misprint_marked(library):
    page = advice_page(advise(FORM | {"ki67_percent": 8}, library=library), provenance={})
    table = page.tables["evidence.csv"]

    own, others = table.split("Other sites or grades")
    assert "E2211" in own
    assert "RADIANT-4" in others
    assert "NETTER-2" in others  # its patients begin at 10 %
    assert "9.1 (10.2–17.6)*" in own
    assert "11.0 (8.4–13.9)" in own  # as printed
    assert "9.1 (10.2–17.6)*" in page.figures["evidence-medians.svg"]
    assert "NETTER-2" not in page.figures["evidence-medians.svg"]
    assert "44.0 (35.6–51.8)" in page.figures["evidence-survival.svg"]
    assert "below its own interval" in page.index_html


@pytest.mark.by_hand
def test_the_evidence_links_to_what_was_recomputed(library, tmp_path):
    form = tmp_path / "patient.json"
    form.write_text(json.dumps(FORM | {"ki67_percent": 8}), "utf-8")
    run(form, "--out", tmp_path / "out")
    page = (tmp_path / "out/index.html").read_text("utf-8")
    alone = (tmp_path / "out/tables/evidence.html").read_text("utf-8")
    rows = (tmp_path / "out/tables/recomputed.csv").read_text("utf-8-sig").splitlines()

    named = "board.intervals.pancreas-temozolomide"
    assert f'<a href="#{named}">9.1 (10.2–17.6)*</a>' in page
    assert f'<tr id="{named}">' in page
    assert f'<a href="../index.html#{named}">' in alone
    printed = [row for row in rows if "pancreas-temozolomide" in row]
    assert [row.split(",")[1:5] for row in printed] == [
        ["9.1 (10.2–17.6)", "does not hold", "inside its interval", "no match"],
        ["9.1", "13.9", "middle of limits", "no match"],
    ]


def test_every_row_that_the_evidence_names_is_published(library):
    published = {
        f"{study.id}.{group.id}.{row.id.rpartition('.')[2]}": row
        for study in read_published().studies
        for group in study.groups
        for row in group.rows
    }
    for one in library.guidelines.evidence:
        for estimate in (one.response_percent, one.pfs_months, one.survival_months):
            for name in estimate.recomputed if estimate else ():
                printed = published[name].published.removesuffix("%")
                assert printed.split(" ")[0] == f"{estimate.value:.1f}", name


def test_without_recomputations_the_evidence_links_nowhere(library):
    page = advice_page(advise(FORM, library=library), provenance={})

    assert "recomputed.csv" not in page.tables
    assert 'href="#board.' not in page.index_html


# -- the evidence in a browser ---------------------------------------------------------------------

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
PROBE = """<!DOCTYPE html><iframe src="index.html" width="390" height="800"></iframe><script>
addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument;
  const part = page.getElementById("evidence");
  const shown = () => [...part.querySelectorAll("tbody tr")].filter((row) => !row.hidden)
    .map((row) => row.children[5]?.textContent ?? "heading");
  const choose = (control, value) => {
    control.value = value;
    control.dispatchEvent(new Event("input"));
  };
  const before = shown();
  const head = part.querySelectorAll("thead th")[5];
  head.querySelector("button").click();
  const sorted = shown();
  head.querySelector("button").click();
  const falling = [head.ariaSort, shown()[1]];
  choose(part.querySelectorAll("select")[2], "later");
  const later = part.querySelector("output").textContent;
  choose(part.querySelector("input"), "clarinet");
  document.body.append(Object.assign(document.createElement("pre"), { textContent: JSON.stringify({
    before: before.length, sorted, falling, later,
    both: part.querySelector("output").textContent,
    beyond: page.documentElement.scrollWidth - page.documentElement.clientWidth,
  }) }));
});
</script>"""


@pytest.mark.browser
def test_the_evidence_is_sorted_and_narrowed_in_a_browser(library, tmp_path):
    if CHROMIUM is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine; it is required where CI is set")
    assert CHROMIUM is not None, "CI is set and there is no Chromium"
    advice = advise(FORM | {"ki67_percent": 8}, library=library)
    page = advice_page(advice, provenance={}).index_html
    (tmp_path / "index.html").write_text(page, "utf-8")
    (tmp_path / "probe.html").write_text(PROBE, "utf-8")
    options = "--headless --no-sandbox --disable-gpu --no-first-run --allow-file-access-from-files"
    options += f" --virtual-time-budget=3000 --user-data-dir={tmp_path}/p"

    seen = subprocess.run(
        [CHROMIUM, *options.split(), "--dump-dom", (tmp_path / "probe.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    told = json.loads(re.search(r"<pre>(.*)</pre>", seen.stdout, re.DOTALL)[1])
    assert told["before"] == 17  # 15 rows, two headings
    own, others = told["sorted"][:10], told["sorted"][10:]
    assert (own[0], others[0]) == ("heading", "heading")
    assert (own[1], own[2], own[-1]) == ("5.6 (5.5–8.3)", "9.1 (10.2–17.6)*", "34.3 (27.3–41.2)")
    assert (others[1], others[-1]) == ("8.3 (5.6–11.1)", "28.4")
    assert told["falling"] == ["descending", "34.3 (27.3–41.2)"]
    assert told["later"] == "4 of 15 rows"  # NETTER-1 and CLARINET FORTE, two arms each
    assert told["both"] == "2 of 15 rows"
    assert told["beyond"] == 0
