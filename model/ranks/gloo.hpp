// LibTorch's c10d over Gloo: how processes meet, and groups of them. Only where CMake has found it.
#pragma once

#include <chrono>

#include "model/ranks/launch.hpp"

// LibTorch declares it only so. Debian's says it to whoever uses it; Gloo's headers are a package of their own.
#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO
#endif
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace bytecpu {

using Store = c10::intrusive_ptr<c10d::Store>;
using GlooGroup = c10::intrusive_ptr<c10d::ProcessGroupGloo>;

// Where all ranks can leave words for each other. Throws Error.
Store meet(const Launch& launch);
// All ranks, connected anew; `name` is the same on all of them. What they wait for each other ends after `patience`.
GlooGroup connect(const Store& store, const std::string& name, const Launch& launch,
                  std::chrono::milliseconds patience);

// The first line of an exception's message, without c10's backtrace.
std::string first_line(const std::exception& error);

}  // namespace bytecpu
