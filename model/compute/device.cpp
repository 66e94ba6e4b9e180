#include "model/compute/device.hpp"

#include <chrono>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "emulator/error.hpp"
#include "model/compute/cuda/backend.hpp"
#include "model/compute/product.hpp"
#include "model/compute/torch_compat.hpp"

namespace bytecpu {

torch::Device choose_device(const std::string& device) {
  const bool cuda = torch::cuda::is_available();
  if (device == "cuda" && !cuda) throw Error("device cuda: this LibTorch sees no GPU");
  return device != "cpu" && cuda ? torch::kCUDA : torch::kCPU;
}

int use_threads(int threads, int processes) {
  if (threads <= 0) threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / processes);
  at::set_num_threads(threads);
  return threads;
}

void choose_gpu(int process, int processes) {
  if (processes == 1) return;
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  std::vector<std::string> gpus;
  std::istringstream names(visible ? visible : "");
  for (std::string name; std::getline(names, name, ',');) gpus.push_back(name);
  // One, as a launcher may have set it for each process, or none: theirs to share.
  if (visible && gpus.size() < 2) return;
  const auto mine = visible ? gpus[static_cast<size_t>(process) % gpus.size()] : std::to_string(process);
  ::setenv("CUDA_VISIBLE_DEVICES", mine.c_str(), 1);
}

namespace {

// The seconds that a product of matrices as models have them takes.
double seconds_of_product(torch::ScalarType precision) {
  torch::NoGradGuard no_grad;
  const auto options = torch::TensorOptions().dtype(precision);
  const auto a = torch::full({512, 256}, 0.5, options), b = torch::full({256, 1024}, 0.5, options);
  const auto start = std::chrono::steady_clock::now();
  product(a, b);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return took.count();
}

// The least of several each, in turn, as other work comes and goes; in the first of each its kernel is made.
bool bf16_is_faster() {
  double bf16 = std::numeric_limits<double>::infinity(), fp32 = bf16;
  for (int i = 0; i < 16; ++i) {
    bf16 = std::min(bf16, seconds_of_product(torch::kBFloat16));
    fp32 = std::min(fp32, seconds_of_product(torch::kFloat));
  }
  return bf16 < fp32;
}

}  // namespace

torch::ScalarType supported_precision(const std::string& precision, torch::Device device) {
  if (precision == "fp32") return torch::kFloat;
  if (device.is_cuda()) return torch::kBFloat16;
  if (precision == "auto") {
    return cpu_has_bf16() && bf16_is_faster() ? torch::kBFloat16 : torch::kFloat;
  }
  if (cpu_has_bf16()) return torch::kBFloat16;
  fmt::print(stderr, "this processor has no bf16 instructions: computing in fp32\n");
  return torch::kFloat;
}

std::string precision_name(torch::ScalarType precision) {
  return precision == torch::kFloat ? "fp32" : "bf16";
}

double peak_flops(double peak_tflops, const std::string& precision, torch::Device device) {
  const bool listed = device.is_cuda() && cuda::built() && precision == "bf16";
  if (peak_tflops > 0 || !listed) return peak_tflops * 1e12;
  // Dense bf16 products, from the makers' data sheets; the first name that the card's contains.
  constexpr std::pair<std::string_view, double> cards[] = {
      {"B200", 2250e12}, {"H200", 989e12}, {"H100 PCIe", 756e12},
      {"H100", 989e12},  {"A100", 312e12}, {"L40S", 362e12},
  };
  const auto name = cuda::card();
  for (const auto& [card, peak] : cards) {
    if (name.find(card) != std::string::npos) return peak;
  }
  return 0;
}

}  // namespace bytecpu
