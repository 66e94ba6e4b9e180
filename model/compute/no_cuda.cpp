// Where LibTorch is no CUDA build: nothing of cuda.hpp is there, and nothing of it is called.
#include "emulator/error.hpp"
#include "model/compute/cuda.hpp"

namespace bytecpu::cuda {
namespace {

using torch::Tensor;

[[noreturn]] void missing() { throw Error("this LibTorch is no CUDA build"); }

}  // namespace

bool built() { return false; }
std::string card() { missing(); }
bool takes_width(int64_t) { return false; }
bool takes_head(int64_t) { return false; }
std::pair<Tensor, Tensor> normalised(const Tensor&) { missing(); }
Tensor normalised_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&) { missing(); }
Tensor relu_squared(const Tensor&) { missing(); }
Tensor relu_squared_backward(const Tensor&, const Tensor&) { missing(); }
Attended attention(const Tensor&, const Tensor&, const Tensor&, bool) { missing(); }
void attention_backward(const Tensor&, const Tensor&, const Tensor&, const Attended&, const Tensor&, bool,
                        Tensor, Tensor, Tensor) {
  missing();
}
bool is_short(const Tensor&, int64_t) { return false; }
Tensor short_attention(const Tensor&, int64_t, bool) { missing(); }
Tensor short_attention_backward(const Tensor&, const Tensor&, int64_t, bool) { missing(); }
Tensor add_product(const Tensor&, const Tensor&, const Tensor&, const Tensor&) { missing(); }
std::pair<Tensor, Tensor> gelu_product(const Tensor&, const Tensor&, const Tensor&) { missing(); }
std::pair<Tensor, Tensor> gelu_product_backward(const Tensor&, const Tensor&, const Tensor&) { missing(); }
std::pair<Tensor, Tensor> weight_gradient(const Tensor&, const Tensor&) { missing(); }
bool takes_classes(const Tensor&) { return false; }
Classes cross_entropy(const Tensor&, const Tensor&) { missing(); }

}  // namespace bytecpu::cuda
