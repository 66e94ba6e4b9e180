#include "model/network/words.hpp"

#include <algorithm>
#include <numeric>

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
  for (size_t i = 1; i < words.size(); ++i) {
    if (words[i].bytes == words[i - 1].bytes) words[i].number = words[i - 1].number + 1;
  }
}

torch::Tensor WordLayout::numbers_of(const torch::Tensor& bits) const {
  if (numbers() == 0) return bits.slice(1, 0, 0).slice(2, 0, 5);
  const auto index = torch::tensor(instruction, torch::TensorOptions(bits.device()).dtype(torch::kLong));
  return bits.index_select(1, index).flatten(1).slice(1, 0, instruction_bits).unfold(1, 5, 1);
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
