// A Python callable as a Predictor.
#pragma once

#include <nanobind/nanobind.h>

#include <functional>
#include <string>

#include "eval/predictors/predictor.hpp"

namespace bytecpu::python {

// predict(images, states) -> records: uint8 [N, memory], uint8 [N, t, record] -> uint8 [N, record]. N programs, of
// each its memory image and states 0 … t - 1; what it returns is state t of each. A record of zeros says that the
// program ends before it: no machine makes one. The result may be a view with strides.
//
// All calls are made with the interpreter's lock held. What the callable raises is thrown as it is; a result of
// another type or shape is a TypeError that says what is wanted.
class CallablePredictor final : public Predictor {
 public:
  CallablePredictor(nanobind::callable predict, std::string name, Layout layout)
      : predict_(std::move(predict)), name_(std::move(name)), layout_(std::move(layout)) {}

  std::string name() const override { return name_; }
  const Layout& layout() const override { return layout_; }
  std::vector<StepPrediction> step(std::span<const Trace> traces) override;
  std::vector<StepPrediction> record(std::span<const Trace> traces, int64_t number) override;
  std::vector<Rollout> rollout(std::span<const Trace> traces, std::span<const int64_t> most) override;

 private:
  struct Next {
    std::span<const uint8_t> record;
    bool ended;
  };
  // Calls it for traces[which[k]], their first `states` states being at histories(k); then `take` for each k.
  void call(std::span<const Trace> traces, std::span<const size_t> which, int64_t states,
            const std::function<std::span<const uint8_t>(size_t)>& histories,
            const std::function<void(size_t, const Next&)>& take) const;

  nanobind::callable predict_;
  std::string name_;
  Layout layout_;
};

}  // namespace bytecpu::python
