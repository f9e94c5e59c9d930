#!/usr/bin/env bash
# Sets tunebench up beside this file, once, and runs a study.
#
#   ./run_all.sh                                   run the demo study, into runs/ and reports/ beside this file; then
#                                                  audit the static columns of the published tables, in one paragraph
#   ./run_all.sh STUDY                             run another study; all arguments go to `tunebench run`
#   ./run_all.sh my_study.toml --data-root DIR --plugin FILE --only method=lora
#   ./run_all.sh --setup-only dev,demo             only set up, with these extras of pyproject.toml
#
# Needs Python 3.11 or newer (PYTHON=/path/to/python picks one) and a package index that pip can reach.
set -euo pipefail
unset CDPATH

script=${BASH_SOURCE[0]}
while [[ -L $script ]]; do
    folder=$(cd -P -- "$(dirname -- "$script")" && pwd)
    script=$(readlink -- "$script")
    [[ $script == /* ]] || script=$folder/$script
done
root=$(cd -P -- "$(dirname -- "$script")" && pwd)
venv=$root/.venv
stamp=$venv/tunebench-setup # line 1: hash of the inputs; line 2: the extras. Absent during an install

say() { printf 'tunebench: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}

# Prints the interpreter behind the command $1 (a virtual environment's base), or fails unless it is Python >= 3.11.
usable_python() {
    "$1" -c 'import sys; assert sys.version_info >= (3, 11); print(getattr(sys, "_base_executable", sys.executable))' 2>/dev/null
}

find_python() {
    local name python
    if [[ -n ${PYTHON:-} ]]; then
        usable_python "$PYTHON" || fail "PYTHON=$PYTHON does not run as Python 3.11 or newer; point PYTHON at one or unset it"
        return
    fi
    for name in python3.13 python3.12 python3.11 python3; do
        if python=$(usable_python "$name") && "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            printf '%s\n' "$python"
            return
        fi
    done
    fail "found no Python 3.11 or newer with its venv module (looked for python3.13, python3.12, python3.11, python3);" \
        "install one (on Debian and Ubuntu with python3-venv) or name it: PYTHON=/path/to/python $0"
}

version_of() { "$1" -c 'import sys; print(sys.version)' 2>/dev/null; }

# A virtual environment is kept if it runs, has pip and, if PYTHON is set, has the same version.
venv_is_usable() {
    usable_python "$venv/bin/python" >/dev/null || return 1
    "$venv/bin/python" -c 'import pip' 2>/dev/null || return 1
    [[ -z ${PYTHON:-} || $(version_of "$venv/bin/python") == "$(version_of "$PYTHON")" ]]
}

make_venv() {
    local python=$1
    [[ ! -e $venv ]] || say "$venv does not work or has another Python version; making it again"
    rm -rf -- "$venv"
    say "making $venv with $python"
    "$python" -m venv "$venv" || {
        rm -rf -- "$venv"
        fail "$python could not make a virtual environment; on Debian and Ubuntu install python3-venv"
    }
}

# Hash of what an install depends on: the folder (an editable install stores it), minimum versions and pins.
inputs_hash() {
    { printf '%s\n' "$root" && cat -- "$root/pyproject.toml" "$root/constraints.txt"; } | cksum
}

# Hash of what the audit depends on: installed packages, code, and the published tables.
audit_hash() {
    {
        inputs_hash
        cd -- "$root"
        find bench methods reports/published -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 cat
    } | cksum
}

is_installed() {
    local extra done_hash='' done_extras=''
    [[ -f $stamp ]] || return 1
    { read -r done_hash && read -r done_extras; } <"$stamp" || return 1
    [[ $done_hash == "$(inputs_hash)" ]] || return 1
    for extra in ${1//,/ }; do
        [[ " $done_extras " == *" $extra "* ]] || return 1
    done
}

install() {
    local extras=$1 hash torch pip=("$venv/bin/python" -m pip install --disable-pip-version-check -c "$root/constraints.txt")
    hash=$(inputs_hash)
    torch=$(sed -n 's/^torch==\([^[:space:];]*\).*/\1/p' "$root/constraints.txt")
    [[ -n $torch ]] || fail "$root/constraints.txt has no line torch==VERSION; restore it"
    rm -f -- "$stamp"
    say "installing torch $torch (the large one)"
    "${pip[@]}" "torch==$torch" >&2
    say "installing tunebench[$extras]"
    "${pip[@]}" -e "${root}[$extras]" >&2
    printf '%s\n' "$hash" "${extras//,/ }" >"$stamp.new"
    mv -f -- "$stamp.new" "$stamp"
}

set_up() {
    local python
    if ! venv_is_usable; then
        python=$(find_python)
        make_venv "$python"
    fi
    is_installed "$1" || install "$1"
}

if [[ ${1:-} == --setup-only ]]; then
    [[ $# -eq 2 && -n $2 ]] || fail "--setup-only takes the extras as one word, e.g. --setup-only dev,demo"
    set_up "$2"
    exit
fi

set_up demo
if [[ $# -gt 0 ]]; then
    exec "$venv/bin/tunebench" run "$@"
fi
code=0
"$venv/bin/tunebench" run demo --runs "$root/runs" --reports "$root/reports" || code=$?
if [[ $code -le 1 ]]; then # 1: some cells failed; above: a wrong request or an interrupt
    say "audit of the published tables by a plan (details: tunebench audit paper):"
    # It does not depend on the run and takes as long as a cell, so it is kept with the hash of its inputs.
    kept=$root/runs/audit_paper.txt
    hash=$(audit_hash)
    if [[ ! -f $kept || $(head -n 1 "$kept") != "$hash" ]]; then
        { printf '%s\n' "$hash" && "$venv/bin/tunebench" audit paper --no-memory --summary; } >"$kept.new"
        mv -f -- "$kept.new" "$kept"
    fi
    tail -n +2 "$kept"
fi
exit "$code"
