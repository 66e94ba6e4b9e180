// What an evaluation says of the model that it was of.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "model/network/byte_model.hpp"

namespace bytecpu {

// `step`: of its training; 0: unknown.
nlohmann::ordered_json details_of(const ByteModel& model, const std::filesystem::path& checkpoint,
                                  int64_t step);

}  // namespace bytecpu
