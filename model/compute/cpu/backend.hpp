// The kernels of this folder, called on tensors of float or bf16 numbers.
#pragma once

#include "model/compute/backend.hpp"

namespace bytecpu::cpu {

const Backend& backend();

}  // namespace bytecpu::cpu
