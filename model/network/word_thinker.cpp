#include "model/network/word_thinker.hpp"

#include <algorithm>
#include <cmath>

#include "model/compute/arithmetic.hpp"
#include "model/compute/layer_norm.hpp"
#include "model/compute/product.hpp"
#include "model/compute/scan.hpp"
#include "model/compute/windows.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;

// Width of the keys of words and of memory addresses.
constexpr int64_t key_width = 16, address_width = 32;
// The first heads' words are handed on turned by a distance too.
constexpr int64_t turned_heads = 3;
// Heads whose words go through wirings too, and how many wirings there are.
constexpr int64_t wired_heads = 3, wirings = 12;
// Words whose bits are set from a number's bit on.
constexpr int64_t edges = 2;
// Words of a row's own making that the bits can use, besides those that heads read.
constexpr int64_t literals = 4;
// Ones beside the selecting bits, for a bias; as many as keep products' sizes even.
constexpr int64_t ones = 8;

Tensor relu_squared(const Tensor& x) { return torch::relu(x).square(); }

// Of what is not a product: float, or double in a model of doubles.
torch::ScalarType wide(torch::ScalarType precision) {
  return precision == torch::kDouble ? torch::kDouble : torch::kFloat;
}

}  // namespace

WordThinkerImpl::WordThinkerImpl(const ModelConfig& c)
    : layout(c.frame.layout),
      heads_(c.patch_heads),
      memory_heads_(c.memory_heads),
      bits_(c.byte_width),
      context_bytes_(c.frame.context_bytes),
      unseen_(layout.unseen_sources()) {
  const int64_t words = layout.count(), hidden = std::ssize(layout.hidden), feature = c.patch_width,
                row = c.row_width, bits = bits_;
  const int64_t heads = heads_, memory_heads = memory_heads_, memory = context_bytes_;
  const int64_t selecting = std::ssize(layout.selecting) * word_bits + ones;
  const int64_t seen = heads + turned_heads + wired_heads + memory_heads + edges + 1,
                channels = seen + literals;
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
  condition_heads_ = register_module("condition_heads", ConditionHeads(layout, feature));
  gate_ = matrix("gate", feature, words + 1, 0.1);
  gate_bias_ = register_parameter("gate_bias", torch::full({words + 1}, -2.0));
  if (layout.naming_places() > 0)
    naming_ = matrix("naming", feature, layout.naming_places() * layout.register_parts, 0.1);
  if (layout.instruction.size() > 1)
    instruction_gates_ = register_module("instruction_gates", InstructionGates(layout, row));
  row_in_ = matrix("row_in", feature, row, 1.0);
  word_ = register_module("word", Table(words + hidden, row, 0.5));
  layers("row", row_, 2, row, c.byte_mlp);

  const int64_t sources = layout.sources();
  query_ = matrix("query", row, heads * key_width, 1.0);
  direct_query_ = matrix("direct_query", selecting, heads * key_width, 0.5);
  key_ = register_parameter("key", torch::randn({heads, sources, key_width}) / std::sqrt(double{key_width}));
  changed_key_ =
      register_parameter("changed_key", torch::randn({heads, key_width}) / std::sqrt(double{key_width}));

  const auto address_bits = static_cast<int64_t>(std::ceil(std::log2(std::max<int64_t>(2, memory))));
  pointer_ = matrix("pointer", word_bits, address_width, 0.0);
  address_query_ = matrix("address_query", row, memory_heads * address_width, 0.3);
  address_ = register_module("address", Table(std::max<int64_t>(1, memory), address_width, 0.1));

  const int64_t numbers = 2 * (layout.numbers() + heads) + word_bits;
  number_choice_ = matrix("number_choice", row, (turned_heads + edges) * numbers, 0.3);
  wiring_ = matrix("wiring", word_bits, wirings * word_bits, 1.0);
  wiring_choice_ = matrix("wiring_choice", row, wired_heads * wirings, 0.3);

  result_choice_ = matrix("result_choice", row, arithmetic_results(heads, memory_heads + wired_heads), 0.3);

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

  torch::NoGradGuard no_grad;
  // Which field of its row it is, an address, a distance: in binary, so that bits of an instruction or a
  // register can name it.
  for (int64_t w = 0; w < words; ++w) {
    const auto number = in_binary(16, 4)[layout.words[w].number % 16] * 0.7;
    for (const int64_t source : {w, words + w}) key_.select(1, source).slice(1, 0, 4) = number;
  }
  if (memory > 0) {
    address_->weight.slice(1, 0, address_bits) = in_binary(memory, address_bits) * 1.5;
    const int64_t waves = std::min<int64_t>(8, (address_width - address_bits) / 2);
    address_->weight.slice(1, address_bits, address_bits + 2 * waves) =
        sinusoids(memory, static_cast<double>(memory), waves) * 0.3;
    for (int64_t i = 0; i < address_bits; ++i) pointer_->weight[i][i] = 2;
  }
}

KnownRecords WordThinkerImpl::know(const Tensor& condition, torch::ScalarType precision) {
  const int64_t count = condition.size(0), bytes = condition.size(1) - context_bytes_;
  KnownRecords known;
  known.records = condition.slice(1, 0, bytes);
  known.bits = bits_of(layout.words, known.records);
  const auto names = layout.names_of(known.bits);
  known.derived = layout.derived_words(known.records, known.bits, names);
  int most_parts = 0;
  for (const auto& word : layout.words) most_parts = std::max(most_parts, word.part);
  if (context_bytes_ > 0) {
    known.memory =
        planes_of(condition.slice(1, bytes), word_bytes - 1 + word_bytes * most_parts).contiguous();
  }
  const auto index =
      torch::tensor(layout.selecting, torch::TensorOptions(condition.device()).dtype(torch::kLong));
  const auto selecting = known.bits.index_select(1, index).flatten(1);
  known.selecting = torch::cat({selecting, torch::ones({count, ones}, selecting.options())}, 1).to(precision);
  known.numbers = layout.numbers_of(known.bits);
  auto x = feature_in_(known.selecting);
  for (size_t i = 0; i < feature_->size(); ++i) {
    x = feature_->at<PlainBlockImpl>(i).mlp(x);
    if (i == 0) x = x + condition_heads_(x, known.bits);
  }
  known.feature = layer_norm(x);
  known.gates = gate_(known.feature).to(wide(precision)) + gate_bias_;
  if (naming_) known.gates = known.gates + named_gates(known.feature, names);
  return known;
}

Tensor WordThinkerImpl::named_gates(const Tensor& feature, const Tensor& names) {
  const int64_t count = names.size(0), registers = layout.register_count(), parts = layout.register_parts;
  const auto choice = naming_(feature).to(wide(feature.scalar_type())).view({count, parts, names.size(1)});
  const auto index = names.unsqueeze(1).expand({count, parts, names.size(1)});
  const auto of_registers = torch::zeros({count, parts, registers + 1}, choice.options())
                                .scatter_add(2, index, choice)
                                .slice(2, 0, registers)
                                .transpose(1, 2)
                                .flatten(1);
  const int64_t before = layout.registers.front();
  return torch::constant_pad_nd(of_registers, {before, layout.count() + 1 - before - registers * parts});
}

Tensor WordThinkerImpl::gates(const KnownRecords& known, const Tensor& next_bits) {
  if (!instruction_gates_) return known.gates;
  return instruction_gates_->correct(known.gates, next_bits, known.feature.scalar_type());
}

// The words that heads choose: F32 [M, heads, 32].
Tensor WordThinkerImpl::choose_words(const KnownRecords& known, const NextRecords& next,
                                     const HiddenWords& hidden, const WordPlaces& at, const Tensor& thought,
                                     RowChoices& choices) {
  const int64_t all = known.bits.size(0), count = thought.size(0), words = layout.count();
  // Zeros in place of the hidden words, which are not bits: sum_words() adds those.
  const int64_t hidden_words = std::ssize(layout.hidden);
  const auto no_bits = torch::zeros({all, hidden_words, word_bits}, known.bits.options());
  const auto planes = torch::cat({known.bits, next.bits, known.derived, no_bits}, 1)
                          .transpose(1, 2)
                          .contiguous();  // I8 [N, 32, sources]

  // I8 [N, 32, sources]

  const auto selecting = known.selecting.index_select(0, at.item);
  const auto query = (query_(thought) + direct_query_(selecting))
                         .to(wide(thought.scalar_type()))
                         .view({count, heads_, key_width});
  auto score = torch::bmm(query.transpose(0, 1), key_.transpose(1, 2)).transpose(0, 1);  // [M, H, sources]
  // Of the next record: whether a word has changed.
  const auto changed = next.changed.index_select(0, at.item).to(score).unsqueeze(1);
  score.slice(2, words, 2 * words).add_((query * changed_key_).sum(2, true) * changed);
  // And none that comes later.
  const auto weights = score.add_(unseen_.to(score).index_select(0, at.word).unsqueeze(1)).softmax(2);
  choices.sources = weights;
  const auto soft = (hidden.logits / 2).tanh().index_select(0, at.item);
  return mix_words(weights, planes, at.item) +
         sum_words(weights.slice(2, planes.size(2) - hidden_words), soft);
}

// What the memory holds at the addresses that the first words are: F32 [M, memory heads, 32]. The second word of
// a field is read one word further on.
Tensor WordThinkerImpl::dereference(const KnownRecords& known, const WordPlaces& at, const Tensor& thought,
                                    const Tensor& read, RowChoices& choices) {
  const int64_t count = thought.size(0), heads = memory_heads_;
  if (!known.memory.defined()) return torch::zeros({count, heads, word_bits}, read.options());
  std::vector<int64_t> parts;
  for (const auto& word : layout.words) parts.push_back(word.part * word_bytes);
  parts.resize(parts.size() + layout.hidden.size());
  const auto shift = torch::tensor(parts, torch::kLong).to(at.word.device()).index_select(0, at.word);
  const auto pointer = pointer_(read.slice(1, 0, heads).to(thought.scalar_type())) +
                       address_query_(thought).view({count, heads, address_width});
  const auto score =
      product(pointer, address_->weight.t().to(thought.scalar_type())).to(wide(thought.scalar_type()));
  choices.addresses = score.softmax(2);
  return mix_words(choices.addresses, known.memory, at.item, shift);
}

// Distances that words are turned by, then edges: each a distribution over 0 … 31, F32 [M, turned + edges, 32]. A row
// chooses of numbers: five adjacent bits of the instruction, the low bits of a word that was read, each to the
// right or to the left, or a constant.
Tensor WordThinkerImpl::numbers(const KnownRecords& known, const WordPlaces& at, const Tensor& thought,
                                const Tensor& read) {
  const int64_t count = thought.size(0), of_instruction = known.numbers.size(2);
  const auto choice = number_choice_(thought)
                          .to(wide(thought.scalar_type()))
                          .view({count, turned_heads + edges, of_instruction + 2 * heads_ + word_bits})
                          .softmax(2);
  // A word's bits, each set with a probability of its own, as a distribution of the number.
  const auto set = (read.slice(2, 0, layout.number_bits).clamp(-1, 1) + 1) / 2;
  auto held = torch::ones({count, heads_, 1}, read.options());
  for (int64_t bit = 0; bit < layout.number_bits; ++bit) {
    const auto p = set.slice(2, bit, bit + 1);
    held = torch::cat({held * (1 - p), held * p}, 2);
  }
  const auto to_the_left = torch::cat({held.slice(2, 0, 1), held.slice(2, 1).flip(2)}, 2);
  auto number = sum_words(choice.slice(2, of_instruction, of_instruction + 2 * heads_),
                          torch::cat({held, to_the_left}, 1)) +
                choice.slice(2, of_instruction + 2 * heads_);
  if (of_instruction > 0)
    number = number + mix_words(choice.slice(2, 0, of_instruction), known.numbers, at.item);
  return number;
}

// F32 [M, wired heads, 32]: each bit a sum of others, in ways that the row chooses of.
Tensor WordThinkerImpl::wire(const Tensor& thought, const Tensor& read) {
  const int64_t count = thought.size(0);
  const auto ways = wiring_(read.slice(1, 0, wired_heads).to(thought.scalar_type()))
                        .view({count * wired_heads, wirings, word_bits})
                        .to(wide(thought.scalar_type()));
  const auto choice =
      wiring_choice_(thought).to(wide(thought.scalar_type())).view({count * wired_heads, 1, wirings});
  return sum_words(choice, ways).view({count, wired_heads, word_bits});
}

// F32 [M, 1, 32]: mixed, by the row's choice, of what arithmetic makes of each word that was read and each other one, or one
// of `others`, [M, memory heads + wired heads, 32]: found or wired ones.
Tensor WordThinkerImpl::choose_results(const Tensor& thought, const Tensor& read, const Tensor& others,
                                       RowChoices& choices) {
  const auto made = arithmetic(torch::cat({read, others}, 1), heads_);
  choices.results = result_choice_(thought).to(wide(thought.scalar_type())).softmax(1);
  return mix_numbers(choices.results.unsqueeze(1), made);
}

// The bits' logits, F32 [M, 32], from words, F32 [M, channels, 32].
Tensor WordThinkerImpl::spell(const Tensor& thought, const Tensor& words) {
  const int64_t count = thought.size(0), bits = bits_, layers = std::ssize(*bit_in_);
  const auto channel = words.transpose(1, 2).to(thought.scalar_type()).contiguous();  // [M, 32, channels]
  const auto scale = scale_(thought).view({count, 1, 2, channel.size(2)});
  auto x = torch::relu(channel_in_(channel * (1 + scale.select(2, 1))) + row_bits_(thought).unsqueeze(1) +
                       bit_position_->weight.to(thought.scalar_type()));
  const auto start = start_(thought).tanh().view({count, layers, bits});
  for (int64_t i = 0; i < layers; ++i) {
    const auto gates = bit_in_->at<MatrixImpl>(i).forward(layer_norm(x));
    x = bit_out_->at<MatrixImpl>(i).add_to(x, scan_bits(gates, start.select(1, i)));
    x = bit_mlp_->at<PlainBlockImpl>(i).mlp(x);
  }
  x = layer_norm(x);
  const auto copied = (channel * scale.select(2, 0)).sum(2).to(wide(thought.scalar_type()));
  const auto ends = torch::cat({thought, x.select(1, 0), x.select(1, word_bits - 1)}, 1);
  return bit_head_(x).squeeze(2).to(wide(thought.scalar_type())) + 3 * copied +
         end_down_(relu_squared(end_up_(ends))).to(wide(thought.scalar_type()));
}

Tensor WordThinkerImpl::logits(const KnownRecords& known, const NextRecords& next, const WordPlaces& places,
                               HiddenWords& hidden, RowChoices* choices) {
  think_of_hidden(known, next, places, hidden);
  RowChoices own;
  const auto logits = think(known, next, places, hidden, own);
  if (choices) {
    const auto asked = [&](const Tensor& x) { return x.defined() ? x.narrow(0, 0, logits.size(0)) : x; };
    *choices = {asked(own.sources), asked(own.addresses), asked(own.results)};
  }
  return logits;
}

void WordThinkerImpl::think_of_hidden(const KnownRecords& known, const NextRecords& next,
                                      const WordPlaces& places, HiddenWords& hidden) {
  const int64_t all = known.bits.size(0), words = layout.count(), count = std::ssize(layout.hidden);
  if (!hidden.logits.defined()) {
    hidden.logits = torch::zeros({all, count, word_bits}, known.gates.options());
    hidden.thought = torch::zeros({all, count}, known.bits.options().dtype(torch::kBool));
  }
  for (int64_t h = 0; h < count; ++h) {
    const auto readers = places.word.ge(layout.hidden[h]).nonzero().squeeze(1);
    auto thought = hidden.thought.select(1, h);
    const auto asked = torch::zeros_like(thought).index_fill_(0, places.item.index_select(0, readers), true);
    const auto items = (asked & ~thought).nonzero().squeeze(1);
    if (items.size(0) == 0) continue;
    RowChoices choices;
    const auto own = think(known, next, {items, torch::full_like(items, words + h)}, hidden, choices);
    hidden.logits = hidden.logits.index_put({items, torch::full_like(items, h)}, own);
    thought.logical_or_(asked);
  }
}

Tensor WordThinkerImpl::think(const KnownRecords& known, const NextRecords& next, const WordPlaces& places,
                              const HiddenWords& hidden, RowChoices& choices) {
  // As many as make a common size, the first repeated.
  const int64_t asked = places.item.size(0), count = places.item.is_cpu() ? next_common_size(asked) : asked;
  const auto padded = [&](const Tensor& x) {
    return count == asked ? x : torch::cat({x, x.slice(0, 0, 1).expand({count - asked})});
  };
  const WordPlaces at{padded(places.item), padded(places.word)};
  auto row = row_in_(known.feature.index_select(0, at.item)) +
             word_->weight.to(known.feature.scalar_type()).index_select(0, at.word);
  row = row_->at<PlainBlockImpl>(0).mlp(row);
  auto thought = layer_norm(row);
  const auto read = choose_words(known, next, hidden, at, thought, choices);
  const auto found = dereference(known, at, thought, read, choices);
  const auto number = numbers(known, at, thought, read);
  const auto flat = [&](const Tensor& x) {
    return x.slice(1, 0, turned_heads).reshape({count * turned_heads, word_bits});
  };
  const auto turned = rotate_words(flat(number), flat(read)).view({count, turned_heads, word_bits});
  const auto from = torch::arange(word_bits, at.word.options());
  const auto set_from = from.unsqueeze(0).ge(from.unsqueeze(1)).to(read.dtype()) * 2 - 1;
  const auto edge = torch::matmul(number.slice(1, turned_heads), set_from);
  const auto wired = wire(thought, read);
  const auto result = choose_results(thought, read, torch::cat({found, wired}, 1), choices);
  const auto seen = torch::cat({read, turned, wired, found, edge, result}, 1);

  const auto thought_and_seen = torch::cat({thought, seen.flatten(1).to(thought.scalar_type())}, 1);
  row = row + read_down_(relu_squared(read_up_(thought_and_seen)));
  row = row_->at<PlainBlockImpl>(1).mlp(row);
  thought = layer_norm(row);
  const auto own = literal_(thought).to(wide(thought.scalar_type())).view({count, literals, word_bits});
  return spell(thought, torch::cat({seen, own}, 1)).slice(0, 0, asked);
}

double WordThinkerImpl::record_operations() const {
  const double selecting = static_cast<double>(std::ssize(layout.selecting)) * word_bits + ones;
  const auto feature = static_cast<double>(feature_in_->weight.size(1));
  const auto layers = static_cast<double>(feature_->size());
  return selecting * feature + layers * 4 * feature * feature +
         feature * (static_cast<double>(layout.count()) + 1) + condition_heads_->operations() +
         (naming_ ? static_cast<double>(naming_->weight.numel()) : 0) +
         (instruction_gates_ ? instruction_gates_->operations() : 0);
}

double WordThinkerImpl::word_operations() const {
  const auto size = [](const Matrix& matrix) { return static_cast<double>(matrix->weight.numel()); };
  const auto heads = static_cast<double>(heads_), memory_heads = static_cast<double>(memory_heads_),
             memory = static_cast<double>(context_bytes_), bits = static_cast<double>(bits_),
             layers = static_cast<double>(bit_in_->size()), numbers = static_cast<double>(layout.numbers());
  const auto sources = static_cast<double>(key_.size(1));
  double count = size(row_in_) + size(query_) + size(direct_query_) + size(address_query_) +
                 size(number_choice_) + size(wiring_choice_) + size(result_choice_) + size(read_up_) +
                 size(read_down_) + size(literal_) + size(scale_) + size(row_bits_) + size(start_) +
                 size(end_up_) + size(end_down_);
  for (size_t i = 0; i < row_->size(); ++i) {
    const auto& mlp = *row_->at<PlainBlockImpl>(i).up;
    count += 2 * static_cast<double>(mlp.weight.numel());
  }
  count += heads * sources * (key_width + word_bits);
  count += memory_heads * (size(pointer_) + memory * (address_width + word_bits));
  count += (turned_heads + edges) * word_bits * (2 * (numbers + heads) + word_bits);
  count += word_bits * static_cast<double>(arithmetic_results(heads_, memory_heads_ + wired_heads));
  count += wired_heads * (size(wiring_) + wirings * word_bits);
  count += word_bits * (size(channel_in_) + layers * bits * bits * (2 + 1 + 4) + bits);
  return count;
}

std::vector<TrainedParameter> WordThinkerImpl::trained_parameters() const {
  std::vector<TrainedParameter> parameters;
  for (const auto& item : named_parameters()) {
    const auto& name = item.key();
    const auto in = [&](std::string_view folder) { return name.starts_with(folder); };
    const bool other = in("gate.") || in("naming.") || in("pointer.") || in("word.") || in("address.") ||
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
