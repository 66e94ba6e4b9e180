#include "model/network/explanations.hpp"

#include "model/compute/arithmetic.hpp"
#include "model/compute/windows.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;

// A wrong explanation costs at most -log of this.
constexpr double least_probability = 1e-5;
constexpr int64_t low = 0xffffffff;

// Bits as numbers without sign: I64 [...] of I8 [..., 32].
Tensor unsigned_of(const Tensor& bits) {
  const auto place = torch::arange(word_bits, torch::TensorOptions(bits.device()).dtype(torch::kLong));
  return bits.gt(0).to(torch::kLong).bitwise_left_shift(place).sum(-1);
}

// Whether a number does not fit 16 bits with its sign.
Tensor is_long(const Tensor& number) {
  const auto with_sign = number.to(torch::kInt).to(torch::kLong);
  return with_sign.lt(-(1 << 15)) | with_sign.ge(1 << 15);
}

// Whether a number, with or without sign, is 0 or a power of two.
Tensor is_power(const Tensor& number) {
  const auto negated = (-number).bitwise_and(low);
  return number.bitwise_and(number - 1).eq(0) | negated.bitwise_and(negated - 1).eq(0);
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
  const auto made = arithmetic(bits.to(torch::kFloat), count).to(torch::kLong);
  auto is_it = made.bitwise_and(low).eq(written.unsqueeze(1));
  // The lower half of a product, and a third operand or 0: added, or what the product is taken from.
  const int64_t products = product_kinds * count * (count - 1) / 2;
  const auto product = made.slice(1, 0, products, product_kinds).bitwise_and(low);
  const auto third = torch::constant_pad_nd(operands, {0, 1}).unsqueeze(1),
             whole = written.view({rows, 1, 1});
  const auto sum = product.unsqueeze(2).eq((whole - third).bitwise_and(low)) |
                   product.unsqueeze(2).eq((third - whole).bitwise_and(low));
  is_it.slice(1, 0, products, product_kinds).logical_or_(sum.any(2) & is_long(product));
  // Where the quotient is -1, 0 or 1 the remainder is a sum, a difference or an operand.
  const auto trivial = made.slice(1, products).abs().le(1);
  for (const int64_t remainder : {1, 3}) {
    is_it.slice(1, products + remainder, made.size(1), quotient_kinds)
        .logical_and_(trivial.slice(1, remainder - 1, trivial.size(1), quotient_kinds).logical_not());
  }

  const auto [result, kind_and_pair] = arithmetic_places(count, count, count);
  auto of_pairs = torch::zeros({rows, arithmetic_kinds * count * count}, is_it.options());
  of_pairs.index_copy_(1, kind_and_pair.to(made.device()), is_it.index_select(1, result.to(made.device())));
  of_pairs = of_pairs.view({rows, arithmetic_kinds, count, count});
  const auto of_products = of_pairs.slice(1, 0, product_kinds);
  of_products.logical_or_(of_products.transpose(2, 3).clone());
  const auto usable = is_power(operands).logical_not();
  return of_pairs & (usable.unsqueeze(2) & usable.unsqueeze(1)).unsqueeze(1);
}

// How much of each operand each head reads, [M, heads + memory heads, operands], by what rows choose: of registers, told for each
// source, I64 [M, sources], and, where the memory is read, of the word at an address, I64 [M].
Tensor reads(const Tensor& sources, const Tensor& register_of_source, int64_t registers,
             const Tensor& addresses, const Tensor& address) {
  const int64_t rows = sources.size(0), heads = sources.size(1);
  const auto of_registers = torch::zeros({rows, heads, registers + 1}, sources.options())
                                .scatter_add(2, register_of_source.unsqueeze(1).expand_as(sources), sources)
                                .slice(2, 0, registers);
  if (!addresses.defined()) return of_registers;
  const auto there = addresses.gather(2, address.view({-1, 1, 1}).expand({-1, addresses.size(1), 1}));
  return torch::cat(
      {torch::constant_pad_nd(of_registers, {0, 1}), torch::constant_pad_nd(there, {registers, 0})}, 1);
}

}  // namespace

Tensor explanation_nats(const WordLayout& layout, const Tensor& bits, const Tensor& memory,
                        const Tensor& next_bits, const Tensor& item, const Tensor& word,
                        const RowChoices& choices) {
  const auto none = torch::zeros({}, choices.results.options());
  if (layout.namings.empty() || layout.register_parts > 1) return none;
  const auto index = torch::tensor(layout.registers, word.options());
  const auto of = [](const Tensor& x, const Tensor& i) { return x.index_select(0, i); };

  // Rows of a register, and what the operands and the result are.
  auto row = word.unsqueeze(1).eq(index).any(1).nonzero().squeeze(1);
  if (row.size(0) == 0) return none;
  const auto places = of(item, row) * layout.count() + of(word, row);
  const auto written = unsigned_of(next_bits.flatten(0, 1).index_select(0, places));
  auto operand_bits = of(bits.index_select(1, index), of(item, row));
  const bool reads_memory =
      choices.addresses.defined() && choices.addresses.size(2) >= word_bytes && layout.read_size >= 0;
  auto address = torch::zeros_like(row);
  if (reads_memory) {
    const auto of_next = [&](int64_t w) { return unsigned_of(of(next_bits.select(1, w), of(item, row))); };
    const int64_t last = choices.addresses.size(2) - word_bytes;
    address = of_next(layout.access_offset);
    const auto is_read = of_next(layout.read_size).ge(word_bytes) & address.le(last);
    address.clamp_max_(last);
    const auto there = words_at(of(memory, of(item, row)), address);
    operand_bits = torch::cat({operand_bits, there.masked_fill(~is_read.view({-1, 1, 1}), -1)}, 1);
  }
  const auto operands = unsigned_of(operand_bits);
  const auto is_new = is_long(written) & ~operands.eq(written.unsqueeze(1)).any(1);
  const auto kept = is_new.nonzero().squeeze(1);
  if (kept.size(0) == 0) return none;
  auto explained = explanations(of(operand_bits, kept), of(operands, kept), of(written, kept));
  const auto any = explained.flatten(1).any(1).nonzero().squeeze(1);
  if (any.size(0) == 0) return none;
  explained = of(explained, any);
  row = of(row, of(kept, any));
  address = of(address, of(kept, any));

  const auto weights =
      reads(of(choices.sources, row), layout.registers_of_sources(of(bits, of(item, row))),
            layout.register_count(), reads_memory ? of(choices.addresses, row) : Tensor(), address);
  const int64_t heads = choices.sources.size(1), words = weights.size(1);
  const auto first = weights.unsqueeze(1), second = first.transpose(2, 3);
  const auto reads_them = torch::matmul(torch::matmul(first, explained.to(first.scalar_type())), second);
  int64_t all = words;  // wired ones, too
  while (arithmetic_results(heads, all - heads) < choices.results.size(1)) ++all;
  TORCH_CHECK(arithmetic_results(heads, all - heads) == choices.results.size(1), "results of which words?");
  const auto [result, kind_and_pair] = arithmetic_places(heads, words, all);
  const auto probability = (reads_them.flatten(1).index_select(1, kind_and_pair.to(bits.device())) *
                            of(choices.results, row).index_select(1, result.to(bits.device())))
                               .sum(1);
  return -probability.add(least_probability).log().sum();
}

}  // namespace bytecpu
