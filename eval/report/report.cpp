#include "eval/report/report.hpp"

#include <string_view>

#include "emulator/error.hpp"
#include "eval/documents/text.hpp"

namespace bytecpu {

extern const std::string_view report_page;  // report/page, put together by the build

namespace {

std::string escaped_for_html(std::string_view text) {
  std::string html;
  for (const char c : text) {
    switch (c) {
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '&':
        html += "&amp;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

// JSON has "<" only inside of strings, where an escape means the same. Text that is not UTF-8 is replaced.
std::string escaped_for_script(const nlohmann::ordered_json& document) {
  std::string json;
  for (const char c : document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)) {
    if (c == '<')
      json += "\\u003c";
    else
      json += c;
  }
  return json;
}

}  // namespace

std::string render_report(const nlohmann::ordered_json& document) {
  const std::string heading = escaped_for_html(title(document)), json = escaped_for_script(document);
  std::string html;
  std::string_view rest = report_page;
  // In the order in which they stand in page.html.
  for (const auto& [mark, text] : {std::pair<std::string_view, const std::string&>{"{{TITLE}}", heading},
                                   {"{{TITLE}}", heading},
                                   {"{{DOCUMENT}}", json}}) {
    const size_t place = rest.find(mark);
    BYTECPU_CHECK(place != rest.npos);
    html.append(rest.substr(0, place)).append(text);
    rest.remove_prefix(place + mark.size());
  }
  return html.append(rest);
}

}  // namespace bytecpu
