# Everything runs in .venv, which these targets build with pinned versions.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test validation check lint types contracts audit sbom reference kernels benchmarks clean

demo: .venv/installed-run
	$(BIN)/radioligand demo netter-2 --out demo-report

test: .venv/installed-test
	$(BIN)/python -m pytest --numprocesses logical --dist loadfile --junitxml=results.xml

# Requirement, test, passed: the last run of the tests held against docs/validation.md.
validation: .venv/installed-test
	$(BIN)/python tests/service/validation.py results.xml

check: .venv/installed-check lint types contracts
	$(BIN)/python -m pytest --numprocesses logical --dist loadfile

lint: .venv/installed-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-check
	$(BIN)/mypy

contracts: .venv/installed-check
	$(BIN)/lint-imports

# Known vulnerabilities of the pinned packages; UNREACHABLE=--unreachable-passes lets a machine pass
# that cannot ask, and says that nothing was looked at.
audit: .venv-audit/bin/pip-audit
	.venv-audit/bin/python .ci/audit.py constraints.txt $(UNREACHABLE)

.venv-audit/bin/pip-audit:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip --disable-pip-version-check --quiet install pip-audit

# What the environment is made of (CycloneDX), for whoever has to know.
sbom: .venv/installed-test
	$(BIN)/python .ci/sbom.py > sbom.json

# The oracles of the tests, recomputed where R and its packages are installed; in Debian they are
#   r-base-core r-cran-cmprsk r-cran-jsonlite r-cran-lmertest r-cran-metafor r-cran-mvtnorm
#   r-cran-nlme r-cran-numderiv r-cran-rpact r-cran-survival
reference:
	cd tests/reference && for script in *.R; do Rscript $$script || exit 1; done

# The point kernel and the spheres of 177Lu, by Monte Carlo: two minutes.
kernels: .venv/installed-run
	$(BIN)/python -m radioligand.dosimetry.generation

# PEERS is the Python of an environment that has benchmarks/requirements.txt.
benchmarks: .venv/installed-run
	$(BIN)/python benchmarks/survival.py $(if $(PEERS),--peers $(PEERS))

clean:
	rm -rf .venv .venv-audit demo-report

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed-run: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

.venv/installed-test: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable '.[test]'
	@touch $@ .venv/installed-run

.venv/installed-check: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable '.[test,check]'
	@touch $@ .venv/installed-test .venv/installed-run
