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

// Where the coordinates of the byte level begin: the lanes of position 0, the positions' own, the symbol that a position
// reads and writes, and what operands name.
struct BytePlaces {
  explicit BytePlaces(const ModelConfig& c)
      : place(c.patch_size * lane_width), symbol(place + c.patch_size + 1), chosen(symbol + lane_width) {}
  int64_t place, symbol, chosen;
};

// The byte level's first attention. Head h < P of position h reads the patch's lane h from position 0, where the patch's
// feature is, and nothing at other positions. The next heads read at every position what operands name, which is at
// `from` there; all others read mixtures of the feature.
void start_reading(AttentionImpl& attention, const BytePlaces& at, int64_t patch, int64_t operands,
                   int64_t from) {
  auto &read = attention.c_attn->weight, &bias = attention.c_attn->bias, &write = attention.c_proj->weight;
  const int64_t width = write.size(0), size = width / attention.heads;
  // Normalised, a position's own coordinate is about 13 and position 0's about 3.8: scores of 5 and more either way.
  constexpr double query = 1, threshold = 6.5, key = 2;
  // Position 0 has nothing else to read, so that it reads all lanes; its own must be heard.
  constexpr double own = 8;
  const double deviation = 1 / std::sqrt(static_cast<double>(width));
  read.slice(1, 0, 2 * width).normal_(0, 0.005);
  for (int64_t h = 0; h < attention.heads; ++h) {
    const int64_t queries = h * size, keys = width + queries, values = keys + width;
    auto reads = read.slice(1, values, values + size), writes = write.slice(0, queries, queries + size);
    read[at.place + patch][keys] += key;
    if (h < patch) {
      read[at.place + h][queries] += query;
      bias[queries] -= threshold;
    } else {
      bias[queries] += threshold;
    }
    const auto copy = [&](int64_t source, int64_t target, int64_t count, double gain) {
      reads.normal_(0, noise);
      writes.normal_(0, noise);
      reads.slice(0, source, source + count).slice(1, 0, count) += torch::eye(count);
      writes.slice(0, 0, count).slice(1, target, target + count) += torch::eye(count) * gain;
    };
    if (h < patch) {
      copy(h * lane_width, at.symbol, std::min(size, lane_width), h == 0 ? own : 1);
    } else if (const int64_t operand = h - patch; operand < operands) {
      copy(from + operand * 8, at.chosen + operand * 8, 8, 1);
    } else {
      reads.normal_(0, deviation);
      writes.normal_(0, deviation / 2);
      // It would be noise there at first, and all that it is made of would be unlearned.
      writes.slice(1, at.symbol, at.symbol + lane_width).normal_(0, noise);
    }
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

// Hidden units that choosing one byte for one operand takes: one for each bit and value of that bit.
constexpr int64_t units_a_choice = 16;

// Where the coordinates of the patch level begin; each lies behind the one before it.
struct PatchPlaces {
  explicit PatchPlaces(const ModelConfig& c) : operands(bytecpu::operands(c)) {
    const auto names = std::ssize(operands.names), values = std::ssize(operands.values);
    place = c.patch_size * lane_width;  // the lanes are first
    named = place + place_width;
    chosen = named + names * values;
    codes = chosen + names * 8;
    fit = c.patch_width >= codes && names * values * units_a_choice <= 4 * c.patch_width;
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
  // A name's coordinate is 1 where the operand has it and -2.5 where not; with a bit of ±1 that is 2 where the unit's
  // bit of the byte that is named has the unit's value, and at most 0 everywhere else, however long the vector is.
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

void start_files(torch::Tensor embedding, torch::Tensor table, const ModelConfig& c) {
  const auto features = symbol_features();
  // [P, features, patch width]: every position reads the features through a projection of its own.
  const auto project = torch::randn({c.patch_size, structured_features, c.patch_width}) *
                       (0.02 * std::sqrt(static_cast<double>(c.patch_size)));
  embedding.add_(torch::matmul(features, project).reshape({-1, c.patch_width}).t());
  const int64_t shared = std::min<int64_t>(structured_features, c.byte_width);
  table.slice(1, 0, shared) = features.slice(1, 0, shared) * 0.1;
}

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
  const int64_t patch = c.patch_size;
  const PatchPlaces in(c);
  const BytePlaces at(c);
  if (c.byte_width < at.chosen) return;
  table.normal_(0, noise);
  table.slice(1, at.symbol, at.chosen) += lanes() * 0.2;
  auto& positions = transformer->wpe->weight;
  positions.normal_(0, noise);
  positions.slice(0, 0, patch).slice(1, at.place, at.place + patch) += torch::eye(patch);
  positions[0][at.place] += 2;
  positions[0][at.place + patch] += 3;

  int64_t operands = std::ssize(in.operands.names);
  if (operands > c.byte_heads - patch || operands * 8 > c.byte_width - at.chosen) operands = 0;
  if (projection && in.fit) {  // the lanes and what operands name as they are, and mixtures of all else
    auto& weight = projection->weight;
    weight.zero_();
    projection->bias.zero_();
    weight.slice(0, 0, at.place).slice(1, 0, at.place) += torch::eye(at.place);
    const int64_t named = at.chosen + operands * 8;
    weight.slice(0, at.chosen, named).slice(1, in.chosen, in.chosen + operands * 8) +=
        torch::eye(operands * 8);
    const double deviation = 1 / std::sqrt(static_cast<double>(c.patch_width - at.place));
    weight.slice(0, named).slice(1, at.place).normal_(0, deviation);
  }
  if (c.byte_heads < patch || c.byte_width / c.byte_heads < 8) return;
  start_reading(*transformer->h->at<BlockImpl>(0).attn, at, patch, operands,
                projection ? at.chosen : in.chosen);
}

}  // namespace bytecpu
