// Where models compute: device, threads, precision, and what the device can do at best.
#pragma once

#include <torch/torch.h>

#include <string>

namespace bytecpu {

// "cpu", "cuda" or "auto" (CUDA where there is a GPU). Throws Error if "cuda" is asked for and not there.
torch::Device choose_device(const std::string& device);

// The number of threads that `threads` asks for (0: every core, or a share of them where `processes` of one
// training are on this machine), told to LibTorch.
int use_threads(int threads, int processes = 1);

// Of `processes` on this machine each takes another GPU of those that are visible, number `process` the one
// of its number: hides the rest. To be called before anything of CUDA is.
void choose_gpu(int process, int processes);

// What "bf16", "fp32" or "auto" means on `device`. bf16: float, with a line on stderr, where the processor
// lacks bf16 instructions. auto: bf16 on a GPU; on a processor that in which a product takes less time here,
// measured.
torch::ScalarType supported_precision(const std::string& precision, torch::Device device);
// The other way round: "fp32" or "bf16".
std::string precision_name(torch::ScalarType precision);

// Floating-point operations a second that the device could do at best, which model FLOP utilisation (MFU) is
// a share of: the given peak_tflops, or for "bf16" a known GPU's own; 0: not known.
double peak_flops(double peak_tflops, const std::string& precision, torch::Device device);

}  // namespace bytecpu
