#include "datagen/io/safetensors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "emulator/error.hpp"

namespace bytecpu::safetensors {
namespace {

using nlohmann::ordered_json;
static_assert(std::endian::native == std::endian::little, "tensors are little-endian and used in place");

struct DtypeInfo {
  Dtype dtype;
  std::string_view name;
  size_t bytes;
};
constexpr std::array dtypes = {
    DtypeInfo{Dtype::BOOL, "BOOL", 1}, DtypeInfo{Dtype::U8, "U8", 1},   DtypeInfo{Dtype::I16, "I16", 2},
    DtypeInfo{Dtype::I32, "I32", 4},   DtypeInfo{Dtype::I64, "I64", 8}, DtypeInfo{Dtype::BF16, "BF16", 2},
    DtypeInfo{Dtype::F16, "F16", 2},   DtypeInfo{Dtype::F32, "F32", 4}, DtypeInfo{Dtype::F64, "F64", 8}};

constexpr size_t length_bytes = 8;
constexpr uint64_t most_header_bytes = 100'000'000;
constexpr int most_values = 200'000;  // some 20,000 tensors
constexpr int deepest = 3;            // header, tensor, its shape

// A duplicate name would silently win or lose; JSON libraries do not agree on which.
ordered_json parse_header(std::string_view text) {
  std::array<std::set<std::string>, deepest + 1> names;
  int values = 0;
  const auto check = [&](int depth, ordered_json::parse_event_t event, ordered_json& value) {
    using Event = ordered_json::parse_event_t;
    if (depth > deepest) throw Error("the header is nested too deeply");
    if (++values > most_values) throw Error("the header holds more than {} values", most_values);
    if (event == Event::object_start && depth < deepest) names[depth + 1].clear();
    if (event == Event::key && !names[depth].insert(value.get<std::string>()).second) {
      throw Error("\"{}\" is there twice", value.get<std::string>());
    }
    return true;
  };
  try {
    return ordered_json::parse(text, check);
  } catch (const ordered_json::exception&) {
    throw Error("the header is not valid JSON");
  }
}

std::optional<uint64_t> length(const ordered_json& json) {
  if (!json.is_number_unsigned()) return std::nullopt;
  const auto value = json.get<uint64_t>();
  if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
  return value;
}

Tensor parse_tensor(const std::string& name, const ordered_json& json, std::span<const uint8_t> data) {
  const auto fail = [&](std::string_view why) { throw Error("tensor \"{}\": {}", name, why); };
  if (!json.is_object() || json.size() != 3 || !json.contains("dtype") || !json.contains("shape") ||
      !json.contains("data_offsets")) {
    fail("needs dtype, shape and data_offsets, and nothing else");
  }
  Tensor tensor{.name = name, .dtype = Dtype::U8, .shape = {}, .bytes = {}};

  const auto dtype =
      std::find_if(dtypes.begin(), dtypes.end(), [&](const auto& d) { return json["dtype"] == d.name; });
  if (dtype == dtypes.end()) fail(fmt::format("unknown dtype {}", json["dtype"].dump(-1, ' ', true)));
  tensor.dtype = dtype->dtype;

  if (!json["shape"].is_array()) fail("shape is not an array");
  uint64_t bytes = dtype->bytes;
  for (const auto& dimension : json["shape"]) {
    const auto n = length(dimension);
    if (!n) fail("shape holds something that is no length");
    if (__builtin_mul_overflow(bytes, *n, &bytes)) fail("shape is too large");
    tensor.shape.push_back(static_cast<int64_t>(*n));
  }

  const auto& offsets = json["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2) fail("data_offsets are not two numbers");
  const auto begin = length(offsets[0]), end = length(offsets[1]);
  if (!begin || !end || *begin > *end) fail("data_offsets are not two numbers in order");
  if (*end > data.size()) fail("reaches past the end of the file; is it cut short?");
  if (*end - *begin != bytes)
    fail(fmt::format("shape wants {} bytes, data_offsets hold {}", bytes, *end - *begin));
  tensor.bytes = data.subspan(*begin, bytes);
  return tensor;
}

Metadata parse_metadata(const ordered_json& json) {
  if (!json.is_object()) throw Error("__metadata__ is not an object");
  Metadata metadata;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) throw Error("__metadata__ \"{}\" is not a string", key);
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

constexpr auto contents_key = "contents";

// Of all that a file holds, but for the checksum itself.
std::string contents_checksum(std::span<const Tensor> tensors, const Metadata& metadata) {
  std::string text;
  for (const auto& [key, value] : metadata) {
    if (key != contents_key) text += fmt::format("{} {}\n", key, value);
  }
  for (const auto& tensor : tensors) {
    text += fmt::format("{} {} {} {}\n", tensor.name, to_string(tensor.dtype), tensor.bytes.size(),
                        checksum(tensor.bytes));
  }
  return checksum({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

}  // namespace

std::string_view to_string(Dtype dtype) { return dtypes[static_cast<size_t>(dtype)].name; }
size_t bytes_per_element(Dtype dtype) { return dtypes[static_cast<size_t>(dtype)].bytes; }

void write(const std::filesystem::path& path, std::span<const Tensor> tensors, const Metadata& metadata) {
  ordered_json header;
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const auto& tensor : tensors) {
    uint64_t bytes = bytes_per_element(tensor.dtype);
    for (const int64_t n : tensor.shape) bytes *= n;
    BYTECPU_CHECK(bytes == tensor.bytes.size());
    BYTECPU_CHECK(!header.contains(tensor.name));
    header[tensor.name] = {{"dtype", to_string(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  auto text = header.is_null() ? "{}" : header.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  BYTECPU_CHECK(text.size() <= most_header_bytes);

  std::array<uint8_t, length_bytes> prefix;
  const uint64_t header_bytes = text.size();
  std::memcpy(prefix.data(), &header_bytes, prefix.size());
  std::vector<std::span<const uint8_t>> parts{prefix,
                                              {reinterpret_cast<const uint8_t*>(text.data()), text.size()}};
  for (const auto& tensor : tensors) parts.push_back(tensor.bytes);
  write_file(path, parts);
}

File::File(const std::filesystem::path& path) : path_(path), map_(path) {
  const auto bytes = map_.bytes();
  try {
    if (bytes.size() < length_bytes) throw Error("too short for a safetensors file");
    uint64_t header_bytes;
    std::memcpy(&header_bytes, bytes.data(), length_bytes);
    if (header_bytes > most_header_bytes || header_bytes > bytes.size() - length_bytes) {
      throw Error("the header's length does not fit the file; not a safetensors file, or cut short");
    }
    const auto data = bytes.subspan(length_bytes + header_bytes);
    const auto header =
        parse_header({reinterpret_cast<const char*>(bytes.data()) + length_bytes, header_bytes});
    if (!header.is_object()) throw Error("the header is not a JSON object");
    for (const auto& [name, value] : header.items()) {
      if (name == "__metadata__") {
        metadata_ = parse_metadata(value);
      } else {
        tensors_.push_back(parse_tensor(name, value, data));
      }
    }

    std::stable_sort(tensors_.begin(), tensors_.end(), [](const Tensor& a, const Tensor& b) {
      return std::pair(a.bytes.data(), a.bytes.size()) < std::pair(b.bytes.data(), b.bytes.size());
    });
    const uint8_t* next = data.data();
    for (const auto& tensor : tensors_) {
      if (tensor.bytes.data() != next)
        throw Error("tensor \"{}\": a gap or an overlap before its data", tensor.name);
      next += tensor.bytes.size();
    }
    if (next != data.data() + data.size()) throw Error("bytes after the last tensor");
  } catch (const Error& e) {
    throw Error("{}: {}", path.string(), e.what());
  }
}

const Tensor* File::find(std::string_view name) const {
  const auto found =
      std::find_if(tensors_.begin(), tensors_.end(), [&](const auto& t) { return t.name == name; });
  return found == tensors_.end() ? nullptr : &*found;
}

const Tensor& File::require(std::string_view name, Dtype dtype, size_t dimensions) const {
  const auto* tensor = find(name);
  if (!tensor) throw Error("{}: there is no tensor \"{}\"", path_.string(), name);
  if (tensor->dtype != dtype || tensor->shape.size() != dimensions) {
    throw Error("{}: tensor \"{}\" is {} of {} dimensions; expected {} of {}", path_.string(), name,
                to_string(tensor->dtype), tensor->shape.size(), to_string(dtype), dimensions);
  }
  return *tensor;
}

void add_contents(std::span<const Tensor> tensors, Metadata& metadata) {
  metadata[contents_key] = contents_checksum(tensors, metadata);
}

std::optional<bool> intact(const File& file) {
  const auto found = file.metadata().find(contents_key);
  if (found == file.metadata().end()) return std::nullopt;
  return found->second == contents_checksum(file.tensors(), file.metadata());
}

}  // namespace bytecpu::safetensors
