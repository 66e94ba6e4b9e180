#include "model/inference/compression.hpp"

#include <algorithm>

#include "model/inference/arithmetic_coder.hpp"

namespace bytecpu {
namespace {

// A file or a piece of one: which, and which of its bytes.
struct Piece {
  size_t file;
  int64_t begin, end;
};

// Calls `code(file, place, logits of 256 bytes)` for each byte of the files, which returns the byte: pieces side by
// side, in an order that depends on the model and the sizes alone.
template <typename Code>
void for_each_byte(ByteModel& model, std::span<const FileSize> sizes, int64_t batch, const Code& code,
                   const std::function<void(int64_t)>& done) {
  c10::InferenceMode inference;
  const int64_t patch = model.config().patch_size;
  const int64_t most = (model.config().patch_length - 2) * patch;  // besides the extension and the end
  std::vector<Piece> pieces;
  for (size_t i = 0; i < sizes.size(); ++i) {
    for (int64_t begin = 0; begin < sizes[i].bytes; begin += most) {
      pieces.push_back({i, begin, std::min(begin + most, sizes[i].bytes)});
    }
  }
  int64_t coded = 0;
  for (size_t first = 0; first < pieces.size(); first += static_cast<size_t>(batch)) {
    const auto from = pieces.begin() + static_cast<ptrdiff_t>(first);
    std::vector<Piece> live(from, from + std::min<ptrdiff_t>(batch, pieces.end() - from));
    std::vector<Document> starts;
    for (const auto& piece : live) starts.push_back(Document::file(sizes[piece.file].extension, {}, false));
    const auto history = model.begin(starts);
    while (true) {
      const auto count = std::ssize(live);
      const auto patches = torch::full({count, patch}, nothing, torch::kLong);
      const auto condition = history->condition();
      ByteCache cache;
      const auto longest = std::ranges::max(live, {}, [](const Piece& p) { return p.end - p.begin; });
      for (int64_t i = 0; i < std::min(patch, longest.end - longest.begin); ++i) {
        const auto logits = model.logits(condition, patches.to(model.device()), i + 1, &cache)
                                .select(1, 0)
                                .to(torch::kCPU, torch::kFloat)
                                .contiguous();
        for (int64_t b = 0; b < count; ++b) {
          const auto& piece = live[static_cast<size_t>(b)];
          if (piece.begin + i >= piece.end) continue;
          const int64_t at = piece.begin + i;
          const int64_t place = model.config().from_end ? sizes[piece.file].bytes - 1 - at : at;
          patches.data_ptr<int64_t>()[b * patch + i] =
              code(piece.file, static_cast<size_t>(place),
                   std::span(logits.data_ptr<float>() + b * symbols, static_cast<size_t>(nothing)));
          ++coded;
        }
      }
      if (done) done(coded);
      std::vector<int64_t> on;
      std::vector<Piece> remaining;
      for (int64_t b = 0; b < count; ++b) {
        auto piece = live[static_cast<size_t>(b)];
        piece.begin += patch;
        if (piece.begin >= piece.end) continue;
        on.push_back(b);
        remaining.push_back(piece);
      }
      live = std::move(remaining);
      if (live.empty()) break;
      const auto index = torch::tensor(on, torch::kLong);
      history->keep(index.to(model.device()));
      history->append(patches.index_select(0, index).to(model.device()));
    }
  }
}

}  // namespace

std::vector<uint8_t> compress(ByteModel& model, std::span<const FileSize> sizes,
                              std::span<const std::vector<uint8_t>> files, int64_t batch,
                              const std::function<void(int64_t)>& done) {
  Encoder encoder;
  const auto code = [&](size_t file, size_t place, std::span<const float> logits) {
    const uint8_t byte = files[file][place];
    encoder.encode(byte, Frequencies(logits));
    return byte;
  };
  for_each_byte(model, sizes, batch, code, done);
  return encoder.finish();
}

std::vector<std::vector<uint8_t>> decompress(ByteModel& model, std::span<const FileSize> sizes,
                                             std::span<const uint8_t> compressed, int64_t batch,
                                             const std::function<void(int64_t)>& done) {
  std::vector<std::vector<uint8_t>> files;
  for (const auto& size : sizes) files.emplace_back(static_cast<size_t>(size.bytes));
  Decoder decoder(compressed);
  const auto code = [&](size_t file, size_t place, std::span<const float> logits) {
    return files[file][place] = decoder.decode(Frequencies(logits));
  };
  for_each_byte(model, sizes, batch, code, done);
  return files;
}

}  // namespace bytecpu
