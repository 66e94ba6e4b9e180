#include "model/network/bgpt_structured.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "model/network/byte_model.hpp"

namespace bytecpu {
namespace {

// Codes of a patch's place, behind the lanes: which section it is in (the first patch, the context, what follows), its
// number's last two bits as one of four, and the number in binary.
constexpr int64_t sections = 3, last_bits = 4, number_bits = 10;
constexpr int64_t place_width = sections + last_bits + number_bits;
// Codes of small numbers, which machines use to name things, behind those: of each byte a random direction.
constexpr int64_t small_numbers = 32, most_code_width = 64;
// Deviation of all that has no meaning yet. The residual stream's other numbers are 1 … 3: what Muon and AdamW move by
// 0.003 … 0.01 a step must not be gone after some dozens of them.
constexpr double noise = 0.002;

torch::Tensor lanes() {  // F32 [symbols, lane width]
  const auto features = symbol_features();
  return torch::cat({features.slice(1, 0, 8), features.slice(1, structured_features - 1)}, 1);
}

torch::Tensor place_codes(int64_t patches, int64_t context_patches) {  // F32 [patches, place width]
  const auto place = torch::arange(patches, torch::kLong) - 1;
  const auto section = place.ge(0).to(torch::kLong) + place.ge(context_patches);
  const auto number = torch::where(section == 2, place - context_patches, place);
  auto codes = torch::zeros({patches, place_width});
  codes.slice(1, 0, sections).scatter_(1, section.unsqueeze(1), 2);
  codes.slice(1, sections, sections + last_bits).scatter_(1, (number % last_bits).unsqueeze(1), 2);
  codes.slice(1, sections + last_bits) =
      number.unsqueeze(1).bitwise_right_shift(torch::arange(number_bits, torch::kLong)).bitwise_and(1) * 2 -
      1;
  codes[0].slice(0, sections) = 0;  // the first patch has no number
  return codes;
}

// The first layer's attention. Head h < P of position h reads the patch's lane h from position 0, where the patch's
// feature is, and nothing at other positions; the other heads read the feature at every position. `place`: where the
// positions' own coordinates begin, the last of which is only position 0's.
void start_reading(AttentionImpl& attention, int64_t patch, int64_t place, int64_t operands, int64_t chosen) {
  auto &read = attention.c_attn->weight, &bias = attention.c_attn->bias, &write = attention.c_proj->weight;
  const int64_t width = write.size(0), size = width / attention.heads;
  // Normalised, a position's own coordinate is about 13 and position 0's about 3.8: scores of 8 either way.
  constexpr double query = 1, threshold = 6.5, key = 0.9;
  // Position 0 has nothing else to read, so that it reads all lanes; its own must be heard.
  constexpr double own = 8;
  const double deviation = 1 / std::sqrt(static_cast<double>(width));
  read.slice(1, 0, 2 * width).normal_(0, 0.005);
  for (int64_t h = 0; h < attention.heads; ++h) {
    const int64_t queries = h * size, keys = width + queries, values = keys + width;
    auto reads = read.slice(1, values, values + size), writes = write.slice(0, queries, queries + size);
    read[place + patch][keys] += key;
    if (h >= patch) {
      bias[queries] += threshold;
      const int64_t operand = h - patch;
      if (operand < operands) {
        const int64_t from = chosen + operand * 8, to = place + patch + 1 + operand * 8;
        reads.normal_(0, noise);
        writes.normal_(0, noise);
        reads.slice(0, from, from + 8).slice(1, 0, 8) += torch::eye(8);
        writes.slice(0, 0, 8).slice(1, to, to + 8) += torch::eye(8);
      } else {
        reads.normal_(0, deviation);
        writes.normal_(0, deviation / 2);
        // What is written where the next byte is read off would be noise at first, and all that it is made of unlearned.
        writes.slice(1, 0, lane_width).normal_(0, noise);
      }
      continue;
    }
    read[place + h][queries] += query;
    bias[queries] -= threshold;
    reads.normal_(0, noise);
    writes.normal_(0, noise);
    const int64_t copied = std::min(size, lane_width);
    const auto same = torch::eye(copied);
    reads.slice(0, h * lane_width, h * lane_width + copied).slice(1, 0, copied) += same;
    writes.slice(0, 0, copied).slice(1, 0, copied) += same * (h == 0 ? own : 1);
  }
}

// What a machine's records tell of operands: a field ADDR1, ADDR2 … holds the number of one of the fields behind the
// last of them, 1 the first. All have one byte.
struct Operands {
  std::vector<int64_t> names, values;  // their places in the record
};

Operands operands(const ModelConfig& c) {
  Operands found;
  if (c.frame.kind != DocumentKind::trace || c.frame.step_bytes != c.patch_size) return found;
  for (const auto& field : c.frame.layout.fields) {
    if (field.name.starts_with("ADDR") && field.bytes == 1) {
      found.names.push_back(field.offset);
      found.values.clear();
    } else if (!found.names.empty() && field.bytes == 1) {
      found.values.push_back(field.offset);
    }
  }
  return found;
}

// Where the coordinates of the patch level begin; each lies behind the one before it.
struct PatchPlaces {
  explicit PatchPlaces(const ModelConfig& c) : operands(bytecpu::operands(c)) {
    const auto names = std::ssize(operands.names), values = std::ssize(operands.values);
    place = c.patch_size * lane_width;  // the lanes are first
    named = place + place_width;
    chosen = named + names * values;
    codes = chosen + names * 8;
    fit = c.patch_width >= codes;
    if (!fit) {
      operands = {};
      chosen = codes = named;
      fit = c.patch_width >= codes;
    }
    code_width = std::clamp<int64_t>((c.patch_width - codes) / 2, 0, most_code_width);
  }
  Operands operands;
  int64_t place, named, chosen, codes, code_width = 0;
  bool fit;  // whether there is room for the lanes and the codes of places
};

// The first layer's MLP: the bits of the byte that an operand names are written into eight coordinates of the
// operand's own. A unit for each operand, byte that it may name, bit, and value of that bit.
void start_choosing(torch::Tensor& embedding, MlpImpl& mlp, const PatchPlaces& at) {
  const auto names = std::ssize(at.operands.names), values = std::ssize(at.operands.values);
  auto &up = mlp.c_fc->weight, &down = mlp.c_proj->weight;
  if (names * values * 16 > up.size(1)) return;
  // A name's coordinate is 1 where the operand has it and -2.5 where not; with a bit of ±1 that is 2 where the unit's bit of
  // the byte that is named has the unit's value, and at most 0 everywhere else, however long the vector is.
  constexpr double scale = 1, write = 0.6;
  int64_t unit = 0;
  for (int64_t o = 0; o < names; ++o) {
    for (int64_t v = 0; v < values; ++v) {
      const int64_t named = at.named + o * values + v;
      auto name =
          embedding[named].slice(0, at.operands.names[o] * symbols, (at.operands.names[o] + 1) * symbols);
      name += -2.5;
      name[v + 1] += 3.5;
      for (int64_t i = 0; i < 8; ++i) {
        for (const double sign : {-1, 1}) {
          up[at.operands.values[v] * lane_width + i][unit] += sign * scale;
          up[named][unit] += scale;
          down[unit][at.chosen + o * 8 + i] += sign * write;
          ++unit;
        }
      }
    }
  }
}

}  // namespace

void start_patches(torch::Tensor embedding, Gpt2& base, const ModelConfig& c, int64_t context_patches) {
  const PatchPlaces at(c);
  if (!at.fit) return;
  embedding.normal_(0, noise);
  const auto byte = [&](int64_t i) { return embedding.slice(1, i * symbols, (i + 1) * symbols); };
  for (int64_t i = 0; i < c.patch_size; ++i) {
    byte(i).slice(0, i * lane_width, (i + 1) * lane_width) += lanes().t();
    if (at.code_width == 0) continue;
    byte(i).slice(0, at.codes, at.codes + at.code_width).slice(1, 0, small_numbers) +=
        torch::randn({at.code_width, small_numbers}) / std::sqrt(static_cast<double>(at.code_width));
  }
  auto& positions = base->wpe->weight;
  positions.normal_(0, noise);
  positions.slice(1, at.place, at.named) += place_codes(positions.size(0), context_patches);
  start_choosing(embedding, *base->h->at<BlockImpl>(0).mlp, at);
}

void start_bytes(torch::Tensor table, Gpt2& transformer, const torch::nn::Linear& projection,
                 const ModelConfig& c) {
  const int64_t patch = c.patch_size, place = patch * lane_width, free = place + patch + 1;
  if (c.byte_width < free) return;
  table.normal_(0, 0.005);
  table.slice(1, 0, lane_width) += lanes() * 0.2;
  auto& positions = transformer->wpe->weight;
  positions.normal_(0, noise);
  positions.slice(0, 0, patch).slice(1, place, place + patch) += torch::eye(patch);
  positions[0][place] += 2;
  positions[0][place + patch] += 3;
  const PatchPlaces at(c);
  if (projection && at.fit) {  // the lanes as they are, and mixtures of all else
    auto& weight = projection->weight;
    weight.zero_();
    projection->bias.zero_();
    weight.slice(0, 0, place).slice(1, 0, place) += torch::eye(place);
    weight.slice(0, free).slice(1, place).normal_(0,
                                                  1 / std::sqrt(static_cast<double>(c.patch_width - place)));
  }
  if (c.byte_heads < patch || c.byte_width / c.byte_heads < 8) return;
  const int64_t most = std::min<int64_t>(c.byte_heads - patch, (c.byte_width - free) / 8);
  const int64_t operands = std::ssize(at.operands.names);
  start_reading(*transformer->h->at<BlockImpl>(0).attn, patch, place, operands <= most ? operands : 0,
                projection ? free : at.chosen);
}

}  // namespace bytecpu
