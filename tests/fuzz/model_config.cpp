// The settings of a model in a checkpoint's config.json, without the model. What is taken, written and read
// again, is the same.
#include "model/network/config.hpp"
#include "tests/fuzz/support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bytecpu;
  using nlohmann::ordered_json;
  const auto json = ordered_json::parse(fuzz::Input(data, size).text(), nullptr, false);
  if (!json.is_object() || !json.contains("model")) return 0;
  ModelConfig config;
  try {
    if (!fuzz::accepted([&] {
          config = json.at("model").get<ModelConfig>();
          check(config);
        })) {
      return 0;
    }
  } catch (const ordered_json::exception&) {
    return 0;  // the reader of checkpoints makes an Error of it
  }
  fuzz::expect(ordered_json(config).get<ModelConfig>() == config, "written and read it is the same");
  return 0;
}
