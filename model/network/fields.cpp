#include "model/network/fields.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "emulator/error.hpp"
#include "model/compute/layer_norm.hpp"
#include "model/compute/product.hpp"
#include "model/compute/scan.hpp"
#include "model/compute/torch_compat.hpp"
#include "model/compute/windows.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;

constexpr int64_t word_bytes = 4;
// Width of the keys of words, of memory addresses and of the numbers 0 … 31.
constexpr int64_t key_width = 16, address_width = 32, number_width = 24;
// Bits of such a number.
constexpr int64_t number_bits = 5;
// Heads whose words go through wirings too, and how many wirings there are.
constexpr int64_t wired_heads = 3, wirings = 12;
// Words whose bits are set from a number's bit on.
constexpr int64_t edges = 2;
// Words of a row's own making that the bits can use, besides those that heads read.
constexpr int64_t literals = 4;
// Ones beside the selecting bits, for a bias; as many as keep products' sizes even.
constexpr int64_t ones = 8;
// In training, the least probability of being written for which a word that is not is thought of.
constexpr double least_gate = 0.2;

// The low bits of 0 … count - 1 as -1 and 1: F32 [count, bits].
Tensor numbers_in_binary(int64_t count, int64_t bits) {
  const auto number = torch::arange(count, torch::kLong).unsqueeze(1);
  return number.bitwise_right_shift(torch::arange(bits, torch::kLong)).bitwise_and(1).to(torch::kFloat) * 2 -
         1;
}

// F32 [count, 2 · harmonics] of the given period.
Tensor sinusoids(int64_t count, double period, int64_t harmonics) {
  const auto angle = torch::arange(count, torch::kFloat).unsqueeze(1) * (2 * std::numbers::pi / period) *
                     torch::arange(1, harmonics + 1, torch::kFloat);
  return torch::cat({angle.cos(), angle.sin()}, 1);
}

Tensor relu_squared(const Tensor& x) { return torch::relu(x).square(); }

}  // namespace

Fields::Fields(const ModelConfig& config) : ByteModel(config), layout_(config.frame.layout) {
  const auto& c = config_;
  const int64_t words = layout_.count(), feature = c.patch_width, row = c.row_width, bits = c.byte_width;
  const int64_t heads = c.patch_heads, memory_heads = c.memory_heads, memory = c.frame.context_bytes;
  const int64_t selecting = std::ssize(layout_.selecting) * word_bits + ones;
  const int64_t seen = heads + wired_heads + memory_heads + edges, channels = seen + literals;
  const auto matrix = [&](const std::string& name, int64_t in, int64_t out, double gain) {
    return register_module(name, Matrix(in, out, gain));
  };
  const auto layers = [&](const std::string& name, torch::nn::ModuleList& list, int count, int64_t width,
                          int64_t multiple) {
    for (int i = 0; i < count; ++i) list->push_back(PlainBlock(width, 0, multiple));
    register_module(name, list);
  };
  feature_in_ = matrix("feature_in", selecting, feature, 1.0);
  layers("feature", feature_, c.patch_layers, feature, 2);
  gate_ = matrix("gate", feature, words + 1, 0.1);
  gate_bias_ = register_parameter("gate_bias", torch::full({words + 1}, -2.0));
  row_in_ = matrix("row_in", feature, row, 1.0);
  word_ = register_module("word", Table(words, row, 0.5));
  layers("row", row_, 2, row, c.byte_mlp);

  const int64_t sources = 2 * words + std::ssize(layout_.windows) + 1;
  query_ = matrix("query", row, heads * key_width, 1.0);
  direct_query_ = matrix("direct_query", selecting, heads * key_width, 0.5);
  key_ = register_parameter("key", torch::randn({heads, sources, key_width}) / std::sqrt(double{key_width}));
  changed_key_ =
      register_parameter("changed_key", torch::randn({heads, key_width}) / std::sqrt(double{key_width}));

  const auto address_bits = static_cast<int64_t>(std::ceil(std::log2(std::max<int64_t>(2, memory))));
  pointer_ = matrix("pointer", word_bits, address_width, 0.0);
  address_query_ = matrix("address_query", row, memory_heads * address_width, 0.3);
  address_ = register_module("address", Table(std::max<int64_t>(1, memory), address_width, 0.1));

  own_number_ = matrix("own_number", row, (heads + edges) * number_width, 0.3);
  number_choice_ = matrix("number_choice", row, (heads + edges) * 2 * (layout_.numbers() + heads), 0.3);
  number_ = register_module("number", Table(word_bits, number_width, 0.3));
  turn_bias_ = register_parameter("turn_bias", torch::zeros({word_bits}));
  wiring_ = matrix("wiring", word_bits, wirings * word_bits, 1.0);
  wiring_choice_ = matrix("wiring_choice", row, wired_heads * wirings, 0.3);

  read_up_ = matrix("read_up", row + seen * word_bits, 2 * row, 1.0);
  read_down_ = matrix("read_down", 2 * row, row, 0.0);

  literal_ = matrix("literal", row, literals * word_bits, 0.5);
  scale_ = matrix("scale", row, 2 * channels, 0.5);
  channel_in_ = matrix("channel_in", channels, bits, 1.0);
  row_bits_ = matrix("row_bits", row, bits, 0.5);
  bit_position_ = register_module("bit_position", Table(word_bits, bits, 0.2));
  start_ = matrix("start", row, c.byte_layers * bits, 0.5);
  for (int i = 0; i < c.byte_layers; ++i) {
    bit_in_->push_back(Matrix(bits, 2 * bits, 1.0));
    bit_out_->push_back(Matrix(bits, bits, 0.3));
  }
  register_module("bit_in", bit_in_);
  register_module("bit_out", bit_out_);
  layers("bit", bit_mlp_, c.byte_layers, bits, 2);
  bit_head_ = matrix("bit_head", bits, 1, 0.1);
  end_up_ = matrix("end_up", row + 2 * bits, 2 * row, 1.0);
  end_down_ = matrix("end_down", 2 * row, word_bits, 0.0);

  std::vector<int64_t> offsets;
  for (const auto& w : layout_.words) offsets.push_back(w.offset);
  offset_ = torch::tensor(offsets, torch::kLong);

  torch::NoGradGuard no_grad;
  // Which of several equal words it is, an address, a distance: in binary, so that bits of an instruction or a
  // register can name it.
  for (int64_t w = 0; w < words; ++w) {
    const auto number = numbers_in_binary(16, 4)[layout_.words[w].number % 16] * 0.7;
    for (const int64_t source : {w, words + w}) key_.select(1, source).slice(1, 0, 4) = number;
  }
  if (memory > 0) {
    address_->weight.slice(1, 0, address_bits) = numbers_in_binary(memory, address_bits) * 1.5;
    const int64_t waves = std::min<int64_t>(8, (address_width - address_bits) / 2);
    address_->weight.slice(1, address_bits, address_bits + 2 * waves) =
        sinusoids(memory, static_cast<double>(memory), waves) * 0.3;
    for (int64_t i = 0; i < address_bits; ++i) pointer_->weight[i][i] = 2;
  }
  // A number and its complement, as turning to the right and to the left name them.
  const auto low = numbers_in_binary(word_bits, number_bits);
  number_->weight.slice(1, 0, 5) = low;
  number_->weight.slice(1, 5, 10) = torch::cat({low.slice(0, 0, 1), low.slice(0, 1).flip(0)}, 0);
  number_->weight.slice(1, 10, 22) = sinusoids(word_bits, word_bits, 6) * 0.7;
  turn_bias_[0] = 1.5;  // at first words stay as they are
}

Fields::Known Fields::know(const Tensor& condition) {
  const int64_t count = condition.size(0), bytes = frame().step_bytes;
  Known known;
  known.records = condition.slice(1, 0, bytes);
  known.bits = bits_of(layout_.words, known.records);
  if (!layout_.windows.empty()) known.windows = bits_of(layout_.windows, known.records);
  int most_parts = 0;
  for (const auto& word : layout_.words) most_parts = std::max(most_parts, word.part);
  if (frame().context_bytes > 0) {
    known.memory =
        planes_of(condition.slice(1, bytes), word_bytes - 1 + word_bytes * most_parts).contiguous();
  }
  const auto index = torch::tensor(layout_.selecting, torch::TensorOptions(device()).dtype(torch::kLong));
  const auto selecting = known.bits.index_select(1, index).flatten(1);
  known.selecting =
      torch::cat({selecting, torch::ones({count, ones}, selecting.options())}, 1).to(precision_);
  known.named = layout_.numbers_of(known.bits).to(wide());
  auto x = feature_in_(known.selecting);
  for (size_t i = 0; i < feature_->size(); ++i) x = feature_->at<PlainBlockImpl>(i).mlp(x);
  known.feature = layer_norm(x);
  known.gates = gate_(known.feature).to(wide()) + gate_bias_;
  return known;
}

// The words that heads choose: F32 [M, H, 32].
Tensor Fields::choose_words(const Known& known, const Next& next, const Places& at, const Tensor& thought) {
  const int64_t all = known.bits.size(0), count = thought.size(0), words = layout_.count();
  std::vector<Tensor> sources = {known.bits, next.bits};
  if (known.windows.defined()) sources.push_back(known.windows);
  sources.push_back(torch::full({all, 1, word_bits}, -1, known.bits.options()));
  const auto planes = torch::cat(sources, 1).transpose(1, 2).contiguous();  // I8 [N, 32, sources]

  const auto selecting = known.selecting.index_select(0, at.item);
  const auto query =
      (query_(thought) + direct_query_(selecting)).to(wide()).view({count, config_.patch_heads, key_width});
  const auto score =
      torch::bmm(query.transpose(0, 1), key_.transpose(1, 2)).transpose(0, 1);  // [M, H, sources]
  // Of the next record: whether a word has changed; and none that comes later.
  const auto changed = next.changed.index_select(0, at.item).to(wide()).unsqueeze(1);
  const auto of_next = score.slice(2, words, 2 * words) + (query * changed_key_).sum(2, true) * changed;
  const auto later = torch::arange(words, at.word.options()).ge(at.word.unsqueeze(1)).unsqueeze(1);
  const auto allowed =
      torch::cat({score.slice(2, 0, words), of_next.masked_fill(later, -1e9), score.slice(2, 2 * words)}, 2);
  return mix_words(allowed.softmax(2), planes, at.item);
}

// What the memory holds at the addresses that the first words are: F32 [M, memory heads, 32]. The second word of
// a field is read one word further on.
Tensor Fields::dereference(const Known& known, const Places& at, const Tensor& thought, const Tensor& read) {
  const int64_t count = thought.size(0), heads = config_.memory_heads;
  if (!known.memory.defined()) return torch::zeros({count, heads, word_bits}, read.options());
  std::vector<int64_t> parts;
  for (const auto& word : layout_.words) parts.push_back(word.part * word_bytes);
  const auto shift = torch::tensor(parts, torch::kLong).to(device()).index_select(0, at.word);
  const auto pointer = pointer_(read.slice(1, 0, heads).to(precision_)) +
                       address_query_(thought).view({count, heads, address_width});
  const auto score = product(pointer, address_->weight.t().to(precision_)).to(wide());
  return mix_words(score.softmax(2), known.memory, at.item, shift);
}

// Distances that words are turned by, then edges: each a distribution over 0 … 31, F32 [M, H + edges, 32]. A number
// is the row's own, five adjacent bits of the instruction, or the low bits of a word that was read.
Tensor Fields::numbers(const Known& known, const Places& at, const Tensor& thought, const Tensor& read) {
  const int64_t count = thought.size(0), heads = config_.patch_heads, all = heads + edges;
  const auto bits = torch::cat({known.named.index_select(0, at.item), read.slice(2, 0, number_bits)}, 1);
  // As a distance to the right, and as one to the left.
  const auto choice = number_choice_(thought).to(wide()).view({count, all * 2, bits.size(1)});
  const auto chosen = torch::bmm(choice, bits).view({count, all, 2 * number_bits});
  const auto own = own_number_(thought).to(wide()).view({count, all, number_width});
  auto score = torch::matmul(own, number_->weight.t()) +
               torch::matmul(chosen, number_->weight.slice(1, 0, 2 * number_bits).t());
  score = torch::cat({score.slice(1, 0, heads) + turn_bias_, score.slice(1, heads)}, 1);
  return (2 * score).softmax(2);
}

// F32 [M, wired heads, 32]: each bit a sum of others, in ways that the row chooses of.
Tensor Fields::wire(const Tensor& thought, const Tensor& read) {
  const int64_t count = thought.size(0);
  const auto ways = wiring_(read.slice(1, 0, wired_heads).to(precision_))
                        .view({count * wired_heads, wirings, word_bits})
                        .to(wide());
  const auto choice = wiring_choice_(thought).to(wide()).view({count * wired_heads, 1, wirings});
  return torch::bmm(choice, ways).view({count, wired_heads, word_bits});
}

// The bits' logits, F32 [M, 32], from words, F32 [M, channels, 32].
Tensor Fields::spell(const Tensor& thought, const Tensor& words) {
  const int64_t count = thought.size(0), bits = config_.byte_width, layers = config_.byte_layers;
  const auto channel = words.transpose(1, 2).to(precision_).contiguous();  // [M, 32, channels]
  const auto scale = scale_(thought).view({count, 1, 2, channel.size(2)});
  auto x = torch::relu(channel_in_(channel * (1 + scale.select(2, 1))) + row_bits_(thought).unsqueeze(1) +
                       bit_position_->weight.to(precision_));
  const auto start = start_(thought).tanh().view({count, layers, bits});
  for (int64_t i = 0; i < layers; ++i) {
    const auto gates = bit_in_->at<MatrixImpl>(i).forward(layer_norm(x));
    x = bit_out_->at<MatrixImpl>(i).add_to(x, scan_bits(gates, start.select(1, i)));
    x = bit_mlp_->at<PlainBlockImpl>(i).mlp(x);
  }
  x = layer_norm(x);
  const auto copied = (channel * scale.select(2, 0)).sum(2).to(wide());
  const auto ends = torch::cat({thought, x.select(1, 0), x.select(1, word_bits - 1)}, 1);
  return bit_head_(x).squeeze(2).to(wide()) + 3 * copied + end_down_(relu_squared(end_up_(ends))).to(wide());
}

Tensor Fields::word_logits(const Known& known, const Next& next, const Places& places) {
  // As many as make a common size, the first repeated.
  const int64_t asked = places.item.size(0), count = device().is_cpu() ? next_common_size(asked) : asked;
  const auto padded = [&](const Tensor& x) {
    return count == asked ? x : torch::cat({x, x.slice(0, 0, 1).expand({count - asked})});
  };
  const Places at{padded(places.item), padded(places.word)};
  auto row =
      row_in_(known.feature.index_select(0, at.item)) + word_->weight.to(precision_).index_select(0, at.word);
  row = row_->at<PlainBlockImpl>(0).mlp(row);
  auto thought = layer_norm(row);
  const auto read = choose_words(known, next, at, thought);
  const auto found = dereference(known, at, thought, read);
  const auto number = numbers(known, at, thought, read);
  const int64_t heads = config_.patch_heads;
  const auto turned = rotate_words(number.slice(1, 0, heads).reshape({count * heads, word_bits}),
                                   read.view({count * heads, word_bits}))
                          .view(read.sizes());
  const auto from = torch::arange(word_bits, at.word.options());
  const auto set_from = from.unsqueeze(0).ge(from.unsqueeze(1)).to(read.dtype()) * 2 - 1;
  const auto edge = torch::matmul(number.slice(1, heads), set_from);
  const auto seen = torch::cat({turned, wire(thought, read), found, edge}, 1);

  const auto thought_and_seen = torch::cat({thought, seen.flatten(1).to(precision_)}, 1);
  row = row + read_down_(relu_squared(read_up_(thought_and_seen)));
  row = row_->at<PlainBlockImpl>(1).mlp(row);
  thought = layer_norm(row);
  const auto own = literal_(thought).to(wide()).view({count, literals, word_bits});
  return spell(thought, torch::cat({seen, own}, 1)).slice(0, 0, asked);
}

namespace {

// The bytes of M words one after the other, each either written or kept. What loss() and decode() share.
class Bytes {
 public:
  // Logits of the bits F32 [M, 32] and of being written F32 [M]; the words as they were, I8 [M, 32].
  Bytes(const Tensor& logits, const Tensor& gates, const Tensor& old)
      : log_set_(torch::log_sigmoid(logits).view({-1, word_bytes, 8})),
        log_clear_(torch::log_sigmoid(-logits).view({-1, word_bytes, 8})),
        best_(logits.gt(0).view({-1, word_bytes, 8})),
        old_(old.gt(0).view({-1, word_bytes, 8})),
        valid_(old.ne(0).view({-1, word_bytes, 8})),
        log_written_(torch::log_sigmoid(gates)),
        log_kept_(torch::log_sigmoid(-gates)) {}

  // The most probable byte i given those before it, as bits: bool [M, 8].
  Tensor choose(int64_t i) const {
    const auto best = best_.select(1, i), old = old_.select(1, i);
    const auto kept = torch::logaddexp(log_kept_, log_written_ + log_byte(i, old));
    const auto other = (best.logical_xor(old) & valid_.select(1, i)).any(1);
    const auto written = (log_written_ + log_byte(i, best)).masked_fill(~other, -1e9);
    return torch::where(kept.ge(written).unsqueeze(1), old, best);
  }
  // Goes on with this byte i.
  void given(int64_t i, const Tensor& byte) {
    log_written_ = log_written_ + log_byte(i, byte);
    const auto differs = (byte.logical_xor(old_.select(1, i)) & valid_.select(1, i)).any(1);
    log_kept_ = log_kept_.masked_fill(differs, -1e9);
  }
  // Log-probability of all bytes given: [M].
  Tensor log_all() const { return torch::logaddexp(log_kept_, log_written_); }

 private:
  Tensor log_byte(int64_t i, const Tensor& byte) const {
    return (torch::where(byte, log_set_.select(1, i), log_clear_.select(1, i)) * valid_.select(1, i)).sum(1);
  }
  Tensor log_set_, log_clear_;     // F32 [M, 4, 8]
  Tensor best_, old_, valid_;      // bool [M, 4, 8]
  Tensor log_written_, log_kept_;  // F32 [M], with the bytes given so far
};

}  // namespace

Loss Fields::loss(const Tensor& condition, const Tensor& patches) {
  const auto known = know(condition);
  const int64_t words = layout_.count(), bytes = frame().step_bytes;
  const auto ends = patches.select(1, 0).eq(nothing);
  const auto next_bits = bits_of(layout_.words, patches.masked_fill(ends.unsqueeze(1), 0).to(torch::kByte));
  const auto changed = next_bits.ne(known.bits).any(2);
  const auto gates = known.gates.slice(1, 0, words), end_gate = known.gates.select(1, words);
  const auto open =
      (changed | gates.detach().gt(std::log(least_gate / (1 - least_gate)))) & ~ends.unsqueeze(1);
  const auto places = open.nonzero();
  const auto item = places.select(1, 0).contiguous(), word = places.select(1, 1).contiguous();

  // A word that was not thought of is kept.
  auto log_p = (torch::log_sigmoid(-gates) * (~open & ~ends.unsqueeze(1))).sum(1) +
               torch::where(ends, torch::log_sigmoid(end_gate), torch::log_sigmoid(-end_gate));
  auto mistakes = torch::zeros({patches.size(0)}, patches.options());
  if (item.size(0) > 0) {
    const auto flat = item * words + word;
    const auto of = [&](const Tensor& x) { return x.flatten(0, 1).index_select(0, flat); };
    const auto logits = word_logits(known, {next_bits, changed}, {item, word});
    const auto truth = of(next_bits).to(wide()), gate = of(gates);
    const auto log_bits = torch::log_sigmoid(logits * truth).mul(truth.ne(0)).sum(1);
    const auto log_written = torch::log_sigmoid(gate) + log_bits;
    const auto log_word = torch::where(
        of(changed), log_written, torch::logaddexp(torch::log_sigmoid(-gate), log_written.clamp_min(-1e4)));
    log_p = log_p.index_add(0, item, log_word);

    torch::NoGradGuard no_grad;
    Bytes choice(logits.detach(), gate.detach(), of(known.bits));
    const auto true_bits = truth.gt(0).view({-1, word_bytes, 8});
    const auto valid = truth.ne(0).view({-1, word_bytes, 8}).any(2);
    auto wrong = torch::zeros_like(item);
    for (int64_t i = 0; i < word_bytes; ++i) {
      const auto byte = true_bits.select(1, i);
      wrong += (choice.choose(i).logical_xor(byte).any(1) & valid.select(1, i)).to(torch::kLong);
      choice.given(i, byte);
    }
    mistakes = mistakes.index_add(0, item, wrong);
  }
  // Of a step that goes on or not, unforeseen, at least the first byte is wrong.
  mistakes = torch::where(ends ^ end_gate.gt(0), mistakes.clamp_min(1), mistakes);
  const auto row_nats = -log_p / static_cast<double>(bytes);
  return {.nats = row_nats.mean(), .row_nats = row_nats.detach().to(torch::kFloat), .mistakes = mistakes};
}

std::optional<Decoded> Fields::decode(const Tensor& condition, const Tensor& may_end) {
  const auto known = know(condition);
  const int64_t words = layout_.count();
  const auto gates = known.gates.slice(1, 0, words), end_gate = known.gates.select(1, words);
  const auto open = gates.gt(0);
  auto next = known.records.to(torch::kLong).clone(), next_bits = known.bits.clone();
  auto changed = torch::zeros_like(open);
  auto log_p = torch::log_sigmoid(-end_gate) + (torch::log_sigmoid(-gates) * ~open).sum(1);
  auto log_first = torch::log_sigmoid(-gates.select(1, 0));  // of the first byte
  // The first open word of every record, then the second …
  const auto rank = open.to(torch::kLong).cumsum(1) * open;
  const int64_t most = rank.numel() > 0 ? rank.max().item<int64_t>() : 0;
  Decoded decoded;
  const auto powers = torch::pow(2, torch::arange(8, torch::TensorOptions(device()).dtype(torch::kLong)));
  for (int64_t r = 1; r <= most; ++r) {
    const auto places = rank.eq(r).nonzero();
    const auto item = places.select(1, 0).contiguous(), word = places.select(1, 1).contiguous();
    const auto flat = item * words + word;
    const auto of = [&](const Tensor& x) { return x.flatten(0, 1).index_select(0, flat); };
    const auto old = of(known.bits);
    Bytes choice(word_logits(known, {next_bits, changed}, {item, word}), of(gates), old);
    std::vector<Tensor> bits;
    for (int64_t i = 0; i < word_bytes; ++i) {
      bits.push_back(choice.choose(i));
      choice.given(i, bits.back());
      if (i > 0) continue;
      const auto opening = word.eq(0).nonzero().squeeze(1);
      log_first.index_copy_(0, item.index_select(0, opening), choice.log_all().index_select(0, opening));
    }
    log_p = log_p.index_add(0, item, choice.log_all());
    const auto chosen = torch::stack(bits, 1);                      // bool [M, 4, 8]
    const auto values = (chosen.to(torch::kLong) * powers).sum(2);  // I64 [M, 4]
    const auto as_bits = ((chosen.flatten(1).to(torch::kChar) * 2 - 1) * old.ne(0)).to(torch::kChar);
    next_bits.view({-1, word_bits}).index_copy_(0, flat, as_bits);
    changed.view({-1}).index_copy_(0, flat, as_bits.ne(old).any(1));
    for (int64_t i = 0; i < word_bytes; ++i) {
      const auto there = old.ne(0).view({-1, word_bytes, 8}).select(1, i).any(1).nonzero().squeeze(1);
      const auto row = item.index_select(0, there);
      const auto column = offset_.to(device()).index_select(0, word.index_select(0, there)) + i;
      next.index_put_({row, column}, values.select(1, i).index_select(0, there));
    }
    ++decoded.passes;
    decoded.patch_passes += item.size(0);
    decoded.positions += item.size(0);
  }
  const auto log_end = torch::log_sigmoid(end_gate);
  decoded.ended = may_end & log_end.gt(torch::log_sigmoid(-end_gate) + log_first);
  decoded.patches = next.masked_fill(decoded.ended.unsqueeze(1), nothing);
  decoded.confidence = torch::where(decoded.ended, log_end, log_p).to(torch::kFloat);
  return decoded;
}

Tensor Fields::logits(const Tensor& condition, const Tensor& patches, int64_t end, ByteCache* cache) {
  const auto known = know(condition);
  const int64_t count = condition.size(0), words = layout_.count(), bytes = frame().step_bytes;
  const auto f32 = torch::TensorOptions(device()).dtype(wide());
  const auto given = patches.eq(nothing);
  const auto next_bits = bits_of(layout_.words, patches.masked_fill(given, 0).to(torch::kByte));
  const auto changed = next_bits.ne(known.bits).any(2);
  const auto long_ = f32.dtype(torch::kLong);
  const auto item = torch::arange(count, long_).repeat_interleave(words);
  const auto word = torch::arange(words, long_).repeat(count);
  const auto logits = word_logits(known, {next_bits, changed}, {item, word}).view({count, words, word_bits});
  const auto log_set = torch::log_sigmoid(logits), log_clear = torch::log_sigmoid(-logits);
  const auto in_binary = numbers_in_binary(256, 8).gt(0).to(f32).t();  // [8, 256]
  constexpr double never = -1e4;
  auto result = torch::full({count, bytes, symbols}, never, f32);
  const auto end_gate = known.gates.select(1, words);
  for (int64_t w = 0; w < words; ++w) {
    auto log_written = torch::log_sigmoid(known.gates.select(1, w));
    auto log_kept = torch::log_sigmoid(-known.gates.select(1, w));
    for (int64_t i = 0; i < layout_.words[w].bytes; ++i) {
      const int64_t at = layout_.words[w].offset + i;
      const auto slice = [&](const Tensor& x) { return x.select(1, w).slice(1, 8 * i, 8 * i + 8); };
      const auto log_byte =
          torch::matmul(slice(log_set), in_binary) + torch::matmul(slice(log_clear), 1 - in_binary);
      const auto total = torch::logaddexp(log_written, log_kept).unsqueeze(1);
      auto of_bytes = log_written.unsqueeze(1) + log_byte - total;
      const auto old = known.records.select(1, at).to(torch::kLong).unsqueeze(1);
      of_bytes =
          of_bytes.scatter(1, old, torch::logaddexp(of_bytes.gather(1, old), log_kept.unsqueeze(1) - total));
      if (at == 0) {
        of_bytes = of_bytes + torch::log_sigmoid(-end_gate).unsqueeze(1);
        result.select(1, 0).select(1, nothing) = torch::log_sigmoid(end_gate);
      }
      result.select(1, at).slice(1, 0, 256) = of_bytes;
      const auto byte = patches.select(1, at).clamp_max(255).unsqueeze(1);
      log_written = log_written + log_byte.gather(1, byte).squeeze(1);
      log_kept = log_kept.masked_fill(byte.ne(old).squeeze(1), -1e9);
    }
  }
  // After the end nothing comes.
  const auto ended = given.select(1, 0).view({count, 1, 1});
  const auto rest =
      torch::full({symbols}, never, f32).index_fill(0, torch::tensor({nothing}).to(device()), 0);
  result = torch::cat({result.slice(1, 0, 1), torch::where(ended, rest, result.slice(1, 1))}, 1);
  const int64_t past = cache ? cache->positions : 0;
  if (cache) cache->positions = end;
  return result.slice(1, past, end);
}

Rows Fields::rows(std::span<const Document> documents, Targets targets, const Tensor& chosen) {
  if (targets == Targets::all) throw Error("family fields predicts states only: loss must be states");
  const int64_t bytes = frame().step_bytes, memory = frame().context_bytes;
  std::vector<int64_t> step, document;
  std::vector<uint8_t> condition, image(memory);
  std::vector<const uint8_t*> next;  // null: the end
  int64_t row = 0;
  for (int64_t b = 0; b < std::ssize(documents); ++b) {
    const auto& d = documents[b];
    std::ranges::copy(d.context, image.begin());
    const int64_t predicted = d.count() - (d.complete ? 0 : 1);
    for (int64_t t = 1; t <= predicted; ++t) {
      const auto current = d.step(t - 1);
      apply_write(frame().layout, current, image);
      if (t < frame().first_scored) continue;
      if (chosen.defined() && !chosen.data_ptr<bool>()[row++]) continue;
      condition.insert(condition.end(), current.begin(), current.end());
      condition.insert(condition.end(), image.begin(), image.end());
      next.push_back(t < d.count() ? d.step(t).data() : nullptr);
      step.push_back(t);
      document.push_back(b);
    }
  }
  const int64_t count = std::ssize(next);
  auto patches = torch::full({count, bytes}, nothing, torch::kLong);
  for (int64_t i = 0; i < count; ++i) {
    if (next[i]) std::copy_n(next[i], bytes, patches.data_ptr<int64_t>() + i * bytes);
  }
  const auto known = torch::from_blob(condition.data(), {count, bytes + memory}, torch::kByte).clone();
  return {.condition = upload(known, device()),
          .patches = upload(patches, device()),
          .step = torch::tensor(step, torch::kLong),
          .document = torch::tensor(document, torch::kLong)};
}

namespace {

class FieldsHistory final : public History {
 public:
  // Records and, after each, its memory: U8 [B, P + M].
  FieldsHistory(Frame frame, torch::Device device, Tensor known)
      : frame_(std::move(frame)), device_(device), known_(std::move(known)) {}

  Tensor condition() override { return known_.to(device_); }
  void append(const Tensor& patches) override {
    const auto records = patches.to(torch::kCPU, torch::kByte).contiguous();
    const auto bytes = static_cast<size_t>(frame_.step_bytes),
               memory = static_cast<size_t>(frame_.context_bytes);
    for (int64_t b = 0; b < known_.size(0); ++b) {
      const std::span<const uint8_t> record(records.data_ptr<uint8_t>() + b * records.size(1), bytes);
      uint8_t* own = known_.data_ptr<uint8_t>() + b * known_.size(1);
      std::ranges::copy(record, own);
      apply_write(frame_.layout, record, {own + bytes, memory});
    }
  }
  void keep(const Tensor& index) override { known_ = known_.index_select(0, index.to(torch::kCPU)); }

 private:
  Frame frame_;
  torch::Device device_;
  Tensor known_;  // on the CPU
};

}  // namespace

std::unique_ptr<History> Fields::begin(std::span<const Document> starts) {
  const int64_t bytes = frame().step_bytes, memory = frame().context_bytes;
  auto known = torch::empty({std::ssize(starts), bytes + memory}, torch::kByte);
  for (int64_t b = 0; b < std::ssize(starts); ++b) {
    const auto& d = starts[b];
    uint8_t* own = known.data_ptr<uint8_t>() + b * known.size(1);
    const std::span<uint8_t> image(own + bytes, static_cast<size_t>(memory));
    std::ranges::copy(d.context, image.begin());
    for (int64_t t = 0; t < d.count(); ++t) apply_write(frame().layout, d.step(t), image);
    std::ranges::copy(d.step(d.count() - 1), own);
  }
  return std::make_unique<FieldsHistory>(frame(), device(), known);
}

int64_t Fields::most_steps() const { return std::numeric_limits<int64_t>::max(); }

Tensor Fields::frozen(const std::string& name, const Tensor& parameter) const {
  // Softmaxes and biases are in float.
  for (const char* kept : {"key", "changed_key", "turn_bias", "gate_bias", "number.weight"}) {
    if (name == kept) return parameter;
  }
  return parameter.to(precision_);
}

double Fields::forward_flops(std::span<const Document> documents, Targets) const {
  const auto& c = config_;
  const double feature = c.patch_width, row = c.row_width, bits = c.byte_width, heads = c.patch_heads,
               memory_heads = c.memory_heads, memory = c.frame.context_bytes;
  const double words = static_cast<double>(layout_.count());
  const double selecting = static_cast<double>(std::ssize(layout_.selecting)) * word_bits + ones;
  const double sources = 2 * words + static_cast<double>(std::ssize(layout_.windows)) + 1;
  const double seen = heads + wired_heads + memory_heads + edges, channels = seen + literals;
  const double of_state =
      selecting * feature + c.patch_layers * 4 * feature * feature + feature * (words + 1);
  double of_word = feature * row + 2 * 2 * c.byte_mlp * row * row;
  of_word += heads * key_width * (row + selecting + sources) + heads * sources * word_bits;
  of_word += memory_heads * address_width * (row + word_bits + memory) + memory_heads * memory * word_bits;
  of_word += (heads + edges) * number_width * (row + word_bits);
  of_word += (heads + edges) * 2 * (static_cast<double>(layout_.numbers()) + heads) * (row + number_bits);
  of_word += (heads + edges) * word_bits * (2 * number_bits + word_bits);
  of_word += wired_heads * wirings * (row + word_bits + word_bits * word_bits);
  of_word += 2 * row * (row + seen * word_bits + row);
  of_word += row * (literals * word_bits + 2 * channels + bits + c.byte_layers * bits);
  of_word += word_bits * (channels * bits + c.byte_layers * bits * bits * (2 + 1 + 4) + bits);
  of_word += 2 * row * (row + 2 * bits + word_bits);
  double states = 0, changed = 0;
  for (const auto& d : documents) {
    states += static_cast<double>(d.count() - (d.complete ? 0 : 1));
    for (int64_t t = 1; t < d.count(); ++t) {
      const auto before = d.step(t - 1), after = d.step(t);
      for (const auto& word : layout_.words) {
        const auto there = [&](auto x) { return x.subspan(word.offset, word.bytes); };
        changed += std::ranges::equal(there(before), there(after)) ? 0 : 1;
      }
    }
  }
  return 2 * (states * of_state + changed * of_word);
}

std::vector<TrainedParameter> Fields::trained_parameters() const {
  std::vector<TrainedParameter> parameters;
  for (const auto& item : named_parameters()) {
    const auto& name = item.key();
    const auto in = [&](std::string_view folder) { return name.starts_with(folder); };
    const bool other = in("gate.") || in("pointer.") || in("word.") || in("address.") || in("number.") ||
                       in("bit_position.") || in("bit_head.") || in("scale.") || in("literal.") ||
                       in("channel_in.");
    parameters.push_back({.name = name,
                          .tensor = item.value(),
                          .hidden_matrix = item.value().dim() == 2 && name.ends_with(".weight") && !other,
                          .parts = in("bit_in.")   ? 2
                                   : in("wiring.") ? static_cast<int>(wirings)
                                                   : 1});
  }
  return parameters;
}

}  // namespace bytecpu
