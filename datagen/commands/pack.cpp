// bytecpu-datagen pack: its options, and what it prints.
#include "datagen/files/pack.hpp"

#include "datagen/commands/commands.hpp"
#include "datagen/files/listing.hpp"
#include "datagen/files/pack_plan.hpp"

namespace bytecpu {
namespace {

using nlohmann::ordered_json;

struct Values {
  PackOptions pack;
  bool json = false;
};

OptionList options(Values& v) {
  using Longer = PackOptions::Longer;
  using Labels = PackOptions::Labels;
  constexpr double most_bytes = 1 << 30;
  auto& p = v.pack;
  OptionList field;
  field(p.folder, "folder", text("DIR"), "folder of files").required().positional();
  field(p.out, "out", text("DATASET"), "folder to write; an interrupted one is completed").required();
  field(p.test, "test", text("SHARE|DIR"),
        "share of the contents that is for testing, or a folder of other files");
  field(p.seed, "seed", at_least(0), "seed of the draw of test contents");
  field(p.pairs, "pairs", text("A:B"),
        "pairs of files of these extensions, one folder and one stem, as in abc:mid");
  field(p.labels, "labels",
        Names<Labels>{{"none", Labels::none}, {"name", Labels::name}, {"folder", Labels::folder}},
        "name: up to the first _; folder: the first one below DIR");
  field(p.max_bytes, "max-bytes", in(1, most_bytes),
        "most bytes of a document, of a pair's two files together");
  field(p.longer, "longer",
        Names<Longer>{{"refuse", Longer::refuse},
                      {"skip", Longer::skip},
                      {"head", Longer::head},
                      {"windows", Longer::windows}},
        "files that are longer: an error; left out; their first bytes alone; all, in consecutive pieces");
  field(p.keep_duplicates, "duplicates", Names<bool>{{"keep", true}, {"drop", false}},
        "files of the same content, extension and label as another one");
  field(p.shard_bytes, "shard-bytes", in(1, most_bytes),
        "most bytes of a shard, where no document alone has more");
  field(p.threads, "threads", in(1, 1024), "threads; changes nothing but the speed");
  field(p.part, "part", PartText{},
        "only part K of N of the shards; when all are there, the same without --part makes the dataset");
  field(v.json, "json", "print the summary as JSON");
  return field;
}

struct Sums {
  int64_t documents = 0, files = 0, bytes = 0;
};

Sums sums_of(const FileManifest& manifest) {
  Sums sums;
  for (const Split s : splits) {
    sums.documents += manifest[s].documents;
    sums.files += manifest[s].files;
    sums.bytes += manifest[s].bytes;
  }
  return sums;
}

ordered_json to_json(const PackResult& result, const std::filesystem::path& out) {
  const auto [documents, files, bytes] = sums_of(result.manifest);
  ordered_json json = {{"out", out.string()},
                       {"documents", documents},
                       {"files", files},
                       {"bytes", bytes},
                       {"extensions", result.manifest.extensions.size()},
                       {"labels", result.manifest.labels.size()},
                       {"seconds", result.seconds},
                       {"resumed_shards", result.resumed_shards},
                       {"damaged_shards", result.damaged_shards},
                       {"found", result.manifest.found}};
  for (const Split s : splits) {
    const auto& split = result.manifest[s];
    json["splits"][to_string(s)] = {
        {"documents", split.documents}, {"files", split.files}, {"bytes", split.bytes}};
  }
  return json;
}

void print_shards(const PackResult& result, const PackOptions& options) {
  if (result.resumed_shards > 0) fmt::print("{} shards were there already\n", result.resumed_shards);
  for (const auto& shard : result.damaged_shards)
    fmt::print("{} was not as it had been written: made again\n", (options.out / shard).string());
}

void print(const PackResult& result, const PackOptions& options) {
  const auto& manifest = result.manifest;
  for (const Split s : splits) {
    fmt::print("{:<6}{:>12} documents {:>12} files {:>16} bytes\n", to_string(s), manifest[s].documents,
               manifest[s].files, manifest[s].bytes);
  }
  for (const auto& [key, value] : manifest.found.items()) {
    if (const auto line = listing_line(value)) fmt::print("{}\n", *line);
  }
  const auto [documents, files, bytes] = sums_of(manifest);
  const auto group = manifest.found.value("largest_group", int64_t{0}) * (manifest.pairs ? 2 : 1);
  if (group * 10 > files)
    fmt::print("{} of {} files share contents, so all of them are in one split\n", group, files);
  print_shards(result, options);
  fmt::print("{}: {} documents, {} bytes in {:.2f} s, {:.0f} files/s, {:.1f} MB/s\n", options.out.string(),
             documents, bytes, result.seconds, static_cast<double>(files) / result.seconds,
             static_cast<double>(bytes) / 1e6 / result.seconds);
}

void print_part(const PackResult& result, const Values& v) {
  const auto part = to_string(*v.pack.part);
  if (v.json) {
    fmt::print("{}\n", json_text({{"out", v.pack.out.string()},
                                  {"part", part},
                                  {"shards", result.shards},
                                  {"all_shards", result.all_shards},
                                  {"resumed_shards", result.resumed_shards},
                                  {"damaged_shards", result.damaged_shards},
                                  {"seconds", result.seconds}}));
  } else {
    print_shards(result, v.pack);
    fmt::print("{}, part {}: {} of {} shards in {:.2f} s\n", v.pack.out.string(), part, result.shards,
               result.all_shards, result.seconds);
  }
}

void run(Values& v, const OptionList& given) {
  const auto share = test_share(v.pack);
  if (!share) given.refuse("nothing is drawn where --test is a folder", v.pack.seed);
  if (share == 0.0 || share == 1.0) given.refuse("nothing is drawn where --test is 0 or 1", v.pack.seed);
  const auto result = pack(v.pack);
  if (v.pack.part) return print_part(result, v);
  if (v.json) {
    fmt::print("{}\n", json_text(to_json(result, v.pack.out)));
  } else {
    print(result, v.pack);
  }
}

}  // namespace

cli::Command pack_command() {
  return cli::command<Values>(
      "pack",
      "A folder of files of any kind becomes a dataset.\n"
      "All files below it, hidden ones too; links are not followed. No content is in both train and test.",
      "DIR --out DATASET [options]", options, run);
}

}  // namespace bytecpu
