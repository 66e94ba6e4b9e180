// The report: one HTML file that needs nothing else. It holds the document and the scripts that draw it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace bytecpu {

// `document` is an evaluation (document.hpp). Nothing in it can end the script element that holds it.
std::string render_report(const nlohmann::ordered_json& document);

}  // namespace bytecpu
