#!/bin/sh
# Makes this checkout ready to run: R with the packages the harness fits with, and a Python
# environment in .venv whose rpy2 suits that R. Run it as often as you like; when nothing is
# missing it returns at once.
#
#   ./setup.sh           what `lmm-parity` needs
#   ./setup.sh --test    and what the tests need, a browser included
#   ./setup.sh --dev     and the linters
#
# Environment:
#   PYTHON=...                 the interpreter to build .venv with (3.11 or newer)
#   LMM_PARITY_NO_INSTALL=1    never install system packages, only say what is missing
#
# Exit codes: 0 ready, 2 usage, 3 something is missing that this script cannot or may not install.
set -eu
cd "$(dirname "$0")"

log=.setup.log
stamp=.venv/.lmm-parity
r_packages="lme4 lmerTest pbkrtest jsonlite"

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 3; }
have() { command -v "$1" >/dev/null 2>&1; }

case "${1:-}" in
    '') level=1 ;;
    --test) level=2 ;;
    --dev) level=3 ;;
    *) say "usage: ./setup.sh [--test | --dev]" >&2; exit 2 ;;
esac

# Two set-ups at once would spoil .venv; the second one waits and then finds the work done.
if have flock; then
    exec 9<.
    flock 9
fi

# ---- nothing to do? --------------------------------------------------------------------------

# What the state of .venv depends on. R's own first line is cheap; starting R would not be.
fingerprint() {
    {
        cat setup.sh pyproject.toml constraints/*.txt
        R --version 2>/dev/null | head -n 1
        R RHOME 2>/dev/null
        .venv/bin/python -VV
    } | cksum
}

stamped() { sed -n "s/^$1 //p" "$stamp"; }

ready() {
    [ -f "$stamp" ] && [ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null || return 1
    [ "$(stamped level)" -ge "$level" ] || return 1
    [ -z "${PYTHON:-}" ] || [ "$("$PYTHON" -VV 2>&1)" = "$(.venv/bin/python -VV)" ] || return 1
    [ "$(stamped fingerprint)" = "$(fingerprint)" ] || return 1
    stamped library | while read -r dir; do
        [ -f "$dir/DESCRIPTION" ] || { say gone; break; }
    done | grep -q gone && return 1
    return 0
}

if ready; then
    exit 0
fi

# ---- Python ----------------------------------------------------------------------------------

# Prints version, base interpreter and include directory of $1, if it is new enough. The base
# interpreter counts, because an activated .venv may be the very thing to be rebuilt.
describe_python() {
    "$1" -c '
import sys, sysconfig
if sys.version_info < (3, 11):
    sys.exit(1)
print("%d.%d" % sys.version_info[:2])
print(getattr(sys, "_base_executable", sys.executable))
print(sysconfig.get_path("include"))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        described=$(describe_python "$PYTHON") ||
            fail "PYTHON=$PYTHON does not run, or is older than Python 3.11."
    else
        described=
        kept=
        [ ! -f "$stamp" ] || kept=.venv/bin/python
        for candidate in $kept python3.13 python3.12 python3.11 python3; do
            described=$(describe_python "$candidate") && break
        done
        [ -n "$described" ] || fail "\
No Python 3.11 or newer found (tried python3.13, python3.12, python3.11, python3).
  Debian 12+, Ubuntu 24.04+:  apt-get install python3 python3-venv python3-dev
  Fedora:                     dnf install python3 python3-devel
  conda:                      conda create -n lmm-parity -c conda-forge python=3.13
or name one:                  PYTHON=/path/to/python3.12 make setup"
    fi
    python_version=$(say "$described" | sed -n 1p)
    python=$(say "$described" | sed -n 2p)
    python_include=$(say "$described" | sed -n 3p)
}

# ---- R and the compiler ----------------------------------------------------------------------

# Sets r_version, r_home, libraries (where each R package lies) and r_missing (those without).
look_at_r() {
    r_version='' r_home='' libraries='' r_missing=$r_packages
    have R || return 0
    found=$(R --vanilla --no-echo -e '
        wanted <- strsplit(commandArgs(TRUE), " ")[[1]]
        cat("version", format(getRversion()), "\nhome", R.home(), "\n")
        for (p in wanted) {
            dir <- suppressWarnings(find.package(p, quiet = TRUE))
            cat(if (length(dir)) paste("library", dir[[1]]) else paste("missing", p), "\n", sep = "")
        }' --args "$r_packages" 2>>"$log") || return 0
    r_version=$(say "$found" | sed -n 's/^version \([0-9.]*\).*/\1/p')
    r_home=$(say "$found" | sed -n 's/^home \(.*\) $/\1/p')
    libraries=$(say "$found" | grep '^library ' || true)
    r_missing=$(say "$found" | sed -n 's/^missing //p' | tr '\n' ' ')
}

# rpy2 is built here. Without some header it still builds, but in a slower mode and without a
# word, so a program is compiled and linked the way rpy2 will be.
can_build() {
    cc=${CC:-gcc}
    have make && have "${cc%% *}" || return 1
    dir=$(mktemp -d)
    # shellcheck disable=SC2046,SC2086
    printf '#include <Python.h>\n#include <Rinternals.h>\nint main(void) { return R_NilValue == 0; }\n' \
        >"$dir/t.c" &&
        $cc "-I$python_include" $(R CMD config --cppflags) -o "$dir/t" "$dir/t.c" \
            $(R CMD config --ldflags) >>"$log" 2>&1 && status=0 || status=1
    rm -rf "$dir"
    return "$status"
}

have_browser() { have chromium || have chromium-browser || have google-chrome; }

r_is_at_least() {
    say "$r_version" | awk -F. -v major="$1" -v minor="$2" \
        '{ exit !($1 > major || ($1 == major && $2 >= minor)) }'
}

# Sets needs: one line per thing that is missing, in words.
take_stock() {
    look_at_r
    needs=
    add() { needs="$needs  - $1
"; }
    [ -n "$r_version" ] || add "R 4.2 or newer"
    [ -z "$r_missing" ] || add "R packages: $r_missing"
    builds=yes
    { [ -n "$r_version" ] && can_build; } ||
        { builds=no; add "make, a C compiler, and the headers that R and Python link with"; }
    venv_works=yes
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        { venv_works=no; add "Python's venv and ensurepip modules"; }
    browser=yes
    if [ "$level" -ge 2 ] && ! have_browser; then
        browser=no
    fi
}

# ---- system packages -------------------------------------------------------------------------

# The Debian and Ubuntu packages that supply what take_stock found missing.
debian_packages() {
    [ -n "$r_version" ] || say r-base-core
    for p in $r_missing; do
        say "r-cran-$p" | tr '[:upper:]' '[:lower:]'
    done
    if [ "$builds" = no ]; then
        # libdeflate and zstd: R links with them from 4.5 on (Debian 13).
        printf '%s\n' make gcc libc6-dev libblas-dev libicu-dev libpcre2-dev liblzma-dev \
            libbz2-dev zlib1g-dev libtirpc-dev libdeflate-dev libzstd-dev
        case "$python" in /usr/bin/*) say "python$python_version-dev" ;; esac
    fi
    if [ "$venv_works" = no ]; then
        case "$python" in /usr/bin/*) say "python$python_version-venv" ;; esac
    fi
    # Ubuntu's chromium package is only a pointer to a snap, of no use to a headless test.
    if [ "$browser" = no ] && [ "$distribution" = debian ]; then
        say chromium
    fi
}

not_installed() {
    while read -r p; do
        dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || say "$p"
    done
}

advise() {
    {
        printf 'Missing:\n%s' "$needs"
        if [ -n "$r_version" ] && [ "$r_home" != /usr/lib/R ]; then
            say "The R found is $r_home: its packages come from where it came from, or from CRAN."
        fi
    } >&2
    quoted=$(say "$r_packages" | sed 's/[^ ]*/"&"/g; s/ /, /g')
    cat >&2 <<END

Install it in one of these ways, then run the same command again:

  Debian 12+, Ubuntu 24.04+ (as root)
    apt-get update && apt-get install --no-install-recommends $(debian_packages | tr '\n' ' ')

  Fedora (as root), and then the R packages from CRAN as below
    dnf install R-core-devel gcc gcc-c++ gcc-gfortran make cmake python3-devel

  conda
    conda create -n lmm-parity -c conda-forge python=3.13 r-base compilers make$(
        for p in $r_packages; do say " r-$p"; done | tr '[:upper:]' '[:lower:]' | tr -d '\n')
    conda activate lmm-parity && PYTHON=python make setup

  R packages from CRAN, into an R of any origin
    Rscript -e 'install.packages(c($quoted))'
END
    exit 3
}

# Sets as_root to what has to stand before a command that needs root, or fails.
become_root() {
    as_root=
    [ -z "${LMM_PARITY_NO_INSTALL:-}" ] && have apt-get && have dpkg-query || return 1
    [ "$(id -u)" = 0 ] && return 0
    as_root=sudo
    have sudo && sudo -n true 2>/dev/null
}

install_system_packages() {
    distribution=$(sed -n 's/^ID="\{0,1\}\([a-z]*\).*/\1/p' /etc/os-release 2>/dev/null || true)
    become_root || {
        [ -n "$needs" ] || { no_browser; return 0; }
        advise
    }
    # Debian's R packages go with Debian's R only.
    if [ -n "$r_version" ] && [ -n "$r_missing" ] && [ "$r_home" != /usr/lib/R ]; then
        advise
    fi
    packages=$(debian_packages | not_installed | tr '\n' ' ')
    if [ -z "$packages" ]; then
        [ -n "$needs" ] || { no_browser; return 0; }
        advise
    fi
    [ -z "$needs" ] || printf 'Missing:\n%s' "$needs"
    say "Installing system packages (log: $log):"
    say "  ${as_root:+$as_root }apt-get install --no-install-recommends $packages"
    apt_get update || say "  apt-get update reported errors; going on with the lists there are"
    if [ -z "$r_version" ]; then
        r_version=$(apt-cache policy r-base-core | sed -n 's/^ *Candidate: *\([0-9.]*\).*/\1/p')
        r_is_at_least 4 2 || fail "This system's R is ${r_version:-not packaged}; 4.2 or newer is needed.
CRAN offers newer builds for Debian and Ubuntu; conda-forge has them for any Linux."
    fi
    # shellcheck disable=SC2086
    apt_get install --no-install-recommends $packages || {
        tail -n 15 "$log" >&2
        say "apt-get install failed (above, and in $log)." >&2
        take_stock
        [ -z "$needs" ] || advise
        no_browser
        return 0
    }
    take_stock
    [ -z "$needs" ] || { tail -n 15 "$log" >&2; advise; }
}

apt_get() {
    # A fresh machine may be busy with its own upgrades: wait for the lock.
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qy -o DPkg::Lock::Timeout=300 "$@" \
        >>"$log" 2>&1 </dev/null
}

no_browser() {
    [ "$browser" = yes ] ||
        say "No chromium or google-chrome found, and none installed: browser tests will be skipped."
}

# ---- the virtual environment -----------------------------------------------------------------

run_logged() {
    "$@" >>"$log" 2>&1 </dev/null || {
        tail -n 30 "$log" >&2
        fail "Failed: $1 ... (above, and in $log)"
    }
}

pip() { run_logged .venv/bin/python -m pip --no-input --disable-pip-version-check "$@"; }

rpy2_mode() {
    .venv/bin/python -c '
import rpy2.rinterface as ri
from rpy2.rinterface_lib import openrlib
ri.initr()
print(openrlib.cffi_mode.name)' 2>>"$log"
}

make_venv() {
    if r_is_at_least 4 5; then
        constraints=constraints/r-4.5.txt
    else
        constraints=constraints/r-4.2.txt
    fi
    case $level in
        1) extras= ;;
        2) extras='[test,certify,dask,parquet]' ;;
        3) extras='[test,certify,dask,parquet,dev]' ;;
    esac

    # Without a stamp an earlier run was interrupted, and pip may take a half-written package for
    # an installed one: begin again, pip's cache makes that cheap.
    if [ ! -f "$stamp" ] ||
        [ "$(.venv/bin/python -VV 2>/dev/null)" != "$("$python" -VV)" ] ||
        ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        say "Creating .venv with Python $python_version ($python)"
        rm -rf .venv
        run_logged "$python" -m venv .venv
    fi
    rm -f "$stamp"

    say "Installing Python packages ($constraints; a minute or two at first)"
    # The build tools come first and are pinned too, so that no build fetches its own newest ones.
    pip install -c "$constraints" hatchling editables setuptools wheel cffi
    pip install --compile --no-build-isolation -c "$constraints" -e ".$extras"

    # pip may have reused an rpy2 it built earlier, for another R or before a header was there.
    mode=$(rpy2_mode) || mode=none
    if [ "$mode" != API ]; then
        pip install --compile --no-build-isolation -c "$constraints" --no-deps --no-cache-dir \
            --force-reinstall rpy2-rinterface
        mode=$(rpy2_mode) || {
            tail -n 15 "$log" >&2
            fail "rpy2 cannot start R $r_version ($r_home): see above and $log"
        }
    fi
    {
        say "level $level"
        say "$libraries"
        say "fingerprint $(fingerprint)"
    } >"$stamp.new"
    mv "$stamp.new" "$stamp"
    say "Ready: Python $python_version, R $r_version, rpy2 in $mode mode"
}

: >"$log"
if [ -f "$stamp" ] && [ "$(stamped level)" -gt "$level" ]; then
    level=$(stamped level)
fi
find_python
take_stock
if [ -n "$needs" ] || [ "$browser" = no ]; then
    install_system_packages
fi
r_is_at_least 4 2 || fail "R $r_version ($r_home) is too old; 4.2 or newer is needed."
make_venv
