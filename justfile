# Every task of the project by name: `just`, or `uvx --from rust-just just`. Each is one line that works without just.

[private]
default:
    @just --list

# Install everything from the lock file
setup:
    uv sync --locked --all-packages

# The whole system on this machine, with a simulated Shopify
up *options:
    uv run understudy up {{options}}

# Every test that needs no Docker
test *options:
    uv run pytest -n 3 --dist loadfile {{options}}

# The tests that need a Docker engine
test-docker *options:
    uv run pytest -m docker {{options}}

# Measurements; they take minutes
bench *options:
    uv run pytest -m bench -s {{options}}

lint:
    uv run ruff check
    uv run ruff format --check

# Sort imports, fix what can be fixed, format
format:
    uv run ruff check --fix
    uv run ruff format

types:
    uv run mypy

# What must be green before a commit
check: lint types test

# What CI runs, from a bare machine on
ci:
    .ci/run

# Write .env.example from the settings classes
env:
    uv run python tests/environment.py > .env.example

# Cut the simulated Shopify's schema out of Shopify's own introspection (a .json or .json.gz of one API version)
schema introspection:
    uv run python -m sandbox.shopify.prune {{introspection}} > schema.new
    mv schema.new deploy/sandbox/sandbox/shopify/schema.graphql

# Build the images of all services
images:
    docker compose build
