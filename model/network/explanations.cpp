#include "model/network/explanations.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "model/compute/arithmetic.hpp"
#include "model/compute/windows.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;

// Results of two numbers, as arithmetic() orders them.
constexpr int64_t of_product = 3, of_quotient = 4, kinds = of_product + of_quotient;
// The least chance, so that a wrong explanation costs no more than so much.
constexpr double least_chance = 1e-5;

// Where the results of each two words, of which the first `heads` and no others can come first, are among those that arithmetic()
// gives: kind by kind, as places in [kinds, words, words] and among all results, which may be of `others` more.
struct ResultPlaces {
  Tensor kind_and_pair, result;
};
ResultPlaces result_places(int64_t heads, int64_t words, int64_t others) {
  std::vector<int64_t> pairs, results;
  int64_t result = 0;
  const auto add = [&](int64_t first_kind, int64_t count, int64_t i, int64_t j) {
    for (int64_t kind = first_kind; kind < first_kind + count; ++kind, ++result) {
      if (j >= words) continue;
      pairs.push_back((kind * words + i) * words + j);
      results.push_back(result);
    }
  };
  for (int64_t i = 0; i < heads; ++i) {
    for (int64_t j = i + 1; j < words + others; ++j) add(0, of_product, i, j);
  }
  for (int64_t i = 0; i < heads; ++i) {
    for (int64_t j = 0; j < words + others; ++j) {
      if (i != j) add(of_product, of_quotient, i, j);
    }
  }
  return {torch::tensor(pairs, torch::kLong), torch::tensor(results, torch::kLong)};
}

// Bits as numbers without sign: I64 [...] of I8 [..., 32].
Tensor numbers_of(const Tensor& bits) {
  const auto place = torch::arange(word_bits, torch::TensorOptions(bits.device()).dtype(torch::kLong));
  return bits.gt(0).to(torch::kLong).bitwise_left_shift(place).sum(-1);
}

// Whether a number takes more than so many bits, with its sign.
Tensor is_longer(const Tensor& number, int64_t bits) {
  const auto with_sign = number.to(torch::kInt).to(torch::kLong);
  return with_sign.lt(-(int64_t{1} << (bits - 1))) | with_sign.ge(int64_t{1} << (bits - 1));
}

// What the memory holds from these addresses on: I8 [M, 1, 32] of planes, I8 [M, 8, bytes], and I64 [M].
Tensor words_at(const Tensor& memory, const Tensor& address) {
  const auto place = address.unsqueeze(1) + torch::arange(word_bytes, address.options());
  const auto bytes = memory.gather(2, place.unsqueeze(1).expand({-1, 8, -1}));  // [M, 8, 4]
  return bytes.transpose(1, 2).flatten(1).unsqueeze(1);
}

// Whether each result of two operands, bits I8 [M, C, 32] and numbers I64 [M, C], is what is written, I64 [M]: bool [M, kinds, C, C].
Tensor explanations(const Tensor& bits, const Tensor& operands, const Tensor& written) {
  const int64_t rows = operands.size(0), count = operands.size(1);
  constexpr int64_t low = 0xffffffff;
  const auto made = arithmetic(bits.to(torch::kFloat), count).to(torch::kLong).bitwise_and(low);
  auto is_it = made.eq(written.unsqueeze(1));
  // The lower half of a product, and a third operand: added, or what the product is taken from.
  const int64_t products = of_product * count * (count - 1) / 2;
  const auto product = made.slice(1, 0, products, of_product).unsqueeze(2);
  const auto third = operands.unsqueeze(1), whole = written.view({rows, 1, 1});
  const auto sum =
      product.eq((whole - third).bitwise_and(low)) | product.eq((third - whole).bitwise_and(low));
  is_it.slice(1, 0, products, of_product).logical_or_(sum.any(2) & is_longer(product.squeeze(2), 16));

  const auto [kind_and_pair, result] = result_places(count, count, 0);
  auto of_pairs = torch::zeros({rows, kinds * count * count}, is_it.options());
  of_pairs.index_copy_(1, kind_and_pair.to(made.device()), is_it.index_select(1, result.to(made.device())));
  of_pairs = of_pairs.view({rows, kinds, count, count});
  of_pairs.slice(1, 0, of_product).logical_or_(of_pairs.slice(1, 0, of_product).transpose(2, 3).clone());
  // To multiply by 0 or 1 explains nothing.
  const auto factor = is_longer(operands, 2);
  return of_pairs & (factor.unsqueeze(2) & factor.unsqueeze(1)).unsqueeze(1);
}

}  // namespace

Tensor explanation_nats(const WordLayout& layout, const Tensor& bits, const Tensor& memory,
                        const Tensor& next_bits, const Tensor& item, const Tensor& word,
                        const RowChoices& choices) {
  const auto none = torch::zeros({}, choices.results.options());
  const int64_t registers = layout.register_count(), heads = choices.sources.size(1);
  if (layout.namings.empty() || layout.register_parts > 1) return none;
  const auto index = torch::tensor(layout.registers, word.options());
  const auto of = [](const Tensor& x, const Tensor& i) { return x.index_select(0, i); };

  // Rows of a register, and what the operands and the result are.
  auto row = word.unsqueeze(1).eq(index).any(1).nonzero().squeeze(1);
  if (row.size(0) == 0) return none;
  const auto places = of(item, row) * layout.count() + of(word, row);
  auto written = numbers_of(next_bits.flatten(0, 1).index_select(0, places));
  auto operand_bits = of(bits.index_select(1, index), of(item, row));
  const bool reads_memory = choices.addresses.defined() && layout.access_offset >= 0;
  auto address = torch::zeros_like(row);
  if (reads_memory) {
    address = numbers_of(of(next_bits.select(1, layout.access_offset), of(item, row)))
                  .clamp_max(choices.addresses.size(2) - 1);
    operand_bits = torch::cat({operand_bits, words_at(of(memory, of(item, row)), address)}, 1);
  }
  auto operands = numbers_of(operand_bits);
  const auto is_new = is_longer(written, 16) & ~operands.eq(written.unsqueeze(1)).any(1);
  const auto kept = is_new.nonzero().squeeze(1);
  if (kept.size(0) == 0) return none;
  auto explained = explanations(of(operand_bits, kept), of(operands, kept), of(written, kept));
  const auto any = explained.flatten(1).any(1).nonzero().squeeze(1);
  if (any.size(0) == 0) return none;
  explained = of(explained, any);
  row = of(row, of(kept, any));
  address = of(address, of(kept, any));

  // [M, 1, heads, operands]: how much of each operand a head reads.
  const auto source = layout.registers_of_sources(of(bits, of(item, row)));
  const auto weights = of(choices.sources, row);
  auto reads = torch::zeros({row.size(0), heads, registers + 1}, weights.options())
                   .scatter_add(2, source.unsqueeze(1).expand_as(weights), weights)
                   .slice(2, 0, registers);
  if (reads_memory) {
    const int64_t memory_heads = choices.addresses.size(1);
    const auto there =
        of(choices.addresses, row).gather(2, address.view({-1, 1, 1}).expand({-1, memory_heads, 1}));
    reads =
        torch::cat({torch::constant_pad_nd(reads, {0, 1}), torch::constant_pad_nd(there, {registers, 0})}, 1);
  }
  const int64_t words = reads.size(1);
  reads = reads.unsqueeze(1);
  const auto reads_them =
      torch::matmul(torch::matmul(reads, explained.to(reads.scalar_type())), reads.transpose(2, 3));
  int64_t others = 0;
  while (arithmetic_results(heads, words - heads + others) < choices.results.size(1)) ++others;
  const auto [kind_and_pair, result] = result_places(heads, words, others);
  const auto chance = (reads_them.flatten(1).index_select(1, kind_and_pair.to(bits.device())) *
                       of(choices.results, row).index_select(1, result.to(bits.device())))
                          .sum(1);
  return -chance.add(least_chance).log().sum();
}

}  // namespace bytecpu
