// A dataset's folder: a byte whether checksums are put right first, the manifest up to a zero, then its first
// training shard. What is opened has the traces that the manifest counts; verify says what else is wrong.
#include "datagen/dataset/dataset.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "datagen/dataset/verify.hpp"
#include "datagen/io/files.hpp"
#include "tests/fuzz/support.hpp"

namespace {

using namespace bytecpu;
using nlohmann::ordered_json;
namespace fs = std::filesystem;

// Gone with the process.
const fs::path& folder() {
  static const struct Folder {
    Folder() : path(fs::exists("/dev/shm") ? "/dev/shm" : fs::temp_directory_path()) {
      path /= "bytecpu-fuzz-" + std::to_string(getpid());
      fs::create_directory(path);
    }
    ~Folder() { fs::remove_all(path); }
    fs::path path;
  } folder;
  return folder.path;
}

void put(const fs::path& file, std::string_view contents) {
  auto* out = std::fopen(file.c_str(), "wb");
  // Of nothing there may be no address either.
  const bool written =
      out && (contents.empty() || std::fwrite(contents.data(), 1, contents.size(), out) == contents.size());
  fuzz::expect(written, "a file is put");
  std::fclose(out);
}

// The manifest with the checksum of its first training shard; as it is where it has no such.
std::string with_checksum(std::string_view manifest, std::string_view shard) {
  auto json = ordered_json::parse(manifest, nullptr, false);
  const ordered_json::json_pointer place("/splits/train/shards/0");
  if (json.is_discarded() || !json.contains(place) || !json[place].is_object()) return std::string(manifest);
  json[place]["checksum"] = checksum({reinterpret_cast<const uint8_t*>(shard.data()), shard.size()});
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const bool put_right = input.byte() % 2 == 1;
  const auto text = input.text();
  const auto manifest = text.substr(0, text.find('\0'));
  const auto shard = text.substr(std::min(manifest.size() + 1, text.size()));
  put(folder() / "manifest.json", put_right ? with_checksum(manifest, shard) : std::string(manifest));
  put(folder() / "train-00000.safetensors", shard);

  fuzz::accepted([] {
    const Dataset dataset(folder());
    for (const Split s : splits) {
      int64_t states = 0, bytes = 0;
      fuzz::expect(static_cast<int64_t>(dataset.size(s)) == dataset.manifest()[s].traces,
                   "it has its traces");
      for (size_t i = 0; i < dataset.size(s); ++i) {
        const Trace& trace = dataset.trace(s, i);
        fuzz::expect(trace.is_whole(), "a dataset's traces are whole");
        states += trace.states() + 1;
        bytes += std::ssize(trace.bytes);
      }
      fuzz::expect(states == dataset.manifest()[s].states && bytes == dataset.manifest()[s].bytes,
                   "a dataset counts its states");
    }
  });
  fuzz::accepted([] {
    for (const auto& failure : verify_dataset(folder(), {}).failures)
      fuzz::expect(!failure.problem.empty(), "a failure says what is wrong");
  });
  return 0;
}
