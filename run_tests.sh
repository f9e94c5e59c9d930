#!/usr/bin/env bash
# All checks; CI runs only this file.
#
#   ./run_tests.sh                 lint, format, types, ordinary and slow tests, then timed tests
#   ./run_tests.sh fast            lint, format, types and ordinary tests
#   ./run_tests.sh [fast] ARG...   pass ARG... to pytest; paths are relative to this folder; -n 0 is one process
set -euo pipefail
unset CDPATH
cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")"

./run_all.sh --setup-only dev,demo

parts=("not timed" "timed")
if [[ ${1:-} == fast ]]; then
    parts=("not slow and not timed")
    shift
fi

check() {
    printf '== %s\n' "$*"
    .venv/bin/python -m "$@"
}

check ruff check
check ruff format --check
check mypy

nothing_selected=5 # pytest's exit code; allowed in one part if ARG... chose tests of the other
ran=0
for part in "${parts[@]}"; do
    code=0
    if [[ $part == timed ]]; then
        check pytest -m "$part" "$@" || code=$?
    else
        # Two processes with one thread each. A file's tests stay together, so that they share fixtures, and files
        # begin in the order of tests/conftest.py.
        OMP_NUM_THREADS=1 check pytest -m "$part" -n 2 --dist loadfile --no-loadscope-reorder "$@" || code=$?
    fi
    if [[ $code -eq 0 ]]; then
        ran=1
    elif [[ $code -ne $nothing_selected ]]; then
        exit "$code"
    fi
done
if [[ $ran -eq 0 ]]; then
    exit "$nothing_selected"
fi
