#include "eval/report/report.hpp"

#include <string_view>

#include "emulator/error.hpp"

namespace bytecpu {

extern const std::string_view report_template;  // report.html, embedded by the build

std::string render_report(const nlohmann::ordered_json& document) {
  constexpr std::string_view mark = "{{DOCUMENT}}";
  const size_t place = report_template.find(mark);
  BYTECPU_CHECK(place != report_template.npos);
  std::string html(report_template.substr(0, place));
  // JSON has "<" only inside of strings, where an escape means the same. Text that is not UTF-8 is replaced.
  for (const char c : document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)) {
    if (c == '<')
      html += "\\u003c";
    else
      html += c;
  }
  return html += report_template.substr(place + mark.size());
}

}  // namespace bytecpu
