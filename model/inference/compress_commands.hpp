// bytecpu-infer compress, and decompress.
#pragma once

#include "datagen/io/cli.hpp"

namespace bytecpu {

cli::Command compress_command();
cli::Command decompress_command();

}  // namespace bytecpu
