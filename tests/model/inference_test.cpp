// Fast decoding against the plain way: the same bytes, whatever is drafted, cached or batched.
#include <gtest/gtest.h>

#include "model/inference/decode.hpp"
#include "model/inference/draft.hpp"
#include "model/inference/rollout.hpp"
#include "model/inference/steps.hpp"
#include "tests/model/support.hpp"

namespace bytecpu {
namespace {

struct Case {
  ModelConfig config;
  torch::ScalarType precision;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (auto config : tiny_configs()) {
    if (config.family == "fields") continue;  // decodes words, not bytes: fields_test.cpp
    config.patch_width = config.byte_width = config.memory_width = 64;
    for (const auto precision : {torch::kFloat, torch::kBFloat16}) all.push_back({config, precision});
  }
  return all;
}

class Inference : public testing::TestWithParam<int> {
 protected:
  Inference() : model_(tiny_model(cases()[GetParam()].config)) {
    torch::NoGradGuard no_grad;
    // Sharper choices, so that rounding cannot tip a balance.
    for (auto& p : model_->parameters()) p.mul_(2.0);
    model_->set_precision(cases()[GetParam()].precision);
  }
  std::shared_ptr<ByteModel> model_;
};

std::string case_name(const testing::TestParamInfo<int>& info) {
  const auto [config, precision] = cases()[info.param];
  return config.family + (config.patch_history ? "_with_history" : "") +
         (precision == torch::kFloat ? "_fp32" : "_bf16");
}
INSTANTIATE_TEST_SUITE_P(Models, Inference, testing::Values(0, 1, 2, 3, 4, 5), case_name);
using ChaoticRuns = Inference;
INSTANTIATE_TEST_SUITE_P(InFloat, ChaoticRuns, testing::Values(0, 2, 4), case_name);

// Up to the first byte where the two most probable symbols are equal within the precision, and so a matter of
// the order of a sum.
TEST_P(Inference, DecodingEqualsReadingThePatchAnewForEveryByte) {
  torch::NoGradGuard no_grad;
  // Symbols of several sizes, so that the best two are further apart than bf16 rounds.
  for (auto& p : model_->named_parameters()) {
    if (p.key() != "head.weight" && !p.key().ends_with("transformer.wte.weight")) continue;
    p.value().mul_(torch::randn({symbols, 1}).exp());
  }
  const auto batch = some_traces(300, 15);
  const auto rows = model_->rows(documents(batch), Targets::scored);
  const int64_t count = rows.patches.size(0), patch = rows.patches.size(1);
  ASSERT_GE(count, 2000);
  const bool exact = model_->precision() == torch::kFloat;
  const double tie = exact ? 1e-5 : 1.0 / 32;  // of the greatest logit
  auto plain = torch::full({count, patch}, nothing, torch::kLong);
  auto sure = torch::ones({count, patch}, torch::kBool);  // of this byte, and of all before it
  for (int64_t i = 0; i < patch; ++i) {
    const auto logits = model_->logits(rows.condition, plain, i + 1, nullptr).select(1, i).to(torch::kFloat);
    const auto [best, symbol] = (i == 0 ? logits : logits.slice(1, 0, nothing)).topk(2, 1);
    plain.select(1, i).copy_(symbol.select(1, 0));
    const auto clear = (best.select(1, 0) - best.select(1, 1)).gt(logits.abs().amax(1) * tie);
    sure.select(1, i).copy_(i == 0 ? clear : clear & sure.select(1, i - 1));
  }
  plain.masked_fill_((plain.select(1, 0) == nothing).unsqueeze(1), nothing);
  EXPECT_GT(sure.sum().item<int64_t>(), exact ? 0.99 * sure.numel() : 0.2 * sure.numel());

  const auto may_end = torch::ones({count}, torch::kBool);
  const auto random = torch::randint(0, 256, rows.patches.sizes(), torch::kLong);
  auto nearly = plain.clone();
  nearly.select(1, 6).add_(1).remainder_(256);
  auto mixed = plain.clone();
  mixed.slice(0, 0, count, 2).copy_(random.slice(0, 0, count, 2));
  for (const auto& decoded :
       {decode_bytewise(*model_, rows.condition, may_end),
        decode(*model_, rows.condition, rows.patches, may_end),
        decode(*model_, rows.condition, random, may_end), decode(*model_, rows.condition, nearly, may_end),
        decode(*model_, rows.condition, mixed, may_end)}) {
    EXPECT_EQ((decoded.patches.ne(plain) & sure).sum().item<int64_t>(), 0) << decoded.passes << " passes";
    EXPECT_TRUE(torch::equal(decoded.ended, decoded.patches.select(1, 0) == nothing));
  }
  const auto again = decode(*model_, rows.condition, plain, may_end);
  EXPECT_LE(again.passes, exact ? 1 : patch);
  // Rejected at once: after the one pass over the draft, byte by byte; and only the patches that need it.
  EXPECT_LE(decode(*model_, rows.condition, random, may_end).positions, 2 * count * patch);
  if (exact) {
    EXPECT_EQ(again.positions, count * patch);
    EXPECT_LE(decode(*model_, rows.condition, mixed, may_end).positions, count * patch * 3 / 2 + patch);
  }
  EXPECT_FALSE(decode(*model_, rows.condition, random, may_end.logical_not()).ended.any().item<bool>());
}

// Where what follows hardly depends on the bytes before it, a wrong one costs one pass more.
TEST(Decode, AWrongByteThatChangesNoOtherCostsOnePass) {
  torch::NoGradGuard no_grad;
  const auto model = tiny_model(tiny_config("transition"));
  for (auto& p : model->named_parameters()) p.value().mul_(p.key().starts_with("previous.") ? 0 : 2);
  const auto batch = some_traces(30, 15);
  const auto rows = model->rows(documents(batch), Targets::scored);
  const int64_t count = rows.patches.size(0), patch = rows.patches.size(1);
  const auto may_end = torch::zeros({count}, torch::kBool);
  const auto plain = decode_bytewise(*model, rows.condition, may_end);
  auto draft = plain.patches.clone();
  for (const int64_t place : {6, 9}) draft.select(1, place).add_(1).remainder_(256);
  const auto decoded = decode(*model, rows.condition, draft, may_end);
  EXPECT_TRUE(torch::equal(decoded.patches, plain.patches));
  EXPECT_TRUE(torch::allclose(decoded.confidence, plain.confidence, 1e-3, 1e-3));
  EXPECT_EQ(decoded.passes, 2);
  EXPECT_EQ(decoded.positions, count * (patch + patch - 7));
}

// Chaotic runs, which no rounding may part: in fp32. For bf16 see LearnsEightTracesByHeartAndRollsThemOut.
TEST_P(ChaoticRuns, BatchedDraftedRolloutsEqualPlainOnesByteForByte) {
  const auto batch = some_traces(24, 15);
  const auto begun = starts(batch);
  std::vector<int64_t> room;
  for (size_t i = 0; i < begun.size(); ++i) room.push_back(static_cast<int64_t>(i % 12));
  RolloutCost drafted_cost, bytewise_cost;
  const auto drafted = roll_out(*model_, begun, room, {.decoding = Decoding::drafted, .cost = &drafted_cost});
  const auto bytewise =
      roll_out(*model_, begun, room, {.decoding = Decoding::bytewise, .cost = &bytewise_cost});
  EXPECT_EQ(bytewise_cost.patch_passes, 16 * bytewise_cost.steps);
  EXPECT_LE(drafted_cost.patch_passes, bytewise_cost.patch_passes);
  for (size_t i = 0; i < begun.size(); ++i) {
    const auto plain = roll_out_plainly(*model_, begun[i], room[i]);
    const auto alone = roll_out(*model_, std::span(begun).subspan(i, 1), std::span(room).subspan(i, 1))[0];
    for (const auto& fast : {drafted[i], bytewise[i], alone}) {
      EXPECT_TRUE(fast.steps == plain.steps) << "trace " << i;
      EXPECT_EQ(fast.ended, plain.ended);
      ASSERT_EQ(fast.confidence.size(), plain.confidence.size());
      for (size_t t = 0; t < plain.confidence.size(); ++t)
        EXPECT_NEAR(fast.confidence[t], plain.confidence[t], 1e-3 * plain.confidence[t] + 1e-6);
    }
  }
}

// Cost as in draft_cost.cpp: of each position 1, of a pass 2 for each patch and 24 for all. One run alone may
// compute more positions where that saves passes.
TEST_P(ChaoticRuns, RejectedDraftsCostLittle) {
  const auto batch = some_traces(24, 15);
  const auto begun = starts(batch);
  for (const size_t at_once : {begun.size(), size_t{1}}) {
    RolloutCost drafted, bytewise;
    for (size_t i = 0; i < begun.size(); i += at_once) {
      const std::vector<int64_t> room(at_once, 12);
      const auto some = std::span(begun).subspan(i, at_once);
      roll_out(*model_, some, room, {.decoding = Decoding::drafted, .cost = &drafted});
      roll_out(*model_, some, room, {.decoding = Decoding::bytewise, .cost = &bytewise});
    }
    EXPECT_EQ(drafted.steps, bytewise.steps);
    EXPECT_EQ(bytewise.positions, 16 * bytewise.steps);
    EXPECT_LE(drafted.patch_passes, bytewise.patch_passes);
    const auto cost = [&](const RolloutCost& c) {
      return static_cast<double>(c.positions) +
             (2 + 24.0 / static_cast<double>(at_once)) * static_cast<double>(c.patch_passes);
    };
    EXPECT_LE(cost(drafted), 1.1 * cost(bytewise));
    if (at_once == 1) continue;
    EXPECT_LE(static_cast<double>(drafted.positions), 1.1 * static_cast<double>(bytewise.positions));
  }
}

// What each run turns out to be, and guesses that leave it: at once, later, too early, or say nothing of it.
TEST_P(ChaoticRuns, GuessesMakeRolloutsCheaperAndNoDifferent) {
  const auto batch = some_traces(24, 15);
  const auto begun = starts(batch);
  const std::vector<int64_t> room(begun.size(), 8);
  RolloutCost plain_cost, guessed_cost;
  const auto plain = roll_out(*model_, begun, room, {.decoding = Decoding::drafted, .cost = &plain_cost});
  std::vector<std::vector<uint8_t>> guesses(begun.size());  // steps, the given one first
  for (size_t i = 0; i < begun.size(); ++i) {
    guesses[i].assign(begun[i].steps.begin(), begun[i].steps.end());
    guesses[i].insert(guesses[i].end(), plain[i].steps.begin(), plain[i].steps.end());
  }
  const auto guessed = [&](RolloutCost* cost) {
    auto traces = begun;
    for (size_t i = 0; i < traces.size(); ++i) traces[i].steps = guesses[i];
    const auto rollouts = roll_out(*model_, traces, room, {.guess = true, .cost = cost});
    for (size_t i = 0; i < begun.size(); ++i) {
      EXPECT_TRUE(rollouts[i].steps == plain[i].steps) << "trace " << i;
      EXPECT_EQ(rollouts[i].ended, plain[i].ended);
    }
  };
  guessed(&guessed_cost);
  EXPECT_EQ(guessed_cost.patch_passes, guessed_cost.steps * model_->patches_per_step());
  EXPECT_EQ(guessed_cost.positions, 16 * guessed_cost.steps);
  EXPECT_GT(plain_cost.patch_passes, guessed_cost.patch_passes);
  // Every fourth is told nothing: its drafts, rejected, cost the others nothing.
  const auto right = guesses;
  for (size_t i = 0; i < begun.size(); i += 4) guesses[i].resize(16);
  RolloutCost mixed_cost;
  guessed(&mixed_cost);
  EXPECT_LE(mixed_cost.patch_passes, 8 * mixed_cost.steps);
  guesses = right;
  for (size_t i = 0; i < begun.size(); ++i) {
    if (i % 3 == 0) guesses[i].resize(16 + i % 5 * 16);
    if (i % 3 == 1 && guesses[i].size() > 16 + i) guesses[i][16 + i] ^= 1;
  }
  guessed(nullptr);
}

TEST_P(Inference, OneRecordOfEachTraceIsPredictedAsAmongAll) {
  const auto batch = some_traces(30, 15);
  auto traces = documents(batch);
  for (auto& trace : traces) trace = trace.first(2);
  const auto all = predict_steps(*model_, traces);
  for (const int64_t number : {1, 2}) {
    const auto some = predict_steps(*model_, traces, number);
    for (size_t i = 0; i < traces.size(); ++i) {
      ASSERT_EQ(some[i].ended.size(), 1u);
      EXPECT_EQ(some[i].ended[0], all[i].ended[number - 1]);
      EXPECT_NEAR(some[i].nats[0], all[i].nats[number - 1], 2e-2 * all[i].nats[number - 1]);
      if (model_->precision() != torch::kFloat) continue;  // where rounding may tip a balance
      EXPECT_TRUE(std::ranges::equal(some[i].steps, std::span(all[i].steps).subspan((number - 1) * 16, 16)));
    }
  }
}

TEST_P(Inference, AFrozenModelPredictsTheSame) {
  const auto batch = some_traces(30, 15);
  const auto before = predict_steps(*model_, documents(batch));
  model_->freeze(model_->precision());
  const auto after = predict_steps(*model_, documents(batch));
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(after[i].steps == before[i].steps) << "trace " << i;
    EXPECT_TRUE(after[i].nats == before[i].nats) << "trace " << i;
  }
}

TEST(Draft, LearnsCounterAndInstructionFromWhatFollows) {
  Drafter drafter(frame_of(make_machine("toy8", 64)->layout()));
  const auto batch = some_traces(12, 15);
  int64_t late_bytes = 0, late_hits = 0;
  for (size_t i = 0; i < batch.size(); ++i) {
    const Trace trace = batch.traces[i];
    const auto image = trace.image();
    for (int64_t t = 0; t < trace.states(); ++t) {
      const auto record = trace.record(t), next = trace.record(t + 1);
      std::vector<uint8_t> guess(16);
      drafter.draft(image, record, guess);
      drafter.learn(image, record, next);
      if (i < 4) continue;  // while several rules still fit all that it has seen
      late_bytes += 6 - 1;  // PC and the instruction; what the ALU gives cannot be guessed
      late_hits +=
          (guess[0] == next[0]) + std::equal(next.begin() + 2, next.begin() + 6, guess.begin() + 2) * 4;
    }
  }
  EXPECT_EQ(late_hits, late_bytes);
}

}  // namespace
}  // namespace bytecpu
