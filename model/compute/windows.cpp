#include "model/compute/windows.hpp"

#include "model/compute/backend.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct MixWordsFunction : Function<MixWordsFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& given, const Tensor& planes,
                        const Tensor& item, const Tensor& shift) {
    const auto weights = given.contiguous();
    context->save_for_backward({planes, item, shift});
    context->saved_data["words"] = weights.size(2);
    return backend_on(weights.device()).words()->mix_words(weights, planes, item, shift);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    return {backend_on(saved[0].device())
                .words()
                ->mix_words_backward(gradients[0].contiguous(), saved[0], saved[1], saved[2],
                                     context->saved_data["words"].toInt()),
            Tensor(), Tensor(), Tensor()};
  }
};

// An operation that is linear in each of two tensors.
template <Tensor (WordBackend::*value)(const Tensor&, const Tensor&) const,
          std::pair<Tensor, Tensor> (WordBackend::*gradients_of)(const Tensor&, const Tensor&, const Tensor&)
              const>
struct BilinearFunction : Function<BilinearFunction<value, gradients_of>> {
  static Tensor forward(AutogradContext* context, const Tensor& given_first, const Tensor& given_second) {
    const auto first = given_first.contiguous(), second = given_second.contiguous();
    context->save_for_backward({first, second});
    return (backend_on(second.device()).words()->*value)(first, second);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto [dfirst, dsecond] =
        (backend_on(saved[0].device()).words()->*gradients_of)(saved[0], saved[1], gradients[0].contiguous());
    return {dfirst, dsecond};
  }
};
using RotateWordsFunction = BilinearFunction<&WordBackend::rotate_words, &WordBackend::rotate_words_backward>;
using SumWordsFunction = BilinearFunction<&WordBackend::sum_words, &WordBackend::sum_words_backward>;

}  // namespace

Tensor mix_words(const Tensor& weights, const Tensor& planes, const Tensor& item, const Tensor& given_shift) {
  const auto shift = given_shift.defined() ? given_shift : torch::zeros_like(item);
  if (word_backend_for(weights)) return MixWordsFunction::apply(weights, planes, item, shift);
  const int64_t count = planes.size(1), words = weights.size(2);
  const auto place = torch::arange(word_bits, item.options());
  // Of [P, L]: where bit b of word s + shift is; [M, S · 32].
  const auto at = (torch::arange(words, item.options()).unsqueeze(1) + place.div(count, "floor") +
                   place.remainder(count) * planes.size(2))
                      .flatten();
  const auto bits = planes.flatten(1)
                        .index_select(0, item)
                        .gather(1, at.unsqueeze(0) + shift.unsqueeze(1))
                        .view({-1, words, word_bits});
  return torch::bmm(weights, bits.to(weights.dtype()));
}

Tensor rotate_words(const Tensor& weights, const Tensor& words) {
  if (word_backend_for(words)) return RotateWordsFunction::apply(weights, words);
  const auto place = torch::arange(word_bits, torch::TensorOptions(words.device()).dtype(torch::kLong));
  const auto turned = (place.unsqueeze(0) + place.unsqueeze(1)).bitwise_and(word_bits - 1);  // [d, i]
  return torch::einsum("rd,rdi->ri",
                       {weights, words.index_select(1, turned.flatten()).view({-1, word_bits, word_bits})});
}

Tensor sum_words(const Tensor& weights, const Tensor& words) {
  if (word_backend_for(words)) return SumWordsFunction::apply(weights, words);
  return torch::bmm(weights, words);
}

}  // namespace bytecpu
