// What evaluation reads and writes of JSON: metrics.jsonl, and documents made into text and a report. A byte
// for which of the two.
#include "eval/documents/text.hpp"
#include "eval/documents/training_metrics.hpp"
#include "eval/report/report.hpp"
#include "tests/fuzz/support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bytecpu;
  using nlohmann::ordered_json;
  fuzz::Input input(data, size);
  if (input.byte() % 2 == 0) {
    const fuzz::MemoryFile file(input.text());
    fuzz::accepted([&] {
      for (const auto& line : read_training_metrics(file.path()))
        fuzz::expect(line.is_object(), "a line of metrics is an object");
    });
    return 0;
  }
  const auto document = ordered_json::parse(input.text(), nullptr, false);
  if (document.is_discarded()) return 0;
  try {
    fuzz::accepted([&] { render_report(document); });
    fuzz::accepted([&] { summary(document); });
  } catch (const ordered_json::exception&) {  // of a document that the programs do not write
  }
  return 0;
}
