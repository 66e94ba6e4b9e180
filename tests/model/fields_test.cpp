// The family "fields": its likelihood, its decoding, and the memory that it keeps.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string_view>

#include "model/compute/backend.hpp"
#include "model/compute/layer_norm.hpp"
#include "model/inference/decode.hpp"
#include "model/network/condition_heads.hpp"
#include "model/network/word_thinker.hpp"
#include "model/network/words.hpp"
#include "tests/model/support.hpp"

namespace bytecpu {
namespace {

Pool traces_of(const std::string& machine, int count) {
  ProgramStream::Options options;
  options.machine = machine;
  options.memory_bytes = 256;
  options.programs.max_instructions = 12;
  if (machine != "toy8") options.programs.memory_share = 0.5;
  options.pool_traces = count;
  ProgramStream stream(options);
  Pool pool(stream.frame().layout);
  stream.fill(0, {}, pool);
  return pool;
}

std::shared_ptr<ByteModel> model_of(const std::string& machine) {
  auto config = tiny_config("fields");
  config.frame = frame_of(make_machine(machine, 256)->layout());
  config.patch_size = config.frame.step_bytes;
  return tiny_model(config);
}

// A model that thinks most words written and knows little of their bits. It reads its hidden word often.
std::shared_ptr<ByteModel> undecided(std::shared_ptr<ByteModel> model) {
  torch::NoGradGuard no_grad;
  model->named_parameters()["words.gate_bias"].fill_(2.5);
  model->named_parameters()["words.gate_bias"][-1] = -8;
  model->named_parameters()["words.key"].select(1, -1).mul_(3);
  if (auto* of_gates = model->named_parameters().find("words.instruction_gates.out.weight"))
    of_gates->normal_(0, 0.3);
  return model;
}

TEST(WordLayout, HasAWordForEveryFourBytesOfAField) {
  const Layout layout{.machine = "m",
                      .memory_bytes = 16,
                      .record_bytes = 16,
                      .fields = {{"PC", 0, 2}, {"INSN", 2, 6}, {"A", 8, 4}, {"B", 12, 4}}};
  const WordLayout words(layout);
  ASSERT_EQ(words.count(), 5);
  const auto is = [](const Word& word, int offset, int bytes, int number, int part) {
    return word.offset == offset && word.bytes == bytes && word.number == number && word.part == part;
  };
  EXPECT_TRUE(is(words.words[0], 0, 2, 0, 0));
  EXPECT_TRUE(is(words.words[1], 2, 4, 0, 0));
  EXPECT_TRUE(is(words.words[2], 6, 2, 0, 1));
  EXPECT_TRUE(is(words.words[3], 8, 4, 0, 0));
  EXPECT_TRUE(is(words.words[4], 12, 4, 1, 0));
  EXPECT_EQ(words.selecting, (std::vector<int64_t>{0, 1, 2}));
  // Within INSN at 3, 4, 5 and 7.
  ASSERT_EQ(words.windows.size(), 4U);
  EXPECT_TRUE(is(words.windows[0], 3, 4, 0, 0));
  EXPECT_TRUE(is(words.windows[3], 7, 1, 0, 0));
  // Before A.
  EXPECT_EQ(words.hidden, (std::vector<int64_t>{3}));
}

TEST(WordLayout, ItsRegistersAreThoseOfTheMachine) {
  struct Expected {
    const char *machine, *first;
    int64_t count, parts;
  };
  for (const auto& [machine, first, count, parts] :
       {Expected{"arm64", "W0", 11, 1}, Expected{"thumb", "R0", 8, 1}, Expected{"x86_64", "EAX", 10, 1},
        Expected{"arm64-full", "X0", 32, 2}, Expected{"x86_64-full", "RAX", 16, 2}}) {
    const auto layout =
        make_machine(machine, std::string_view(machine).ends_with("full") ? 4096 : 256)->layout();
    const WordLayout words(layout);
    ASSERT_FALSE(words.registers.empty()) << machine;
    const auto field = std::ranges::find(layout.fields, std::string(first), &Field::name);
    ASSERT_NE(field, layout.fields.end()) << machine;
    EXPECT_EQ(words.words[words.registers.front()].offset, field->offset) << machine;
    EXPECT_EQ(words.register_count(), count) << machine;
    EXPECT_EQ(words.register_parts, parts) << machine;
    for (int64_t w = 0; w < count * parts; ++w)
      EXPECT_EQ(words.words[words.registers[w]].number, w / parts) << machine << ' ' << w;
  }
  EXPECT_EQ(WordLayout(make_machine("toy8", 256)->layout()).naming_places(), 0);
}

// Five registers of 8 bytes, behind a value that is as wide as they are.
Layout named_layout(int instruction_bytes) {
  Layout layout{.machine = "m", .memory_bytes = 16, .record_bytes = 64, .fields = {{"PC", 0, 2}}};
  int end = 2;
  const auto add = [&](const char* name, int bytes) {
    layout.fields.push_back({name, end, bytes});
    end += bytes;
  };
  add("INSN", instruction_bytes);
  for (const char* name : {"WRITE_VALUE", "A", "B", "C", "D", "E"}) add(name, 8);
  add("FLAGS", layout.record_bytes - end);
  return layout;
}

TEST(WordLayout, KnowsTheRegistersThatAnInstructionNames) {
  const WordLayout words(named_layout(2));
  EXPECT_EQ(words.registers, (std::vector<int64_t>{4, 5, 6, 7, 8, 9, 10, 11, 12, 13}));
  // Two bits, at 15 places, then three, at 14.
  ASSERT_EQ(words.naming_places(), 15 + 14);
  auto records = torch::randint(256, {2, 64}, torch::kByte);
  records.select(1, 2).copy_(torch::tensor({0b0100'1100, 0b0011'0000}, torch::kByte));
  records.select(1, 3).zero_();
  const auto bits = bits_of(words.words, records);
  const auto names = words.names_of(bits), derived = words.derived_words(records, bits, names);
  ASSERT_EQ(derived.sizes(), (std::vector<int64_t>{2, std::ssize(words.windows) + 2 * 29 + 1, 32}));
  const auto named = derived.slice(1, std::ssize(words.windows));
  EXPECT_TRUE(derived.select(1, -1).eq(-1).all().item<bool>());
  const auto is = [&](int64_t record, int64_t place, int64_t number) {
    EXPECT_EQ(names[record][place].item<int64_t>(), number) << record << ' ' << place;
    const auto wanted = number == 5 ? torch::full({2, 32}, -1, torch::kChar)
                                    : bits[record].slice(0, 4 + 2 * number, 6 + 2 * number);
    EXPECT_TRUE(torch::equal(named[record].slice(0, 2 * place, 2 * place + 2), wanted))
        << record << ' ' << place;
  };
  is(0, 0, 0);
  is(0, 2, 3);
  is(0, 5, 2);
  is(0, 15 + 1, 5);  // 6: no register has this number
  is(0, 15 + 2, 3);
  is(0, 15 + 4, 4);
  is(1, 15 + 4, 3);
  is(1, 15 + 2, 4);
}

TEST(WordLayout, ANameInALongInstructionMayHaveItsHighestBitElsewhere) {
  const WordLayout words(named_layout(8));
  // Two bits, at 47 places, without the third and with it.
  ASSERT_EQ(words.naming_places(), 2 * 47);
  auto records = torch::randint(256, {1, 64}, torch::kByte);
  records.slice(1, 2, 10).zero_();
  records[0][2 + 5] = 0b1100'0000;
  const auto bits = bits_of(words.words, records);
  const auto names = words.names_of(bits);
  const auto named =
      words.derived_words(records, bits, names).slice(1, std::ssize(words.windows) + words.signed_bytes());
  const auto number = [&](int64_t place) { return names[0][place].item<int64_t>(); };
  EXPECT_EQ(number(44), 0);
  EXPECT_EQ(number(46), 3);
  EXPECT_EQ(number(47 + 44), 4);
  EXPECT_EQ(number(47 + 46), 5) << "no register has the number 7";
  const int64_t fifth = words.registers[2 * 4];
  EXPECT_TRUE(
      torch::equal(named[0].slice(0, 2 * (47 + 44), 2 * (47 + 45)), bits[0].slice(0, fifth, fifth + 2)));
}

TEST(WordLayout, BytesOfALongInstructionAreNumbersWithSign) {
  const WordLayout words(named_layout(8));
  ASSERT_EQ(words.signed_bytes(), 8);
  const auto records = torch::randint(256, {20, 64}, torch::kByte);
  const auto bits = bits_of(words.words, records);
  const auto numbers =
      words.derived_words(records, bits, words.names_of(bits)).gt(0).slice(1, std::ssize(words.windows));
  for (int64_t n = 0; n < 20; ++n) {
    for (int64_t i = 0; i < 8; ++i) {
      const int64_t number = static_cast<int8_t>(records[n][2 + i].item<uint8_t>());
      for (int64_t bit = 0; bit < 32; ++bit)
        ASSERT_EQ(numbers[n][i][bit].item<bool>(), (number >> bit & 1) == 1) << n << ' ' << i << ' ' << bit;
    }
  }
  EXPECT_EQ(WordLayout(named_layout(4)).signed_bytes(), 0);
}

TEST(WordThinker, ARegisterIsWrittenWhereTheInstructionNamesIt) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(0);
  auto config = tiny_config("fields");
  config.frame = frame_of(named_layout(4));
  config.frame.context_bytes = 0;
  config.patch_size = config.frame.step_bytes;
  WordThinker thinker(config);
  auto weight = thinker->named_parameters()["naming.weight"];
  const int64_t places = thinker->layout.naming_places(), registers = thinker->layout.registers.front();
  const auto records = torch::randint(256, {50, 64}, torch::kByte);
  weight.zero_();
  const auto before = thinker->know(records, torch::kFloat);
  const auto names = thinker->layout.names_of(before.bits);
  constexpr int64_t place = 40, part = 1;
  weight.select(1, part * places + place).normal_(0, 1);
  const auto change = thinker->know(records, torch::kFloat).gates - before.gates;
  for (int64_t n = 0; n < 50; ++n) {
    const int64_t name = names[n][place].item<int64_t>();
    auto expected = torch::zeros({change.size(1)}, torch::kBool);
    if (name < 5) expected[registers + 2 * name + part] = true;
    EXPECT_TRUE(torch::equal(change[n].abs().gt(1e-6), expected)) << n;
  }
  EXPECT_TRUE(names.select(1, place).eq(5).any().item<bool>());
}

TEST(WordThinker, WhatRowsChooseIsToldInTheirOrder) {
  torch::NoGradGuard no_grad;
  const auto batch = traces_of("arm64", 10);
  const auto rows = model_of("arm64")->rows(documents(batch), Targets::scored);
  auto config = tiny_config("fields");
  config.frame = frame_of(make_machine("arm64", 256)->layout());
  config.patch_size = config.frame.step_bytes;
  WordThinker thinker(config);
  const auto known = thinker->know(rows.condition, torch::kFloat);
  const NextRecords next{known.bits, torch::zeros({known.bits.size(0), known.bits.size(1)}, torch::kBool)};
  const auto item = torch::tensor({0, 3, 3, 1, 2, 5, 4}, torch::kLong),
             word = torch::tensor({9, 7, 12, 8, 9, 14, 10}, torch::kLong);
  HiddenWords hidden;
  RowChoices all;
  const auto logits = thinker->logits(known, next, {item, word}, hidden, &all);
  for (int64_t m = 0; m < item.size(0); ++m) {
    HiddenWords own;
    RowChoices one;
    const auto of_one =
        thinker->logits(known, next, {item.slice(0, m, m + 1), word.slice(0, m, m + 1)}, own, &one);
    const auto same = [&](const torch::Tensor& a, const torch::Tensor& b) {
      ASSERT_EQ(a.size(0), item.size(0));
      ASSERT_EQ(b.size(0), 1);
      EXPECT_TRUE(torch::allclose(a[m], b[0], 1e-4, 1e-5)) << m;
      EXPECT_TRUE(torch::allclose(a.flatten(0, -2).sum(-1), torch::ones({a.flatten(0, -2).size(0)}))) << m;
    };
    same(all.sources, one.sources);
    same(all.addresses, one.addresses);
    same(all.results, one.results);
    EXPECT_TRUE(torch::allclose(logits[m], of_one[0], 1e-3, 1e-3)) << m;
  }
}

TEST(ConditionHeads, SayWhichBitsAreSetAndWhetherTheyAreEqual) {
  torch::NoGradGuard no_grad;
  const WordLayout words(named_layout(4));
  constexpr int64_t heads = 8, width = heads + 28 + 56;
  ConditionHeads conditions(words, width);
  auto parameters = conditions->named_parameters();
  auto &query = parameters["query.weight"], &key = parameters["key"], &out = parameters["out.weight"];
  out.copy_(torch::eye(width));
  // The query is the same for all; head h finds bit 3h + 1 of PC and INSN.
  const auto x = torch::randn({1, width}).expand({20, width});
  query.zero_();
  query[0].fill_(1 / layer_norm(x)[0][0].item<float>());
  key.zero_();
  for (int64_t h = 0; h < heads; ++h) key[h][3 * h + 1].fill_(10);
  const auto records = torch::randint(256, {20, 64}, torch::kByte);
  const auto added = conditions->forward(x, bits_of(words.words, records));
  for (int64_t n = 0; n < 20; ++n) {
    const auto bit = [&](int64_t h) {
      const int64_t at = 3 * h + 1;
      return records[n][at / 8].item<int64_t>() >> at % 8 & 1 ? 1.0F : -1.0F;
    };
    int64_t column = 0;
    const auto is = [&](float value) { EXPECT_NEAR(added[n][column++].item<float>(), value, 1e-4) << n; };
    for (int64_t a = 0; a < heads; ++a) is(bit(a));
    for (int64_t a = 0; a < heads; ++a)
      for (int64_t b = a + 1; b < heads; ++b) is(bit(a) * bit(b));
    for (int64_t a = 0; a < heads; ++a)
      for (int64_t b = a + 1; b < heads; ++b)
        for (int64_t c = b + 1; c < heads; ++c) is(bit(a) * bit(b) * bit(c));
  }
}

class FieldsOf : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Machines, FieldsOf, testing::Values("toy8", "arm64", "x86_64", "thumb"),
                         [](const auto& chosen) { return chosen.param; });

TEST_P(FieldsOf, LossIsTheCrossEntropyOfItsLogits) {
  torch::NoGradGuard no_grad;
  const auto model = undecided(model_of(GetParam()));
  const auto batch = traces_of(GetParam(), 20);
  const auto rows = model->rows(documents(batch), Targets::scored);
  const auto plain = cross_entropy(model->logits(rows.condition, rows.patches), rows.patches);
  const auto own = model->loss(rows.condition, rows.patches);
  // It leaves out what a word that is surely kept would cost if it were written with the value it has.
  EXPECT_TRUE(torch::allclose(own.row_nats, plain.row_nats, 0.02, 1e-4));
  EXPECT_TRUE(own.row_nats.ge(plain.row_nats - 1e-4).all().item<bool>());
  const auto goes_on = rows.patches.select(1, 0).ne(nothing);
  EXPECT_TRUE(torch::equal(own.mistakes.index({goes_on}), plain.mistakes.index({goes_on})));
  EXPECT_GT(own.mistakes.sum().item<int64_t>(), 0);
}

TEST_P(FieldsOf, DecodesWhatItsLogitsChooseByteAfterByte) {
  torch::NoGradGuard no_grad;
  const auto model = undecided(model_of(GetParam()));
  const auto batch = traces_of(GetParam(), 30);
  const auto rows = model->rows(documents(batch), Targets::scored);
  const int64_t count = rows.patches.size(0), patch = rows.patches.size(1);
  auto plain = torch::full({count, patch}, nothing, torch::kLong);
  for (int64_t i = 0; i < patch; ++i) {
    const auto logits = model->logits(rows.condition, plain, i + 1, nullptr).select(1, i);
    plain.select(1, i).copy_(logits.slice(1, 0, nothing).argmax(1));
  }
  const auto never = torch::zeros({count}, torch::kBool);
  const auto decoded = decode_bytewise(*model, rows.condition, never);
  EXPECT_TRUE(torch::equal(decoded.patches, plain));
  EXPECT_FALSE(decoded.ended.any().item<bool>());
  const auto records = rows.condition.slice(1, 0, patch);
  const double written = plain.ne(records).to(torch::kFloat).mean().item<double>();
  EXPECT_GT(written, 0.1);
  EXPECT_LT(written, 0.98);

  // The end, where it is more probable than the first byte.
  model->named_parameters()["words.gate_bias"][-1] = -1;
  const auto first = model->logits(rows.condition, plain).select(1, 0);
  const auto ends = first.select(1, nothing).gt(first.slice(1, 0, nothing).amax(1));
  EXPECT_TRUE(ends.any().item<bool>());
  EXPECT_TRUE(torch::equal(decode_bytewise(*model, rows.condition, ~never).ended, ends));
}

// Which bytes' logits a change of the model's parameters changes: bool [rows, bytes].
torch::Tensor changed_by(ByteModel& model, const std::string& machine,
                         const std::function<void(ByteModel&)>& change) {
  torch::NoGradGuard no_grad;
  const auto batch = traces_of(machine, 10);
  const auto rows = model.rows(documents(batch), Targets::scored);
  const auto before = model.logits(rows.condition, rows.patches);
  change(model);
  return model.logits(rows.condition, rows.patches).ne(before).any(2);
}

TEST_P(FieldsOf, OnlyWordsBehindTheHiddenOneReadIt) {
  const auto model = undecided(model_of(GetParam()));
  const WordLayout words(model->frame().layout);
  const auto changed = changed_by(*model, GetParam(), [&](ByteModel& m) {  // another hidden word
    m.named_parameters()["words.word.weight"][words.count()].mul_(-1);
  });
  const int64_t from = words.words[words.hidden.back()].offset;
  EXPECT_FALSE(changed.slice(1, 0, from).any().item<bool>());
  EXPECT_GT(changed.slice(1, from).to(torch::kFloat).mean().item<double>(), 0.5);
}

TEST_P(FieldsOf, WhatArithmeticMakesReachesAllWords) {
  const auto model = undecided(model_of(GetParam()));
  const auto changed = changed_by(*model, GetParam(), [](ByteModel& m) {  // others are chosen
    m.named_parameters()["words.result_choice.weight"].mul_(-1);
  });
  EXPECT_TRUE(changed.any(0).all().item<bool>());
}

TEST(Fields, WhetherAnInstructionGoesOnFollowsFromHowItBegins) {
  torch::NoGradGuard no_grad;
  auto config = tiny_config("fields");
  config.frame = frame_of(make_machine("x86_64", 256)->layout());
  config.patch_size = config.frame.step_bytes;
  WordThinker thinker(config);
  for (auto& parameter : thinker->named_parameters()) {
    if (parameter.key() == "instruction_gates.out.weight") parameter.value().normal_();
  }
  const auto batch = traces_of("x86_64", 10);
  const auto rows = model_of("x86_64")->rows(documents(batch), Targets::scored);
  const auto known = thinker->know(rows.condition, torch::kFloat);
  const auto& layout = thinker->layout;
  const auto before = thinker->gates(known, known.bits);
  ASSERT_EQ(layout.instruction.size(), 3U);  // of 4, 4 and 1 bytes
  for (int64_t word = 0; word < layout.count(); ++word) {
    auto bits = known.bits.clone();
    bits.select(1, word).neg_();
    const auto changed = thinker->gates(known, bits).ne(before).any(0);
    for (int64_t gate = 0; gate <= layout.count(); ++gate) {
      const bool later =
          word < gate && word >= layout.instruction.front() && gate <= layout.instruction.back();
      EXPECT_EQ(changed[gate].item<bool>(), later) << word << " " << gate;
    }
  }
}

TEST_P(FieldsOf, TheHiddenWordIsTaughtByTheWordsThatAreWrittenAndByThoseThatReadIt) {
  const auto model = undecided(model_of(GetParam()));
  const auto batch = traces_of(GetParam(), 10);
  const auto rows = model->rows(documents(batch), Targets::scored);
  const auto loss = model->loss(rows.condition, rows.patches);
  // toy8 has no words of 32 bits.
  EXPECT_EQ(loss.besides.item<double>() > 0, GetParam() != "toy8");
  EXPECT_FLOAT_EQ(loss.nats.item<float>(), loss.row_nats.mean().item<float>());
  const WordLayout words(model->frame().layout);
  loss.nats.backward();
  const auto gradient = model->named_parameters()["words.word.weight"].grad();
  EXPECT_GT(gradient[words.count()].abs().max().item<double>(), 0);
}

TEST_P(FieldsOf, NatsOfADraftAreThoseOfTheTruth) {
  torch::NoGradGuard no_grad;
  const auto model = undecided(model_of(GetParam()));
  const auto batch = traces_of(GetParam(), 10);
  const auto rows = model->rows(documents(batch), Targets::scored);
  const auto decoded =
      decode(*model, rows.condition, rows.patches, torch::ones({rows.patches.size(0)}, torch::kBool));
  const auto loss = model->loss(rows.condition, rows.patches);
  EXPECT_TRUE(torch::allclose(decoded.draft_nats, loss.row_nats * rows.patches.size(1)));
}

TEST_P(FieldsOf, ALaterByteChangesNoEarlierLogit) {
  torch::NoGradGuard no_grad;
  const auto model = undecided(model_of(GetParam()));
  const auto batch = traces_of(GetParam(), 2);
  const auto rows = model->rows(documents(batch), Targets::scored);
  const auto plain = model->logits(rows.condition, rows.patches);
  for (int64_t changed = 0; changed < rows.patches.size(1); ++changed) {
    auto patches = rows.patches.clamp_max(255);
    patches.select(1, changed).bitwise_xor_(0x55);
    const auto goes_on = rows.patches.select(1, 0).ne(nothing);
    const auto now = model->logits(rows.condition, patches);
    const auto earlier = [&](const torch::Tensor& x) { return x.index({goes_on}).slice(1, 0, changed + 1); };
    EXPECT_TRUE(torch::equal(earlier(now), earlier(plain))) << changed;
  }
}

TEST_P(FieldsOf, WithoutKernelsLossAndGradientsAreTheSame) {
  const auto model = undecided(model_of(GetParam()));
  const auto batch = traces_of(GetParam(), 6);
  const auto rows = model->rows(documents(batch), Targets::scored);
  const auto gradients = [&] {
    model->zero_grad();
    const auto loss = model->loss(rows.condition, rows.patches).learned();
    loss.backward();
    std::vector<torch::Tensor> all = {loss.detach()};
    for (const auto& p : model->parameters()) all.push_back(p.grad().clone());
    return all;
  };
  const auto fast = gradients();
  use_kernels() = false;
  const auto plain = gradients();
  use_kernels() = true;
  for (size_t i = 0; i < fast.size(); ++i) {
    EXPECT_LT((fast[i] - plain[i]).norm().item<double>(), 1e-4 * plain[i].norm().item<double>()) << i;
  }
}

TEST_P(FieldsOf, KeepsTheMemoryAsTheWritesLeaveIt) {
  torch::NoGradGuard no_grad;
  const auto model = model_of(GetParam());
  const auto pool = traces_of(GetParam(), 20);
  const auto all = documents(pool);
  const auto rows = model->rows(all, Targets::scored);
  const int64_t bytes = model->frame().step_bytes;
  int64_t row = 0, changed = 0;
  for (const auto& document : all) {
    std::vector<uint8_t> image(document.context.begin(), document.context.end());
    auto history = model->begin({&document, 1});  // from all that it holds
    for (int64_t t = 0; t < document.count(); ++t) {
      apply_write(model->frame().layout, document.step(t), image);
      if (t + 1 == document.count() && !document.complete) break;
      const auto own = rows.condition[row].slice(0, bytes).contiguous();
      EXPECT_TRUE(std::ranges::equal(image, std::span(own.data_ptr<uint8_t>(), own.numel()))) << row;
      changed += std::ranges::equal(image, document.context) ? 0 : 1;
      ++row;
    }
    const auto last = history->condition()[0].slice(0, bytes).contiguous();
    EXPECT_TRUE(std::ranges::equal(image, std::span(last.data_ptr<uint8_t>(), last.numel())));
  }
  EXPECT_EQ(row, rows.condition.size(0));
  // toy8 has no stores.
  EXPECT_EQ(changed > 10, GetParam() != "toy8");
}

TEST_P(FieldsOf, AHistoryGoesOnAsTheWholeTraceDoes) {
  torch::NoGradGuard no_grad;
  const auto model = model_of(GetParam());
  const auto pool = traces_of(GetParam(), 8);
  const auto all = documents(pool);
  const auto rows = model->rows(all, Targets::scored);
  for (size_t i = 0; i < all.size(); ++i) {
    const auto start = all[i].first(1);
    auto history = model->begin({&start, 1});
    const auto own = rows.document.eq(static_cast<int64_t>(i)).nonzero().squeeze(1);
    for (int64_t t = 0; t < own.size(0); ++t) {
      const int64_t row = own[t].item<int64_t>();
      EXPECT_TRUE(torch::equal(history->condition()[0], rows.condition[row]));
      history->append(rows.patches.slice(0, row, row + 1).clamp_max(255));
    }
  }
}

}  // namespace
}  // namespace bytecpu
