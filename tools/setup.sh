# SPDX-FileCopyrightText: The zmqloop authors
# SPDX-License-Identifier: Apache-2.0

# Sourced by tools/check and tools/bench: where the tree is, timed steps, and the set-up of the
# machine. Needs bash and, to install what is missing, Debian's apt-get and the right to use it.

# shellcheck shell=bash
set -u -o pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PROGRAM=tools/$(basename "$0")

# A package, or package:command where any command of that name will do.
BUILD_PACKAGES=(
  bazel-bootstrap g++:g++ libzmq3-dev cppzmq-dev libabsl-dev libbenchmark-dev
)
# What the benchmarks compare with, and what counts system calls for them.
RIVAL_PACKAGES=(
  libasio-dev libuv1-dev libevent-dev libev-dev libczmq-dev libtbb-dev strace:strace
)
CHECK_PACKAGES=(
  "${BUILD_PACKAGES[@]}" libgtest-dev libgmock-dev libssl-dev
  cmake:cmake make:make pkg-config:pkg-config python3:python3 spin:spin gcc:gcc
  strace:strace
)

# Bazel, and CMake's programs, find their home and language here whatever started us.
: "${HOME:=$(getent passwd "$(id -u)" | cut -d: -f6)}"
export HOME LC_ALL=C.UTF-8

# With its startup options: a build of another tree adds an output folder of its own.
BAZEL=(bazel)

say() { printf '%s\n' "$*"; }

die() {
  printf '%s: %s\n' "$PROGRAM" "$*" >&2
  exit 1
}

# Prints one line per step as it ends: what it was, how it went, how long it took.
# timed NAME COMMAND...: returns the command's exit status; STEP_SECONDS holds the time.
timed() {
  local name=$1 start=$SECONDS status=0
  shift
  say "==> $name"
  "$@" || status=$?
  STEP_SECONDS=$((SECONDS - start))
  if ((status == 0)); then
    say "<== $name: ok, $STEP_SECONDS s"
  else
    say "<== $name: FAILED (exit $status), $STEP_SECONDS s"
  fi
  return "$status"
}

# Names the packages, of those given, that this machine lacks.
missing_packages() {
  local entry package
  for entry in "$@"; do
    package=${entry%%:*}
    [[ $entry == *:* ]] && command -v "${entry#*:}" >/dev/null && continue
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] && continue
    printf '%s\n' "$package"
  done
}

# Its thousand lines are shown only if it fails.
run_apt_get() {
  local prefix=() output
  ((EUID == 0)) || prefix=(sudo)
  output=$("${prefix[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -o DPkg::Lock::Timeout=300 "$@" 2>&1 </dev/null) && return
  printf '%s\n' "$output" >&2
  return 1
}

apt_install() { run_apt_get install -y --no-install-recommends "$@"; }

# Installs what is missing of the packages given; ends the program, naming them, if it cannot.
install_packages() {
  local missing=() wanted
  mapfile -t missing < <(missing_packages "$@")
  if ((${#missing[@]} == 0)); then
    say "all packages are there"
    return 0
  fi
  wanted="this needs the Debian packages: ${missing[*]}"
  command -v apt-get >/dev/null || die "$wanted; there is no apt-get here to install them with"
  ((EUID == 0)) || command -v sudo >/dev/null ||
    die "$wanted; run as root: apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  # The lists may be missing, or so old that they name files that are gone.
  if ! apt-get install -s "${missing[@]}" >/dev/null 2>&1 || ! apt_install "${missing[@]}"; then
    say "updating apt's package lists"
    run_apt_get update && apt_install "${missing[@]}" ||
      die "$wanted; installing them failed, see above. As root: apt-get install ${missing[*]}"
  fi
}

# Runs Bazel in the tree, its output made for a log. One job more than there are cores, for jobs
# wait too, but no more tests than cores: many have threads that wait for each other.
run_bazel() {
  local command=$1 cores jobs
  cores=$(nproc) jobs=$((cores + 1))
  shift
  (cd "$ROOT" && "${BAZEL[@]}" "$command" --color=no --curses=no --noshow_progress \
    --jobs="$jobs" --local_cpu_resources="$jobs" --local_test_jobs="$cores" "$@")
}

# The server would keep a fifth of a gigabyte; it also disturbs a measurement.
stop_bazel() {
  command -v bazel >/dev/null && (cd "$ROOT" && "${BAZEL[@]}" shutdown >/dev/null 2>&1)
  return 0
}
