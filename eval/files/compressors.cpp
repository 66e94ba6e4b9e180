#include "eval/files/compressors.hpp"

#include <lzma.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <memory>

#include "emulator/error.hpp"

namespace bytecpu {
namespace {

constexpr size_t most_before = 64 << 20;
using Buffer = std::array<uint8_t, 1 << 16>;

Parts last_of(const Parts& parts) {
  size_t total = 0;
  auto first = parts.end();
  while (first != parts.begin() && total < most_before) total += (--first)->size();
  return {first, parts.end()};
}

size_t size_of(const Parts& parts) {
  size_t total = 0;
  for (const auto& part : parts) total += part.size();
  return total;
}

// The size of the stream with `parts`, one after the other.
int64_t xz_size(const Parts& parts) {
  lzma_options_lzma options;
  if (lzma_lzma_preset(&options, 9 | LZMA_PRESET_EXTREME)) throw Error("xz: its library has no level 9");
  options.dict_size = static_cast<uint32_t>(
      std::clamp<size_t>(std::bit_ceil(size_of(parts) + 1), LZMA_DICT_SIZE_MIN, size_t{2} * most_before));
  const std::array<lzma_filter, 2> filters = {lzma_filter{LZMA_FILTER_LZMA2, &options},
                                              lzma_filter{LZMA_VLI_UNKNOWN, nullptr}};
  lzma_stream stream = LZMA_STREAM_INIT;
  const std::unique_ptr<lzma_stream, void (*)(lzma_stream*)> ended(&stream, lzma_end);
  if (lzma_stream_encoder(&stream, filters.data(), LZMA_CHECK_NONE) != LZMA_OK) {
    throw Error("xz: cannot begin: out of memory?");
  }
  Buffer out;
  const auto code = [&](lzma_action action) {
    while (true) {
      stream.next_out = out.data();
      stream.avail_out = out.size();
      const auto result = lzma_code(&stream, action);
      if (result != LZMA_OK && result != LZMA_STREAM_END)
        throw Error("xz: error {}", static_cast<int>(result));
      if (action == LZMA_FINISH ? result == LZMA_STREAM_END : stream.avail_in == 0) return;
    }
  };
  for (const auto& part : parts) {
    stream.next_in = part.data();
    stream.avail_in = part.size();
    code(LZMA_RUN);
  }
  code(LZMA_FINISH);
  return static_cast<int64_t>(stream.total_out);
}

int64_t zstd_size(const Parts& parts) {
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  const auto require = [](size_t result) {
    if (ZSTD_isError(result)) throw Error("zstd: {}", ZSTD_getErrorName(result));
    return result;
  };
  require(ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, 19));
  const int window = std::clamp<int>(std::bit_width(size_of(parts)), 10, 27);
  require(ZSTD_CCtx_setParameter(context.get(), ZSTD_c_windowLog, window));
  Buffer out;
  int64_t size = 0;
  const auto code = [&](std::span<const uint8_t> part, ZSTD_EndDirective action) {
    ZSTD_inBuffer in = {part.data(), part.size(), 0};
    while (true) {
      ZSTD_outBuffer to = {out.data(), out.size(), 0};
      const size_t left = require(ZSTD_compressStream2(context.get(), &to, &in, action));
      size += static_cast<int64_t>(to.pos);
      if (action == ZSTD_e_end ? left == 0 : in.pos == in.size) return;
    }
  };
  for (const auto& part : parts) code(part, ZSTD_e_continue);
  code({}, ZSTD_e_end);
  return size;
}

int64_t added(int64_t (*size)(const Parts&), const Parts& before, const Parts& tested) {
  Parts all = last_of(before);
  const int64_t alone = size(all);
  all.insert(all.end(), tested.begin(), tested.end());
  return size(all) - alone;
}

}  // namespace

int64_t xz_bytes(const Parts& before, const Parts& tested) { return added(xz_size, before, tested); }
int64_t zstd_bytes(const Parts& before, const Parts& tested) { return added(zstd_size, before, tested); }

}  // namespace bytecpu
