#include "model/ranks/ranks.hpp"

#if BYTECPU_C10D
#include <unistd.h>

#include <optional>
#include <utility>

#include "model/ranks/gloo.hpp"
#include "model/ranks/watch.hpp"
#if BYTECPU_NCCL
#ifndef USE_C10D_NCCL
#define USE_C10D_NCCL
#endif
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif
#endif

namespace bytecpu {

bool has_c10d() { return BYTECPU_C10D; }
bool has_nccl() { return BYTECPU_NCCL; }

#if BYTECPU_C10D

namespace {

// How long a rank may work while the others wait for it, as for the first to write a checkpoint. That it lives the watch sees.
constexpr auto longest_wait = std::chrono::minutes(30);
// Gradients are handed over in pieces of about so many bytes, so that one is copied while another travels.
constexpr int64_t bucket_bytes = 16 << 20;

std::string machine_name() {
  char name[256] = "?";
  ::gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace

class Ranks::Group {
 public:
  explicit Group(const Launch& launch)
      : launch_(launch), store_(meet(launch)), gloo_(connect(store_, "work", launch, longest_wait)) {
    watch_.emplace(connect(store_, "watch", launch, longest_wait), store_, launch, gather(machine_name()));
  }

  using Works = std::vector<c10::intrusive_ptr<c10d::Work>>;

  void sum(at::Tensor tensor) {
    wait([&] { return Works{start_sum(tensor)}; });
  }

  void mean(std::span<torch::Tensor> tensors, double weight, double total) {
    torch::NoGradGuard no_grad;
    struct Bucket {
      std::span<torch::Tensor> tensors;
      at::Tensor flat;
    };
    std::vector<Bucket> buckets;
    wait([&] {
      Works works;
      for (size_t first = 0, next = 0; first < tensors.size(); first = next) {
        std::vector<at::Tensor> parts;
        for (int64_t bytes = 0; next < tensors.size() && (bytes == 0 || bytes < bucket_bytes); ++next) {
          parts.push_back(tensors[next].reshape(-1));
          bytes += parts.back().nbytes();
        }
        auto flat = torch::cat(parts);
        // What weighs nothing may be not a number.
        weight > 0 ? flat.mul_(weight) : flat.zero_();
        if (flat.is_cuda() && !has_nccl()) flat = flat.cpu();
        buckets.push_back({tensors.subspan(first, next - first), flat});
        works.push_back(start_sum(flat));
      }
      return works;
    });
    for (auto& [members, flat] : buckets) {
      flat.div_(total);
      int64_t first = 0;
      for (auto& tensor : members) {
        tensor.copy_(flat.slice(0, first, first + tensor.numel()).view_as(tensor));
        first += tensor.numel();
      }
    }
  }

  void copy_first(const at::Tensor& tensor) {
    auto copy = tensor.detach().cpu().contiguous();
    wait([&] {
      std::vector<at::Tensor> all = {copy};
      return Works{gloo_->broadcast(all)};
    });
    tensor.detach().copy_(copy);
  }

  std::vector<std::string> gather(const std::string& text) {
    auto lengths = at::zeros({launch_.size}, at::kLong);
    lengths[launch_.rank] = static_cast<int64_t>(text.size());
    sum(lengths);
    auto bytes = at::zeros({launch_.size, std::max<int64_t>(1, lengths.max().item<int64_t>())}, at::kByte);
    std::copy(text.begin(), text.end(), bytes[launch_.rank].data_ptr<uint8_t>());
    sum(bytes);
    std::vector<std::string> texts;
    for (int rank = 0; rank < launch_.size; ++rank) {
      const auto* begin = bytes[rank].data_ptr<uint8_t>();
      texts.emplace_back(begin, begin + lengths[rank].item<int64_t>());
    }
    return texts;
  }

  void finish() {
    wait([&] { return Works{gloo_->barrier()}; });
    watch_->finish();
  }

 private:
  c10::intrusive_ptr<c10d::Work> start_sum(at::Tensor tensor) {
    std::vector<at::Tensor> all = {std::move(tensor)};
#if BYTECPU_NCCL
    if (all[0].is_cuda()) {
      if (!nccl_) {
        nccl_ = c10::make_intrusive<c10d::ProcessGroupNCCL>(
            c10::make_intrusive<c10d::PrefixStore>("nccl", store_), launch_.rank, launch_.size);
      }
      return nccl_->allreduce(all);
    }
#endif
    return gloo_->allreduce(all);
  }

  // Where a rank cannot be reached the watch, which knows which one, ends this process.
  template <typename Start>
  void wait(const Start& start) {
    try {
      for (const auto& work : start()) work->wait();
    } catch (const std::exception& e) {
      Watch::wait_for_verdict();
      throw Error("process {} of {} has lost the others: {}", launch_.rank, launch_.size, first_line(e));
    }
  }

  const Launch launch_;
  const Store store_;
  const GlooGroup gloo_;
#if BYTECPU_NCCL
  c10::intrusive_ptr<c10d::ProcessGroupNCCL> nccl_;
#endif
  std::optional<Watch> watch_;
};

Ranks::Ranks(const Launch& launch) : launch_(launch) {
  if (launch.size > 1) group_ = std::make_unique<Group>(launch);
}

#else

class Ranks::Group {
 public:
  void sum(const at::Tensor&) {}
  void mean(std::span<torch::Tensor>, double, double) {}
  void copy_first(const at::Tensor&) {}
  std::vector<std::string> gather(const std::string& text) { return {text}; }
  void finish() {}
};

Ranks::Ranks(const Launch& launch) : launch_(launch) {
  if (launch.size == 1) return;
  throw Error(
      "a launcher has started {} processes, and this build has no c10d to train over several: build with a LibTorch that has "
      "Gloo and with Gloo's headers (libgloo-dev), or start one process",
      launch.size);
}

#endif

Ranks::Ranks() = default;
Ranks::~Ranks() = default;
Ranks::Ranks(Ranks&&) noexcept = default;

void Ranks::sum(std::span<double> numbers) {
  if (alone() || numbers.empty()) return;
  group_->sum(torch::from_blob(numbers.data(), {std::ssize(numbers)}, torch::kDouble));
}

void Ranks::mean(std::span<torch::Tensor> tensors, double weight, double total) {
  if (!alone()) group_->mean(tensors, weight, total);
}

void Ranks::copy_first(std::span<const torch::Tensor> tensors) {
  if (alone()) return;
  torch::NoGradGuard no_grad;
  for (const auto& tensor : tensors) group_->copy_first(tensor);
}

double Ranks::of_first(double number) {
  double sum_of_all = first() ? number : 0;
  sum({&sum_of_all, 1});
  return sum_of_all;
}

std::string Ranks::of_first(const std::string& text) { return gather(first() ? text : std::string())[0]; }

std::vector<std::string> Ranks::gather(const std::string& text) {
  return alone() ? std::vector{text} : group_->gather(text);
}

void Ranks::fail(const Error& error) {
  // The others wait for the first here, which does not come.
  if (!first()) of_first(0);
  throw Error(error);
}

void Ranks::finish() {
  if (!alone()) group_->finish();
}

}  // namespace bytecpu
