# Sourced by experiments/run, and by an experiment's own program "run", in the repository's root.
# shellcheck shell=bash

# prepare NAME [--clean]: sets run, the folder of what it makes, locked, with --clean empty; and bin, the folder of the
# programs, built. BYTECPU_SETUP, BYTECPU_BIN and BYTECPU_RUNS are as for experiments/run.
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
  [[ ${BYTECPU_SETUP-} == off ]] || supervise ./setup.sh
  echo "building, the first time for minutes"
  { supervise cmake --preset release &&
    supervise cmake --build --preset release --target bytecpu-datagen bytecpu-train bytecpu-eval; } >"$run/build.txt" ||
    { cat "$run/build.txt" >&2 && exit 1; }
}

# same_settings TEXT: what is done in $run must have been done with the same settings.
same_settings() {
  [[ -f $run/settings ]] || echo "$1" >"$run/settings"
  [[ $(<"$run/settings") == "$1" ]] ||
    { echo "$run was begun with other settings: take those, or start over with --clean" >&2 && exit 1; }
}

# await CHILD: its exit code; a signal that comes meanwhile goes to it, and sets "stopped".
child='' stopped=''
trap 'stopped=1; [[ -z $child ]] || kill -TERM "$child" 2>/dev/null || true' INT TERM HUP
await() {
  local code
  child=$1
  while :; do
    wait "$child" && code=0 || code=$?
    kill -0 "$child" 2>/dev/null || break
  done
  child=''
  return "$code"
}

# supervise COMMAND...: runs it; a signal ends it, which cleans up after itself, and then the script.
supervise() {
  local code=0
  "$@" &
  await $! || code=$?
  [[ -z $stopped ]] || exit 130
  return "$code"
}
