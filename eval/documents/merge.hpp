// Parts of an evaluation become the document of the whole (document.hpp).
//
// A part's document, format "bytecpu-evaluation-part", version 1: "part" and "parts"; "bytecpu", "command", "time",
// "predictor", "data", "training" and "run" as in the whole one; "settings", the options that say what is evaluated;
// "modes", of each "counts" (counts.hpp), "seconds", and of step and rollout "baselines"; "files".
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>

#include "datagen/io/part.hpp"

namespace bytecpu {

inline constexpr std::string_view evaluation_part_format = "bytecpu-evaluation-part";
inline constexpr int evaluation_part_version = 1;

// new_document()'s whole document as that of a part: "modes" is empty.
nlohmann::ordered_json part_document(nlohmann::ordered_json document, const Part& part,
                                     nlohmann::ordered_json settings);

// The document that one evaluation of everything would have made, but for the times and the command. Throws Error: a
// file that is no part's, a part that is missing or there twice, parts of different predictors, data or settings.
nlohmann::ordered_json merge_parts_of_evaluation(std::span<const std::filesystem::path> files);

}  // namespace bytecpu
