#include "model/inference/compress_commands.hpp"

#include <algorithm>

#include "datagen/files/names.hpp"
#include "datagen/io/files.hpp"
#include "datagen/io/output_folder.hpp"
#include "model/compute/device.hpp"
#include "model/inference/archive.hpp"
#include "model/inference/file_model.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;

struct CompressValues {
  std::vector<std::string> files;
  fs::path checkpoint, out;
  InferenceOptions inference;
  int batch = 64;
  bool json = false;
};

OptionList options(CompressValues& v) {
  OptionList field;
  field(v.files, "files", text("FILE ..."), "files to compress").required().positional();
  field(v.checkpoint, "checkpoint", text("RUN"),
        "a trained model of files: a run's folder, or a checkpoint's")
      .required();
  field(v.out, "out", text("FILE"), "the new archive").required();
  field(v.batch, "batch", in(1, 1 << 16), "files, or pieces of them, coded at once");
  inference_options(field, v.inference);
  field(v.json, "json", "print the summary as JSON");
  return field;
}

// What "auto" and 0 came to.
InferenceOptions resolved(const ByteModel& model) {
  return {at::get_num_threads(), precision_name(model.precision()),
          model.device().is_cuda() ? "cuda" : "cpu"};
}

int64_t sum_of(std::span<const FileSize> sizes) {
  int64_t sum = 0;
  for (const auto& size : sizes) sum += size.bytes;
  return sum;
}

void compress_files(CompressValues& v, const OptionList&) {
  if (fs::exists(v.out)) throw Error("{}: is there already", v.out.string());
  std::vector<ArchivedFile> files;
  std::vector<FileSize> sizes;
  std::vector<std::vector<uint8_t>> contents;
  for (const auto& path : v.files) {
    const auto name = std::string(base_name(path));
    if (std::ranges::find(files, name, &ArchivedFile::name) != files.end()) {
      throw UsageError("{}: another file is called {}, too", path, name);
    }
    const auto bytes = read_file(path);
    const auto span = bytes_of(bytes);
    sizes.push_back(files.emplace_back(name, std::ssize(span), checksum(span)).size());
    contents.emplace_back(span.begin(), span.end());
  }
  const auto model = load_model_of_files(v.checkpoint, v.inference);
  const auto bytes = sum_of(sizes);
  cli::Progress progress("compress", "bytes", static_cast<double>(bytes));
  const auto coded =
      compress(*model, sizes, contents, v.batch, [&](int64_t n) { progress.update(static_cast<double>(n)); });
  write_archive(v.out, {weights_of(v.checkpoint), resolved(*model), v.batch}, files, coded);
  const auto size = static_cast<int64_t>(fs::file_size(v.out));
  const double bits = bytes == 0 ? 0 : 8.0 * static_cast<double>(coded.size()) / static_cast<double>(bytes);
  if (v.json) {
    fmt::print("{}\n", json_text({{"out", v.out.string()},
                                  {"files", files.size()},
                                  {"bytes", bytes},
                                  {"coded", coded.size()},
                                  {"archive", size},
                                  {"bits_per_byte", bits}}));
  } else {
    fmt::print("{}: {} files, {} bytes as {}: {:.3f} bits a byte; with names and checksums {}\n",
               v.out.string(), files.size(), bytes, coded.size(), bits, size);
  }
}

struct DecompressValues {
  std::string archive;
  fs::path checkpoint, out;
};

OptionList options(DecompressValues& v) {
  OptionList field;
  field(v.archive, "archive", text("ARCHIVE"), "of bytecpu-infer compress").required().positional();
  field(v.checkpoint, "checkpoint", text("RUN"), "the model that it was made with").required();
  field(v.out, "out", text("DIR"), "folder for the files; it must be new or empty").required();
  return field;
}

void decompress_files(DecompressValues& v, const OptionList&) {
  const Archive archive(v.archive);
  const auto& coding = archive.coding();
  if (weights_of(v.checkpoint) != coding.weights) {
    throw Error("{}: was made with another model than {}", v.archive, v.checkpoint.string());
  }
  const auto model = load_model_of_files(v.checkpoint, coding.inference);
  const OutputFolder folder(v.out);
  folder.remove_temporaries();
  folder.require_empty();
  std::vector<FileSize> sizes;
  for (const auto& file : archive.files()) sizes.push_back(file.size());
  cli::Progress progress("decompress", "bytes", static_cast<double>(sum_of(sizes)));
  const auto files = decompress(*model, sizes, archive.compressed(), coding.batch,
                                [&](int64_t n) { progress.update(static_cast<double>(n)); });
  for (size_t i = 0; i < files.size(); ++i) {
    if (checksum(files[i]) == archive.files()[i].checksum) continue;
    throw Error(
        "{}: {} does not come out as it went in; only the machine and the build that compressed it compute the same "
        "probabilities",
        v.archive, escaped(archive.files()[i].name));
  }
  for (size_t i = 0; i < files.size(); ++i) {
    write_file(v.out / archive.files()[i].name, std::array{std::span<const uint8_t>(files[i])});
  }
  fmt::print("{}: {} files, {} bytes\n", v.out.string(), files.size(), sum_of(sizes));
}

}  // namespace

cli::Command compress_command() {
  return cli::command<CompressValues>(
      "compress", "Files without loss in fewer bytes, by the model's probabilities.",
      "FILE ... --checkpoint RUN --out ARCHIVE [options]", options, compress_files);
}

cli::Command decompress_command() {
  return cli::command<DecompressValues>("decompress", "The files of an archive, on the machine that made it.",
                                        "ARCHIVE --checkpoint RUN --out DIR", options, decompress_files);
}

}  // namespace bytecpu
