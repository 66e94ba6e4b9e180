#include "model/network/condition_heads.hpp"

#include <cmath>

#include "model/compute/layer_norm.hpp"
#include "model/compute/windows.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;

constexpr int64_t heads = 8, key_width = 16;
constexpr int64_t pairs = heads * (heads - 1) / 2, triples = pairs * (heads - 2) / 3;
// Of the scores at the start: so large that each head begins with a few of the bits.
constexpr double first_deviation = 2;

}  // namespace

ConditionHeadsImpl::ConditionHeadsImpl(const WordLayout& layout, int64_t width) {
  std::vector<int64_t> bits;
  for (const int64_t word : layout.selecting) {
    for (int64_t bit = 0; bit < 8 * layout.words[word].bytes; ++bit) bits.push_back(word * word_bits + bit);
  }
  bits_ = torch::tensor(bits, torch::kLong);
  const auto head = torch::arange(heads);
  for (const int64_t members : {2, 3}) {
    const auto chosen = torch::combinations(head, members);
    for (int64_t i = 0; i < members; ++i) together_[members - 2].push_back(chosen.select(1, i).contiguous());
  }
  query_ = register_module("query", Matrix(width, heads * key_width, 1.0));
  key_ = register_parameter("key", torch::randn({heads, bits_.size(0), key_width}) *
                                       (first_deviation / std::sqrt(double{key_width})));
  out_ = register_module("out", Matrix(heads + pairs + triples, width, 0.5));
}

Tensor ConditionHeadsImpl::forward(const Tensor& x, const Tensor& words) {
  const auto query = query_(layer_norm(x)).to(key_.scalar_type()).view({x.size(0), heads, key_width});
  const auto score = torch::bmm(query.transpose(0, 1), key_.transpose(1, 2));  // [H, N, B]
  const auto bits = words.flatten(1).index_select(1, bits_.to(words.device())).to(score);
  const auto chosen = (score.softmax(2) * bits).sum(2).t();  // [N, H]
  std::vector<Tensor> all = {chosen};
  for (const auto& members : together_) {
    auto product = chosen.index_select(1, members[0].to(words.device()));
    for (size_t i = 1; i < members.size(); ++i)
      product = product * chosen.index_select(1, members[i].to(words.device()));
    all.push_back(product);
  }
  return out_(torch::cat(all, 1).to(x.scalar_type()));
}

double ConditionHeadsImpl::operations() const {
  return static_cast<double>(query_->weight.numel() + key_.numel() + out_->weight.numel());
}

}  // namespace bytecpu
