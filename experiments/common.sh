# Sourced in the repository's root by experiments/run, experiments/gpu, and an experiment's own program "run": the folder
# of a run, the build, and commands that are done once, with a log each, and that a signal ends in good order.
# shellcheck shell=bash

# fail CODE LINE...
fail() {
  local code=$1
  shift
  printf '%s\n' "${@/#/$0: }" >&2
  exit "$code"
}

# prepare NAME [--clean]: sets run, the folder of what is made, and locks it; with --clean it is emptied. Sets bin, the
# folder of the programs. BYTECPU_RUNS and BYTECPU_BIN are as for experiments/run.
prepare() {
  run=${BYTECPU_RUNS:-runs}/$1 bin=${BYTECPU_BIN:-build/release/bin}
  mkdir -p "$run"
  exec 9>"$run/lock"
  flock --nonblock 9 || fail 1 "$run is being worked on by another run of it"
  if [[ ${2-} == --clean ]]; then
    rm -rf "$run/done" # first, so that nothing counts as done that is half removed
    find "$run" -mindepth 1 -not -path "$run/lock" -delete
  fi
  mkdir -p "$run/log" "$run/done"
}

# key_of TEXT FILE...: one word that changes when they do.
key_of() {
  local text=$1
  shift
  { echo "$text" && cat "$@"; } | sha256sum | cut -d ' ' -f 1
}

# What is done: a file in $run/done, which holds the key of what it was made with.
is_done() { [[ -f $run/done/$1 && $(<"$run/done/$1") == "$2" ]]; }
set_done() { echo "$2" >"$run/done/$1"; }

# same_settings KEY: what is in $run must have been begun with the same settings.
same_settings() {
  [[ -f $run/done/settings ]] || set_done settings "$1"
  is_done settings "$1" || fail 1 "$run was begun with other settings: put those back, or start over with --clean"
}

# await CHILD: its exit code. A signal that comes meanwhile goes on to it, and sets "stopped".
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

# stage NAME COMMAND...: runs it; what it prints goes to the terminal and to $run/log/NAME.txt, where a training's log goes
# on from run to run. A signal ends the command, which saves its work, and then the script.
stage() {
  local name=$1 log=$run/log/$1.txt code=0 command shown lines=0
  shift
  printf '%s\t%s\t%s\n' "$(date -u +%FT%TZ)" "$name" "$*" >>"$run/commands.txt"
  [[ $name == train* ]] || : >"$log"
  [[ ! -f $log ]] || lines=$(wc -l <"$log")
  touch "$log"
  "$@" >>"$log" 2>&1 &
  command=$!
  tail --pid="$command" --sleep-interval=0.2 --follow --lines=+$((lines + 1)) "$log" &
  shown=$!
  await "$command" || code=$?
  while kill -0 "$shown" 2>/dev/null; do wait "$shown" || true; done
  if [[ -n $stopped ]] || ((code == 130)); then
    fail 130 "stopped in \"$name\"; the same command goes on from there: ${again:-$0}"
  fi
  ((code == 0)) || fail 1 "\"$name\" failed (exit code $code); all that it printed: $log"
}

# once NAME KEY COMMAND...: a stage, unless it is done already with the same key.
once() {
  local name=$1 key=$2
  shift 2
  if is_done "$name" "$key"; then return; fi
  stage "$name" "$@"
  set_done "$name" "$key"
}

# build TARGET...: the system's packages and the programs, unless BYTECPU_BIN names a folder of built ones; and
# $run/machine.txt, what they run on.
build() {
  if [[ -z ${BYTECPU_BIN-} ]]; then
    [[ ${BYTECPU_SETUP-} == off ]] || stage setup ./setup.sh
    stage configure cmake --preset release
    stage build cmake --build --preset release --target "$@"
  fi
  local machine
  machine=$(describe)
  [[ -f $run/machine.txt && $(<"$run/machine.txt") == "$machine" ]] || echo "$machine" >"$run/machine.txt"
}

describe() {
  echo "version   bytecpu $("$bin/bytecpu-datagen" --version | cut -d ' ' -f 2)"
  echo "processor $(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"
  echo "memory    $(awk '/^MemTotal/ {printf "%.1f GiB", $2 / 1048576}' /proc/meminfo)"
  # shellcheck source=/dev/null
  echo "system    $(. /etc/os-release && echo "$PRETTY_NAME"), Linux $(uname -r)"
  if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader | sed 's/^/GPU       /' || true
  fi
  [[ -n ${BYTECPU_BIN-} ]] ||
    echo "compiler  $("$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' build/release/CMakeCache.txt)" --version | head -n 1)"
}

# summary LOG: the lines of an evaluation that say how much was right.
summary() { grep -E '^(step, teacher-forced|rollout) |^  (bytes|states|traces|ends) |cases wrong$' "$1"; }

# learn_files HERE EXTENSION PACK-OPTION...: what experiments on files do. The function "unpack" puts the files into $run/files;
# they are packed with the options, HERE/training.ini trains on them, and the model is measured on the test files and makes new
# ones. What it depends on: HERE/run, HERE/training.ini, and the files that "inputs" holds.
inputs=()
learn_files() {
  local here=$1 extension=$2 key train_key
  shift 2
  key=$(key_of '' "$here/run" "${inputs[@]}")
  train_key=$(key_of "$key" "$here/training.ini")
  once unpack "$key" unpack
  is_done pack "$key" || rm -rf "$run/data"
  once pack "$key" "$bin/bytecpu-datagen" pack "$run/files" "$@" --out "$run/data"
  if compgen -G "$run/model/step-*" >/dev/null && ! is_done train-begun "$train_key"; then
    fail 1 "the model in $run was begun with other settings: put those back, or start over with --clean"
  fi
  set_done train-begun "$train_key"
  once train "$train_key" "$bin/bytecpu-train" --config "$here/training.ini" --data "$run/data" --out "$run/model" --resume
  once evaluate "$train_key" "$bin/bytecpu-eval" model --checkpoint "$run/model" --data "$run/data" --json "$run/evaluation.json" \
    --report "$run/report.html"
  is_done generate "$train_key" || rm -rf "$run/new"
  once generate "$train_key" "$bin/bytecpu-infer" generate --checkpoint "$run/model" --extension "$extension" --number 20 --top-p 0.9 \
    --out "$run/new"
  printf '\nreport     %s\nnew files  %s\nmodel      %s\n' "$run/report.html" "$run/new" "$run/model"
}

# learn_labels NAME KEY DATA TRAIN-OPTION...: a classifier, trained on the dataset DATA with the options and measured on its test
# files: $run/NAME. KEY is of all that it depends on.
learn_labels() {
  local name=$1 key=$2 data=$3
  shift 3
  is_done "train-begun-$name" "$key" || rm -rf "${run:?}/$name"
  set_done "train-begun-$name" "$key"
  once "train-$name" "$key" "$bin/bytecpu-train" "$@" --data "$data" --out "$run/$name" --resume
  once "evaluate-$name" "$key" "$bin/bytecpu-eval" model --checkpoint "$run/$name" --data "$data" --json "$run/$name.json" \
    --report "$run/$name.html"
  printf '%s: %s\n' "$name" "$(grep 'labels right' "$run/log/evaluate-$name.txt")"
}
