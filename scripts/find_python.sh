#!/bin/sh
# Print a Python interpreter: of the version in $1 (such as 3.11), or else 3.12, which the project is developed on,
# then 3.13, then 3.11.
# Looks at the PATH, then at pyenv's versions. Prints nothing when there is none.
works() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

for version in ${1:-3.12 3.13 3.11}; do
  for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python; do
    if command -v "$candidate" >/dev/null 2>&1 && works "$candidate"; then
      command -v "$candidate"
      exit 0
    fi
  done
done
if [ -z "$1" ] && works python3; then command -v python3; fi
