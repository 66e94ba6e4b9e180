#include "datagen/files/export_files.hpp"

#include "datagen/files/file_dataset.hpp"
#include "datagen/files/names.hpp"
#include "datagen/io/cli.hpp"
#include "datagen/io/files.hpp"
#include "datagen/io/output_folder.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::vector<std::span<const uint8_t>>& parts) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) throw Error("cannot write {}: {}", path.string(), error.message());
  write_file(path, parts, Sync::later);
}

}  // namespace

FileExport export_files(const fs::path& dataset, const fs::path& out) {
  const FileDataset files(dataset);
  const OutputFolder folder(out);
  folder.require_empty();
  FileExport result;
  cli::Progress progress("export", "documents",
                         static_cast<double>(files.size(Split::train) + files.size(Split::test)));
  double done = 0;
  for (const Split s : splits) {
    const auto i = static_cast<size_t>(s);
    std::vector<std::span<const uint8_t>> parts;  // of one file: its windows
    for (size_t d = 0; d < files.size(s); ++d) {
      const auto name = files.name(s, d);
      // The reader refused such a dataset; a write outside of the folder must not depend on that.
      BYTECPU_CHECK(name_problem(name).empty());
      const auto document = files.document(s, d);
      parts.push_back(document.steps);
      result.bytes[i] += std::ssize(document.steps);
      progress.update(++done);
      // Of pairs the names differ from one document to the next.
      if (!document.complete && d + 1 < files.size(s) && files.name(s, d + 1) == name) continue;
      write(out / to_string(s) / name, parts);
      result.files[i] += 1;
      result.heads += !document.complete;
      parts.clear();
    }
  }
  sync_file_system(out);
  return result;
}

}  // namespace bytecpu
