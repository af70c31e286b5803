# Everything happens in .venv; `make help` lists the targets.
#   make book DATASET=path/to/Market-1501-v15.09.15.zip WEIGHTS=path/to/checkpoint.pth BATCH_SIZE=8
# Another interpreter: PYTHON=python3.12 make book
# numpy 1.26 in place of 2.x, for Python 3.10 to 3.12: make book CONSTRAINTS=constraints-numpy1.txt

PYTHON      ?= python3
CONSTRAINTS ?= constraints.txt
VENV        := .venv
RUN         := $(VENV)/bin/python

# Container images set this. Each process of the study and of the tests, some hundred, would compile the library anew.
unexport PYTHONDONTWRITEBYTECODE

# The shell reads these from the environment, so that a path may hold spaces or quotes.
export DATASET WEIGHTS BATCH_SIZE BACKEND DEVICE PRECISION PICTURES
STUDY  = $(if $(DATASET),--dataset "$$DATASET") $(if $(WEIGHTS),--weights "$$WEIGHTS") \
         $(if $(BATCH_SIZE),--batch-size "$$BATCH_SIZE") $(if $(BACKEND),--backend "$$BACKEND") \
         $(if $(DEVICE),--device "$$DEVICE") $(if $(PRECISION),--precision "$$PRECISION") \
         $(if $(PICTURES),--pictures)

.PHONY: help book check lint types contract outputs messages test test-browser test-cluster test-market fuzz storm coverage lab wheels clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## */\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
	    printf '  make %-12s %s\n' "$$name" "$$text"; done
	@echo '  Options of book: DATASET= WEIGHTS= BATCH_SIZE= BACKEND= DEVICE= PRECISION= PICTURES=   Interpreter: PYTHON=   Versions: CONSTRAINTS='

book: $(VENV)/.installed  ## run every notebook that is not current, build the book in English and Chinese, print its index.html
	@$(RUN) -m osnet_lib study $(STUDY)

check: lint types contract outputs  ## what a change must keep: style, types, rows of imports, notebooks without outputs

lint: $(VENV)/.installed  ## ruff: rules and format
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

contract: $(VENV)/.installed  ## a package imports only from rows below its own
	@$(VENV)/bin/lint-imports

outputs: $(VENV)/.installed  ## notebooks are stored without outputs
	@$(RUN) tools/outputs.py

test: $(VENV)/.installed  ## run the test suite
	@$(RUN) -m pytest -q -n auto

test-cluster: $(VENV)/.installed  ## kill workers, nodes and drivers of a Ray cluster on this machine (a minute or two)
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -q -m cluster tests/cluster

test-browser: $(VENV)/.installed  ## open every page of the built book in a Chromium (needs one, and make book before)
	@$(RUN) -m pytest -q -m browser tests/browser

messages: $(VENV)/.installed  ## bring the catalogues of the Chinese edition up to the pages, list what lacks a translation
	@$(RUN) tools/messages.py

coverage: $(VENV)/.installed  ## run the test suite and fail where it covers fewer branches than it did
	@$(RUN) -m pytest -q -n auto --cov

test-market: $(VENV)/.installed  ## score the whole test splits of Market-1501 (needs the data) and mini-market; minutes
	@$(RUN) -m pytest -q -m market_full --timeout 0

fuzz: $(VENV)/.installed  ## read 50,000 damaged and edited files of every kind (INPUTS= SEED= TARGET= AGAIN=)
	@PYTHONPATH=tests OMP_NUM_THREADS=1 $(RUN) -m fuzz $(if $(INPUTS),--inputs $(INPUTS)) $(if $(SEED),--seed $(SEED)) \
	    $(if $(TARGET),--target '$(TARGET)') $(if $(AGAIN),--again '$(AGAIN)')

storm: $(VENV)/.installed  ## kill every command at random moments, 100 times, and compare the ends (KILLS= SEED= COMMAND=)
	@PYTHONPATH=tests $(RUN) -m storm $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED)) \
	    $(if $(COMMAND),--command '$(COMMAND)')

types: $(VENV)/.installed  ## check the types
	@$(RUN) tools/check_types.py

lab: $(VENV)/.installed  ## open copies of the notebooks, in lab/, in JupyterLab
	@$(RUN) tools/lab.py

wheels: $(VENV)/.installed  ## collect all wheels for a Linux host without network, in wheels/ (ARCH= PYTHON_VERSION=)
	@$(RUN) tools/wheels.py --constraints $(CONSTRAINTS) $(if $(ARCH),--arch $(ARCH)) \
	    $(if $(PYTHON_VERSION),--python $(PYTHON_VERSION))

clean:  ## remove executed notebooks, intermediates and the book; results/ and .venv stay
	rm -rf _build executed work fuzz_failures .pytest_cache .hypothesis

# The stamp is written last: an interrupted installation is taken up again. It names the constraints: with others it is made again.
ifneq ($(CONSTRAINTS),$(shell cat $(VENV)/.installed 2>/dev/null))
.PHONY: $(VENV)/.installed
endif
$(VENV)/.installed: requirements.txt requirements-optional.txt $(CONSTRAINTS) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed, this is " + sys.version.split()[0] + ". Try: PYTHON=python3.12 make")'
	@$(PYTHON) -c 'import sys; sys.exit("numpy1" in sys.argv[1] and sys.version_info >= (3, 13) and "numpy 1.26 needs Python 3.10 to 3.12, this is " + sys.version.split()[0] + ".")' '$(CONSTRAINTS)'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --disable-pip-version-check --progress-bar off -r requirements.txt -c $(CONSTRAINTS)
	$(RUN) -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@grep -v '^#' requirements-optional.txt | while read -r package; do \
	    $(RUN) -m pip install --disable-pip-version-check -q --only-binary :all: --no-binary jieba --no-build-isolation "$$package" -c $(CONSTRAINTS) 2>/dev/null </dev/null \
	    || echo "$$package cannot be installed here (nothing for this system, or no network): the study goes without it."; done
	@echo '$(CONSTRAINTS)' > $@
