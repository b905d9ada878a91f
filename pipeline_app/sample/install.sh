#!/bin/sh
# Installs csvreport: the package goes to $APP_PREFIX/lib, the command to $APP_PREFIX/bin/$APP_ALIAS.
#
# Usage: install.sh [--no-bytecode]
# Environment: APP_ALIAS, APP_FILE (the package's folder), APP_PREFIX and RELEASE_VERSION.
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
python=$(command -v python3) || fail "There is no python3 on the PATH; install Python 3.11 or later."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python is older than Python 3.11; put a later one first on the PATH."

library=$APP_PREFIX/lib
mkdir -p "$APP_PREFIX/bin" "$library"
rm -rf "$library/csvreport"
cp -R "$APP_FILE" "$library/csvreport"
printf '%s\n' "$RELEASE_VERSION" >"$library/csvreport/RELEASE"
if [ "$bytecode" = yes ]; then
    # The command starts faster, and may run where the file system is read-only.
    "$python" -m compileall -q "$library/csvreport"
fi

start='import sys; sys.path.insert(0, sys.argv.pop(1)); from csvreport.cli import main; sys.exit(main())'
{
    printf '#!/bin/sh\n'
    # shellcheck disable=SC2016 # The arguments belong to the command, not to this installer.
    printf 'exec %s -I -c %s %s "$@"\n' "$(quoted "$python")" "$(quoted "$start")" "$(quoted "$library")"
} >"$APP_PREFIX/bin/$APP_ALIAS"
chmod 755 "$APP_PREFIX/bin/$APP_ALIAS"
printf 'csvreport %s is installed as %s.\n' "$RELEASE_VERSION" "$APP_PREFIX/bin/$APP_ALIAS"
