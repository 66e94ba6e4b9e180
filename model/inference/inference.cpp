#include "model/inference/inference.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "emulator/error.hpp"
#include "model/compute/fused.hpp"
#include "model/inference/draft.hpp"

namespace bytecpu {
namespace {

// Greedy choices for the positions from the cached ones on, [N, T] each.
struct Choice {
  torch::Tensor symbol;      // I64
  torch::Tensor log_chosen;  // F32: its log-probability
  torch::Tensor log_given;   // F32: that of the symbol in `patches`
};

// The most probable byte of each position before `end`; the end of the trace, where may_end (bool [N];
// undefined: nowhere) allows it and it is more probable than any byte, at position 0. "Nothing" keeps its
// probability mass elsewhere: it is only never chosen.
Choice choose(ByteModel& model, const torch::Tensor& condition, const torch::Tensor& patches, int64_t end,
              ByteCache* cache, const torch::Tensor& may_end) {
  const auto logits = model.logits(condition, patches, end, cache);
  const int64_t count = logits.size(0), length = logits.size(1);
  const auto of = greedy(logits.flatten(0, 1), patches.slice(1, end - length, end).reshape({-1}));
  const Choice choice{.symbol = of.best.view({count, length}),
                      .log_chosen = of.log_best.view({count, length}),
                      .log_given = of.log_given.view({count, length})};
  if (may_end.defined()) {
    const auto log_end = of.log_last.view({count, length}).select(1, 0);
    auto symbol = choice.symbol.select(1, 0), log_chosen = choice.log_chosen.select(1, 0);
    const auto ends = may_end & log_end.gt(log_chosen);
    symbol.masked_fill_(ends, nothing);
    log_chosen.copy_(torch::where(ends, log_end, log_chosen));
  }
  return choice;
}

// Decodes the positions after the cached ones one by one, into `patches` I64 [N, P] and `log_chosen` F32
// [N, P]; position 0 may choose the end where may_end allows it.
void decode_rest(ByteModel& model, const torch::Tensor& condition, const torch::Tensor& may_end,
                 ByteCache& cache, const torch::Tensor& patches, const torch::Tensor& log_chosen) {
  for (int64_t i = cache.positions; i < patches.size(1); ++i) {
    const auto next = choose(model, condition, patches, i + 1, &cache, i == 0 ? may_end : torch::Tensor());
    patches.slice(1, i, i + 1).copy_(next.symbol);
    log_chosen.slice(1, i, i + 1).copy_(next.log_chosen);
  }
}

// Time of a pass over `length` positions of each of `rows` patches, in that of one position. A pass takes
// about 24 more, and 2 more for each patch (measured on two cores, with models of 2 M and 110 M parameters);
// launching a GPU's kernels takes that of thousands (estimated).
double pass_cost(torch::Device device, double rows, double length) {
  return rows * (length + 2) + (device.is_cuda() ? 4096 : 24);
}

// The same of `length` positions of `rows` patches decoded one by one.
double bytewise_cost(torch::Device device, double rows, double length) {
  return length * pass_cost(device, rows, 1);
}

// And in passes over all of them, if `wrong` bytes of a patch were rejected, and each pass rejects the share
// of bytes that the one before it did.
double checking_cost(torch::Device device, double rows, double length, double wrong) {
  const double passes = wrong < length ? std::log(length) / std::log(length / wrong) : length;
  return std::clamp(passes, 1.0, length) * pass_cost(device, rows, length);
}

// Bytes before the last, which conditions nothing, in which `chosen` differs from `given` (I64 [N, T], up to
// the patches' end): bool [N, T - 1].
torch::Tensor rejected(const torch::Tensor& chosen, const torch::Tensor& given) {
  const int64_t checked = given.size(1) - 1;
  return chosen.slice(1, 0, checked).ne(given.slice(1, 0, checked));
}

// How the drafts of one part of the record fared of late in a batch of free runs, checked or not.
class Acceptance {
 public:
  // Whether checking the drafts of so many patches promises to cost less than decoding them bytewise: a pass
  // over all, then for those with a wrong byte more passes, or their bytes one by one.
  bool pays(torch::Device device, double rows, double patch) const {
    const double open = open_ * rows;
    double cost = pass_cost(device, rows, patch);
    if (open > 0)
      cost +=
          std::min(checking_cost(device, open, patch, wrong_ / open_), bytewise_cost(device, open, patch));
    return cost <= bytewise_cost(device, rows, patch);
  }

  void observe(const torch::Tensor& draft, const Decoded& decoded) {
    double open = 0, wrong = 0;
    if (decoded.passes > 1) {
      const auto counts = (rejected(decoded.patches, draft) & ~decoded.ended.unsqueeze(1)).sum(1);
      const auto rows = static_cast<double>(draft.size(0));
      open = static_cast<double>(counts.count_nonzero().item<int64_t>()) / rows;
      wrong = static_cast<double>(counts.sum().item<int64_t>()) / rows;
    }
    const double weight = std::exchange(known_, true) ? 0.5 : 1;
    open_ += weight * (open - open_);
    wrong_ += weight * (wrong - wrong_);
  }

 private:
  bool known_ = false;
  double open_ = 0;   // running mean of the share of patches with a wrong byte
  double wrong_ = 0;  // and of the wrong bytes of a patch
};

// Where the end was chosen, the rest of the patch is "nothing", and the confidence that of the end.
// `log_chosen` F32 [N, P].
void settle_ends(Decoded& d, const torch::Tensor& log_chosen) {
  d.ended = d.patches.select(1, 0) == nothing;
  d.patches.masked_fill_(d.ended.unsqueeze(1), nothing);
  d.confidence = torch::where(d.ended, log_chosen.select(1, 0), log_chosen.sum(1));
}

// Which of ByteModel::rows' rows, all traces being complete, are of record `number`: bool [N].
torch::Tensor rows_of(const ByteModel& model, std::span<const TraceView> traces, int64_t number) {
  const Layout& layout = model.config().layout;
  const int64_t parts = model.patches_per_record();
  std::vector<uint8_t> rows;
  for (const auto& trace : traces) {
    const int64_t states = (std::ssize(trace.bytes) - layout.start_bytes()) / layout.record_bytes;
    BYTECPU_CHECK(1 <= number && number <= states + 1);
    const size_t first = rows.size() + (number - 1) * parts;
    rows.resize(rows.size() + states * parts + 1);  // the end is one patch
    std::fill_n(rows.begin() + first, number <= states ? parts : 1, 1);
  }
  return torch::tensor(rows, torch::kByte).to(torch::kBool);
}

// Operations of one more record of one trace.
double record_flops(const ByteModel& model) {
  const Layout& layout = model.config().layout;
  const std::vector<uint8_t> trace(layout.start_bytes() + 2 * layout.record_bytes);
  const auto flops = [&](int64_t records) {
    const TraceView view{
        .bytes = std::span(trace).first(layout.start_bytes() + records * layout.record_bytes),
        .complete = false};
    return model.forward_flops({&view, 1}, Targets::states);
  };
  return flops(2) - flops(1);
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

}  // namespace

Decoded decode(ByteModel& model, const torch::Tensor& condition, const torch::Tensor& draft,
               const torch::Tensor& may_end) {
  c10::InferenceMode inference;
  const int64_t patch = draft.size(1);
  Decoded d;
  ByteCache cache;
  const auto first = choose(model, condition, draft, patch, &cache, may_end);
  d.draft_nats = -first.log_given.sum(1);
  d.patches = first.symbol;
  auto log_chosen = first.log_chosen;
  const auto count = [&d](int64_t passes, int64_t rows, int64_t length) {
    d.passes += passes;
    d.patch_passes += passes * rows;
    d.positions += rows * length;
  };
  count(1, draft.size(0), patch);

  // Final is what the choices confirm; what follows an end needs no confirmation.
  auto differs = rejected(d.patches, draft) & d.patches.slice(1, 0, 1).ne(nothing);
  auto open = differs.any(1).nonzero().squeeze(1);  // I64: rows that are not final yet
  auto live = open;                                 // the same, as rows of the cache and of `differs`
  while (open.numel() > 0) {
    BYTECPU_CHECK(d.passes < patch);
    // In every open row the choices are final up to the first place where any differs.
    differs = differs.index_select(0, live);
    const auto places = differs.any(0).nonzero();
    const int64_t from = patch - differs.size(1) + places[0].item<int64_t>();
    cache.keep(live, from);
    const auto still_open = condition.index_select(0, open);
    const auto drafted = d.patches.index_select(0, open);
    const int64_t rows = open.size(0), length = patch - from;
    const double wrong = static_cast<double>(differs.sum().item<int64_t>()) / static_cast<double>(rows);
    if (checking_cost(condition.device(), rows, length, wrong) >
        bytewise_cost(condition.device(), rows, length)) {
      const auto log_drafted = log_chosen.index_select(0, open);
      decode_rest(model, still_open, {}, cache, drafted, log_drafted);
      d.patches.index_copy_(0, open, drafted);
      log_chosen.index_copy_(0, open, log_drafted);
      count(length, rows, length);
      break;
    }
    const auto next = choose(model, still_open, drafted, patch, &cache, {});
    d.patches.slice(1, from).index_copy_(0, open, next.symbol);
    log_chosen.slice(1, from).index_copy_(0, open, next.log_chosen);
    count(1, rows, length);
    differs = rejected(next.symbol, drafted.slice(1, from));
    live = differs.any(1).nonzero().squeeze(1);
    open = open.index_select(0, live);
  }
  settle_ends(d, log_chosen);
  return d;
}

Decoded decode_bytewise(ByteModel& model, const torch::Tensor& condition, const torch::Tensor& may_end) {
  c10::InferenceMode inference;
  const int64_t patch = model.config().patch_size, count = condition.size(0);
  Decoded d{.passes = patch, .patch_passes = patch * count, .positions = patch * count};
  ByteCache cache;
  d.patches = torch::full({count, patch}, nothing, may_end.options().dtype(torch::kLong));
  const auto log_chosen = torch::empty({count, patch}, may_end.options().dtype(torch::kFloat));
  decode_rest(model, condition, may_end, cache, d.patches, log_chosen);
  settle_ends(d, log_chosen);
  return d;
}

std::vector<PredictedTrace> predict_steps(ByteModel& model, std::span<const TraceView> traces,
                                          std::optional<int64_t> only) {
  c10::InferenceMode inference;
  const auto& layout = model.config().layout;
  std::vector<TraceView> whole(traces.begin(), traces.end());
  std::vector<PredictedTrace> predicted(traces.size());
  for (size_t i = 0; i < traces.size(); ++i) {
    whole[i].complete = true;
    const size_t records = only ? 1 : (traces[i].bytes.size() - layout.memory_bytes) / layout.record_bytes;
    predicted[i].records.assign(records * layout.record_bytes, 0);
    predicted[i].ended.assign(records, 0);
    predicted[i].nats.assign(records, 0);
    predicted[i].confidence.assign(records, 1);
  }

  const auto rows =
      model.rows(whole, Targets::states, only ? rows_of(model, traces, *only) : torch::Tensor());
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
    const int64_t record = only ? 0 : rows.record.data_ptr<int64_t>()[row] - 1;
    out.nats[record] += nats.data_ptr<float>()[row];
    if (out.ended[record]) continue;  // in a patch before
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
                              std::span<const int64_t> most_records, Decoding decoding, RolloutCost* cost,
                              std::span<const TraceView> guesses) {
  c10::InferenceMode inference;
  constexpr size_t most_learnt = 16;  // records a step that the drafter learns from
  const auto& layout = model.config().layout;
  const size_t record = layout.record_bytes, patch = model.config().patch_size;
  BYTECPU_CHECK(guesses.empty() || guesses.size() == starts.size());
  std::vector<Rollout> rollouts(starts.size());
  std::vector<size_t> live;  // which trace each row of the batch is
  std::vector<TraceView> begun;
  for (size_t i = 0; i < starts.size(); ++i) {
    if (most_records[i] <= 0 || model.longest_trace() < 0) continue;
    live.push_back(i);
    begun.push_back(starts[i]);
  }
  if (live.empty()) return rollouts;
  const auto history = model.begin(begun);
  const auto device = model.device();
  const auto options = torch::TensorOptions(device);
  // Goes on with the rows of the batch for which stays(row) holds; returns them.
  const auto leave = [&](const auto& stays) {
    std::vector<int64_t> rows;
    for (size_t b = 0; b < live.size(); ++b) {
      if (stays(b)) rows.push_back(static_cast<int64_t>(b));
    }
    const auto index = torch::tensor(rows, options.dtype(torch::kLong));
    if (rows.size() == live.size()) return index;
    std::vector<size_t> traces;
    for (const int64_t b : rows) traces.push_back(live[b]);
    live = std::move(traces);
    if (!live.empty()) history->keep(index);
    return index;
  };

  std::vector<bool> unguessed(starts.size(), guesses.empty());
  // Record t of the trace that run i is guessed to be; empty where there is none, or it went another way.
  const auto guess_at = [&](size_t i, int64_t t) -> std::span<const uint8_t> {
    const size_t at = layout.memory_bytes + t * record;
    if (unguessed[i] || guesses[i].bytes.size() < at + record) return {};
    return guesses[i].bytes.subspan(at, record);
  };

  Threads threads(record_flops(model));
  Drafter drafter(layout);
  std::vector<Acceptance> acceptance(record / patch);
  std::vector<uint8_t> before, drafts;  // of the live traces: the newest record, and the guess at the next
  for (int64_t done = 0; !live.empty(); ++done) {  // records of each live trace
    threads.suit(live.size());
    before.resize(live.size() * record);
    drafts.resize(live.size() * record);
    const auto row = [&](std::vector<uint8_t>& records, size_t b) {
      return std::span(records).subspan(b * record, record);
    };
    for (size_t b = 0; b < live.size(); ++b) {
      const auto& records = rollouts[live[b]].records;
      const auto newest = done == 0 ? starts[live[b]].bytes.subspan(layout.memory_bytes, record)
                                    : std::span(records).last(record);
      std::ranges::copy(newest, row(before, b).begin());
      const auto guess = guess_at(live[b], done + 1);
      if (guess.empty()) {
        drafter.draft(starts[live[b]].bytes.first(layout.memory_bytes), row(before, b), row(drafts, b));
      } else {
        std::ranges::copy(guess, row(drafts, b).begin());
      }
      rollouts[live[b]].confidence.push_back(1);
    }
    auto draft = torch::from_blob(drafts.data(), {std::ssize(live), std::ssize(drafts) / std::ssize(live)},
                                  torch::kByte)
                     .to(options.dtype(torch::kLong));
    if (cost) cost->records += std::ssize(live);
    for (size_t part = 0; part < record; part += patch) {
      const auto may_end = torch::full({std::ssize(live)}, part == 0, options.dtype(torch::kBool));
      const auto condition = history->condition();
      const auto drafted = draft.slice(1, part, part + patch);
      auto& accepted = acceptance[part / patch];
      const bool checks = decoding == Decoding::drafted &&
                          accepted.pays(device, static_cast<double>(live.size()), static_cast<double>(patch));
      const auto decoded =
          checks ? decode(model, condition, drafted, may_end) : decode_bytewise(model, condition, may_end);
      if (decoding == Decoding::drafted) accepted.observe(drafted, decoded);
      if (cost) {
        cost->patch_passes += decoded.patch_passes;
        cost->positions += decoded.positions;
      }
      const auto probability = decoded.confidence.exp().to(torch::kCPU);
      for (size_t b = 0; b < live.size(); ++b)
        rollouts[live[b]].confidence.back() *= probability.data_ptr<float>()[b];
      auto patches = decoded.patches;
      if (part == 0) {
        // Those that end leave before anything is appended.
        const auto ended = decoded.ended.to(torch::kCPU);
        for (size_t b = 0; b < live.size(); ++b) {
          if (!ended.data_ptr<bool>()[b]) continue;
          rollouts[live[b]].ended = true;
          rollouts[live[b]].confidence.pop_back();
        }
        // At the model's limit, where no further record fits, all leave.
        const bool full = done == model.longest_trace();
        if (full) {
          for (const size_t i : live) rollouts[i].confidence.resize(static_cast<size_t>(done));
        }
        const auto going = leave([&](size_t b) { return !full && !ended.data_ptr<bool>()[b]; });
        if (live.empty()) return rollouts;
        patches = patches.index_select(0, going);
        draft = draft.index_select(0, going);
      }
      history->append(patches);
      const auto bytes = patches.to(torch::kCPU, torch::kByte).contiguous();
      for (size_t b = 0; b < live.size(); ++b) {
        const uint8_t* first = bytes.data_ptr<uint8_t>() + b * patch;
        auto& records = rollouts[live[b]].records;
        records.insert(records.end(), first, first + patch);
      }
    }
    for (size_t b = 0; b < live.size(); ++b) {
      const auto newest = std::span(rollouts[live[b]].records).last(record);
      const auto guess = guess_at(live[b], done + 1);
      if (guess.empty() || !std::ranges::equal(guess, newest)) unguessed[live[b]] = true;
      if (b >= most_learnt) continue;
      const auto image = starts[live[b]].bytes.first(layout.memory_bytes);
      const auto previous = done == 0 ? starts[live[b]].bytes.subspan(layout.memory_bytes, record)
                                      : std::span(rollouts[live[b]].records).last(2 * record).first(record);
      drafter.learn(image, previous, newest);
    }
    leave([&](size_t b) { return done + 1 < most_records[live[b]]; });
  }
  return rollouts;
}

Rollout roll_out_plainly(ByteModel& model, const TraceView& start, int64_t most_records) {
  c10::InferenceMode inference;
  const auto& layout = model.config().layout;
  const int64_t patch = model.config().patch_size;
  Rollout rollout;
  std::vector<uint8_t> trace(start.bytes.begin(), start.bytes.end());
  for (int64_t done = 0; done < most_records && done <= model.longest_trace(); ++done) {
    double log_confidence = 0;
    for (int part = 0; part < model.patches_per_record(); ++part) {
      auto symbols_so_far = torch::full({1, patch}, nothing, torch::kLong).to(model.device());
      for (int64_t i = 0; i < patch; ++i) {
        // Complete, so that the last row is the patch after all that is there.
        const TraceView history{.bytes = trace, .complete = true};
        const auto rows = model.rows({&history, 1}, Targets::states);
        const auto condition = rows.condition.slice(0, rows.condition.size(0) - 1);
        const bool may_end = part == 0 && i == 0;
        const auto choice =
            choose(model, condition, symbols_so_far, i + 1, nullptr,
                   may_end ? torch::ones({1}, condition.options().dtype(torch::kBool)) : torch::Tensor());
        const auto symbol = choice.symbol.select(1, i);
        rollout.ended = symbol.item<int64_t>() == nothing;
        if (rollout.ended || done == model.longest_trace()) return rollout;
        symbols_so_far.select(1, i).copy_(symbol);
        log_confidence += choice.log_chosen.select(1, i).item<double>();
      }
      const auto bytes = symbols_so_far.to(torch::kCPU, torch::kByte);
      trace.insert(trace.end(), bytes.data_ptr<uint8_t>(), bytes.data_ptr<uint8_t>() + patch);
    }
    rollout.records.assign(trace.begin() + layout.start_bytes(), trace.end());
    rollout.confidence.push_back(static_cast<float>(std::exp(log_confidence)));
  }
  return rollout;
}

}  // namespace bytecpu
