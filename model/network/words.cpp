#include "model/network/words.hpp"

#include <algorithm>
#include <bit>
#include <numeric>

#include "model/compute/windows.hpp"
#include "model/network/layers.hpp"

namespace bytecpu {
torch::Tensor bits_of_bytes(const torch::Tensor& bytes) {
  static const torch::Tensor table = in_binary(256, 8).to(torch::kChar);
  auto shape = bytes.sizes().vec();
  shape.push_back(8);
  return table.to(bytes.device()).index_select(0, bytes.flatten().to(torch::kInt)).view(shape);
}

WordLayout::WordLayout(const Layout& layout) {
  for (const auto& field : layout.fields) {
    if (field.name == "INSN") instruction_bits = 8 * field.bytes;
    if (field.name == "ACCESS_OFFSET") access_offset = count();
    if (field.name == "READ_SIZE") read_size = count();
    for (int at = 0; at < field.bytes; at += word_bytes) {
      if (field.name == "INSN") instruction.push_back(count());
      if (field.name == "INSN" || field.bytes <= 2) selecting.push_back(count());
      words.push_back({.offset = field.offset + at,
                       .bytes = std::min<int>(word_bytes, field.bytes - at),
                       .part = static_cast<int>(at / word_bytes)});
    }
    for (int at = 1; field.bytes > word_bytes && at < field.bytes; ++at) {
      if (at % word_bytes != 0)
        windows.push_back({field.offset + at, std::min<int>(word_bytes, field.bytes - at)});
    }
  }
  const int64_t behind = instruction.empty() ? 0 : instruction.back() + 1;
  const auto whole = std::find_if(words.begin() + behind, words.end(),
                                  [](const Word& word) { return word.bytes == word_bytes; });
  hidden = {whole == words.end() ? behind : whole - words.begin()};
  find_rows(layout);
  find_namings();
}

void WordLayout::find_rows(const Layout& layout) {
  std::vector<int64_t> row;  // of fields as wide as each other
  int number = 0;
  int64_t word = 0;
  for (size_t i = 0; i < layout.fields.size(); ++i) {
    const auto& field = layout.fields[i];
    const bool goes_on =
        i > 0 && field.bytes == layout.fields[i - 1].bytes && layout.fields[i - 1].name != "WRITE_VALUE";
    number = goes_on ? number + 1 : 0;
    if (!goes_on) row.clear();
    const int64_t parts = (field.bytes + word_bytes - 1) / word_bytes;
    for (int64_t part = 0; part < parts; ++part) {
      words[word].number = number;
      row.push_back(word++);
    }
    if (instruction.empty() || row.front() <= instruction.back() ||
        row.size() / parts <= registers.size() / register_parts)
      continue;
    registers = row;
    register_parts = parts;
  }
}

torch::Tensor WordLayout::fields_of_instruction(const torch::Tensor& bits, int64_t within,
                                                int64_t width) const {
  const auto whole = torch::TensorOptions(bits.device()).dtype(torch::kLong);
  const auto of_instruction = bits.index_select(1, torch::tensor(instruction, whole))
                                  .flatten(1)
                                  .slice(1, 0, std::min(within, instruction_bits));
  const auto powers = torch::pow(2, torch::arange(width, whole));
  return (of_instruction.unfold(1, width, 1).gt(0).to(torch::kLong) * powers).sum(2);
}

void WordLayout::find_namings() {
  if (register_count() < 3) return;
  const int needed = std::bit_width(static_cast<uint64_t>(register_count() - 1));
  if (instruction_bits < needed) return;
  namings = {{needed - 1, 0}, {needed, 0}};
  if (instruction.size() > 1) namings[1] = {needed - 1, int64_t{1} << (needed - 1)};
}

int64_t WordLayout::naming_places() const {
  int64_t count = 0;
  for (const auto& naming : namings) count += std::min(named_within_bits, instruction_bits) - naming.bits + 1;
  return count;
}

torch::Tensor WordLayout::names_of(const torch::Tensor& bits) const {
  const auto whole = torch::TensorOptions(bits.device()).dtype(torch::kLong);
  std::vector<torch::Tensor> numbers = {torch::zeros({bits.size(0), 0}, whole)};
  for (const auto& naming : namings)
    numbers.push_back(fields_of_instruction(bits, named_within_bits, naming.bits) + naming.added);
  return torch::cat(numbers, 1).clamp_max(register_count());
}

torch::Tensor WordLayout::named_words(const torch::Tensor& bits, const torch::Tensor& names) const {
  const int64_t all = bits.size(0), count = register_count();
  const auto index = torch::tensor(registers, names.options());
  const auto values = torch::cat({bits.index_select(1, index).view({all, count, register_parts * word_bits}),
                                  torch::full({all, 1, register_parts * word_bits}, -1, bits.options())},
                                 1)
                          .flatten(0, 1);
  const auto at = names + (count + 1) * torch::arange(all, names.options()).unsqueeze(1);
  return values.index_select(0, at.flatten()).view({all, names.size(1) * register_parts, word_bits});
}

torch::Tensor WordLayout::signed_bytes_of(const torch::Tensor& bits) const {
  const auto index = torch::tensor(instruction, torch::TensorOptions(bits.device()).dtype(torch::kLong));
  const int64_t count = signed_bytes();
  const auto bytes = bits.index_select(1, index).flatten(1).slice(1, 0, 8 * count).view({-1, count, 8});
  return torch::cat({bytes, bytes.slice(2, 7).expand({-1, -1, word_bits - 8})}, 2);
}

torch::Tensor WordLayout::numbers_of(const torch::Tensor& bits) const {
  const auto whole = torch::TensorOptions(bits.device()).dtype(torch::kLong);
  if (numbers() == 0) return torch::zeros({bits.size(0), word_bits, 0}, bits.options());
  const auto number = fields_of_instruction(bits, instruction_bits, number_bits);
  const auto both = torch::cat({number, (word_bits - number).remainder(word_bits)}, 1);
  return both.unsqueeze(1).eq(torch::arange(word_bits, whole).view({1, word_bits, 1})).to(torch::kChar);
}

torch::Tensor WordLayout::derived_words(const torch::Tensor& records, const torch::Tensor& bits,
                                        const torch::Tensor& names) const {
  std::vector<torch::Tensor> derived;
  if (!windows.empty()) derived.push_back(bits_of(windows, records));
  if (signed_bytes() > 0) derived.push_back(signed_bytes_of(bits));
  if (naming_places() > 0) derived.push_back(named_words(bits, names));
  derived.push_back(torch::full({bits.size(0), 1, word_bits}, -1, bits.options()));
  return torch::cat(derived, 1);
}

torch::Tensor WordLayout::registers_of_sources(const torch::Tensor& bits) const {
  const auto names = names_of(bits);
  auto of_source = torch::full({bits.size(0), sources()}, register_count(), names.options());
  of_source.index_copy_(1, torch::tensor(registers, names.options()),
                        torch::arange(register_count(), names.options()).expand({bits.size(0), -1}));
  of_source.narrow(1, 2 * count() + first_named(), naming_places()).copy_(names);
  return of_source;
}

torch::Tensor WordLayout::unseen_sources() const {
  const int64_t of_hidden = std::ssize(hidden);
  const auto unseen = sees().logical_not().to(torch::kFloat) * -1e9;
  auto of_all = torch::zeros({count() + of_hidden, sources()});
  of_all.slice(1, count(), 2 * count()) = unseen.slice(1, 0, count());
  of_all.slice(1, sources() - of_hidden) = unseen.slice(1, count());
  return of_all;
}

torch::Tensor WordLayout::sees() const {
  const int64_t of_record = count(), all = of_record + std::ssize(hidden);
  auto sees = torch::zeros({all, all}, torch::kBool);
  const auto set = [&](int64_t row, int64_t from, int64_t to) { sees[row].slice(0, from, to).fill_(true); };
  for (int64_t w = 0; w < all; ++w) set(w, 0, w < of_record ? w : hidden[w - of_record]);
  for (int64_t h = of_record; h < all; ++h) {
    set(h, of_record, h);
    for (int64_t w = hidden[h - of_record]; w < of_record; ++w) set(w, h, h + 1);
  }
  return sees;
}

torch::Tensor bits_of(const std::vector<Word>& words, const torch::Tensor& records) {
  const int64_t count = std::ssize(words), bytes = records.size(1);
  // The record's bytes and, as number `bytes`, one of zero bits.
  auto place = torch::full({count, word_bytes}, bytes, torch::kLong);
  for (int64_t w = 0; w < count; ++w) {
    std::iota(place.data_ptr<int64_t>() + w * word_bytes,
              place.data_ptr<int64_t>() + w * word_bytes + words[w].bytes, words[w].offset);
  }
  const auto bits = torch::cat(
      {bits_of_bytes(records), torch::zeros({records.size(0), 1, 8}, records.options().dtype(torch::kChar))},
      1);
  return bits.index_select(1, place.flatten().to(records.device())).view({records.size(0), count, 32});
}

torch::Tensor planes_of(const torch::Tensor& images, int64_t behind) {
  const auto bits = bits_of_bytes(images).transpose(1, 2);
  return torch::cat({bits, torch::zeros({images.size(0), 8, behind}, bits.options())}, 2);
}

}  // namespace bytecpu
