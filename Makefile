# Every target makes its own .venv from the hashed lock file; only Python 3.11+, make and git are needed.
# The first that runs and is new enough; a name alone may be a shim that leads nowhere.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
RUNTIME := .venv/.runtime
DEV := .venv/.dev
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --upgrade
# As in production, with keys made for the moment: what `check --deploy` looks at. It connects to nothing.
PRODUCTION = env ENV_FILE=/dev/null DEBUG=false PUBLIC_URL=https://hub.example.com ALLOWED_HOSTS=hub.example.com \
	DATABASE_URL=postgres://hub@127.0.0.1/hub Q_CLUSTER_NAME= \
	SECRET_KEY=$$($(BIN)/python manage.py make_key --secret-key) \
	HUB_SECRET_KEYS=$$($(BIN)/python manage.py make_key)

.PHONY: help demo run test test-postgres test-browser lint check-deploy format bench lock clean

help: ## list what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(RUNTIME): requirements.lock
	@test -x $(BIN)/python || test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

$(DEV): requirements-dev.lock
	@test -x $(BIN)/python || test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@ $(RUNTIME)

.env: | $(RUNTIME)
	umask 077 && sed -e "s|^SECRET_KEY=.*|SECRET_KEY=$$($(BIN)/python manage.py make_key --secret-key)|" \
		-e "s|^HUB_SECRET_KEYS=.*|HUB_SECRET_KEYS=$$($(BIN)/python manage.py make_key)|" .env.example > .env.new
	mv .env.new .env

demo: $(RUNTIME) ## leads, rules, messages and users on a simulated Salesforce, Slack and Iterable
	DEBUG=true DATABASE_URL=sqlite:///$(CURDIR)/var/demo.sqlite3 $(BIN)/python manage.py demo

run: $(RUNTIME) .env ## the hub itself: pages and both queues, with the settings in .env
	$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python manage.py collectstatic --noinput --verbosity 0
	@echo "First time here? Make yourself an account: $(BIN)/python manage.py createsuperuser"
	deploy/run

test: $(DEV) ## all tests but those in a browser, on SQLite
	DATABASE_URL=sqlite://:memory: $(BIN)/pytest -n auto --ignore=tests/browser

test-postgres: $(DEV) ## the same on PostgreSQL; DATABASE_URL=postgres://… says which
	DATABASE_URL=$${DATABASE_URL:-postgres://postgres@127.0.0.1:5432/postgres} $(BIN)/pytest -n auto --ignore=tests/browser

test-browser: $(DEV) ## the pages in headless Chromium
	$(BIN)/pytest tests/browser

lint: $(DEV) check-deploy ## style, types, layers, migrations, deployment settings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	ENV_FILE=/dev/null DEBUG=true $(BIN)/python manage.py makemigrations --check --dry-run

check-deploy: $(RUNTIME) ## would these settings do in production?
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

format: $(DEV) ## bring the code into form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV) ## measure, on the simulator; PART=backfill one part, QUICK=1 with few records
	ENV_FILE=/dev/null $(BIN)/python bench/run.py $(addprefix --only ,$(PART)) $(if $(QUICK),--quick)

lock: ## renew both lock files; needs uv (https://docs.astral.sh/uv/)
	@command -v uv >/dev/null || { echo "This needs uv: https://docs.astral.sh/uv/"; exit 1; }
	$(LOCK) --quiet --output-file requirements.lock
	$(LOCK) --quiet --extra dev --output-file requirements-dev.lock

clean: ## remove .venv and caches; .env and databases stay
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache staticfiles
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
