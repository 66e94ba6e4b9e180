#include "model/inference.hpp"

#include <algorithm>
#include <limits>

#include "emulator/error.hpp"

namespace bytecpu {
namespace {

// Log-probabilities F32 [N, P, V] with the symbols that cannot be chosen at minus infinity. "Nothing" keeps
// its probability mass: it is only never chosen.
torch::Tensor choices(const torch::Tensor& log_probabilities, const torch::Tensor& may_end) {
  auto allowed = log_probabilities.clone();
  auto end = allowed.select(2, nothing);
  end.slice(1, 1).fill_(-std::numeric_limits<float>::infinity());
  end.select(1, 0).masked_fill_(may_end.logical_not(), -std::numeric_limits<float>::infinity());
  return allowed;
}

torch::Tensor log_probabilities(ByteModel& model, const torch::Tensor& condition,
                                const torch::Tensor& patches) {
  return model.logits(condition, patches).to(torch::kFloat).log_softmax(-1);
}

// [N, P, V] at `patches` [N, P], summed over the patch.
torch::Tensor total(const torch::Tensor& values, const torch::Tensor& patches) {
  return values.gather(2, patches.unsqueeze(2)).squeeze(2).sum(1);
}

// Where the end was chosen, the rest of the patch is "nothing", and the confidence that of the end.
void settle_ends(Decoded& d, const torch::Tensor& first_log_probabilities) {
  d.ended = d.patches.select(1, 0) == nothing;
  d.patches.masked_fill_(d.ended.unsqueeze(1), nothing);
  d.confidence = torch::where(d.ended, first_log_probabilities.select(1, nothing), d.confidence);
}

}  // namespace

Decoded decode(ByteModel& model, const torch::Tensor& condition, const torch::Tensor& draft,
               const torch::Tensor& may_end) {
  torch::NoGradGuard no_grad;
  Decoded d{.patches = draft.clone()};
  d.confidence = torch::zeros({draft.size(0)}, draft.options().dtype(torch::kFloat));
  torch::Tensor first;  // log-probabilities of each patch's first symbol
  torch::Tensor open;   // I64: rows not final yet; undefined: all
  while (!open.defined() || open.numel() > 0) {
    const bool all = !open.defined();
    const auto rows = all ? condition : condition.index_select(0, open);
    const auto drafted = all ? d.patches : d.patches.index_select(0, open);
    const auto log_p = log_probabilities(model, rows, drafted);
    if (all) {
      d.draft_nats = -total(log_p, drafted);
      first = log_p.select(1, 0);
    }
    const auto allowed = choices(log_p, all ? may_end : may_end.index_select(0, open));
    const auto chosen = allowed.argmax(-1);
    const auto confidence = total(log_p, chosen);
    ++d.passes;
    BYTECPU_CHECK(d.passes <= draft.size(1) + 1);

    // Final where the choices confirm the draft; the last symbol conditions nothing, and neither does what
    // follows an end.
    const auto last = draft.size(1) - 1;
    const auto differs =
        chosen.slice(1, 0, last).ne(drafted.slice(1, 0, last)).any(1) & chosen.select(1, 0).ne(nothing);
    if (all) {
      d.patches = chosen;
      d.confidence = confidence;
      open = differs.nonzero().squeeze(1);
    } else {
      d.patches.index_copy_(0, open, chosen);
      d.confidence.index_copy_(0, open, confidence);
      open = open.masked_select(differs);
    }
  }
  settle_ends(d, first);
  return d;
}

Decoded decode_bytewise(ByteModel& model, const torch::Tensor& condition, const torch::Tensor& may_end) {
  torch::NoGradGuard no_grad;
  const int64_t patch = model.config().patch_size;
  const auto options = may_end.options().dtype(torch::kLong);
  Decoded d{.patches = torch::full({condition.size(0), patch}, nothing, options)};
  torch::Tensor first, log_p;
  for (int64_t i = 0; i < patch; ++i) {
    log_p = log_probabilities(model, condition, d.patches);
    if (i == 0) first = log_p.select(1, 0).clone();
    d.patches.select(1, i).copy_(choices(log_p, may_end).select(1, i).argmax(-1));
    ++d.passes;
  }
  d.confidence = total(log_p, d.patches);
  settle_ends(d, first);
  return d;
}

std::vector<PredictedTrace> predict_steps(ByteModel& model, std::span<const TraceView> traces) {
  torch::NoGradGuard no_grad;
  const auto& layout = model.config().layout;
  std::vector<TraceView> whole(traces.begin(), traces.end());
  std::vector<PredictedTrace> predicted(traces.size());
  for (size_t i = 0; i < traces.size(); ++i) {
    whole[i].complete = true;
    const size_t records = (traces[i].bytes.size() - layout.memory_bytes) / layout.record_bytes;
    predicted[i].records.assign(records * layout.record_bytes, 0);
    predicted[i].ended.assign(records, 0);
    predicted[i].nats.assign(records, 0);
    predicted[i].confidence.assign(records, 1);
  }

  const auto rows = model.rows(whole, Targets::states);
  const int64_t count = rows.patches.size(0), patch = model.config().patch_size;
  if (count == 0) return predicted;
  // A row opens a record where the row before it is of another one.
  auto opens = torch::ones({count}, torch::kBool);
  if (count > 1) {
    opens.slice(0, 1) = rows.record.slice(0, 1).ne(rows.record.slice(0, 0, count - 1)) |
                        rows.trace.slice(0, 1).ne(rows.trace.slice(0, 0, count - 1));
  }
  const auto decoded = decode(model, rows.condition, rows.patches, opens.to(model.device()));
  const auto patches = decoded.patches.to(torch::kCPU).contiguous();
  const auto ended = decoded.ended.to(torch::kCPU);
  const auto nats = decoded.draft_nats.to(torch::kCPU), confidence = decoded.confidence.exp().to(torch::kCPU);
  for (int64_t row = 0, part = 0; row < count; ++row) {
    part = opens.data_ptr<bool>()[row] ? 0 : part + 1;
    auto& out = predicted[rows.trace.data_ptr<int64_t>()[row]];
    const int64_t record = rows.record.data_ptr<int64_t>()[row] - 1;
    out.nats[record] += nats.data_ptr<float>()[row];
    out.confidence[record] *= confidence.data_ptr<float>()[row];
    if (ended.data_ptr<bool>()[row]) out.ended[record] = 1;
    if (out.ended[record]) continue;
    const int64_t* symbols_of_row = patches.data_ptr<int64_t>() + row * patch;
    std::copy(symbols_of_row, symbols_of_row + patch,
              out.records.begin() + record * layout.record_bytes + part * patch);
  }
  return predicted;
}

std::vector<Rollout> roll_out(ByteModel& model, std::span<const TraceView> starts,
                              std::span<const int64_t> most_records) {
  torch::NoGradGuard no_grad;
  const auto& layout = model.config().layout;
  const int64_t patch = model.config().patch_size;
  std::vector<Rollout> rollouts(starts.size());
  std::vector<int64_t> live;  // which trace each row of the batch is
  for (int64_t i = 0; i < std::ssize(starts); ++i) live.push_back(i);
  const auto room = [&](int64_t i) { return std::min(most_records[i], model.longest_trace()); };
  std::erase_if(live, [&](int64_t i) { return room(i) <= 0; });
  if (live.empty()) return rollouts;

  // The first draft repeats the record before.
  std::vector<TraceView> begun;
  std::vector<torch::Tensor> last;  // I64 [B, P] for each patch of the record before
  for (int64_t i : live) begun.push_back(starts[i]);
  auto history = model.begin(begun);
  for (int part = 0; part < model.patches_per_record(); ++part) {
    auto tokens = torch::empty({std::ssize(live), patch}, torch::kLong);
    for (int64_t b = 0; b < std::ssize(live); ++b) {
      const auto bytes = begun[b].bytes.subspan(layout.memory_bytes + part * patch, patch);
      std::copy(bytes.begin(), bytes.end(), tokens.data_ptr<int64_t>() + b * patch);
    }
    last.push_back(tokens.to(model.device()));
  }

  while (!live.empty()) {
    std::vector<int64_t> kept;  // rows that go on
    for (int part = 0; part < model.patches_per_record(); ++part) {
      const auto may_end = torch::full({std::ssize(live)}, part == 0, last[0].options().dtype(torch::kBool));
      const auto decoded = decode(model, history->condition(), last[part], may_end);
      auto patches = decoded.patches;
      if (part == 0) {
        // Those that end leave before anything is appended.
        const auto ended = decoded.ended.to(torch::kCPU);
        std::vector<int64_t> going;
        for (int64_t b = 0; b < std::ssize(live); ++b) {
          if (ended.data_ptr<bool>()[b]) {
            rollouts[live[b]].ended = true;
          } else {
            going.push_back(b);
          }
        }
        if (std::ssize(going) < std::ssize(live)) {
          std::vector<int64_t> traces;
          for (int64_t b : going) traces.push_back(live[b]);
          live = std::move(traces);
          if (live.empty()) return rollouts;
          const auto index = torch::tensor(going, last[0].options());
          history->keep(index);
          patches = patches.index_select(0, index);
          for (auto& l : last) l = l.index_select(0, index);
        }
      }
      history->append(patches);
      last[part] = patches;
      const auto bytes = patches.to(torch::kCPU, torch::kByte).contiguous();
      for (int64_t b = 0; b < std::ssize(live); ++b) {
        const uint8_t* first = bytes.data_ptr<uint8_t>() + b * patch;
        rollouts[live[b]].records.insert(rollouts[live[b]].records.end(), first, first + patch);
      }
    }
    for (int64_t b = 0; b < std::ssize(live); ++b) {
      const auto& done = rollouts[live[b]].records;
      if (std::ssize(done) < room(live[b]) * layout.record_bytes) kept.push_back(b);
    }
    if (std::ssize(kept) < std::ssize(live)) {
      std::vector<int64_t> traces;
      for (int64_t b : kept) traces.push_back(live[b]);
      live = std::move(traces);
      if (live.empty()) break;
      const auto index = torch::tensor(kept, last[0].options());
      history->keep(index);
      for (auto& l : last) l = l.index_select(0, index);
    }
  }
  return rollouts;
}

}  // namespace bytecpu
