# The tasks of tasks.py for users of uv and just. tasks.py needs neither.
# The versions are those of requirements.lock, so that rows are the same as in continuous integration.

export UV_NO_SYNC := "1"

# set up .venv with the locked versions
sync:
    uv venv --allow-existing
    uv pip sync --require-hashes requirements.lock
    uv pip install --no-deps --editable .

# run the main job on sample_data
demo *arguments: sync
    uv run curate run demo --output out/demo {{arguments}}

# the quick tier of the tests
test *arguments: sync
    uv run pytest -n auto --dist loadgroup {{arguments}}

# all tests, as continuous integration runs them
test-all *arguments: sync
    CURATE_TESTS=thorough uv run pytest -n auto --dist loadgroup {{arguments}}

# format, lint, spelling, TOML, generated pages, types
check: sync
    uv run ruff format --check .
    uv run ruff check .
    uv run codespell
    uv run python -c 'import tasks; tasks.check_toml()'
    uv run python docs/generate.py --check
    uv run mypy

# write the generated pages of docs/
docs *arguments: sync
    uv run python docs/generate.py {{arguments}}

# write requirements.lock anew from pyproject.toml
lock:
    uv pip compile pyproject.toml --extra test --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate --output-file requirements.lock
