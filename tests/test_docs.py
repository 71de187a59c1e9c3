# SPDX-License-Identifier: Apache-2.0
"""The documentation holds: examples run, commands and names are there, tables name every key."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import get_args

import click
import polars as pl
import pytest
from click.testing import CliRunner

from radioligand import criteria, statistics
from radioligand.analysis import SCHEMA, analyse, results_json
from radioligand.cli import cli
from radioligand.derivation import derive, invariants
from radioligand.evidence import METHODS, counted, read_published, reproduce
from radioligand.evidence.records import Kind
from radioligand.io.datasets import read_datasets, read_study, write_study
from radioligand.io.documents import read_protocol, shipped_protocols
from radioligand.protocol import ProtocolError, parse_protocol, policies, records
from radioligand.simulation.patients import read_population, simulate_study
from radioligand.statistics import (
    crossover,
    longitudinal,
    multiplicity,
    proportions,
    sequential,
    survival,
)

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in (*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")))
}
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
EXAMPLE = re.compile(r"^```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.M | re.S)


def page(name: str) -> str:
    return PAGES[f"docs/{name}.md"]


def prose(text: str) -> str:
    """The page without what stands in fences, where a # is no heading and a [ no link."""
    return FENCE.sub("", text)


# --- examples -------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def desk(tmp_path_factory):
    """A folder as `make demo` leaves it, but for the pictures."""
    folder = tmp_path_factory.mktemp("desk")
    report = folder / "demo-report"
    report.mkdir()
    protocol = read_protocol("netter-2")
    population = read_population("netter-2")
    virtual = simulate_study(protocol=protocol, population=population, seed=1)
    write_study(virtual, report / "sdtm")
    adam = derive(read_study(report / "sdtm"), protocol=protocol)
    write_study(adam, report / "adam")
    results = analyse(adam, protocol=protocol)
    results.write_parquet(report / "results.parquet")
    (report / "results.json").write_text(results_json(results), "utf-8")
    return folder


@pytest.mark.parametrize("name", [name for name, text in PAGES.items() if EXAMPLE.search(text)])
def test_examples_run_and_print_what_the_page_says(name, desk, monkeypatch, capsys):
    monkeypatch.chdir(desk)
    names: dict[str, object] = {}
    for code, expected in EXAMPLE.findall(PAGES[name]):
        exec(compile(code, name, "exec"), names)

        printed = capsys.readouterr().out
        if expected:
            assert printed == expected


def protocol_tables() -> list[str]:
    return [code for language, code in FENCE.findall(page("protocol")) if language == "toml"]


def is_part_of(part: object, whole: object) -> bool:
    """Every table of `part` is there in `whole`, with more keys perhaps."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and is_part_of(value, whole[key]) for key, value in part.items()
        )
    if isinstance(part, list) and part and isinstance(part[0], dict):
        return all(any(is_part_of(one, other) for other in whole) for one in part)
    return part == whole


def shipped_document(name: str = "netter-2") -> dict:
    return tomllib.loads((files("radioligand") / "trials" / f"{name}.toml").read_text("utf-8"))


def test_protocol_examples_are_taken_from_the_shipped_documents():
    shipped = [shipped_document(name) for name in shipped_protocols()]
    examples = [tomllib.loads(code) for code in protocol_tables()]

    assert len(examples) > 20
    assert [one for one in examples if not any(is_part_of(one, each) for each in shipped)] == []
    assert not any(is_part_of({"arms": [{"ratio": 3}]}, each) for each in shipped)


def test_faults_read_as_the_page_shows_them():
    document = shipped_document()
    document["randomisation"]["block_size"] = 5
    next(one for one in document["analyses"] if one["id"] == "pfs")["endpoint"] = "PFX"

    with pytest.raises(ProtocolError) as told:
        parse_protocol(document, name="my-trial.toml")

    assert f"Error: {told.value}\n" in page("protocol")


# --- the protocol document ------------------------------------------------------------------------


def protocol_records() -> list[type[records.Record]]:
    """Every record that a protocol can hold, and those they share."""
    found: list[type[records.Record]] = [records.Analysis]

    def walk(record: type[records.Record]) -> None:
        if record in found:
            return
        found.append(record)
        for field in record.model_fields.values():
            for inner in inside(field.annotation):
                walk(inner)

    def inside(annotation: object) -> Iterator[type[records.Record]]:
        if isinstance(annotation, type) and issubclass(annotation, records.Record):
            yield annotation
        for part in get_args(annotation):
            yield from inside(part)

    walk(records.Protocol)
    return found


def default_of(field) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, records.Response):
        return "—"
    if isinstance(value, records.Record):
        inside = value.model_dump(exclude_none=True)
        return f"`{{ {', '.join(f'{key} = {toml(one)}' for key, one in inside.items())} }}`"
    return "—" if value in (None, (), {}) and value is not False else f"`{toml(value)}`"


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


@pytest.mark.parametrize("record", protocol_records(), ids=lambda record: record.__name__)
def test_protocol_page_lists_every_key_with_its_default(record):
    table = re.search(rf"\(`{record.__name__}`\):\n\n\|.*\n\|.*\n((?:\|.*\n)+)", page("protocol"))
    assert table, f"docs/protocol.md has no table of the keys of `{record.__name__}`"
    rows = [[cell.strip() for cell in row.split(" | ")] for row in table[1].splitlines()]
    told = {row[0].strip("|` "): row[-1].strip("| ") for row in rows}

    shared = records.Analysis.model_fields if issubclass(record, records.Analysis) else {}
    own = record.model_fields.items()
    assert told == {
        field.alias or key: default_of(field)
        for key, field in own
        if record is records.Analysis or key not in shared
    }


def test_protocol_page_has_every_word_of_a_condition():
    words = {*criteria.OPERATORS, "unit", "within_days", "before", "all", "any", "not"}
    assert {word for word in words if f"`{word}`" not in page("protocol")} == set()


@pytest.mark.parametrize("protocol", shipped_protocols())
def test_every_policy_is_explained(protocol):
    # which analyses chose otherwise than the others stands behind the name of a policy
    named = {name.partition(" (")[0] for name, *_ in policies(read_protocol(protocol))}
    named = {name.split(".")[-1] for name in named}
    text = page("response") + page("endpoints")

    assert {name for name in named if f"`{name}`" not in text} == set()


@pytest.mark.parametrize("name", shipped_protocols())
def test_study_conventions_name_everything_that_the_protocol_looks_for(name):
    protocol = read_protocol(name)
    data, text = protocol.data, page("study-conventions")
    sources = [
        *(data.randomised, data.first_treatment, data.last_treatment, data.death),
        *(data.end_of_study, *data.new_therapy, *data.alive),
        *(one.source for one in protocol.variables if one.source),
    ]
    wanted = {source.dataset for source in sources}
    for source in sources:
        wanted |= {source.value, source.date, source.end, source.unit, source.per} - {None}
        for value in source.where.values():
            wanted |= set(value) if isinstance(value, tuple) else {value}

    assert {word for word in wanted if str(word) not in text} == set()


# --- commands, statistics, rooms ------------------------------------------------------------------


def help_of(*words: str) -> str:
    """The help text as a terminal of 80 columns shows it."""
    asked = CliRunner().invoke(cli, [*words, "--help"], prog_name="radioligand", terminal_width=78)
    return asked.output.strip()


def commands() -> Iterator[str]:
    """Every command, those of a group with the group's name before theirs."""
    for name, command in cli.commands.items():
        yield name
        yield from (f"{name} {one}" for one in getattr(command, "commands", ()))


@pytest.mark.parametrize("command", ["", *commands()])
def test_every_command_is_documented_with_its_current_help(command):
    part = page("commands").split("\n## ")
    section = next((one for one in part if one.startswith(f"{command}\n")), part[0])

    assert FENCE.search(section)[2].strip() == help_of(*command.split())


def shell_lines() -> Iterator[tuple[str, str]]:
    for name, text in PAGES.items():
        for language, code in FENCE.findall(text):
            for line in code.splitlines() if language == "sh" else ():
                if line.startswith("radioligand "):
                    yield name, line


@pytest.mark.parametrize(("name", "line"), list(shell_lines()))
def test_command_lines_can_be_typed(name, line):
    _, *words = shlex.split(line.partition(" > ")[0], comments=True)
    command: click.Command = cli
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    parser = command.make_parser(click.Context(command))

    _, left_over, _ = parser.parse_args(words)  # raises for an option that is not there
    assert left_over == [], f"{name}: {line}"


DOORS = (survival, proportions, sequential, multiplicity, longitudinal, crossover)
STATISTICS = {name: text for name, text in PAGES.items() if name.startswith("docs/statistics/")}
METHOD_PAGES = {name: text for name, text in STATISTICS.items() if not name.endswith("/index.md")}
PARTS = ("When.", "When not.", "Formula.", "Source.", "In R.", "Example.")


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__.split(".")[-1])
def test_every_public_name_of_statistics_is_explained(door):
    text = "".join(STATISTICS.values())
    assert [name for name in door.__all__ if not re.search(rf"`{name}\b", text)] == []


def test_published_page_has_every_method_group_and_exception():
    published = read_published()
    rows = reproduce(published)
    methods = {name for name in METHODS if not name.endswith(", before rounding")}
    groups = {f"{study.id}.{group.id}" for study in published.studies for group in study.groups}
    exceptions = {row.id for row in rows if row.verdict != "match"}
    text = page("published")

    assert {word for word in methods | groups | exceptions if f"`{word}`" not in text} == set()


def test_published_page_counts_the_rows():
    rows = reproduce(read_published())
    direct, checks = ([row for row in rows if row.kind == kind] for kind in get_args(Kind))
    text = " ".join(page("published").split())
    found = counted(direct)

    assert (
        f"{len(direct)} direct rows ({found['match']} match, {found['alternative']} by an "
        f"alternative, {found['no match']} do not; {found['weak']} are weak)"
    ) in text
    assert f"{len(checks)} consistency checks ({counted(checks)['match']} hold" in text


def test_every_door_of_statistics_is_named():
    names = [door.__name__.split(".")[-1] for door in DOORS]
    assert [name for name in names if f"| `{name}` |" not in page("statistics/index")] == []
    assert [name for name in names if f"`{name}`" not in statistics.__doc__] == []


@pytest.mark.parametrize("name", METHOD_PAGES)
def test_every_method_says_when_and_when_not_and_how(name):
    text = METHOD_PAGES[name]
    places = [text.find(f"**{part}**") for part in PARTS]

    assert places == sorted(places)
    assert places[0] > 0
    assert EXAMPLE.search(text)[2], "the example prints nothing that is checked"


def test_every_method_is_reached_from_the_index_of_statistics():
    reached = {target for name, target in links() if name == "docs/statistics/index.md"}
    assert {Path(name).name for name in METHOD_PAGES} - reached == set()


def test_every_room_is_in_the_architecture():
    house = [path for path in files("radioligand").iterdir() if not path.name.startswith("_")]
    rooms = {path.name.removesuffix(".py") for path in house} - {"py.typed"}

    assert {room for room in rooms if f"| `{room}` |" not in page("architecture")} == set()


def test_report_page_has_every_column_analysis_and_invariant():
    kinds = {
        kind
        for record in get_args(get_args(records.AnyAnalysis)[0])
        for kind in get_args(record.model_fields["kind"].annotation)
    }
    text = page("report")

    assert {word for word in {*SCHEMA, *kinds} if f"`{word}`" not in text} == set()


def test_report_page_has_every_statistic(desk):
    statistics = pl.read_parquet(desk / "demo-report" / "results.parquet")["statistic"].unique()
    named = {
        re.sub(r"_(lower|upper)$", "", name).replace("_local", "_central") for name in statistics
    }

    assert len(named) > 40
    assert {name for name in named if f"`{name}`" not in page("report")} == set()


def test_report_page_says_what_verify_checks(desk):
    checks = invariants(read_datasets(desk / "demo-report" / "adam"))
    text = page("report")
    plain = {says for says in checks["says"] if not re.match(r"C?BCP is Y", says)}

    assert checks.height > 5
    assert {says for says in plain if says not in text} == set()


# --- links ----------------------------------------------------------------------------------------


def links() -> Iterator[tuple[str, str]]:
    for name, text in PAGES.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
            if not re.match(r"[a-z]+:", target):
                yield name, target


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", prose(text), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in headings}


@pytest.mark.parametrize(("name", "target"), sorted(set(links())))
def test_relative_links_lead_somewhere(name, target):
    file, _, anchor = target.partition("#")
    path = (ROOT / name).parent / file if file else ROOT / name

    assert path.exists()
    if anchor:
        assert anchor in anchors(path.read_text("utf-8"))


def test_every_page_is_reached_from_the_index():
    reached = {target.partition("#")[0] for name, target in links() if name == "docs/index.md"}
    assert {path.name for path in DOCS.glob("*.md")} - reached - {"index.md"} == set()
