# Sourced by an experiment's own program "run", in the repository's root: prepare NAME [--clean].
# Sets run, the folder of what it makes, locked, with --clean empty; and bin, the folder of the programs, built.
# BYTECPU_SETUP, BYTECPU_BIN and BYTECPU_RUNS are as for experiments/run.
# shellcheck shell=bash

prepare() {
  # shellcheck disable=SC2034 # bin is for who sources this
  run=${BYTECPU_RUNS:-runs}/$1 bin=${BYTECPU_BIN:-build/release/bin}
  mkdir -p "$run"
  exec 9>"$run/lock"
  flock --nonblock 9 || { echo "$run is being worked on by another $0" >&2 && exit 1; }
  if [[ ${2-} == --clean ]]; then # first what says that something is done
    find "$run" -name manifest.json -delete
    find "$run" -maxdepth 1 -type f -not -name lock -delete
    find "$run" -mindepth 1 -not -path "$run/lock" -delete
  fi
  [[ -z ${BYTECPU_BIN-} ]] || return 0
  [[ ${BYTECPU_SETUP-} == off ]] || ./setup.sh
  cmake --preset release >/dev/null
  cmake --build --preset release --target bytecpu-datagen bytecpu-train bytecpu-eval >/dev/null
}
