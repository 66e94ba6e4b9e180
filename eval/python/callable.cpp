#include "eval/python/callable.hpp"

#include <fmt/format.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <numeric>

namespace nb = nanobind;

namespace bytecpu::python {
namespace {

// An array with bytes of its own, as the callable may keep it.
template <size_t Dimensions>
struct NewArray {
  uint8_t* bytes;
  nb::object object;

  explicit NewArray(const size_t (&shape)[Dimensions]) {
    size_t size = 1;
    for (const size_t n : shape) size *= n;
    bytes = new uint8_t[size];
    const nb::capsule owner(bytes, [](void* p) noexcept { delete[] static_cast<uint8_t*>(p); });
    object = nb::cast(nb::ndarray<nb::numpy, uint8_t>(bytes, Dimensions, shape, owner));
  }
};

// "uint8 [2, 16]", or what else it is.
std::string description(const nb::object& result) {
  if (!nb::hasattr(result, "shape") || !nb::hasattr(result, "dtype")) {
    return nb::cast<std::string>(nb::repr(result.type()));
  }
  return nb::cast<std::string>(
      nb::str("{} {}").attr("format")(result.attr("dtype"), nb::list(result.attr("shape"))));
}

std::vector<size_t> all(size_t count) {
  std::vector<size_t> indices(count);
  std::iota(indices.begin(), indices.end(), size_t{0});
  return indices;
}

}  // namespace

void CallablePredictor::call(std::span<const Trace> traces, std::span<const size_t> which, int64_t states,
                             const std::function<std::span<const uint8_t>(size_t)>& histories,
                             const std::function<void(size_t, const Next&)>& take) const {
  const auto memory = static_cast<size_t>(layout_.memory_bytes),
             width = static_cast<size_t>(layout_.record_bytes), t = static_cast<size_t>(states),
             count = which.size();
  const NewArray<2> images({count, memory});
  const NewArray<3> records({count, t, width});
  for (size_t k = 0; k < count; ++k) {
    std::ranges::copy(traces[which[k]].image(), images.bytes + k * memory);
    std::ranges::copy(histories(k).first(t * width), records.bytes + k * t * width);
  }
  const nb::object result = predict_(images.object, records.object);
  nb::ndarray<const uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu> next;
  if (!nb::try_cast(result, next, false) || next.shape(0) != count || next.shape(1) != width) {
    const auto text =
        fmt::format("{} must return uint8 [{}, {}], the next record of each program; it returned {}", name_,
                    count, width, description(result));
    throw nb::type_error(text.c_str());
  }
  for (size_t k = 0; k < count; ++k) {
    const std::span record(next.data() + k * width, width);
    take(k, {record, std::ranges::all_of(record, [](uint8_t byte) { return byte == 0; })});
  }
}

std::vector<StepPrediction> CallablePredictor::record(std::span<const Trace> traces, int64_t number) {
  std::vector<StepPrediction> predictions(traces.size());
  call(
      traces, all(traces.size()), number, [&](size_t i) { return traces[i].records(); },
      [&](size_t i, const Next& next) {
        predictions[i].steps.assign(next.record.begin(), next.record.end());
        predictions[i].ended = {next.ended};
      });
  return predictions;
}

std::vector<StepPrediction> CallablePredictor::step(std::span<const Trace> traces) {
  std::vector<StepPrediction> predictions(traces.size());
  auto which = all(traces.size());
  for (int64_t t = 1;; ++t) {
    std::erase_if(which, [&](size_t i) { return traces[i].states() + 1 < t; });
    if (which.empty()) return predictions;
    call(
        traces, which, t, [&](size_t k) { return traces[which[k]].records(); },
        [&](size_t k, const Next& next) {
          auto& prediction = predictions[which[k]];
          prediction.steps.insert(prediction.steps.end(), next.record.begin(), next.record.end());
          prediction.ended.push_back(next.ended);
        });
  }
}

std::vector<Rollout> CallablePredictor::rollout(std::span<const Trace> traces,
                                                std::span<const int64_t> most) {
  std::vector<Rollout> predictions(traces.size());
  std::vector<std::vector<uint8_t>> histories;
  for (const Trace& trace : traces) histories.emplace_back(trace.record(0).begin(), trace.record(0).end());
  auto which = all(traces.size());
  for (int64_t t = 1;; ++t) {
    std::erase_if(which, [&](size_t i) { return predictions[i].ended || t > most[i]; });
    if (which.empty()) break;
    call(
        traces, which, t, [&](size_t k) { return std::span<const uint8_t>(histories[which[k]]); },
        [&](size_t k, const Next& next) {
          predictions[which[k]].ended = next.ended;
          auto& history = histories[which[k]];
          if (!next.ended) history.insert(history.end(), next.record.begin(), next.record.end());
        });
  }
  for (size_t i = 0; i < traces.size(); ++i) {
    predictions[i].steps.assign(histories[i].begin() + layout_.record_bytes, histories[i].end());
  }
  return predictions;
}

}  // namespace bytecpu::python
