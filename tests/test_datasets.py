# SPDX-License-Identifier: Apache-2.0
"""Files: each format gives back what it was given, and bad ones are refused in one message."""

import gzip
import json
import re
import shutil
import zlib
from datetime import date, datetime, time
from pathlib import Path

import polars as pl
import pyreadstat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from radioligand.cdisc import SDTM, DatasetError, told
from radioligand.io.datasets import (
    inspect_study,
    read_dataset,
    read_study,
    write_dataset,
    write_study,
)

CONFORMANCE = Path(__file__).parents[2] / "shared" / "conformance"
needs_conformance = pytest.mark.skipif(
    not CONFORMANCE.exists(), reason="the public CDISC data is not beside the repository"
)

FORMATS = ("xpt", "parquet", "csv", "json", "ndjson", "dsjc")
every_format = pytest.mark.parametrize("format", FORMATS)

ADRS = pl.DataFrame(
    {
        "USUBJID": ["S-001", "S-001", "S-002"],
        "ASEQ": [1, 2, 1],
        "PARAMCD": ["OVRLRESP", "OVRLRESP", "BOR"],
        "AVALC": ["PR", None, "NON-CR/NON-PD"],
        "AVAL": [2.0, None, 0.1],
        "ADT": [date(2024, 5, 1), None, date(1955, 12, 31)],
        "ADTM": [datetime(2024, 5, 1, 8, 15, 30), None, datetime(2024, 5, 1)],
        "ATM": [time(8, 15, 30), None, time(0, 0)],
        "REGION1": ["NA", "ÅLAND", 'a "quoted", text'],
        "SITEID": ["007", "701", None],
        "EMPTY": pl.Series([None, None, None], dtype=pl.String),
    }
)


def write_folder(folder, files):
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


# --- round trips ----------------------------------------------------------------------------------


@every_format
def test_what_is_written_is_read(tmp_path, format):
    path = tmp_path / f"adrs.{format}"
    write_dataset(ADRS, path)
    assert_frame_equal(read_dataset(path), ADRS)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@every_format
def test_no_rows_are_read_as_no_rows(tmp_path, format):
    path = tmp_path / f"adrs.{format}"
    write_dataset(ADRS.clear(), path)
    assert_frame_equal(read_dataset(path), ADRS.clear())


@every_format
def test_the_same_data_gives_the_same_bytes(tmp_path, format):
    contents = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        write_study({"ADRS": ADRS}, folder, format=format)
        contents.append((folder / f"adrs.{format}").read_bytes())
    assert contents[0] == contents[1]


@every_format
def test_a_categorical_from_r_is_text(tmp_path, format):
    frame = pl.DataFrame({"USUBJID": ["1"], "PARAMCD": pl.Series(["PFS"], dtype=pl.Categorical)})
    path = tmp_path / f"adtte.{format}"
    write_dataset(frame, path)
    assert_frame_equal(read_dataset(path), frame.cast({"PARAMCD": pl.String}))


visible = st.characters(min_codepoint=33, max_codepoint=0x17F, exclude_categories=["Cc", "Zs"])
texts = st.text(visible, min_size=1, max_size=20)
rows = st.fixed_dictionaries({
    "USUBJID": texts,
    "AVALC": st.none() | texts,
    "AVAL": st.none() | st.floats(-1e60, 1e60).filter(lambda x: x == 0 or abs(x) > 1e-60),
    "ASEQ": st.none() | st.integers(-(2**53), 2**53),
    "ADT": st.none() | st.dates(date(1600, 1, 1), date(2200, 1, 1)),
})  # fmt: skip


@pytest.mark.law
@settings(deadline=None, max_examples=25)
@given(rows=st.lists(rows, min_size=1, max_size=8))
def test_every_format_gives_the_same_frame(tmp_path_factory, rows):
    schema = {"USUBJID": pl.String, "AVALC": pl.String, "AVAL": pl.Float64, "ASEQ": pl.Int64}
    frame = pl.DataFrame(rows, schema=schema | {"ADT": pl.Date})
    folder = tmp_path_factory.mktemp("study")
    for format in FORMATS:
        write_dataset(frame, folder / f"adrs.{format}")
        assert_frame_equal(read_dataset(folder / f"adrs.{format}"), frame)


def test_labels_and_dates_stand_in_the_transport_file(tmp_path):
    write_dataset(ADRS, tmp_path / "adrs.xpt", labels={"EMPTY": "Nothing at all"})

    frame, about = pyreadstat.read_xport(tmp_path / "adrs.xpt", output_format="polars")

    assert about.table_name == "ADRS"
    assert about.file_label == "Response Analysis Dataset"
    assert about.column_names_to_labels["AVAL"] == "Analysis Value"
    assert about.column_names_to_labels["EMPTY"] == "Nothing at all"
    assert about.original_variable_types["ADT"] == "DATE9"
    assert frame["ADT"].to_list() == ADRS["ADT"].to_list()


def test_a_transport_file_carries_the_time_it_is_told(tmp_path):
    write_dataset(ADRS, tmp_path / "adrs.xpt", created=datetime(2024, 3, 9, 10, 11, 12))
    content = (tmp_path / "adrs.xpt").read_bytes()
    assert content.count(b"09MAR24:10:11:12") == 4


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_csv_is_typed_by_contract_and_blank_is_null(tmp_path):
    path = tmp_path / "tr.csv"
    path.write_text(
        "\ufeffUSUBJID,trseq,TRLNKID,TRSTRESC,TRSTRESN,VISITNUM,TRDTC,MINE\n"
        "S-001,1,01,NA,21,2,2024,5\n"
        "S-001,2,02,   ,,,,\n"
    )

    frame = read_dataset(path)

    expected = pl.DataFrame(
        {
            "USUBJID": ["S-001", "S-001"],
            "TRSEQ": [1, 2],
            "TRLNKID": ["01", "02"],
            "TRSTRESC": ["NA", None],
            "TRSTRESN": [21.0, None],
            "VISITNUM": [2.0, None],
            "TRDTC": ["2024", None],
            "MINE": ["5", None],  # what no guide names is text in the SDTM
        }
    )
    assert_frame_equal(frame, expected)


def test_of_an_unknown_dataset_csv_gives_numbers_where_all_are_written_as_numbers(tmp_path):
    path = tmp_path / "xx.csv"
    path.write_text("SITEID,code,dose\n007,007,7.4\n008,8,-1e3\n")
    expected = pl.DataFrame({
        "SITEID": ["007", "008"], "code": ["007", "8"], "dose": [7.4, -1000.0],
    })  # fmt: skip
    assert_frame_equal(read_dataset(path), expected)


def test_a_zero_that_came_through_the_ibm_float_is_zero(tmp_path):
    path = tmp_path / "adtte.parquet"
    frame = pl.DataFrame({"USUBJID": ["1", "2"], "CNSR": ["5.397605346934028e-79", "1"]})
    frame.write_parquet(path)
    assert read_dataset(path)["CNSR"].to_list() == [0, 1]


def test_a_transport_file_of_western_windows_is_read(tmp_path):
    path = tmp_path / "cm.xpt"
    write_dataset(pl.DataFrame({"USUBJID": ["1"], "CMTRT": ["Kéf"]}), path)
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xe9 "))
    assert read_dataset(path)["CMTRT"].to_list() == ["Ké f"]


def test_a_transport_file_of_version_8_is_read(tmp_path):
    path = tmp_path / "cm.xpt"
    frame = pl.DataFrame({"USUBJID": ["1"], "CMTRT": ["x" * 300]})
    pyreadstat.write_xport(frame, str(path), table_name="CM", file_format_version=8)
    assert_frame_equal(read_dataset(path), frame)


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress])
def test_compressed_lines_may_be_zlib_or_gzip(tmp_path, compress):
    write_dataset(ADRS, tmp_path / "adrs.ndjson")
    (tmp_path / "adrs.dsjc").write_bytes(compress((tmp_path / "adrs.ndjson").read_bytes()))
    assert_frame_equal(read_dataset(tmp_path / "adrs.dsjc"), ADRS)


def dataset_json(**changes):
    columns = [
        {"itemOID": "IT.AE.USUBJID", "name": "USUBJID", "label": "Subject", "dataType": "string"},
        {"itemOID": "IT.AE.AESEQ", "name": "AESEQ", "label": "Sequence", "dataType": "integer"},
    ]
    about = {
        "datasetJSONCreationDateTime": "2024-01-01T00:00:00", "datasetJSONVersion": "1.1.0",
        "itemGroupOID": "IG.AE", "records": 1, "name": "AE", "label": "Adverse Events",
        "columns": columns, "rows": [["1", 1]],
    }  # fmt: skip
    return json.dumps(about | changes).encode()


def test_decimals_and_booleans_of_dataset_json_are_read(tmp_path):
    kinds = {"AVAL": "decimal", "OK": "boolean", "WHOLE": "integer", "ADTC": "date"}
    columns = [{"itemOID": n, "name": n, "label": n, "dataType": k} for n, k in kinds.items()]
    path = tmp_path / "adlb.json"
    path.write_bytes(dataset_json(columns=columns, rows=[["0.30", True, 3, "2024-05"]]))
    expected = pl.DataFrame({"AVAL": [0.3], "OK": [True], "WHOLE": [3.0], "ADTC": ["2024-05"]})
    assert_frame_equal(read_dataset(path), expected)


def transport_file_with_two_datasets(tmp_path):
    for name in ("ae", "cm"):
        write_dataset(pl.DataFrame({"USUBJID": ["1"]}), tmp_path / f"{name}.xpt")
    after_library = (tmp_path / "cm.xpt").read_bytes()[240:]
    return (tmp_path / "ae.xpt").read_bytes() + after_library


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("ae.json", b'{"datasetJSONVersion": "1.1', "the file is damaged"),
        ("ae.json", b"[1, 2]", "it is not Dataset-JSON 1.1"),
        ("ae.json", b'{"records": 1}', "it lacks datasetJSONCreationDateTime, datasetJSONVersion"),
        ("ae.json", dataset_json(datasetJSONVersion="1.0.0"), "it is Dataset-JSON 1.0.0"),
        ("ae.json", dataset_json(records=2), "it promises 2 records and holds 1"),
        ("ae.json", dataset_json(rows=[["1"]]), "1 of 1 rows do not have 2 values"),
        ("ae.json", dataset_json(rows=[["1", "one"]]), "a value is not of the type"),
        ("ae.ndjson", b"", "it is not Dataset-JSON 1.1"),
        ("ae.dsjc", b"not compressed", "the file is damaged"),
        ("ae.xpt", b"", "it does not begin with the header of a SAS transport file"),
        ("ae.xpt", b"USUBJID,AESEQ", "it does not begin with the header of a SAS transport file"),
        ("ae.parquet", b"PAR1 is not enough", "cannot be read"),
        ("ae.csv", b"", "empty CSV"),
        ("ae.csv", b"USUBJID\n\xe9\n", "utf-8"),
        ("ae.csv", b"USUBJID,USUBJID\n1,2\n", "a column stands twice: USUBJID"),
        ("ae.csv", b"USUBJID,usubjid\n1,2\n", "a column stands twice: USUBJID"),
        ("ae.csv", b"USUBJID,AESEQ\n1,first\n", "AESEQ is a whole number"),
        ("ae.sas7bdat", b"", "give one of .parquet, .xpt"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, file, content, says):
    path = tmp_path / file
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=re.escape(says)):
        read_dataset(path)


def test_a_transport_file_cut_short_or_with_two_datasets_is_refused(tmp_path):
    path = tmp_path / "both.xpt"
    path.write_bytes(transport_file_with_two_datasets(tmp_path))
    with pytest.raises(DatasetError, match="it holds 2 datasets"):
        read_dataset(path)

    path.write_bytes((tmp_path / "ae.xpt").read_bytes()[:-30])
    with pytest.raises(DatasetError, match="cut short"):
        read_dataset(path)


# --- studies --------------------------------------------------------------------------------------

DM = "USUBJID,SEX,ARM,BRTHDTC\nS-001,F,A,1960\nS-002,M,A,1955-02\n"


def test_formats_may_be_mixed_and_other_files_are_passed_over(tmp_path):
    folder = write_folder(
        tmp_path / "study",
        {
            "DM.CSV": DM,
            "README.md": "not a dataset",
            "labels.json": '{"dm": "Demographics"}',
            ".hidden.csv": "USUBJID\n",
            "suppdm.csv": "USUBJID,IDVAR,IDVARVAL,QNAM,QVAL\nS-002,,,KI67,12\n",
        },
    )
    ae = pl.DataFrame({"USUBJID": ["S-001"], "AESEQ": [1], "AETERM": ["Nausea"]})
    write_dataset(ae, folder / "ae.xpt")

    frames = read_study(folder)

    assert list(frames) == ["AE", "DM"]
    assert_frame_equal(frames["AE"], ae)
    assert frames["DM"]["KI67"].to_list() == [None, "12"]
    assert list(read_study(folder, supplemental=False)) == ["AE", "DM", "SUPPDM"]


def test_findings_that_stop_nothing_come_with_the_study(tmp_path):
    folder = write_folder(tmp_path / "study", {"dm.csv": DM, "xx.csv": "A\n1\n"})

    frames, findings = inspect_study(folder)

    assert frames.keys() == {"DM", "XX"}
    assert set(findings["severity"]) == {"warning"}
    assert "XX: the dataset is one that we know" in told(findings)


TWELVE_FAULTS = {
    "dm.csv": "USUBJID,SEX,ARM,AGE\nS-001,F,A,61\nS-002,M,A,sixty\n",
    "ex.csv": "USUBJID,EXSEQ,EXTRT,EXDOSE,EXDOSU,EXSTDTC\nS-001,1,Lu,7.4,,2024-01-10\n",
    "ae.csv": (
        "USUBJID,AESEQ,AETERM,AESER,AESTDTC,AEENDTC\n"
        "S-001,1,Nausea,N,2024-02-30,\n"
        "S-001,2,Fatigue,MAYBE,2024-03-01,\n"
    ),
    "ae.xpt": b"",
    "lb.parquet": b"PAR1 and no more",
    "tr.csv": (
        "USUBJID,TRSEQ,TRTESTCD,TRSTRESC,TRSTRESN,TRSTRESU\n"
        "S-001,1,LDIAM,2.1,2.1,cm\n"
        "S-001,2,LDIAM,612,612,mm\n"
        "S-001,2,LDIAM,14,14,mm\n"
    ),
    "rs.csv": (
        "USUBJID,RSSEQ,RSTESTCD,RSSTRESC\n"
        "S-001,1,OVRLRESP,CHECK\n"
        "S-009,1,OVRLRESP,PD\n"
    ),
    "vs.csv": "USUBJID,VSSEQ,VSTESTCD\nS-001,1,WEIGHT\n",
}  # fmt: skip
TWELVE_CLAUSES = (
    "AE: a study has each dataset once, and here are ae.csv and ae.xpt.",
    "DM: AGE is a number; 1 of 2 rows",
    "LB: lb.parquet can be read, but",
    "AE: a date is written as in ISO 8601 and is on the calendar (AESTDTC); 1 of 2 rows",
    "AE: AESER is blank or one of N, Y; 1 of 2 rows",
    "EX: a dose has a unit that CDISC knows (EXDOSU)",
    "RS: a response is one of CR, PR, SD",
    "RS: every subject is in DM (USUBJID); 1 of 2 rows",
    "TR: no two rows have the same USUBJID and TRSEQ; 2 of 3 rows",
    "TR: every lesion diameter is in millimetres (TRSTRESU); 1 of 3 rows",
    "TR: a diameter lies between 0 and 500 mm (TRSTRESN); 1 of 3 rows",
    "VS: lacks VSSTRESN (Numeric Result/Finding in Standard Units).",
)


@pytest.mark.by_hand
def test_a_folder_of_twelve_faults_gives_one_message_that_names_them_all(tmp_path):
    folder = write_folder(tmp_path / "study", TWELVE_FAULTS)

    with pytest.raises(DatasetError) as error:
        read_study(folder)

    message = str(error.value)
    assert "12 of them to mend first" in message
    assert len(TWELVE_CLAUSES) == 12
    for clause in TWELVE_CLAUSES:
        assert message.count(clause) == 1
    assert message.count("S-009") == 1
    assert sorted(each.name for each in folder.iterdir()) == sorted(TWELVE_FAULTS)


def test_a_study_is_a_folder_with_demographics(tmp_path):
    with pytest.raises(DatasetError, match="there is no such folder"):
        read_study(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="DM: the dataset is in the study"):
        read_study(write_folder(tmp_path / "empty", {}))


def test_demographics_that_cannot_be_read_are_not_called_absent_too(tmp_path):
    findings = inspect_study(write_folder(tmp_path / "study", {"dm.xpt": b"?"})).findings
    assert findings.height == 1
    assert findings["rule"].item().startswith("dm.xpt can be read, but it does not begin")


# --- writing --------------------------------------------------------------------------------------


def test_what_a_transport_file_cannot_hold_is_told_at_once_and_nothing_is_written(tmp_path):
    frame = pl.DataFrame({
        "USUBJID": ["1"], "LONGCOLUMN": ["x"], "lower": [1.0], "AETERM": ["é" * 101],
        "YES": [True],
    })  # fmt: skip

    with pytest.raises(DatasetError) as error:
        write_dataset(frame, tmp_path / "ae.xpt", label="l" * 41, labels={"YES": "m" * 50})

    for says in (
        "LONGCOLUMN is not a name of at most 8",
        "lower is not a name of at most 8",
        "AETERM holds a text of 202 bytes",
        "YES is Boolean",
        "the label of AE has 41 characters",
        "the label of YES has 50 characters",
    ):
        assert says in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pl.Series([float("inf")]), "AVAL holds an infinite number"),
        (pl.Series([[1, 2]]), "AVAL is List"),
    ],
)
def test_what_json_cannot_hold_is_refused(tmp_path, column, says):
    with pytest.raises(DatasetError, match=says):
        write_dataset(pl.DataFrame({"AVAL": column}), tmp_path / "adlb.json")
    assert list(tmp_path.iterdir()) == []


def test_one_bad_dataset_keeps_the_whole_study_from_being_written(tmp_path):
    frames = {"DM": pl.DataFrame({"USUBJID": ["1"]}), "AE": pl.DataFrame({"LONGCOLUMN": ["x"]})}
    with pytest.raises(DatasetError, match="AE: LONGCOLUMN is not a name"):
        write_study(frames, tmp_path / "study", format="xpt")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_writing_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "ae.parquet"
    write_dataset(pl.DataFrame({"USUBJID": ["1"]}), path)
    before = path.read_bytes()

    def fail(frame, file):
        Path(file).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", fail)
    with pytest.raises(OSError, match="no space left"):
        write_dataset(pl.DataFrame({"USUBJID": ["2"]}), path)
    with pytest.raises(OSError, match="no space left"):
        write_study({"AE": pl.DataFrame({"USUBJID": ["2"]})}, tmp_path / "study")

    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["ae.parquet"]


def test_a_study_replaces_a_study_but_nothing_else(tmp_path):
    folder = tmp_path / "adam"
    write_study({"ADRS": ADRS, "ADTR": ADRS}, folder)
    write_study({"ADRS": ADRS}, folder, format="csv")
    assert [each.name for each in folder.iterdir()] == ["adrs.csv"]

    (folder / "thesis.docx").write_text("years of work")
    with pytest.raises(DatasetError, match=r"holds more than datasets \(thesis.docx\)"):
        write_study({"ADRS": ADRS}, folder)
    with pytest.raises(DatasetError, match="is a file"):
        write_study({"ADRS": ADRS}, folder / "thesis.docx")
    assert (folder / "thesis.docx").read_text() == "years of work"


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"adrs\.xlsx: give one of"):
        write_dataset(ADRS, tmp_path / "adrs.xlsx")


def test_dataset_json_says_what_the_standard_requires(tmp_path):
    write_dataset(ADRS, tmp_path / "adrs.json", created=datetime(2024, 3, 9, 10, 11, 12))

    about = json.loads((tmp_path / "adrs.json").read_text(encoding="utf-8"))

    assert about["datasetJSONCreationDateTime"] == "2024-03-09T10:11:12"
    assert about["datasetJSONVersion"] == "1.1.0"
    assert about["itemGroupOID"] == "IG.ADRS"
    assert (about["name"], about["label"]) == ("ADRS", "Response Analysis Dataset")
    assert about["records"] == len(about["rows"]) == 3
    assert about["rows"][0][:6] == ["S-001", 1, "OVRLRESP", "PR", 2.0, "2024-05-01"]
    columns = {column["name"]: column for column in about["columns"]}
    assert columns["USUBJID"] == {
        "itemOID": "IT.ADRS.USUBJID", "name": "USUBJID", "label": "Unique Subject Identifier",
        "dataType": "string", "length": 5, "keySequence": 1,
    }  # fmt: skip
    assert columns["ADT"]["dataType"] == "date"
    assert columns["ADT"]["targetDataType"] == "integer"
    assert columns["ADT"]["displayFormat"] == "DATE9."
    assert columns["AVAL"]["dataType"] == "double"


def test_lines_hold_what_the_document_holds(tmp_path):
    for format in ("json", "ndjson", "dsjc"):
        write_dataset(ADRS, tmp_path / f"adrs.{format}")
    document = json.loads((tmp_path / "adrs.json").read_bytes())
    rows = document.pop("rows")

    lines = (tmp_path / "adrs.ndjson").read_bytes()

    assert [json.loads(line) for line in lines.splitlines()] == [document, *rows]
    assert zlib.decompress((tmp_path / "adrs.dsjc").read_bytes()) == lines


# --- public data ----------------------------------------------------------------------------------


def obeys(value, schema, root):
    """Hold JSON against the few words of JSON Schema that the standard uses."""
    if "$ref" in schema:
        return obeys(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    if not isinstance(value, kinds[schema.get("type", "object")]):
        return False
    properties = schema.get("properties", {})
    if isinstance(value, dict):
        known = (
            schema.get("additionalProperties", True) is not False
            or value.keys() <= properties.keys()
        )
        return (
            known
            and set(schema.get("required", ())) <= value.keys()
            and all(obeys(each, properties[name], root) for name, each in value.items())
        )
    if isinstance(value, list):
        return (
            all(obeys(each, schema["items"], root) for each in value) if "items" in schema else True
        )
    if isinstance(value, str):
        return value in schema.get("enum", [value]) and bool(
            re.search(schema.get("pattern", ""), value)
        )
    return value >= schema.get("minimum", value)


@needs_conformance
@pytest.mark.conformance
def test_our_dataset_json_obeys_the_schema_of_the_standard(tmp_path):
    # the schema for NDJSON refers to a definition of Column that it does not hold
    path = CONFORMANCE / "datasetjson" / "schema" / "dataset.schema.json"
    root = json.loads(path.read_bytes())
    write_dataset(ADRS, tmp_path / "adrs.json")

    document = json.loads((tmp_path / "adrs.json").read_bytes())

    assert obeys(document, root, root)
    assert not obeys(document | {"records": "3"}, root, root)
    assert not obeys(document | {"columns": [{"name": "A"}]}, root, root)


@needs_conformance
@pytest.mark.conformance
@pytest.mark.parametrize("name", ["adam/adsl", "adam/adtte", "sdtm/ae"])
@pytest.mark.parametrize("format", ["json", "ndjson", "dsjc"])
def test_the_examples_of_the_standard_are_the_same_in_each_format(name, format):
    transport = read_dataset(CONFORMANCE / "datasetjson" / f"{name}.xpt")
    other = read_dataset(CONFORMANCE / "datasetjson" / f"{name}.{format}")
    assert transport.height > 70
    assert_frame_equal(other, transport)


@pytest.fixture
def public_study(tmp_path):
    folder = tmp_path / "sdtm"
    folder.mkdir()
    for path in (CONFORMANCE / "sdtm").glob("*.parquet"):
        if not path.stem.endswith("_onco") and path.stem != "smq_db":
            shutil.copy(path, folder / f"{path.stem.partition('_')[0]}.parquet")
    return folder


@needs_conformance
@pytest.mark.conformance
def test_a_public_study_is_read_with_warnings_only(public_study):
    frames, findings = inspect_study(public_study)

    assert findings.select("dataset", "severity", "broken").rows() == [
        ("LB", "warning", 3789),  # ratios and microscopy without a unit
        ("TU", "warning", 1),  # no TUDTC
    ]
    assert {name: frames[name].height for name in ("DM", "TU", "TR", "RS")} == {
        "DM": 306, "TU": 75, "TR": 546, "RS": 66,
    }  # fmt: skip
    assert frames["DM"]["ITT"].value_counts().sort("count").rows() == [(None, 52), ("Y", 254)]
    assert frames.keys() <= SDTM.keys()


@needs_conformance
@pytest.mark.conformance
@every_format
def test_a_public_study_is_the_same_through_each_format(public_study, tmp_path, format):
    frames = read_study(public_study)
    write_study(frames, tmp_path / "copy", format=format)
    copy = read_study(tmp_path / "copy")
    assert copy.keys() == frames.keys()
    for name, frame in frames.items():
        assert_frame_equal(copy[name], frame)


@needs_conformance
@pytest.mark.conformance
def test_responses_that_need_a_check_stop_the_older_public_study(public_study):
    for domain in ("tu", "tr", "rs"):
        path = CONFORMANCE / "sdtm" / f"{domain}_onco.parquet"
        shutil.copy(path, public_study / f"{domain}.parquet")

    with pytest.raises(DatasetError, match=r"RS: a response is one of .*; 3 of 5808 rows") as error:
        read_study(public_study)

    assert "1 of them to mend first" in str(error.value)
    assert "RSSTRESC 'CHECK'" in str(error.value)
