#!/bin/bash
# Installs what bytecpu is built from, on Debian 12 and 13; with "tests" also what only tests need, among it a browser to
# open reports in; with "small" only what does without LibTorch: machines, datasets, the judge, the Python module.
# It can be run again at any time: where everything is installed it changes nothing.
set -euo pipefail

packages=(
  cmake ninja-build g++ ccache
  libunicorn-dev libcapstone-dev
  libboost-program-options-dev nlohmann-json3-dev libfmt-dev libxxhash-dev liblzma-dev libzstd-dev
  libgtest-dev libbenchmark-dev
)
# OpenBLAS in its OpenMP variant, because LibTorch runs on OpenMP too: two thread pools on the same cores slow each other down.
model=(libtorch-dev libgloo-dev libdnnl-dev libopenblas-openmp-dev libopenblas0-openmp libgoogle-perftools-dev)

fail() {
  printf 'setup.sh: %s\n' "$@" >&2
  exit 1
}

as_root() {
  if [[ $EUID == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "must be root to run \"$*\", and there is no sudo: run setup.sh as root"
  fi
}

case ${1-} in
  '') packages+=("${model[@]}") ;;
  tests) packages+=("${model[@]}" chromium dpkg-dev file gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user) ;;
  small) ;;
  *) fail "takes no argument, or \"tests\", or \"small\"" ;;
esac
# shellcheck source=/dev/null
[[ ! -r /etc/os-release ]] || . /etc/os-release
if [[ ${ID:-}:${VERSION_ID:-} != debian:1[23] ]]; then
  fail "this is ${PRETTY_NAME:-an unknown system}, not Debian 12 or 13. Install by its own means what these packages hold:" \
    "${packages[*]}" \
    "and then call tests/run or experiments/run with BYTECPU_SETUP=off, which leaves this script out"
fi

installed=" $(dpkg-query --show --showformat='${db:Status-Abbrev}${Package}\n' "${packages[@]}" 2>/dev/null |
  sed -n 's/^ii *//p' | tr '\n' ' ')" || true
missing=()
for package in "${packages[@]}"; do
  [[ $installed == *" $package "* ]] || missing+=("$package")
done

if ((${#missing[@]})); then
  echo "setup.sh: installing ${missing[*]}"
  apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq)
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  # Shows what the command printed only if it fails.
  quietly() {
    "$@" >"$log" 2>&1 </dev/null || {
      tail -n 20 "$log" >&2
      return 1
    }
  }
  quietly as_root "${apt[@]}" update ||
    fail "apt-get update failed (its message is above): check the network and /etc/apt/sources.list"
  quietly as_root "${apt[@]}" install --yes --no-install-recommends "${missing[@]}" ||
    fail "apt-get install failed (its message is above); wanted: ${missing[*]}"
fi

[[ ${1-} != small ]] || exit 0

# Where the pthread variant of OpenBLAS is installed as well, it has the higher priority.
libraries=/usr/lib/$(gcc -print-multiarch)
for library in libblas.so.3 libopenblas.so.0; do
  name=$library-${libraries##*/} wanted=$libraries/openblas-openmp/$library
  if [[ $(readlink "/etc/alternatives/$name") != "$wanted" ]]; then
    as_root update-alternatives --quiet --set "$name" "$wanted" ||
      echo "setup.sh: cannot make $wanted the system's $library: training works, but may be slower" >&2
  fi
done
