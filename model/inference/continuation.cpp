#include "model/inference/continuation.hpp"

#include <algorithm>
#include <map>

#include "emulator/error.hpp"

namespace bytecpu {
namespace {

// A file in the making. Its next patch begins with the bytes `given`.
struct Draft {
  size_t index;
  std::span<const uint8_t> given;
  int64_t room;  // bytes that may still come, the given ones included
  NativeRandom random;
};

class Continuing {
 public:
  Continuing(ByteModel& model, const Sampling& sampling, std::vector<Continuation>& results)
      : model_(model), sampling_(sampling), patch_(model.config().patch_size), results_(results) {}

  // `live`: of files whose sequences are equally long.
  void run(std::vector<Draft> live, std::span<const Document> starts) {
    c10::InferenceMode inference;
    const auto history = model_.begin(starts);
    while (true) {
      const auto patches = next_patches(live, history->condition());
      std::vector<int64_t> on;
      std::vector<Draft> remaining;
      for (size_t i = 0; i < live.size(); ++i) {
        if (!take(live[i], patches[static_cast<int64_t>(i)])) continue;
        on.push_back(static_cast<int64_t>(i));
        remaining.push_back(std::move(live[i]));
      }
      live = std::move(remaining);
      if (live.empty()) return;
      const auto index = torch::tensor(on, torch::kLong);
      history->keep(index.to(model_.device()));
      history->append(patches.index_select(0, index).to(model_.device()));
    }
  }

 private:
  // I64 [B, P] on the CPU. What follows a chosen end is "nothing".
  torch::Tensor next_patches(std::vector<Draft>& live, const torch::Tensor& condition) {
    const int64_t count = std::ssize(live);
    auto patches = torch::full({count, patch_}, nothing, torch::kLong);
    ByteCache cache;
    for (int64_t i = 0; i < patch_; ++i) {
      const auto logits = model_.logits(condition, patches.to(model_.device()), i + 1, &cache)
                              .select(1, 0)
                              .to(torch::kCPU, torch::kFloat)
                              .contiguous();
      bool all_ended = true;
      for (int64_t b = 0; b < count; ++b) {
        const auto symbol = choose(live[static_cast<size_t>(b)], patches[b], i,
                                   {logits.data_ptr<float>() + b * symbols, static_cast<size_t>(symbols)});
        patches.data_ptr<int64_t>()[b * patch_ + i] = symbol;
        all_ended = all_ended && symbol == nothing;
      }
      if (all_ended) break;
    }
    return patches;
  }

  // Symbol i of a file's next patch.
  int64_t choose(Draft& draft, const torch::Tensor& patch, int64_t i, std::span<const float> logits) {
    if (i < std::ssize(draft.given)) return draft.given[static_cast<size_t>(i)];
    if (i > 0 && patch.data_ptr<int64_t>()[i - 1] == nothing) return nothing;
    if (i > draft.room) return 0;  // it was cut
    return sample(logits, sampling_, draft.random);
  }

  // Adds a patch to the file; false where that was the last one.
  bool take(Draft& draft, const torch::Tensor& patch) {
    auto& result = results_[draft.index];
    const auto* symbol = patch.data_ptr<int64_t>();
    for (int64_t i = 0; i < patch_; ++i) {
      result.ended = symbol[i] == nothing;
      // Where there is no room the end alone may follow.
      if (result.ended || i == draft.room) return false;
      if (i >= std::ssize(draft.given)) result.bytes.push_back(static_cast<uint8_t>(symbol[i]));
    }
    draft.room -= patch_;
    draft.given = {};
    return true;
  }

  ByteModel& model_;
  const Sampling& sampling_;
  const int64_t patch_;
  std::vector<Continuation>& results_;
};

}  // namespace

std::vector<Continuation> continue_files(ByteModel& model, std::span<const Document> beginnings,
                                         const ContinuationOptions& options) {
  const int64_t patch = model.config().patch_size;
  struct Group {
    std::vector<Draft> drafts;
    std::vector<Document> starts;
  };
  std::map<int64_t, Group> groups;  // by the length of the sequence that is given
  const bool from_end = model.config().from_end;
  for (size_t i = 0; i < beginnings.size(); ++i) {
    Document start = beginnings[i];
    if (from_end && !start.steps.empty())
      throw Error(
          "the model writes files from their end and cannot go on from a beginning: leave out --begin");
    start.complete = false;
    const auto whole = start.steps.size() - start.steps.size() % static_cast<size_t>(patch);
    const auto given = start.steps.subspan(whole);
    start.steps = start.steps.first(whole);
    const int64_t length = model.length(start) - 1, free = model.config().patch_length - length - 1;
    if (free < 1) {
      throw Error("a {} file of {} bytes leaves no room for what follows: with it the model takes {} patches",
                  start.context_extension.value_or(start.extension),
                  start.context.size() + beginnings[i].steps.size(), model.config().patch_length);
    }
    const int64_t room = std::min(free * patch, options.most_bytes - static_cast<int64_t>(whole));
    if (room < std::ssize(given)) continue;
    auto& group = groups[length];
    group.drafts.push_back({i, given, room, NativeRandom(options.seed, options.first_stream + i)});
    group.starts.push_back(start);
  }
  std::vector<Continuation> results(beginnings.size());
  Continuing continuing(model, options.sampling, results);
  for (auto& [length, group] : groups) continuing.run(std::move(group.drafts), group.starts);
  if (from_end) {
    for (auto& result : results) std::ranges::reverse(result.bytes);
  }
  return results;
}

}  // namespace bytecpu
