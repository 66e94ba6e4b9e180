// What a training has logged, for the learning curves of reports.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace bytecpu {

// The lines of a metrics.jsonl. Throws Error naming file and line; a torn last line is left out.
nlohmann::ordered_json read_training_metrics(const std::filesystem::path& file);

}  // namespace bytecpu
