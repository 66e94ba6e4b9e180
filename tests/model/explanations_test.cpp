// Which registers would explain a product or a quotient, and how likely the choices of heads and row are to compute it.
#include "model/network/explanations.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "emulator/machine.hpp"
#include "model/compute/arithmetic.hpp"
#include "tests/model/support.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;

constexpr int64_t heads = 3, others = 2;

WordLayout layout_of(const char* machine) { return WordLayout(make_machine(machine, 256)->layout()); }

Tensor bits_of_number(int64_t number) {
  const auto place = torch::arange(32, torch::kLong);
  return (torch::full({32}, number, torch::kLong).bitwise_right_shift(place).bitwise_and(1) * 2 - 1)
      .to(torch::kChar);
}

// One record of arm64 whose register r holds the r-th of these numbers, and what is asked of it.
struct Case {
  WordLayout layout = layout_of("arm64");
  std::vector<int64_t> registers = {70'001,        3'000'000'019, 12'345, 8,      1, 1'000'000'007,
                                    4'294'900'000, 99'991,        11,     65'537, 13};
  Tensor bits = torch::full({1, layout.count(), 32}, -1, torch::kChar), memory;
  int64_t address = 0, read_size = 0;

  Case() {
    for (size_t r = 0; r < registers.size(); ++r)
      bits[0][layout.registers[r]].copy_(bits_of_number(registers[r]));
  }

  // Where heads 0 and 2 read the registers `a` and `b`, and the row uses `result`.
  double nats(int64_t written, int64_t a, int64_t b, int64_t result, int64_t destination = 8) const {
    const int64_t sources = layout.sources();
    RowChoices choices{
        torch::zeros({1, heads, sources}), {}, torch::zeros({1, arithmetic_results(heads, others)})};
    choices.sources[0][0][layout.registers[a]] = 1;
    choices.sources[0][1][sources - 1] = 1;
    choices.sources[0][2][layout.registers[b]] = 1;
    choices.results[0][result] = 1;
    return nats(written, choices, layout.registers[destination]).item<double>();
  }

  Tensor nats(int64_t written, const RowChoices& choices, int64_t word) const {
    auto next = torch::full_like(bits, -1);
    next[0][word].copy_(bits_of_number(written));
    next[0][layout.access_offset].copy_(bits_of_number(address));
    next[0][layout.read_size].copy_(bits_of_number(read_size));
    return explanation_nats(layout, bits, memory, next, torch::zeros({1}, torch::kLong),
                            torch::full({1}, word, torch::kLong), choices);
  }

  // What arithmetic makes of registers `a` and `b`, read by heads 0 and 2: all results, other words being 0.
  Tensor made(int64_t a, int64_t b) const {
    auto words = torch::full({1, heads + others, 32}, -1.0F);
    words[0][0].copy_(bits_of_number(registers[a]));
    words[0][2].copy_(bits_of_number(registers[b]));
    return arithmetic(words, heads)[0];
  }
  // The first result that is this number.
  int64_t result(int64_t a, int64_t b, int64_t number) const {
    return made(a, b).eq(static_cast<int32_t>(number)).nonzero()[0].item<int64_t>();
  }
};

const double unlikely = -std::log(1e-5);

TEST(Explanations, AProductIsExplainedByItsFactorsInEitherOrder) {
  const Case c;
  const int64_t product = c.registers[0] * c.registers[2] & 0xffffffff;
  const int64_t result = c.result(0, 2, product);
  EXPECT_NEAR(c.nats(product, 0, 2, result), 0, 1e-4);
  EXPECT_NEAR(c.nats(product, 2, 0, result), 0, 1e-4);
  EXPECT_NEAR(c.nats(product, 0, 1, result), unlikely, 1e-3) << "another factor";
  EXPECT_NEAR(c.nats(product, 0, 2, result + 1), unlikely, 1e-3) << "another result";
}

TEST(Explanations, UpperHalvesQuotientsAndRemaindersAreExplained) {
  const Case c;
  const int64_t a = c.registers[1], b = c.registers[6];
  const auto with_sign = [](int64_t x) { return static_cast<int64_t>(static_cast<int32_t>(x)); };
  const int64_t upper = static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b) >> 32);
  EXPECT_NEAR(c.nats(upper, 1, 6, c.result(1, 6, upper)), 0, 1e-4);
  const int64_t upper_with_sign = with_sign(a) * with_sign(b) >> 32;
  EXPECT_NEAR(c.nats(upper_with_sign & 0xffffffff, 1, 6, c.result(1, 6, upper_with_sign)), 0, 1e-4);

  const int64_t divisor = c.registers[2];
  EXPECT_NEAR(c.nats(a / divisor, 1, 2, c.result(1, 2, a / divisor)), 0, 1e-4);
  EXPECT_NEAR(c.nats(a / divisor, 2, 1, c.result(1, 2, a / divisor)), unlikely, 1e-3)
      << "the other way round";
  const int64_t quotient = with_sign(a) / divisor;
  EXPECT_NEAR(c.nats(quotient & 0xffffffff, 1, 2, c.result(1, 2, quotient)), 0, 1e-4);
  const int64_t remainder = a % c.registers[9];
  ASSERT_GE(remainder, 1 << 15);
  EXPECT_NEAR(c.nats(remainder, 1, 9, c.result(1, 9, remainder)), 0, 1e-4);
}

TEST(Explanations, AProductMayBeAddedToAThirdRegisterOrTakenFromItOrFromZero) {
  const Case c;
  const int64_t product = c.registers[0] * c.registers[2] & 0xffffffff, result = c.result(0, 2, product);
  for (const int64_t third : {c.registers[1], c.registers[7], c.registers[10]}) {
    EXPECT_NEAR(c.nats((third + product) & 0xffffffff, 0, 2, result), 0, 1e-4) << third;
    EXPECT_NEAR(c.nats((third - product) & 0xffffffff, 0, 2, result), 0, 1e-4) << third;
  }
  EXPECT_NEAR(c.nats(-product & 0xffffffff, 0, 2, result), 0, 1e-4);
  EXPECT_EQ(c.nats((product + 54'321) & 0xffffffff, 0, 2, result), 0) << "no register is that";
}

TEST(Explanations, WhatComesAboutOtherwiseIsNotExplained) {
  const Case c;
  EXPECT_EQ(c.nats(c.registers[0], 1, 2, 0), 0) << "a copy, and a product with 1";
  EXPECT_EQ(c.nats(c.registers[0] + c.registers[7], 1, 2, 0), 0) << "a sum, and a sum with a product with 1";
  EXPECT_EQ(c.nats(c.registers[0] * 8, 1, 2, 0), 0) << "a product with a power of two is a shift";
  EXPECT_EQ(c.nats(c.registers[6] - c.registers[1], 1, 2, 0), 0) << "a difference is a remainder, too";
  EXPECT_EQ(c.nats(c.registers[1] + c.registers[5], 1, 2, 0), 0) << "of a remainder with sign a sum";
  EXPECT_EQ(c.nats(c.registers[8] * c.registers[10], 0, 1, 0), 0) << "too small a number";
  EXPECT_EQ(c.nats(0xdeadbeef, 0, 1, 0), 0);
  const int64_t product = c.registers[0] * c.registers[2] & 0xffffffff;
  EXPECT_GT(c.nats(product, 0, 1, 0), 1);
  const auto before_registers = c.layout.registers.front() - 1;
  const RowChoices choices{
      torch::ones({1, heads, c.layout.sources()}), {}, torch::ones({1, arithmetic_results(heads, others)})};
  EXPECT_EQ(c.nats(product, choices, before_registers).item<double>(), 0) << "what is written is no register";
}

TEST(Explanations, AnOperandMayBeReadFromTheMemory) {
  Case c;
  c.address = 77;
  c.read_size = 4;
  auto image = torch::zeros({1, 256}, torch::kByte);
  const int64_t factor = 54'321;
  for (int64_t i = 0; i < 4; ++i) image[0][c.address + i] = factor >> 8 * i & 0xff;
  c.memory = planes_of(image, 3);
  const int64_t product = c.registers[0] * factor & 0xffffffff;
  const auto nats = [&](int64_t place) {
    // The first of the two other words is what a head on the memory reads.
    RowChoices choices{torch::zeros({1, heads, c.layout.sources()}), torch::zeros({1, 1, 256}),
                       torch::zeros({1, arithmetic_results(heads, others)})};
    auto words = torch::full({1, heads + others, 32}, -1.0F);
    words[0][1].copy_(bits_of_number(c.registers[0]));
    words[0][heads].copy_(bits_of_number(factor));
    const auto made = arithmetic(words, heads)[0];
    choices.sources[0][1][c.layout.registers[0]] = 1;
    choices.addresses[0][0][place] = 1;
    choices.results[0][made.eq(static_cast<int32_t>(product)).nonzero()[0].item<int64_t>()] = 1;
    return c.nats(product, choices, c.layout.registers[8]).item<double>();
  };
  EXPECT_NEAR(nats(c.address), 0, 1e-4);
  EXPECT_NEAR(nats(c.address + 1), unlikely, 1e-3);
  c.read_size = 1;
  EXPECT_EQ(nats(77), 0) << "a byte is read";
  c.read_size = 4;
  c.address = 78;
  EXPECT_EQ(nats(77), 0) << "another word is read";
}

TEST(Explanations, AGradientLeadsHeadsToTheFactorsAndTheRowToTheResult) {
  const Case c;
  const int64_t product = c.registers[0] * c.registers[2] & 0xffffffff;
  auto sources = torch::zeros({1, heads, c.layout.sources()}),
       results = torch::zeros({1, arithmetic_results(heads, others)});
  sources[0][0][c.layout.registers[0]] = 0.1;  // or no head would read another one than the others do
  const auto nats = [&] {
    return c.nats(product, {sources.softmax(2), {}, results.softmax(1)}, c.layout.registers[8]);
  };
  sources.requires_grad_();
  results.requires_grad_();
  for (int step = 0; step < 600; ++step) {
    nats().backward();
    torch::NoGradGuard no_grad;
    for (auto* x : {&sources, &results}) {
      x->sub_(x->grad());
      x->mutable_grad().zero_();
    }
  }
  EXPECT_LT(nats().item<double>(), 0.1);
}

TEST(Explanations, AreLearnedInTrainingAlone) {
  auto config = tiny_config("fields");
  config.frame = frame_of(make_machine("arm64", 256)->layout());
  config.patch_size = config.frame.step_bytes;
  const auto model = tiny_model(config);
  const Case c;
  auto condition = torch::zeros({1, config.patch_size + 256}, torch::kByte);
  const auto write = [&](torch::Tensor record, int64_t r, int64_t number) {
    for (int64_t i = 0; i < 4; ++i)
      record[c.layout.words[c.layout.registers[r]].offset + i] = number >> 8 * i & 0xff;
  };
  for (int64_t r = 0; r < std::ssize(c.registers); ++r) write(condition[0], r, c.registers[r]);
  const auto besides = [&](int64_t number) {
    auto next = condition.slice(1, 0, config.patch_size).to(torch::kLong);
    write(next[0], 8, number);
    return model->loss(condition, next).besides.item<double>() * static_cast<double>(config.patch_size);
  };
  const int64_t product = c.registers[0] * c.registers[2] & 0xffffffff;
  // A bit more costs the hidden word little.
  EXPECT_GT(besides(product), besides(product ^ 1) + 4);
  const torch::NoGradGuard no_grad;
  EXPECT_EQ(besides(product), 0);
}

TEST(WordLayout, ASourceIsTheRegisterThatItIsSaidToBe) {
  for (const char* machine : {"arm64", "thumb", "x86_64"}) {
    const auto frame = make_machine(machine, 256)->layout();
    const WordLayout layout(frame);
    const auto records = torch::randint(256, {50, frame.record_bytes}, torch::kByte);
    const auto bits = bits_of(layout.words, records);
    const auto derived = layout.derived_words(records, bits, layout.names_of(bits));
    ASSERT_EQ(derived.size(1), layout.derived()) << machine;
    const auto of = layout.registers_of_sources(bits);
    const int64_t none = layout.register_count(), words = layout.count();
    ASSERT_EQ(of.sizes(), (std::vector<int64_t>{50, layout.sources()})) << machine;
    int64_t registers = 0;
    for (int64_t n = 0; n < 50; ++n) {
      for (int64_t s = 0; s < layout.sources(); ++s) {
        const int64_t r = of[n][s].item<int64_t>();
        if (r == none) continue;
        ++registers;
        ASSERT_TRUE(s < words || (s >= 2 * words && s < 2 * words + layout.derived())) << machine << ' ' << s;
        const auto held = s < words ? bits[n][s] : derived[n][s - 2 * words];
        EXPECT_TRUE(torch::equal(held, bits[n][layout.registers[r]])) << machine << ' ' << s;
      }
    }
    EXPECT_GT(registers, 50 * (none + layout.naming_places() / 4)) << machine;
  }
}

}  // namespace
}  // namespace bytecpu
