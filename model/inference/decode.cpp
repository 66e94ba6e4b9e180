#include "model/inference/decode.hpp"

#include "emulator/error.hpp"
#include "model/compute/greedy.hpp"
#include "model/inference/draft_cost.hpp"

namespace bytecpu {

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

namespace {

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

// Where the end was chosen, the rest of the patch is "nothing", and the confidence that of the end.
// `log_chosen` F32 [N, P].
void settle_ends(Decoded& d, const torch::Tensor& log_chosen) {
  d.ended = d.patches.select(1, 0) == nothing;
  d.patches.masked_fill_(d.ended.unsqueeze(1), nothing);
  d.confidence = torch::where(d.ended, log_chosen.select(1, 0), log_chosen.sum(1));
}

}  // namespace

Decoded decode(ByteModel& model, const torch::Tensor& condition, const torch::Tensor& draft,
               const torch::Tensor& may_end) {
  c10::InferenceMode inference;
  const int64_t patch = draft.size(1);
  Decoded d;
  if (model.decodes_itself()) {
    d = model.decode(condition, may_end);
    d.draft_nats = model.loss(condition, draft).row_nats * static_cast<double>(patch);
    return d;
  }
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
  if (model.decodes_itself()) return model.decode(condition, may_end);
  const int64_t patch = model.config().patch_size, count = condition.size(0);
  Decoded d{.passes = patch, .patch_passes = patch * count, .positions = patch * count};
  ByteCache cache;
  d.patches = torch::full({count, patch}, nothing, may_end.options().dtype(torch::kLong));
  const auto log_chosen = torch::empty({count, patch}, may_end.options().dtype(torch::kFloat));
  decode_rest(model, condition, may_end, cache, d.patches, log_chosen);
  settle_ends(d, log_chosen);
  return d;
}

}  // namespace bytecpu
