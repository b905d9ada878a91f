#!/bin/sh
# Installs csvreport: package and libraries go to $APP_PREFIX/lib/csvreport, the command to $APP_PREFIX/bin/$APP_ALIAS.
#
# Usage: install.sh [--no-bytecode]
# Environment: APP_ALIAS, APP_FILE (the package's folder), APP_PREFIX and RELEASE_VERSION; XDG_CACHE_HOME, below which
# the libraries' wheels are kept for the next time, and where it is not set they are not; and all that pip and its
# connections heed, such as HTTPS_PROXY, PIP_INDEX_URL, PIP_CERT and SSL_CERT_FILE.
set -eu

fail() {
    printf 'install.sh: %s\n' "$1" >&2
    exit 1
}

# Writes a text as one word of the shell, whatever characters it has.
quoted() {
    printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"
}

bytecode=yes
for argument in "$@"; do
    case $argument in
        --no-bytecode) bytecode=no ;;
        *) fail "The argument '$argument' is not known; the only one is --no-bytecode." ;;
    esac
done

: "${APP_ALIAS:?must name the command}" "${APP_FILE:?must name the folder of the package}"
: "${APP_PREFIX:?must name the folder to install into}" "${RELEASE_VERSION:?must be the version of this release}"

[ -f "$APP_FILE/cli.py" ] || fail "The artifact has no package '$APP_FILE'; set APP_FILE to csvreport."
# The pipeline puts the folder of its own Python first on the PATH. What that Python is called there differs: an
# environment has all of these names, and a Debian of one version may have python3.14 alone.
python=
for name in python3 python python3.14 python3.13 python3.12 python3.11; do
    if found=$(command -v "$name") && "$found" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$found
        break
    fi
done
[ -n "$python" ] || fail "There is no Python 3.11 or later on the PATH, which is $PATH; put one there."

requirements=$(dirname "$0")/requirements.txt
[ -f "$requirements" ] || fail "The artifact has no requirements.txt beside install.sh; put it there."
libraries=$(sed -n 's/^\([A-Za-z0-9._-]*==[^ ]*\).*/\1/p' "$requirements" | paste -sd ' ' -)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/wheels"
# Where and what is installed stands below, whatever whoever called this has set for other installations.
unset PIP_CONSTRAINT PIP_DRY_RUN PIP_PREFIX PIP_REQUIREMENT PIP_ROOT PIP_TARGET PIP_USER

# The Python that runs the command may have no pip, as in the pipeline's image; then it is lent one for this time.
lent=
pip() {
    if [ -n "$lent" ]; then
        "$work/pip/bin/python" -m pip --python "$python" --disable-pip-version-check --no-cache-dir "$@"
    else
        "$python" -m pip --disable-pip-version-check --no-cache-dir "$@"
    fi
}
if ! "$python" -c 'import pip' 2>/dev/null; then
    "$python" -m venv "$work/pip" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        fail "$python has no pip, and cannot make an environment with one; add its venv module (Debian: python3-venv)."
    }
    lent=yes
fi

library=$APP_PREFIX/lib/csvreport
# Installs from a folder of wheels and nowhere else, or leaves the reason in the log.
install_from() {
    rm -rf "$library"
    mkdir -p "$library"
    pip install --quiet --no-index --find-links "$1" --no-deps --only-binary=:all: --no-compile --require-hashes \
        --target "$library" --requirement "$requirements" >"$work/log" 2>&1
}

fetch() {
    printf 'Fetching %s.\n' "$libraries"
    if pip download --quiet --no-deps --only-binary=:all: --require-hashes --dest "$work/wheels" \
        --requirement "$requirements" >"$work/log" 2>&1; then
        return
    fi
    if grep -q 'DO NOT MATCH THE HASHES' "$work/log"; then
        cat "$work/log" >&2
        fail "A library is not the one that requirements.txt has the hash of, so nothing was installed. If its version was \
changed, make requirements.txt anew as requirements.in says; if not, what the package index sends was changed."
    fi
    # Of its attempts, the last one tells enough.
    tail -n 3 "$work/log" >&2
    fail "$libraries could not be fetched, as pip says above. Give this machine a package index that it reaches \
(HTTPS_PROXY, and outside of an image's build PIP_INDEX_URL and PIP_CERT)${kept:+, or put their wheels into $kept}."
}

# Wheels get their names in the folder at once and whole, since another installation may read it. Whoever cannot write
# there installs without.
keep() {
    mkdir -p "$kept" || true
    for wheel in "$work/wheels"/*.whl; do
        name=$(basename "$wheel")
        if ! { cp "$wheel" "$kept/.$$-$name" && mv -f "$kept/.$$-$name" "$kept/$name"; }; then
            rm -f "$kept/.$$-$name"
            printf 'The wheels are not kept for the next time, since %s cannot be written.\n' "$kept"
            return
        fi
    done
}

kept=${XDG_CACHE_HOME:+$XDG_CACHE_HOME/csvreport/wheels}
if ! { [ -n "$kept" ] && ls "$kept"/*.whl >/dev/null 2>&1 && install_from "$kept"; }; then
    fetch
    install_from "$work/wheels" || {
        cat "$work/log" >&2
        fail "pip could not install $libraries, as it says above."
    }
    [ -z "$kept" ] || keep
fi
# The commands of libraries name the Python of this installation, and nobody calls them.
rm -rf "${library:?}/bin"

cp -R "$APP_FILE" "$library/csvreport"
printf '%s\n' "$RELEASE_VERSION" >"$library/csvreport/RELEASE"
if [ "$bytecode" = yes ]; then
    # The command starts faster, and may run where the file system is read-only. Bytecode with the hash of its source is
    # the same whenever it is made, so that the same content is the same layer of an image.
    "$python" -m compileall -q --invalidation-mode unchecked-hash "$library"
fi

start='import sys; sys.path.insert(0, sys.argv.pop(1)); from csvreport.cli import main; sys.exit(main())'
mkdir -p "$APP_PREFIX/bin"
{
    printf '#!/bin/sh\n'
    # shellcheck disable=SC2016 # The arguments belong to the command, not to this installer.
    printf 'exec %s -I -c %s %s "$@"\n' "$(quoted "$python")" "$(quoted "$start")" "$(quoted "$library")"
} >"$APP_PREFIX/bin/$APP_ALIAS"
chmod 755 "$APP_PREFIX/bin/$APP_ALIAS"
printf 'csvreport %s is installed as %s.\n' "$RELEASE_VERSION" "$APP_PREFIX/bin/$APP_ALIAS"
