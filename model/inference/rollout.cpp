#include "model/inference/rollout.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>

#include "emulator/error.hpp"
#include "model/inference/decode.hpp"
#include "model/inference/draft.hpp"
#include "model/inference/draft_cost.hpp"

namespace bytecpu {
namespace {

// Operations of one more step of one document.
double step_flops(const ByteModel& model) {
  const auto& frame = model.frame();
  const std::vector<uint8_t> bytes(frame.context_bytes + (frame.first_scored + 2) * frame.step_bytes);
  const auto flops = [&](int64_t steps) {
    Document document;
    document.step_bytes = frame.step_bytes;
    document.context = std::span(bytes).first(frame.context_bytes);
    document.steps = std::span(bytes).subspan(frame.context_bytes).first(steps * frame.step_bytes);
    document.complete = false;
    return model.forward_flops({&document, 1}, Targets::scored);
  };
  return flops(frame.first_scored + 2) - flops(frame.first_scored + 1);
}

// While it lives: one thread where a step has less work than it costs to wake the others for each of its
// operations. Asked of OpenMP, which computes here: at::set_num_threads() makes new threads for another pool
// at every call, and they spin.
class Threads {
 public:
  explicit Threads(double record_flops) : record_flops_(record_flops) {}
  ~Threads() { omp_set_num_threads(all_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  void suit(size_t rows) {
    constexpr double worth_waking = 2e8;
    omp_set_num_threads(record_flops_ * static_cast<double>(rows) < worth_waking ? 1 : all_);
  }

 private:
  double record_flops_;
  int all_ = omp_get_max_threads();
};

// The free runs of a batch of documents.
class FreeRuns {
 public:
  FreeRuns(ByteModel& model, std::span<const Document> documents, std::span<const int64_t> most_steps,
           const RolloutOptions& options)
      : model_(model),
        documents_(documents),
        most_(most_steps),
        options_(options),
        given_(model.frame().first_scored),
        bytes_(model.frame().step_bytes),
        drafts_used_(options.decoding == Decoding::drafted && !model.decodes_itself()),
        rollouts_(documents.size()),
        unguessed_(documents.size(), !options.guess),
        drafter_(model.frame()),
        acceptance_(model.patches_per_step()) {}

  std::vector<Rollout> run() {
    begin();
    Threads threads(step_flops(model_));
    while (!live_.empty()) {
      threads.suit(live_.size());
      draft();
      decode_step();
      learn();
      leave([&](size_t b) { return done_ + 1 < most_[live_[b]]; });
      ++done_;
    }
    return std::move(rollouts_);
  }

 private:
  void begin() {
    std::vector<Document> begun;
    for (size_t i = 0; i < documents_.size(); ++i) {
      if (most_[i] <= 0 || model_.most_steps() < given_) continue;
      live_.push_back(i);
      begun.push_back(documents_[i].first(given_));
    }
    if (!live_.empty()) history_ = model_.begin(begun);
  }

  // Goes on with the rows of the batch for which stays(row) holds; returns them.
  template <typename Stays>
  torch::Tensor leave(const Stays& stays) {
    std::vector<int64_t> rows;
    for (size_t b = 0; b < live_.size(); ++b) {
      if (stays(b)) rows.push_back(static_cast<int64_t>(b));
    }
    const auto index = torch::tensor(rows, torch::TensorOptions(model_.device()).dtype(torch::kLong));
    if (rows.size() == live_.size()) return index;
    std::vector<size_t> staying;
    for (const int64_t b : rows) staying.push_back(live_[b]);
    live_ = std::move(staying);
    if (!live_.empty()) history_->keep(index);
    return index;
  }

  // The step that run i is guessed to make next; empty where there is no guess, or it went another way.
  std::span<const uint8_t> guess(size_t i) const {
    const int64_t t = given_ + done_;
    if (unguessed_[i] || t >= documents_[i].count()) return {};
    return documents_[i].step(t);
  }
  // The newest step of run i but `back`.
  std::span<const uint8_t> newest(size_t i, size_t back = 0) const {
    const auto& steps = rollouts_[i].steps;
    const size_t made = steps.size() / bytes_;
    if (made <= back) return documents_[i].step(given_ - 1 - static_cast<int64_t>(back - made));
    return std::span(steps).subspan((made - 1 - back) * bytes_, bytes_);
  }

  void draft() {
    drafts_.resize(live_.size() * bytes_);
    for (size_t b = 0; b < live_.size(); ++b) {
      rollouts_[live_[b]].confidence.push_back(1);
      if (!drafts_used_) continue;
      const auto row = std::span(drafts_).subspan(b * bytes_, bytes_);
      const auto guessed = guess(live_[b]);
      if (guessed.empty()) {
        drafter_.draft(documents_[live_[b]].context, newest(live_[b]), row);
      } else {
        std::ranges::copy(guessed, row.begin());
      }
    }
  }

  void decode_step() {
    const size_t patch = model_.config().patch_size;
    auto draft =
        torch::from_blob(drafts_.data(), {std::ssize(live_), static_cast<int64_t>(bytes_)}, torch::kByte)
            .to(torch::TensorOptions(model_.device()).dtype(torch::kLong));
    if (options_.cost) options_.cost->steps += std::ssize(live_);
    // Bytes of the step that are there already, of those that are still going on.
    for (size_t at = 0; at < bytes_ && !live_.empty(); at += patch) {
      const auto decoded = decode_patch(draft.slice(1, at, at + patch), at / patch);
      auto patches = decoded.patches;
      if (at == 0) {
        const auto going = leave_ended(decoded);
        if (live_.empty()) return;
        patches = patches.index_select(0, going);
        draft = draft.index_select(0, going);
      }
      history_->append(patches);
      const auto bytes = patches.to(torch::kCPU, torch::kByte).contiguous();
      for (size_t b = 0; b < live_.size(); ++b) {
        const uint8_t* first = bytes.data_ptr<uint8_t>() + b * patch;
        auto& steps = rollouts_[live_[b]].steps;
        steps.insert(steps.end(), first, first + patch);
      }
    }
  }

  Decoded decode_patch(const torch::Tensor& drafted, size_t part) {
    const auto may_end = torch::full({std::ssize(live_)}, part == 0,
                                     torch::TensorOptions(model_.device()).dtype(torch::kBool));
    const auto condition = history_->condition();
    auto& accepted = acceptance_[part];
    const bool checks = drafts_used_ && accepted.pays(model_.device(), static_cast<double>(live_.size()),
                                                      static_cast<double>(drafted.size(1)));
    auto decoded =
        checks ? decode(model_, condition, drafted, may_end) : decode_bytewise(model_, condition, may_end);
    if (drafts_used_) accepted.observe(drafted, decoded);
    if (options_.cost) {
      options_.cost->patch_passes += decoded.patch_passes;
      options_.cost->positions += decoded.positions;
    }
    const auto probability = decoded.confidence.exp().to(torch::kCPU);
    for (size_t b = 0; b < live_.size(); ++b)
      rollouts_[live_[b]].confidence.back() *= probability.data_ptr<float>()[b];
    return decoded;
  }

  // Those that end leave before anything is appended; at the model's limit, where no further step fits, all.
  torch::Tensor leave_ended(const Decoded& decoded) {
    const auto ended = decoded.ended.to(torch::kCPU);
    const bool full = given_ + done_ == model_.most_steps();
    for (size_t b = 0; b < live_.size(); ++b) {
      auto& rollout = rollouts_[live_[b]];
      if (ended.data_ptr<bool>()[b]) rollout.ended = true;
      if (full || rollout.ended) rollout.confidence.pop_back();
    }
    return leave([&](size_t b) { return !full && !ended.data_ptr<bool>()[b]; });
  }

  void learn() {
    if (!drafts_used_) return;
    constexpr size_t most_learnt = 16;  // runs that the drafter learns from at a time
    for (size_t b = 0; b < live_.size(); ++b) {
      const size_t i = live_[b];
      const auto guessed = guess(i);
      if (guessed.empty() || !std::ranges::equal(guessed, newest(i))) unguessed_[i] = true;
      if (b < most_learnt) drafter_.learn(documents_[i].context, newest(i, 1), newest(i));
    }
  }

  ByteModel& model_;
  const std::span<const Document> documents_;
  const std::span<const int64_t> most_;
  const RolloutOptions options_;
  const int64_t given_;
  const size_t bytes_;
  const bool drafts_used_;
  std::vector<Rollout> rollouts_;
  std::vector<bool> unguessed_;
  Drafter drafter_;
  // One for each part of a step.
  std::vector<Acceptance> acceptance_;
  std::unique_ptr<History> history_;
  // Which document each row of the batch is.
  std::vector<size_t> live_;
  // Steps that each live run has made.
  int64_t done_ = 0;
  std::vector<uint8_t> drafts_;
};

}  // namespace

std::vector<Rollout> roll_out(ByteModel& model, std::span<const Document> documents,
                              std::span<const int64_t> most_steps, const RolloutOptions& options) {
  c10::InferenceMode inference;
  return FreeRuns(model, documents, most_steps, options).run();
}

Rollout roll_out_plainly(ByteModel& model, const Document& document, int64_t most_steps) {
  c10::InferenceMode inference;
  const int64_t patch = model.config().patch_size, room = model.most_steps() - document.count();
  Rollout rollout;
  std::vector<uint8_t> steps(document.steps.begin(), document.steps.end());
  for (int64_t done = 0; done < most_steps && done <= room; ++done) {
    double log_confidence = 0;
    for (int part = 0; part < model.patches_per_step(); ++part) {
      auto symbols_so_far = torch::full({1, patch}, nothing, torch::kLong).to(model.device());
      for (int64_t i = 0; i < patch; ++i) {
        // Complete, so that the last row is the patch after all that is there.
        Document history = document;
        history.steps = steps;
        history.complete = true;
        const auto rows = model.rows({&history, 1}, Targets::scored);
        const auto condition = rows.condition.slice(0, rows.condition.size(0) - 1);
        const bool may_end = part == 0 && i == 0;
        const auto choice =
            choose(model, condition, symbols_so_far, i + 1, nullptr,
                   may_end ? torch::ones({1}, condition.options().dtype(torch::kBool)) : torch::Tensor());
        const auto symbol = choice.symbol.select(1, i);
        rollout.ended = symbol.item<int64_t>() == nothing;
        if (rollout.ended || done == room) return rollout;
        symbols_so_far.select(1, i).copy_(symbol);
        log_confidence += choice.log_chosen.select(1, i).item<double>();
      }
      const auto bytes = symbols_so_far.to(torch::kCPU, torch::kByte);
      steps.insert(steps.end(), bytes.data_ptr<uint8_t>(), bytes.data_ptr<uint8_t>() + patch);
    }
    rollout.steps.assign(steps.begin() + std::ssize(document.steps), steps.end());
    rollout.confidence.push_back(static_cast<float>(std::exp(log_confidence)));
  }
  return rollout;
}

}  // namespace bytecpu
