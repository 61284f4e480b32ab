# Two commands matter: `make lab` to learn and `make test` to check. Both set up everything they need in .venv.
# Works with GNU make 3.81 (macOS) and later.

# The programs of an environment lie elsewhere on Windows (make from Git Bash or MSYS2).
WINDOWS  := $(filter Windows_NT,$(OS))
PYTHON   ?= $(if $(WINDOWS),python,python3)
# The versions that are installed. With PINS= the newest ones that pyproject.toml allows.
PINS     ?= -c constraints.txt
LAB_ARGS ?=
SUITE_ARGS ?=
BENCH_ARGS ?=
SERVE_ARGS ?=
ASSIGNMENTS ?=
GRADE_ARGS ?=
WORKERS  ?= 2

# The stamp is named after where the course lies and what it needs: a moved folder or new pins install again, a `touch` does not.
STAMP  := .venv/.installed-$(shell { pwd; cat pyproject.toml constraints.txt; } | cksum | cut -d ' ' -f 1)
COURSE := $(STAMP:.venv/.installed-%=.venv/.course-%)
SITE   := $(STAMP:.venv/.installed-%=.venv/.site-%)
RUN    := .venv/$(if $(WINDOWS),Scripts,bin)/python
# Tests must not depend on what the learner has set for the lessons.
# Freed memory stays with the process, as in the lab (tutorial_lib/process.py).
MEMORY := MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=2147483647
TEST   := env -u TUTORIAL_DATASET -u TUTORIAL_USERS -u MPLBACKEND OMP_NUM_THREADS=1 $(MEMORY) $(RUN)
PYTEST := $(TEST) -m pytest --tb=short -n $(WORKERS)
# `check` proves that the twins of a lesson run one program, so by default each lesson runs in one language, even ones in
# English and odd ones in Chinese; .ci/run runs all.
TWINS  ?= one
# The long tests (killed and restarted processes, walks through a copy of the course) run with TESTS=all.
TESTS  ?= short
NOTEBOOKS := $(if $(filter all,$(TWINS)),notebooks/en notebooks/zh,$(wildcard notebooks/en/?[02468]_*.ipynb notebooks/zh/?[13579]_*.ipynb))
NBVAL  := --nbval --nbval-current-env --nbval-cell-timeout 120 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup lab progress test test-unit test-notebooks package package-check build check bench serve experiments real-data assignments grades assignments-check lab-smoke site setup-book book site-check clean

help: ## list these commands
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /~/' | awk -F '~' '{ printf "make %-17s %s\n", $$1, $$2 }'

setup: $(STAMP) ## make .venv and install everything (the others do this by themselves)
	@:

lab: $(STAMP) ## open JupyterLab on the first lesson (LESSONS=zh: in Chinese; LAB_ARGS="--no-browser --port 9999")
	@exec $(RUN) -m course.lab $(LAB_ARGS)

progress: $(STAMP) ## show which exercises you have right, lesson by lesson (LESSONS=zh: in Chinese)
	@$(RUN) -m course.progress

test: test-unit test-notebooks ## run everything: style, unit tests, lesson sources, every lesson (TWINS=all: in both languages)

test-unit: $(STAMP) ## run the style and unit tests only (TESTS=all: the long ones too)
	@echo "style"; $(RUN) -m ruff check --quiet . && $(RUN) -m ruff format --check .
	@echo "unit tests"; $(PYTEST) -rs $(if $(filter all,$(TESTS)),-m "not slow")

test-notebooks: $(STAMP) ## check the lesson sources and run every lesson only
	@echo "lessons"; $(TEST) -m course.build check
	@$(if $(wildcard notebooks/en/*.ipynb),echo "notebooks"; env -u TUTORIAL_DATA_DIR $(PYTEST) $(NBVAL) $(NOTEBOOKS),echo "no notebooks yet")

build: $(STAMP) ## rebuild the notebooks of both languages from notebooks/source
	@$(RUN) -m course.build build

check: $(STAMP) ## check the lesson sources and their notebooks without running them
	@$(RUN) -m course.build check

bench: $(STAMP) ## time a training step and a full ranking against textbook code (BENCH_ARGS=--write-floor: keep this run to compare with)
	@$(RUN) -m benchmarks $(BENCH_ARGS)

serve: $(STAMP) ## serve recommendations at 127.0.0.1 with a page to try them (SERVE_ARGS="--run runs/NAME --port 9000")
	@exec $(RUN) -m tutorial_lib.serving $(SERVE_ARGS)

experiments: $(STAMP) ## run all eight stages on the sample, in about 10 minutes (SUITE_ARGS="--scale full --dataset ml-100k")
	@env -u TUTORIAL_DATASET -u TUTORIAL_USERS OMP_NUM_THREADS=1 $(RUN) -m tutorial_lib.experiments suite $(SUITE_ARGS)

real-data: $(STAMP) ## run the training lessons on MovieLens 100K, found in TUTORIAL_DATA_DIR
	@$(RUN) tests/course/run_on_real_data.py

assignments: $(COURSE) ## make classroom/, what is handed out and graded, in both languages (ASSIGNMENTS="state_spaces": only this)
	@$(RUN) -m course.assignments.bundle $(ASSIGNMENTS)

grades: $(COURSE) ## grade what has been put into classroom/en/submitted and classroom/zh/submitted (GRADE_ARGS=--again: all of it)
	@$(RUN) -m course.assignments.classroom $(GRADE_ARGS)

assignments-check: $(COURSE) ## send a class through nbgrader, hostile submissions among them, in about five minutes
	@$(TEST) -m pytest --tb=short -m "" tests/course/test_assignments_guard.py tests/course/test_assignments_class.py

package: $(STAMP) ## make dist/: wheel, sdist and a zip file of all notebooks
	@rm -rf dist; $(RUN) -m course.archive package
	@$(RUN) -m course.archive notebooks

package-check: $(STAMP) ## install the wheel in an empty environment and use it, in about two minutes
	@$(TEST) -m pytest --tb=short -rs -m "" tests/test_package.py

lab-smoke: $(STAMP) ## check that `make lab` starts on a busy port and serves the first lesson
	@$(RUN) tests/course/lab_smoke.py

site: $(STAMP) ## build the web pages of both languages into build/site, from the notebooks as they are
	@$(RUN) -m course.site

setup-book: $(SITE) ## install what the pages, PDF and EPUB need, and nothing else
	@:

book: $(SITE) ## write PDF and EPUB of both languages into build/book
	@$(RUN) -m course.site.book

# Opens the pages in TUTORIAL_SITE, or builds them. Without pandoc and typst the rest is tested.
site-check: $(if $(TUTORIAL_SITE),$(STAMP),site) ## open the pages and the lab in a browser, in about four minutes; needs chromium
	@$(MAKE) --no-print-directory setup-book || echo "The tests of PDF, EPUB and axe are skipped."
	@TUTORIAL_SITE="$(or $(TUTORIAL_SITE),$(CURDIR)/build/site)" $(PYTEST) -rs -m "" tests/site/test_browser.py tests/site/test_lab.py tests/site/test_book_print.py

clean: ## remove caches and build products; never data, runs or .venv
	@rm -rf build dist *.egg-info .pytest_cache .ruff_cache
	@find . -name .venv -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# .unfinished marks an environment that an interrupted installation may have left half-made: it is made anew. When pip itself
# gives up on an environment that worked before (no network), it has undone its changes, so that one is kept.
$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "This course needs Python 3.11 or newer, but '$(PYTHON) --version' says '$$($(PYTHON) --version 2>&1)': install one and name it, for example 'make lab PYTHON=python3.12'." >&2; exit 1; }
	@test ! -e .venv/.unfinished && $(RUN) -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	{ rm -rf .venv && mkdir .venv && touch .venv/.unfinished && $(PYTHON) -m venv .venv; } || \
	{ echo "Python could not make the environment .venv (its message is above): on Debian or Ubuntu install python3-venv, then run the same command again." >&2; exit 1; }
	@echo "Setting up the course in .venv: about 2 GB, some minutes the first time ..."
	@touch .venv/.unfinished; $(RUN) -m pip install -qq --no-input --disable-pip-version-check $(PINS) -e '.[lab,dev]' || \
	{ status=$$?; if test $$status -le 128 && ls .venv/.installed-* >/dev/null 2>&1; then rm -f .venv/.unfinished; fi; \
	  echo "The installation failed (pip's message is above): check the network and the free disk space, then run the same command again." >&2; exit 1; }
	@rm -f .venv/.installed-* .venv/.unfinished; touch $@; echo "Set up."

# nbgrader adds pages for instructors to JupyterLab: only those who grade install it.
$(COURSE): $(STAMP)
	@echo "Installing nbgrader ..."; $(RUN) -m pip install -qq --no-input --disable-pip-version-check $(PINS) -e '.[lab,dev,course]' || \
	{ echo "nbgrader could not be installed (pip's message is above): check the network, then run the same command again." >&2; exit 1; }
	@rm -f .venv/.course-*; touch $@

# pandoc, typst and the driver of a browser: only those who make the book or test its pages need them.
$(SITE): $(STAMP)
	@echo "Installing pandoc and typst ..."; $(RUN) -m pip install -qq --no-input --disable-pip-version-check $(PINS) -e '.[lab,dev,site]' || \
	{ echo "pandoc and typst could not be installed (pip's message is above): check the network, then run the same command again." >&2; exit 1; }
	@rm -f .venv/.site-*; touch $@
