#include "eval/python/callable.hpp"

#include <fmt/format.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <numeric>

#include "eval/python/arrays.hpp"

namespace nb = nanobind;

namespace bytecpu::python {
namespace {

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
  std::vector<uint8_t> images, records;
  images.reserve(count * memory);
  records.reserve(count * t * width);
  for (size_t k = 0; k < count; ++k) {
    const auto image = traces[which[k]].image(), history = histories(k).first(t * width);
    images.insert(images.end(), image.begin(), image.end());
    records.insert(records.end(), history.begin(), history.end());
  }
  // With bytes of their own, as the callable may keep them.
  const nb::object result =
      predict_(array(std::move(images), {count, memory}), array(std::move(records), {count, t, width}));
  nb::ndarray<const uint8_t, nb::ndim<2>, nb::device::cpu> next;
  if (!nb::try_cast(result, next, false) || next.shape(0) != count || next.shape(1) != width) {
    const auto text =
        fmt::format("{} must return uint8 [{}, {}], the next record of each program; it returned {}", name_,
                    count, width, description(result));
    throw nb::type_error(text.c_str());
  }
  const auto bytes = next.view();
  std::vector<uint8_t> record(width);
  for (size_t k = 0; k < count; ++k) {
    for (size_t i = 0; i < width; ++i) record[i] = bytes(k, i);
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
